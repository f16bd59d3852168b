"""Work in another process: what it yields arrives, and nothing is lost if it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chargen.processes import working
from tests.conftest import posix_only


def squares(numbers: list[int]) -> Iterator[tuple[int, np.ndarray]]:
    for number in numbers:
        yield os.getpid(), np.full(number, number * number)


def failing(numbers: list[int]) -> Iterator[int]:
    yield from numbers
    raise ValueError("no more")


def killed() -> Iterator[int]:
    yield 1
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_is_yielded_there_arrives_here() -> None:
    """One after the other, made by another process."""
    with working(squares, [3, 1, 2]) as found:
        came = list(found)
    assert [array.tolist() for _, array in came] == [[9] * 3, [1], [4, 4]]
    assert {process for process, _ in came} != {os.getpid()}


@posix_only
@pytest.mark.parametrize("number", [0, 2])
def test_a_process_that_fails_ends_early(number: int) -> None:
    """By an error or by a kill: what came before has arrived, and the rest is missed."""
    with working(failing, list(range(number))) as found:
        assert list(found) == list(range(number))
    with working(killed) as found:
        assert list(found) == [1]


@pytest.mark.parametrize("program", [None, "", "/usr/bin/true", "/nowhere/python3"])
def test_where_no_process_can_be_started_nothing_comes(
    monkeypatch: pytest.MonkeyPatch, program: str | None
) -> None:
    """A Python inside another program, or a program made of chargen: the work is done here."""
    monkeypatch.setattr(sys, "executable", program)
    with working(squares, [1]) as found:
        assert list(found) == []


def test_nothing_is_imported_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file there that is called like a module of Python's is not that module."""
    (tmp_path / "pickle.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with working(squares, [2]) as found:
        assert next(found)[1].tolist() == [4, 4]


@posix_only
def test_nobody_is_left_behind() -> None:
    """Who wants no more ends the process."""
    with working(squares, [1] * 1_000_000) as found:
        process, _ = next(found)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_program_is_not_run_again(tmp_path: Path) -> None:
    """A script without a guard calls for work, and is not imported by the other process."""
    script = tmp_path / "program.py"
    script.write_text(
        "from chargen.processes import working\n"
        "from tests.test_processes import squares\n"
        "print('once')\n"
        "with working(squares, [2]) as found:\n"
        "    print(next(found)[1].tolist())\n"
    )
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, script],
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n") == ["once", "[4, 4]", ""]
