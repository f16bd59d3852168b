"""Long runs: what training and sampling hold stays flat, and a corpus that changes is noticed.

Some seconds and some hundred samples by default; for more, with what was measured:

    CHARGEN_SECONDS=3600 CHARGEN_SAMPLES=100000 python -m pytest -s tests/torture/test_long.py
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from chargen import checkpoint
from chargen.engine.causal import Causal as Engine
from chargen.errors import CorpusError
from chargen.runs import Run
from chargen.tasks import sampling
from chargen.tasks.drawing import Sampling
from chargen.training.saves import RECORDS
from tests.conftest import STORY, prepared, tiny_checkpoint, write
from tests.torture.test_crash import same

SECONDS = float(os.environ.get("CHARGEN_SECONDS", "0"))
STEPS = 200
"""Steps that are trained where no seconds are asked for."""

SAMPLES = int(os.environ.get("CHARGEN_SAMPLES", "1000"))
EVALUATIONS = 200 if SECONDS else 100
FLAT = 8 << 20
"""Bytes by which memory may waver."""

RECORD = 1500
"""Bytes of one record of the history, at most; a checkpoint has it as JSON within JSON."""

STATUS = Path("/proc/self/statm")
needs_proc = pytest.mark.skipif(not STATUS.exists(), reason="needs /proc")


def memory() -> int:
    """Return the bytes of memory in use."""
    import resource

    return int(STATUS.read_text().split()[1]) * resource.getpagesize()


def handles() -> int:
    """Return how many files are open."""
    return len(os.listdir("/proc/self/fd"))


@dataclass(frozen=True)
class Moment:
    """What was measured at one evaluation."""

    memory: int
    handles: int
    seconds: float


@needs_proc
def test_training_holds_no_more_in_the_end(tmp_path: Path) -> None:
    """Memory and open files stay as they are; files grow by a bounded record an evaluation."""
    story = write(tmp_path / "story.txt", STORY * 100)
    settings = {
        **({"minutes": SECONDS / 60} if SECONDS else {"steps": STEPS}),
        "hidden": 48, "embed": 16, "batch": 16, "bptt": 32, "dropout": 0.1, "device": "cpu",
        "evaluations": EVALUATIONS, "valid_chars": 5000,
    }  # fmt: skip
    run = Run(tmp_path / "long")
    moments = []
    since, sizes = time.perf_counter(), []
    for report in prepared(story, tmp_path, settings, name=run.name):
        if report.event == "eval":
            moments.append(Moment(memory(), handles(), time.perf_counter() - since))
            sizes.append(run.last.stat().st_size)
        elif report.event == "done":
            epochs = report.data["characters_seen"] / len(STORY * 90)
        since = time.perf_counter()
    quarter = len(moments) // 4
    early, late = moments[quarter : 2 * quarter], moments[-quarter:]
    grown = statistics.median(m.memory for m in late) - statistics.median(m.memory for m in early)
    cost = [statistics.median(m.seconds for m in part) for part in (early, late)]
    lines = run.metrics.read_bytes().splitlines()
    print(
        f"{epochs:,.0f} epochs, {len(moments)} evaluations: memory "
        f"{grown / 1e6:+.1f} MB, {early[0].handles} and {late[-1].handles} open files, evaluation "
        f"{1000 * cost[0]:.1f} and {1000 * cost[1]:.1f} ms, metrics {len(lines):,} lines, "
        f"{run.metrics.stat().st_size / 1e3:,.0f} kB, checkpoint {sizes[0] / 1e3:,.0f} to "
        f"{sizes[-1] / 1e3:,.0f} kB"
    )
    assert grown < FLAT
    assert {m.handles for m in early} == {m.handles for m in late}
    assert sizes[-1] - sizes[0] < RECORD * len(lines)
    assert len(lines) <= RECORDS + EVALUATIONS
    assert run.metrics.stat().st_size < RECORD * len(lines)


@needs_proc
def test_samples_take_no_memory_by_their_number() -> None:
    """Memory does not grow with the number of samples; each seed gives its sample again."""
    saved = tiny_checkpoint()
    engine = Engine(saved.architecture, saved.weights)
    before = 0
    seen = {}
    for number, sample in enumerate(
        sampling.sample(engine, saved.vocabulary, Sampling(length=30, count=SAMPLES, seed=7))
    ):
        assert sample.seed == 7 + number
        if number % 97 == 0:
            seen[sample.seed] = sample.text
        if number == SAMPLES // 4:
            before = memory()
    grown = memory() - before
    print(f"{SAMPLES:,} samples: memory {grown / 1e6:+.1f} MB")
    assert grown < FLAT
    for seed, text in list(seen.items())[:20]:
        alone = next(sampling.sample(engine, saved.vocabulary, Sampling(length=30, seed=seed)))
        assert alone.text == text


SMALL = {
    "hidden": 8, "embed": 4, "batch": 2, "bptt": 8, "precision": "fp32", "evaluations": 10,
    "device": "cpu",
}  # fmt: skip


def truncated(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(500)


def appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"and more")


def edited(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"But")


def moved(path: Path) -> None:
    """Put a copy in its place, as a network drive may seem to do."""
    other = write(path.with_suffix(".new"), path.read_text(encoding="utf-8"))
    other.replace(path)


def replaced(path: Path) -> None:
    """Put another file of the same size and time in its place."""
    other = write(path.with_suffix(".new"), path.read_text(encoding="utf-8").swapcase())
    shutil.copystat(path, other)
    other.replace(path)


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("fate", [truncated, edited, replaced, removed])
def test_a_corpus_that_changes(tmp_path: Path, fate: Callable[[Path], None]) -> None:
    """Training ends with a clear error; it learns nothing from the new text and loses nothing."""
    torch.set_num_threads(1)
    story = write(tmp_path / "story.txt", STORY)
    settings = SMALL | {"steps": 300}
    for report in prepared(story, tmp_path, settings, name="whole"):
        assert report.event
    run = Run(tmp_path / "changed")
    trainer = prepared(story, tmp_path, settings, name=run.name)
    reports = iter(trainer)
    while trainer.learner.counters.step < 100:
        next(reports)
    fate(story)
    with pytest.raises(CorpusError, match=r"changed while it was being read|does not exist"):
        list(reports)
    assert checkpoint.read(run.last, resume=True).training["step"] >= 90
    write(story, STORY)
    for report in prepared(story, tmp_path, name=run.name, resume=True):
        assert report.event
    assert same(run, Run(tmp_path / "whole"))


@pytest.mark.parametrize("fate", [appended, moved, Path.touch])
def test_a_corpus_whose_bytes_stay(tmp_path: Path, fate: Callable[[Path], None]) -> None:
    """What was surveyed is still there, so training goes on as if nothing had happened."""
    torch.set_num_threads(1)
    story = write(tmp_path / "story.txt", STORY)
    settings = SMALL | {"steps": 30}
    for name in ("whole", "changed"):
        for report in prepared(story, tmp_path, settings, name=name):
            if name == "changed" and report.event == "eval":
                fate(story)
    assert same(Run(tmp_path / "changed"), Run(tmp_path / "whole"))
