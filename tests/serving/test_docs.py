"""The page about serving, and the files for systemd and containers."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx

from chargen.serving.app import create
from chargen.serving.requests import Completion
from chargen.serving.service import Service
from chargen.serving.shelf import Shelf
from tests.serving.test_openai import serving

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "serving.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def block(language: str) -> str:
    """Return the first block of a language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_commands_of_the_page_work(environment: dict[str, str], tmp_path: Path) -> None:
    """Its server, its program and its request; both write the same text, streamed or not."""
    line = block("sh").splitlines()[1].removeprefix("chargen serve ")
    with serving(environment, *shlex.split(line), key="") as (_, url):
        program = block("python").replace(ADDRESS, url)
        ran = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, cwd=tmp_path
        )
        made, streamed = ran.stdout.decode()[:60], ran.stdout.decode()[61:]
        assert len(streamed) == 60
        body = re.search(r"-d '(.*?)'", block("console"), re.DOTALL)
        assert body is not None
        answer = httpx.post(f"{url}/v1/completions", json=json.loads(body[1]), timeout=60)
        assert answer.json()["choices"][0]["text"] == made


def test_the_page_names_all_that_can_be_asked() -> None:
    """Every field of a completion, and every path."""
    fields = set(Completion.__struct_fields__) - {"model", "user"}
    assert all(f"`{name}`" in PAGE for name in fields)
    app = create(Service(Shelf(Path(), None, 0)))
    paths = {getattr(route, "path", "") for route in app.routes} - {"/v1/completions", "/"}
    assert all(path.replace("{model}", "NAME") in PAGE for path in paths)


def test_the_unit_and_the_recipe_are_well_formed() -> None:
    """The unit has three sections of settings; the recipe has instructions, and checks health."""
    unit = (DOCS / "chargen.service").read_text(encoding="utf-8")
    lines = [one for one in unit.splitlines() if one and not one.startswith("#")]
    assert [one for one in lines if one.startswith("[")] == ["[Unit]", "[Service]", "[Install]"]
    assert all(re.match(r"\[\w+\]$|\w+=", one) for one in lines)
    recipe = (DOCS / "Containerfile").read_text(encoding="utf-8")
    known = "FROM|COPY|RUN|ARG|USER|ENV|EXPOSE|HEALTHCHECK|ENTRYPOINT"
    steps = [one for one in recipe.splitlines() if one and not one.startswith("#")]
    assert all(re.match(f"({known}) ", one) for one in steps)
    lists = [json.loads(one[one.index("[") :]) for one in steps if " [" in one]
    compile(lists[0][2], "health", "exec")
    assert lists[1][:2] == ["chargen", "serve"]
