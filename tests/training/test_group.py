"""Several processes train one network: the result is that of one process, and none is left."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen import checkpoint, errors
from chargen.ranks import Ranks, job, place
from chargen.runs import Run
from chargen.text.windows import PAST, Window
from chargen.training.feeds import Kept, Lanes, Shared, taken
from chargen.training.request import Request
from chargen.training.resume import again
from chargen.training.texts import Sources
from tests.conftest import STORY, posix_only, write
from tests.forked import Forks
from tests.text.test_windows import span_of
from tests.training.test_loop import FAMILY, run, trainer
from tests.training.together import SETTINGS, SHARD, STOPPED, TUNED, named, processes, tuned

KINDS = list(FAMILY)

FEW = ["n-grams", "labels", "pairs"]
"""Kinds that four processes train: running text, examples in lanes, examples by length."""

SHARDED = ["rare", "transformer"]
"""Kinds whose weights are divided: some have no gradient in some steps; attention."""

STEPS = 400


class Fake(Ranks):
    """One of several processes, as far as it asks nobody."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


def trained(folder: Path, *kinds: str, stop: int | None = None) -> Path:
    """Train a network of each kind in one process, which is interrupted after some steps."""
    story = write(folder / "story.txt", STORY)
    for kind in kinds:
        made = trainer(story, **SETTINGS[kind], name=named(kind))
        for report in made:
            if report.event == "step" and report.data["step"] == stop:
                made.stop()
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one process has trained a network of each kind, and one from another."""
    folder = trained(tmp_path_factory.mktemp("alone"), *KINDS)
    settings, text = tuned(base(folder), folder / "story.txt")
    run(text, **settings, name=TUNED)
    return folder


def base(folder: Path) -> Path:
    return folder / "runs" / named("n-grams") / "best.safetensors"


def last(folder: Path, kind: str) -> checkpoint.Checkpoint:
    return checkpoint.read(folder / "runs" / named(kind) / "last.safetensors", resume=True)


def far(one: checkpoint.Checkpoint, other: checkpoint.Checkpoint) -> float:
    """Return the largest difference between two models' weights and measured figures."""
    assert one.weights.keys() == other.weights.keys()
    assert one.training["step"] == other.training["step"] == 50
    measured = set(one.architecture.kind.metric.figures) & one.figures.keys()
    assert measured
    weights = [np.abs(one.weights[name] - other.weights[name]).max() for name in one.weights]
    figures = [abs(one.figures[name] - other.figures[name]) for name in measured]
    return float(max(*weights, *figures))


@posix_only
def test_two_processes_learn_what_one_learns(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forks: Forks
) -> None:
    """After 50 steps, weights and held-out figures of each kind are those of one process.

    A run that one process began can be gone on with by two, and two can start from another model,
    on a text with characters that it lacks.
    """
    trained(tmp_path, "gru", stop=STOPPED)
    monkeypatch.setenv("BASE", str(base(alone)))
    others = [kind for kind in KINDS if kind != "gru"]
    processes(forks, tmp_path, 2, *others, "gru+", TUNED)
    distances = {kind: far(last(alone, kind), last(tmp_path, kind)) for kind in [*KINDS, TUNED]}
    assert max(distances.values()) < 1e-5, distances


@posix_only
def test_four_processes_learn_what_one_learns(alone: Path, tmp_path: Path, forks: Forks) -> None:
    """One has two of five lanes, in two pieces; and what four processes began, one goes on with."""
    processes(forks, tmp_path, 4, *FEW, "lstm!")
    run(tmp_path / "story.txt", resume=True, name="lstm")
    distances = {kind: far(last(alone, kind), last(tmp_path, kind)) for kind in [*FEW, "lstm"]}
    assert max(distances.values()) < 1e-5, distances


@posix_only
def test_processes_that_divide_the_weights_learn_what_one_learns(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forks: Forks
) -> None:
    """Each has a part of the weights only, gathers layers when needed, and computes them twice.

    What one process began, they go on with, and they start from another model.
    """
    trained(tmp_path, "gru", stop=STOPPED)
    monkeypatch.setenv(SHARD, "1")
    monkeypatch.setenv("BASE", str(base(alone)))
    processes(forks, tmp_path, 2, *SHARDED, "gru+", TUNED)
    distances = {
        kind: far(last(alone, kind), last(tmp_path, kind)) for kind in [*SHARDED, "gru", TUNED]
    }
    assert max(distances.values()) < 1e-5, distances


