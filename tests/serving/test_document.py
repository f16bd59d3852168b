"""The OpenAPI document says what the server does, for requests of all kinds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from chargen.serving.app import create
from chargen.serving.document import POSTS, document
from chargen.serving.service import Service
from chargen.serving.shelf import Shelf
from tests.serving.test_openai import serving

Case = schemathesis.Case[Any]

ALIKE = settings(max_examples=15, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.fixture(scope="module")
def described(models: Path) -> Iterator[Any]:
    """The document of a server that runs; requests go to it."""
    ours = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    limits = ("--most-text", "5000", "--most-length", "500")
    with serving(os.environ | ours, "--out", models, *limits, key="") as (_, url):
        yield schemathesis.openapi.from_url(f"{url}/openapi.json")


FITTING = {
    "/v1/completions": "tiny",
    "/v1/chargen/perplexity": "tiny",
    "/v1/chargen/surprise": "tiny",
    "/v1/chargen/restore": "gaps",
    "/v1/chargen/classify": "teller",
    "/v1/chargen/translate": "pairs",
    "/v1/chargen/tag": "tags",
}
"""A model that can answer."""


@pytest.mark.parametrize("path", POSTS)
def test_what_fits_the_document_is_answered_as_it_says(described: Any, path: str) -> None:
    """With a status, a type and a form that it names, and not always by an error.

    What fits may still not fit the model: a prompt with a character that it has never seen.
    """
    statuses = set()
    operation = described[path]["POST"]

    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))
    @ALIKE
    def check(case: Case) -> None:
        assert isinstance(case.body, dict)
        case.body["model"] = FITTING[path]
        case.body.pop("others", None)
        if path.endswith("restore"):
            case.body["text"] = f"The [2] {case.body['text']}"
            case.body.pop("gap", None)
        answer = case.call_and_validate(excluded_checks=[positive_data_acceptance])
        statuses.add(answer.status_code)

    check()
    assert 200 in statuses


@pytest.mark.parametrize("path", POSTS)
def test_what_does_not_fit_the_document_is_refused(described: Any, path: str) -> None:
    """By an error in the form that it names; none is a defect."""
    operation = described[path]["POST"]

    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
    @ALIKE
    def check(case: Case) -> None:
        answer = case.call_and_validate()
        assert 400 <= answer.status_code < 500

    check()


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/{model}", "/healthz"])
def test_what_is_read_is_as_described(described: Any, path: str) -> None:
    """Lists, single models, health."""

    @given(case=described[path]["GET"].as_strategy())
    @ALIKE
    def check(case: Case) -> None:
        case.call_and_validate()

    check()


def test_the_document_names_every_path(client: TestClient) -> None:
    """All but the page, the figures and itself."""
    told = client.get("/openapi.json").json()
    app = create(Service(Shelf(Path(), None, 0)))
    routes = {getattr(route, "path", "") for route in app.routes}
    assert set(told["paths"]) == routes - {"/openapi.json", "/metrics", "/"}
    assert told == document(keyed=False)
