"""A server's models: by name, read anew when they change, within a limit of memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chargen import checkpoint
from chargen.serving.shelf import Shelf
from tests.conftest import tiny_checkpoint


def saved(out: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (out / name).mkdir(parents=True)
        checkpoint.write(out / name / "best.safetensors", tiny_checkpoint(seed=seed))


def test_all_runs_and_the_starter_are_offered(tmp_path: Path) -> None:
    """The newest first; what comes later is offered, too."""
    saved(tmp_path, "one")
    shelf = Shelf(tmp_path, None, 1e9)
    assert list(shelf.files()) == ["one", "starter"]
    saved(tmp_path, "two")
    assert set(shelf.files()) == {"one", "two", "starter"}
    assert shelf.get("two").name == "two"


@pytest.mark.parametrize("name", ["two", "../one", "one/best.safetensors", "", "/etc/passwd"])
def test_only_names_that_are_offered_are_found(tmp_path: Path, name: str) -> None:
    """A path is no name, not even that of a model."""
    saved(tmp_path, "one", "two")
    shelf = Shelf(tmp_path, {"one": tmp_path / "one" / "best.safetensors"}, 1e9)
    with pytest.raises(KeyError):
        shelf.get(name)


def test_a_model_that_changed_is_read_anew(tmp_path: Path) -> None:
    """One that did not is the same object."""
    saved(tmp_path, "one")
    shelf = Shelf(tmp_path, None, 1e9)
    first = shelf.get("one")
    assert shelf.get("one") is first
    path = tmp_path / "one" / "best.safetensors"
    checkpoint.write(path, tiny_checkpoint(seed=9))
    os.utime(path, ns=(1, 1))
    assert shelf.get("one") is not first


def test_models_that_take_too_much_are_forgotten(tmp_path: Path) -> None:
    """The one that was not used for the longest time goes; the one asked for stays, however big."""
    saved(tmp_path, "one", "two", "three")
    shelf = Shelf(tmp_path, None, 1e9)
    shelf.get("one")
    size = shelf.taken()
    shelf.memory = 2 * size
    for name in ("two", "one", "three"):
        shelf.get(name)
    assert list(shelf.loaded) == ["one", "three"]
    shelf.memory = 0
    shelf.get("two")
    assert list(shelf.loaded) == ["two"]
