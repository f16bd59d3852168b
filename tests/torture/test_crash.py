"""Training is killed, starved and locked out at random moments; nothing is ever lost.

A few rounds by default; for more, and what came of them:

    CHARGEN_ROUNDS=500 python -m pytest -s tests/torture/test_crash.py

Trainers are forks of this process, so that PyTorch is imported once and a round takes a second.
Their writes are slowed down, so that many kills fall inside one.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chargen import checkpoint
from chargen.errors import ChargenError
from chargen.runs import Run
from tests.conftest import STORY, posix_only, prepared, write

pytestmark = posix_only

ROUNDS = int(os.environ.get("CHARGEN_ROUNDS", "6"))
STEPS, EVERY = 60, 3
SETTINGS = {
    "hidden": 12, "embed": 6, "layers": 1, "batch": 4, "bptt": 16, "steps": STEPS, "dropout": 0.2,
    "precision": "fp32", "evaluations": STEPS // EVERY, "device": "cpu",
}  # fmt: skip
WRITE_SECONDS = 0.01
LONGEST = 0.6
"""A trainer is killed at most this many seconds after its first step; a run takes longer."""

EARLY = 0.2
"""Share of the trainers that are killed before their first step."""

BEGUN = EVERY + 2
"""Steps after which a first checkpoint is whole."""

FAILED = 7


FORMS: dict[str, dict[str, Any]] = {".txt": {}, ".tsv": {"pairs": True}, ".iob": {"tags": True}}
"""Files of texts, of pairs, and of tokens with tags; and the options that say so."""


def written(folder: Path, suffix: str) -> Path:
    """Write the story as a text, or what it says in pairs or tokens; return the file."""
    words = enumerate(STORY.split())
    texts = {
        ".txt": STORY,
        ".tsv": "".join(f"{word}{n}\t{word.upper()}\n" for n, word in words),
        ".iob": "".join(f"{n}\tB-N\n{word}\tO\n\n" for n, word in enumerate(STORY.split())),
    }
    return write(folder / f"story{suffix}", texts[suffix])


def train(story: Path, out: Path, name: str, resume: bool, told: int | None = None) -> None:
    """Train to the end; write each step's number to the descriptor ``told``."""
    options = {} if resume else SETTINGS | FORMS[story.suffix]
    for report in prepared(story, out, options, name=name, resume=resume):
        if told is not None and report.event == "step":
            os.write(told, report.data["step"].to_bytes(4, "little"))


def forked(work: Callable[[], None]) -> int:
    """Do some work in a fork of this process, and return its id."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = FAILED
    try:
        torch.set_num_threads(1)
        work()
        code = 0
    except ChargenError as error:
        code = error.exit_code
        # Where a disk is full, a log may be, too.
        with suppress(OSError):
            os.write(2, f"{error}\n".encode())
    except Exception:  # noqa: BLE001 - shown, and then judged by the exit code
        traceback.print_exc()
    finally:
        os._exit(code)


def slowly() -> None:
    """Make every write to the disk take its time."""
    at_once = os.fsync

    def fsync(descriptor: Any) -> None:
        at_once(descriptor)
        time.sleep(WRITE_SECONDS)

    os.fsync = fsync  # type: ignore[assignment]


def begun(work: Callable[[int], None]) -> tuple[int, int]:
    """Fork a trainer, wait until it saves, and return its id and where it tells its steps."""
    told, tell = os.pipe()
    process = forked(lambda: work(tell))
    os.close(tell)
    for _ in range(BEGUN):
        assert os.read(told, 4), "the trainer ended early"
    return process, told


def ended(process: int) -> int:
    """Wait for a process; return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@pytest.fixture
