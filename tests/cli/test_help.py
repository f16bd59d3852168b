"""The help: a whole sentence for each command, and a phrase that helps for each option."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from chargen.cli import app
from chargen.cli.app import PANELS
from tests.conftest import Chargen

NAMES = [name for names in PANELS.values() for name in names if name != "corpus"]
COMMANDS = [*([name] for name in NAMES), *(["corpus", one] for one in ("list", "get", "stats"))]

FEWEST = 4
"""Words that a phrase has at least, if it says what an option does."""


@pytest.mark.parametrize("columns", ["60", "80"])
def test_summaries_are_whole_sentences(chargen: Chargen, columns: str) -> None:
    """Each command has one line that ends with a full stop, and nothing is cut."""
    said = chargen("--help", extra={"COLUMNS": columns}).stdout.decode()
    for name in [*NAMES, "corpus"]:
        (line,) = [line for line in said.splitlines() if line.startswith(f"  {name} ")]
        assert line.endswith("."), line
        assert not line.endswith("..."), line


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_says_what_it_does(path: list[str]) -> None:
    """A phrase of some words; what it means in which unit, and what its effect is."""
    found: Any = typer.main.get_command(app)
    for name in path:
        found = found.commands[name]
    options = [one for one in found.params if one.param_type_name == "option"]
    assert len(options) >= 3
    short = [one.name for one in options if len((one.help or "").split()) < FEWEST]
    assert not short
