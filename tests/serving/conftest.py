"""A server in this process, with a small model of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from chargen import checkpoint
from chargen.architecture import Architecture
from chargen.checkpoint import Checkpoint
from chargen.kinds import CLASSIFIER, GAPS
from chargen.serving.app import create
from chargen.serving.service import Limits, Service
from chargen.serving.shelf import Shelf
from tests.conftest import (
    mend_checkpoint,
    pair_checkpoint,
    random_weights,
    tag_checkpoint,
    tiny_checkpoint,
)

ADDRESS = "http://127.0.0.1"


def two_sided() -> Checkpoint:
    """An untrained model that fills gaps."""
    saved = tiny_checkpoint()
    architecture = Architecture("gru", 1, 12, 5, kind=GAPS)
    return replace(
        saved,
        architecture=architecture,
        weights=random_weights(architecture, len(saved.vocabulary)),
    )


def classifier() -> Checkpoint:
    """An untrained model that tells labels."""
    saved = tiny_checkpoint()
    architecture = Architecture("gru", 1, 12, 5, kind=CLASSIFIER, labels=2)
    return replace(
        saved,
        architecture=architecture,
        weights=random_weights(architecture, len(saved.vocabulary)),
        labels=("sea", "land"),
    )


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: a model of each kind."""
    out = tmp_path_factory.mktemp("served")
    for name, saved in {
        "tiny": tiny_checkpoint(),
        "gaps": two_sided(),
        "teller": classifier(),
        "pairs": pair_checkpoint(),
        "tags": tag_checkpoint(),
        "mends": mend_checkpoint(),
    }.items():
        (out / name).mkdir()
        checkpoint.write(out / name / "best.safetensors", saved)
    return out


@pytest.fixture
def service(models: Path) -> Service:
    """What a server works with, with low limits."""
    return Service(
        Shelf(models, None, 1e9),
        Limits(body=20_000, text=5000, length=30_000, requests=8, rows=8, queue=16),
    )


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    """A client of it."""
    with TestClient(create(service), base_url=ADDRESS) as client:
        yield client