@contextmanager
def torchrun(folder: Path, *options: str, size: int = 2) -> Iterator[subprocess.Popen[bytes]]:
    """Train a small network by ``torchrun`` for longer than the test takes."""
    story = write(folder / "story.txt", STORY)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
    command += [*options, "-m", "chargen", "train", str(story), "--name", "mine", "-q"]
    command += ["--hidden", "8", "--batch", "4", "--bptt", "16", "--out", str(folder)]
    command += ["--steps", str(STEPS), "--evaluations", "30"]
    process = subprocess.Popen(
        [sys.executable, *command],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def ranks(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the process of each rank."""
    found = {}
    for name in os.listdir("/proc"):
        with suppress(OSError, ValueError):
            stat = Path(f"/proc/{name}/stat").read_text()
            if int(stat.rpartition(")")[2].split()[1]) == process.pid:
                environ = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
                (rank,) = (int(one[5:]) for one in environ if one.startswith(b"RANK="))
                found[rank] = int(name)
    return [found[rank] for rank in sorted(found)]


def until(done: Callable[[], bool]) -> None:
    """Wait until something has happened."""
    for _ in range(600):
        if done():
            return
        time.sleep(0.1)
    raise TimeoutError


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="it looks for processes in /proc")


def steps(folder: Path) -> int:
    """Return the step of the saved run, -1 if there is none."""
    file = folder / "mine" / "last.safetensors"
    if not file.exists():
        return -1
    step: int = checkpoint.read(file, resume=True).training["step"]
    return step


@linux_only
def test_the_death_of_a_process_costs_little(tmp_path: Path) -> None:
    """Training ends and is saved; ``torchrun --max-restarts`` goes on with it to the end."""
    with torchrun(tmp_path, "--max-restarts", "1") as process:
        until(lambda: steps(tmp_path) > 0)
        before = ranks(process)
        os.kill(before[1], signal.SIGKILL)
        until(lambda: len(ranks(process)) == 2 and not set(ranks(process)) & set(before))
        assert 0 < steps(tmp_path) < STEPS
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said.decode()
    assert steps(tmp_path) == STEPS


@linux_only
def test_an_interruption_ends_all_processes(tmp_path: Path) -> None:
    """All end, what was learned is saved, and a hint says how to go on."""
    with torchrun(tmp_path) as process:
        until(lambda: steps(tmp_path) > 0)
        them = ranks(process)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert said.count(b"interrupted and saved; to go on:") == 1
    assert not any(Path(f"/proc/{one}").exists() for one in them)
    assert 0 < steps(tmp_path) < STEPS


@given(rows=st.integers(0, 40), size=st.integers(1, 9))
def test_shares_are_all_rows(rows: int, size: int) -> None:
    """Each row is one rank's, and no rank has two more than another."""
    shares = [range(rows)[Fake(rank, size).share(rows)] for rank in range(size)]
    assert [row for share in shares for row in share] == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(2, 9), st.integers(1, 4), st.integers(1, 9), st.booleans())
def test_ranks_read_the_lanes_of_one_process(batch: int, size: int, bptt: int, keep: bool) -> None:
    """The windows of all ranks, one below the other, are those of one process."""
    size = min(size, batch)
    span, vocabulary = span_of(STORY[:97])

    def parts(ranks: Ranks) -> list[Window]:
        mine = ranks.share(batch)
        feed = (
            Kept(span.part(40, 97), span.part(0, 40), vocabulary, batch, bptt, batch // 2, mine)
            if keep
            else Lanes(span, vocabulary, batch, bptt, mine)
        )
        found = list(feed.portions(1, bptt))
        assert all(part.first == mine.start and part.rows == batch for part in found)
        assert sum(part.characters for part in found) <= feed.characters
        return [part.window for part in found]

    whole = parts(Fake(0, 1))
    pieces = [parts(Fake(rank, size)) for rank in range(size)]
    for window, *some in zip(whole, *pieces, strict=True):
        for field in fields(Window):
            mine = getattr(window, field.name)
            theirs = [getattr(one, field.name) for one in some]
            if isinstance(mine, np.ndarray):
                np.testing.assert_array_equal(mine, np.concatenate(theirs))
            else:
                assert theirs == [mine] * size


def test_a_rank_without_rows_gets_one_that_costs_nothing() -> None:
    """A batch can have fewer examples than there are ranks."""
    window = Window(np.array([[1, 2]], np.int32), np.array([[2, 3]], np.int32), 0)
    nothing = taken(window, slice(1, 1))
    assert nothing.targets.tolist() == [[PAST, PAST]]
    assert nothing.characters == 0
    assert taken(window, slice(0, 1)) is window
    assert replace(nothing, targets=window.targets).inputs.tolist() == window.inputs.tolist()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, (0, 1)), ({"RANK": "1", "WORLD_SIZE": "3"}, (1, 3)),
     ({"RANK": "3", "WORLD_SIZE": "3"}, (0, 1)), ({"RANK": "x", "WORLD_SIZE": "3"}, (0, 1))],
)  # fmt: skip
def test_a_process_knows_its_place(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: tuple[int, int]
) -> None:
    """The variables of ``torchrun`` count only if they make sense."""
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert place() == expected


KINDS_OF_ERRORS = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, errors.ChargenError)
]


@pytest.mark.parametrize("kind", KINDS_OF_ERRORS)
def test_errors_travel_between_processes(kind: type[errors.ChargenError]) -> None:
    """What the first rank raises, all raise: with its words, and the arguments in them marked."""
    error = kind(f"{errors.argument('hidden')} is 0", "Give more")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.marked, str(again)) == (error.marked, str(error))


def test_every_rank_has_a_row_of_the_batch(tmp_path: Path) -> None:
    """With fewer examples than ranks, a row that costs nothing is one of those there are."""
    made = trainer(write(tmp_path / "story.txt", STORY), **SETTINGS["pairs"] | {"batch": 2})
    assert isinstance(made.feed, Shared)
    for rank in range(4):
        part = next(Shared(made.feed.feed, Fake(rank, 4)).portions(0, 0))
        assert 0 <= part.first < part.rows == 2
        assert len(part.window.targets) == 1
        nats, _ = made.learner.step(replace(part, characters=9), 0.001)
        assert nats == 0 or part.window.characters


def test_a_second_start_goes_on_with_its_own_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of the same texts and name that another command began is left alone."""
    story = write(tmp_path / "story.txt", STORY)
    run(story, **SETTINGS["lstm"] | {"steps": 1}, name="mine")
    asked = Request(Sources([str(story)]), out=tmp_path / "runs", name="mine", overwrite=True)
    assert again(asked) is asked
    Run(tmp_path / "runs" / "mine").remember({"job": job()})
    found = again(asked)
    assert (found.resume, found.name, found.overwrite) == (True, "mine", False)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "another")
    assert again(asked) is asked