def whole(tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    """A run that was left alone; in this process, so that its forks find everything imported."""
    story = written(tmp_path, getattr(request, "param", ".txt"))
    torch.set_num_threads(1)
    train(story, tmp_path, "whole", resume=False)
    return Run(tmp_path / "whole")


def same(one: Run, other: Run) -> bool:
    """Return whether two runs ended with the same bits: weights, optimizer, states, best model."""
    for mine, theirs in ((one.last, other.last), (one.best, other.best)):
        ours, yours = (checkpoint.read(path, resume=True) for path in (mine, theirs))
        for a, b in ((ours.weights, yours.weights), (ours.tensors, yours.tensors)):
            if a.keys() != b.keys() or not all(np.array_equal(a[k], b[k]) for k in a):
                return False
    return True


def sound(run: Run, reached: int) -> None:
    """Check what a fault left behind: whole files only, and at most one interval lost."""
    for path in (run.best, run.last):
        if path.exists():
            checkpoint.read(path, resume=True)
    if reached > EVERY:
        saved = checkpoint.read(run.last, resume=True).training["step"]
        assert saved >= reached - EVERY


@pytest.mark.parametrize("whole", FORMS, indirect=True)
def test_killed_again_and_again(whole: Run, tmp_path: Path) -> None:
    """After any SIGKILL a checkpoint loads, an interval is lost at most, the end is the same."""
    moments = random.Random()
    (story,) = tmp_path.glob("story.*")
    kills = inside = runs = reached = 0
    run = Run(tmp_path / "killed-0")
    while kills < ROUNDS or runs == 0:
        told, tell = os.pipe()

        def work(tell: int = tell, resume: bool = run.last.exists(), name: str = run.name) -> None:
            slowly()
            train(story, tmp_path, name, resume, tell)

        process = forked(work)
        os.close(tell)
        with os.fdopen(told, "rb", buffering=0) as pipe:
            first = b"" if moments.random() < EARLY else pipe.read(4)
            time.sleep(moments.uniform(0, LONGEST))
            os.kill(process, signal.SIGKILL)
            code = ended(process)
            told_all = first + pipe.readall()
        numbers = np.frombuffer(told_all, dtype="<u4").tolist()
        reached = max([reached, *numbers])
        sound(run, reached)
        assert code in (0, -signal.SIGKILL)
        if code:
            kills += 1
            inside += run.folder.exists() and any(run.folder.glob("*.tmp"))
            if not run.last.exists():
                continue
            if checkpoint.read(run.last, resume=True).training["step"] < STEPS:
                continue
            # Killed when all was saved: there is nothing to go on with.
            assert ended(forked(lambda: train(story, tmp_path, run.name, resume=True))) == 1  # noqa: B023
        assert same(run, whole)
        # Only a model that continues texts has fingerprints of its corpus.
        assert {path.name for path in run.folder.iterdir()} - {"fingerprints.safetensors"} == {
            "best.safetensors", "last.safetensors", "metrics.jsonl", "sources.json",
        }  # fmt: skip
        runs += 1
        run, reached = Run(tmp_path / f"killed-{runs}"), 0
    print(f"{kills} kills, {inside} inside a write, {runs} runs ended, all alike, nothing lost")


def test_a_full_disk(whole: Run, tmp_path: Path) -> None:
    """When a checkpoint no longer fits, training says so, the old one is whole, and resumes."""
    import resource

    story = tmp_path / "story.txt"
    run = Run(tmp_path / "full")

    def work(tell: int) -> None:
        # No file may be longer than that, which is what a full disk looks like to a writer.

        full = (999, 999)
        signal.signal(signal.SIGUSR1, lambda *_: resource.setrlimit(resource.RLIMIT_FSIZE, full))
        slowly()
        train(story, tmp_path, run.name, resume=False, told=tell)

    process, told = begun(work)
    os.kill(process, signal.SIGUSR1)
    assert ended(process) == 1
    os.close(told)
    sound(run, BEGUN)
    assert not list(run.folder.glob("*.tmp"))
    assert ended(forked(lambda: train(story, tmp_path, run.name, resume=True))) == 0
    assert same(run, whole)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs another user's rights")
def test_a_folder_that_becomes_read_only(whole: Run, tmp_path: Path) -> None:
    """When the folder can no longer be written, training says so, and resumes once it can."""
    nobody = 65534
    with tempfile.TemporaryDirectory() as place:
        out = Path(place)
        story = write(out / "story.txt", STORY)
        os.chown(out, nobody, nobody)
        run = Run(out / "locked")

        def work(tell: int | None, resume: bool = False) -> None:
            os.setuid(nobody)
            slowly()
            train(story, out, run.name, resume, tell)

        process, told = begun(work)
        run.folder.chmod(0o555)
        assert ended(process) == 1
        os.close(told)
        run.folder.chmod(0o755)
        sound(run, BEGUN)
        assert ended(forked(lambda: work(None, resume=True))) == 0
        assert same(run, whole)


def test_a_clock_that_steps_back(whole: Run, tmp_path: Path) -> None:
    """Neither the steps nor the saved state depend on the time of day."""
    story = tmp_path / "story.txt"
    run = Run(tmp_path / "clock")

    def work(tell: int | None, resume: bool = False) -> None:
        now = iter(range(10**9, 0, -3600))
        time.time = lambda: float(next(now))
        train(story, tmp_path, run.name, resume, tell)

    process, told = begun(work)
    os.kill(process, signal.SIGKILL)
    ended(process)
    os.close(told)
    for path in run.folder.iterdir():
        os.utime(path, (0, 0))
    assert ended(forked(lambda: work(None, resume=True))) == 0
    assert same(run, whole)


def test_two_trainers_of_one_run(whole: Run, tmp_path: Path) -> None:
    """The second is refused until the first has ended; after a kill it can resume the run."""
    story = tmp_path / "story.txt"
    run = Run(tmp_path / "shared")

    def work() -> None:
        slowly()
        train(story, tmp_path, run.name, resume=False)

    process = forked(work)
    while not run.last.exists():
        time.sleep(0.01)
    assert ended(forked(lambda: train(story, tmp_path, run.name, resume=True))) == 1
    os.kill(process, signal.SIGKILL)
    assert ended(process) == -signal.SIGKILL
    assert ended(forked(lambda: train(story, tmp_path, run.name, resume=True))) == 0
    assert same(run, whole)
