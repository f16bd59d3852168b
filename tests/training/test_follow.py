"""Following a training: an interruption saves, whoever asked for the training."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import chargen
from chargen import checkpoint
from chargen.runs import Run
from chargen.training.follow import interruptible
from chargen.training.reports import Report, Step
from tests.conftest import posix_only, prepared

TINY: dict[str, Any] = {"hidden": 16, "embed": 8, "batch": 4, "bptt": 16, "precision": "fp32"}


@posix_only
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_program_that_is_interrupted_loses_nothing(story: Path, name: str) -> None:
    """`chargen.train` saves the step under way, and then raises KeyboardInterrupt."""
    number = getattr(signal, name)

    def interrupt(report: Report) -> None:
        if isinstance(report, Step) and report.step == 7:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        chargen.train(story, out=story.parent / "runs", steps=9000, on_report=interrupt, **TINY)
    assert signal.getsignal(number) is before
    saved = checkpoint.read(Run(story.parent / "runs" / "story").last, resume=True)
    assert saved.training["step"] == 7


def test_a_mistake_in_the_callers_code_loses_nothing(story: Path) -> None:
    """If a callback fails, its error is passed on, after the run was saved."""

    def fail(report: Report) -> None:
        if isinstance(report, Step) and report.step == 7:
            raise LookupError("a defect of the caller")

    with pytest.raises(LookupError, match="of the caller"):
        chargen.train(story, out=story.parent / "runs", steps=9000, on_report=fail, **TINY)
    saved = checkpoint.read(Run(story.parent / "runs" / "story").last, resume=True)
    assert saved.training["step"] == 7


def test_training_works_in_any_thread(story: Path) -> None:
    """Python allows handlers of signals in the main thread only; elsewhere there are none."""
    made = prepared(story, story.parent / "runs", {"steps": 3, **TINY})
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with interruptible(made):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
    list(made)


@posix_only
def test_an_ignored_signal_stays_ignored(story: Path) -> None:
    """A training that was started by ``nohup`` survives the end of its terminal."""
    made = prepared(story, story.parent / "runs", {"steps": 3, **TINY})
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(made):
            os.kill(os.getpid(), signal.SIGHUP)
            assert not made.stopping
    finally:
        signal.signal(signal.SIGHUP, before)
    list(made)


@pytest.mark.parametrize("progress", [True, False, None])
def test_a_program_shows_progress_if_it_is_asked_to(
    story: Path, progress: bool | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, which is no terminal here; by default only on a terminal."""
    chargen.train(story, out=story.parent / "runs", steps=3, progress=progress, **TINY)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("best model:" in printed.err) == bool(progress)
