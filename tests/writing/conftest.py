"""A writer's desk with a tiny model, and waiting for what its assistant does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chargen.model import Model, load
from chargen.tasks.drawing import Sampling
from chargen.writing.assistant import Assistant
from chargen.writing.desk import Desk
from chargen.writing.manuscript import Manuscript

PATIENCE = 60.0
"""Seconds after which something will never come."""


def until(come: Callable[[], object]) -> None:
    """Wait for something that another thread or process does."""
    end = time.monotonic() + PATIENCE
    while not come():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


@pytest.fixture
def model(model_file: Path) -> Model:
    """A tiny model."""
    return load(model_file)


@pytest.fixture
def assistant(model: Model) -> Iterator[Assistant]:
    """Who reads along, with the tiny model."""
    made = Assistant(model.engine_for(None, writing=True), model.checkpoint.vocabulary)
    yield made
    made.close()


@pytest.fixture
def desk(tmp_path: Path, assistant: Assistant) -> Iterator[Desk]:
    """A desk with the text "The tide"; its proposals have the seeds from 5 on."""
    (tmp_path / "a.txt").write_text("The tide")
    made = Desk(Manuscript(tmp_path / "a.txt"), assistant, Sampling(length=20, temp=0.8, seed=5))
    yield made
    made.manuscript.close()


def proposed(desk: Desk) -> list[str]:
    """Wait for all proposals, and return them."""
    until(lambda: desk.proposals and all(one.over for one in desk.proposals))
    return [one.text for one in desk.proposals]
