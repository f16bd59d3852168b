"""Files made to harm: whatever they hold, reading them ends in a result or in one clear error.

A few thousand by default, always the same; for more, for others, and for how many there were:

    CHARGEN_INPUTS=1000000 CHARGEN_SEED=2 python -m pytest -s tests/torture/test_hostile.py

A model file is changed where its structure is: lengths, names, types, shapes and places of tensors,
the header within the header, numbers among the weights, and single bytes anywhere. Only chargen's
own errors may be raised. No input may take more than `SECONDS`, or more memory than `MEMORY` plus
`TIMES` the file's size. Nothing is run, and no file is opened except the one that was given.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import random
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich import console as rich

from chargen import checkpoint
from chargen.architecture import Architecture
from chargen.checkpoint import Checkpoint
from chargen.errors import ChargenError
from chargen.kinds import CLASSIFIER, GAPS
from chargen.model import Model
from chargen.runs import Run
from chargen.tasks.calibration import verdict
from chargen.tasks.guessing import judge_of
from chargen.tasks.listing import summary
from chargen.tasks.restoring import parse
from chargen.terminal import tables
from chargen.terminal.console import Console
from chargen.terminal.progress import Lines
from chargen.terminal.streams import visible
from chargen.text.corpus import open_text
from chargen.text.labelled import examples, read_labelled
from chargen.text.vocabulary import Vocabulary
from tests.conftest import (
    STORY,
    mend_checkpoint,
    pair_checkpoint,
    posix_only,
    prepared,
    random_weights,
    sized,
    tag_checkpoint,
    write,
)

pytestmark = posix_only

INPUTS = int(os.environ.get("CHARGEN_INPUTS", "3000"))
SEED = int(os.environ.get("CHARGEN_SEED", "1"))
SECONDS = 5
MEMORY = 64 << 20
TIMES = 64

USED = 20
"""One of this many readable models is used, too; not all, because use takes longer."""

RESUMED = 20
"""One of so many is a run that training is to go on from."""

ENCODINGS = ("utf-8", "utf-16", "latin-1")
ODD: list[Any] = [
    None, True, -1, 0, 1, 2**31, 2**63, -(2**63), 10**30, 10**400, 0.5, 1e308, float("nan"),
    float("inf"), "", "x", "\ud800", "\0", "../../etc/passwd", "F32", "BOOL", [], {}, [[]], [0],
    [-1, 4], [2**40, 2**40], ["a", "a"], {"a": 1}, "[" * 3000, "a" * 3000,
    "[/b]", "\x1b]0;title\x07",
]  # fmt: skip


def bent(value: Any, random: random.Random) -> Any:
    """Return a JSON value with one place of it replaced, removed or doubled."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        changed = dict(value)
        fate = random.random()
        if fate < 0.1:
            del changed[key]
        elif fate < 0.2:
            changed[str(random.choice(ODD))] = changed.pop(key)
        else:
            changed[key] = bent(changed[key], random)
        return changed
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        return [*value[:at], bent(value[at], random), *value[at + 1 :]]
    if isinstance(value, str) and random.random() < 0.5:
        at = random.randrange(len(value) + 1)
        return value[:at] + random.choice(["", value[:1], "\ud800", "\0", "é"]) + value[at + 1 :]
    if isinstance(value, int) and random.random() < 0.5:
        return value + random.choice([-1, 1, 8, 1 << 20])
    return random.choice(ODD)


def bent_model(whole: bytes, random: random.Random) -> bytes:
    """Return a model file with something wrong in it, mostly in its header."""
    size = int.from_bytes(whole[:8], "little")
    header, tensors = whole[8 : 8 + size], whole[8 + size :]
    way = random.random()
    if way < 0.1:
        return whole[: random.randrange(len(whole))]
    if way < 0.2:
        data = bytearray(whole)
        for _ in range(random.choice([1, 2, 16])):
            data[random.randrange(len(data))] = random.randrange(256)
        return bytes(data)
    if way < 0.25:
        return random.choice([size - 1, size + 1, 0, 2**62, 2**64 - 1]).to_bytes(8, "little") + (
            header + tensors
        )
    if way < 0.3:
        odd = np.array(random.choice([np.nan, np.inf, -np.inf, 3e38, -1e30]), "<f4").tobytes()
        at = 4 * random.randrange(len(tensors) // 4)
        return whole[: 8 + size + at] + odd + tensors[at + 4 :]
    outer = json.loads(header)
    if way < 0.6:
        inner = bent(json.loads(outer["__metadata__"]["chargen"]), random)
        outer["__metadata__"]["chargen"] = json.dumps(inner)
    elif way < 0.7:
        outer["__metadata__"] = bent(outer["__metadata__"], random)
    else:
        outer = bent(outer, random)
    made = json.dumps(outer).encode()
    return len(made).to_bytes(8, "little") + made + tensors


@contextmanager
def bounded(size: int) -> Iterator[None]:
    """Limit the seconds and the additional memory that the code inside may take."""
    import resource

    def late(*_: object) -> None:
        raise AssertionError(f"took more than {SECONDS} seconds")

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY + TIMES * size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


def outcome(work: Callable[[], object], size: int) -> str:
    """Return whether work was done or refused; anything else is an error of the test."""
    said = None
    try:
        with bounded(size):
            work()
    except ChargenError as error:
        said = str(error)
    assert said is None or "\n" not in said
    return "read" if said is None else "refused"


class Watch:
    """Notes what a file makes the process do: other files opened, code compiled, programs run."""

    FORBIDDEN = ("exec", "compile", "marshal", "pickle", "subprocess", "os.exec", "os.system",
                 "os.posix_spawn", "ctypes.dlopen", "socket")  # fmt: skip

    def __init__(self) -> None:
        self.allowed: Path | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        place = str(self.allowed)
        ours = (place, "/proc/", "/dev/null")
        # A file without a name is opened by its folder's.
        if event == "open" and not (
            str(arguments[0]).startswith(ours) or arguments[0] == tempfile.gettempdir()
        ):
            self.seen.append(f"open {arguments[0]}")
        elif event.startswith(self.FORBIDDEN):
            self.seen.append(f"{event} {arguments}"[:200])

    @contextmanager
    def over(self, place: Path) -> Iterator[None]:
        """Allow a place and what is below it, and nothing else, until the end."""
        self.seen.clear()
        self.allowed = place
        try:
            yield
        finally:
            self.allowed = None
        assert not self.seen, self.seen


@pytest.fixture(scope="module")
def watch() -> Watch:
    """One hook, which the process keeps."""
    return Watch()


ARCHITECTURES = (
    Architecture("gru", 1, 12, 5),
    Architecture("gru", 1, 6, 5, ngrams=7),
    Architecture("lstm", 1, 6, 5, common=9),
    Architecture("lstm", 2, 6, 6, tied=True, labels=3),
    Architecture("elman", 1, 6, 5, kind=GAPS),
    Architecture("lstm", 1, 6, 5, kind=CLASSIFIER, labels=2),
    Architecture("transformer", 2, 8, 8, heads=2, context=9),
)


def models() -> list[Checkpoint]:
    """Return a model of each kind, with all that a header can have."""
    vocabulary = Vocabulary("".join(sorted(set(STORY))), escape=0.01)
    weights = [random_weights(one, len(vocabulary)) for one in ARCHITECTURES]
    sizes = [sized(one, own) for one, own in zip(ARCHITECTURES, weights, strict=True)]
    record = {"step": 3, "seconds": 1.5, "nats_per_char": 1.6, "perplexity": 4.95, "best": True}
    return [
        Checkpoint(
            architecture,
            vocabulary,
            own,
            settings={"hidden": 12, "lr": 0.1, "arch": "gru", "minutes": None},
            corpus={"names": ["story.txt"], "characters": 1000, "sha256": "ab" * 32},
            figures=record | {"sharpness": 0.5},
            history=[record, record | {"step": 6, "seconds": 2.5}],
            labels=("a", "b", "c")[: architecture.labels],
            training={"step": 3, "seconds": 1.5},
            tensors={"generator": np.zeros(40, np.uint8)},
        )
        for architecture, own in zip(sizes, weights, strict=True)
    ] + [
        pair_checkpoint(layers=2),
        pair_checkpoint("gru", "soft"),
        tag_checkpoint(),
        mend_checkpoint(),
    ]


ROW = {
    "model": "a", "state": "finished", "evaluated": True, "next": "", "path": "a", "when": "",
}  # fmt: skip


def used(path: Path, saved: Checkpoint) -> None:
    """Do with a model what it is for, and show it."""
    model = Model(path, saved)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        console = Console()
        tables.model(console, model.name, str(path), saved)
        tables.runs(console, [ROW | summary(saved)])
        console.emit([saved.figures, saved.history, saved.settings, saved.corpus])
        if saved.labels:
            texts = ["It came back.", "They left."]
            guesses = model.classify(texts)
            assert all(np.isfinite(told.probability) for one in guesses for told in one.labels)
            tables.labels(console, guesses)
            told, _ = judge_of([(model.name, saved)])
            logs = told.weigh(texts)
            truth = np.arange(2) % len(told.names)
            tables.verdicts(console, [verdict(model.name, logs, truth)], told.names)
    assert visible(printed.getvalue()) == printed.getvalue()
    if saved.architecture.kind.symbols:
        marked(model, saved)
        return
    if not saved.labels:
        model.restore("It [3] back.", beam=3)
    if saved.architecture.kind.continues:
        label = saved.labels[0] if saved.labels else None
        model.sample(3, label=label)
        model.perplexity(text="It came back.", label=label)


def marked(model: Model, saved: Checkpoint) -> None:
    """Let a model translate, mend or tag."""
    marking = saved.vocabulary.marking
    if marking is None:
        best = model.translate(["It came back.", "abc"], 2, features="F", beam=3)
        assert all(np.isfinite(one.nats) for row in best for one in row)
    elif marking.undo:
        assert model.mend("It came back.").characters == 13
    else:
        model.tag(["It came back.", "abc dab"])


def read_and_used(path: Path, use: bool) -> None:
    """Read a model, and perhaps use it."""
    saved = checkpoint.read(path, resume=True)
    if use:
        used(path, saved)


def kept(data: bytes, folder: Path) -> Path:
    """Keep what was read amiss, for a look at it."""
    path = Path(os.environ.get("CHARGEN_KEEP", folder)) / "hostile.safetensors"
    path.write_bytes(data)
    return path


@needs_proc
def test_hostile_models(tmp_path: Path, watch: Watch) -> None:
    """Every changed model file is read or refused, in bounded time and memory."""
    source = random.Random(SEED)
    path = tmp_path / "model.safetensors"
    sound = []
    for model in models():
        checkpoint.write(path, model)
        read_and_used(path, use=True)
        sound.append(path.read_bytes())
    tally = {"read": 0, "refused": 0}
    with np.errstate(all="ignore"):
        for number in range(INPUTS):
            data = bent_model(source.choice(sound), source)
            path.write_bytes(data)
            work = partial(read_and_used, path, use=number % USED == 0)
            try:
                with watch.over(tmp_path):
                    tally[outcome(work, len(data))] += 1
            except BaseException as error:
                place = kept(data, tmp_path)
                raise AssertionError(f"seed {SEED}, input {number}, {place}: {error!r}") from error
    assert tally["refused"] > tally["read"] > 0
    print(f"{INPUTS:,} hostile models: {tally}")


@needs_proc
def test_hostile_runs(tmp_path: Path) -> None:
    """A run is resumed or refused, whatever its checkpoint says of optimizer and place."""
    story = write(tmp_path / "story.txt", STORY)
    sizes = {"hidden": 8, "embed": 4, "batch": 2, "bptt": 8, "steps": 6, "precision": "fp32"}
    for report in prepared(story, tmp_path, sizes, name="run"):
        assert report.event
    run = Run(tmp_path / "run")
    saved = checkpoint.read(run.last, resume=True)
    # As if it had been interrupted: there are steps to go.
    checkpoint.write(run.last, replace(saved, settings=saved.settings | {"steps": 9}))
    whole = run.last.read_bytes()
    source = random.Random(SEED)
    tally = {"read": 0, "refused": 0}

    shown = rich.Console(file=io.StringIO())

    def go_on() -> None:
        trainer = prepared(story, tmp_path, {"device": "cpu"}, name="run", resume=True)
        with Lines(shown) as view:
            for report in islice(trainer, 60):
                view.show(report)

    torch.set_num_threads(1)
    # A state that is far out of range is rolled back in the end, not without warnings.
    warnings.simplefilter("ignore", RuntimeWarning)
    for number in range(INPUTS // RESUMED):
        data = bent_model(whole, source)
        run.last.write_bytes(data)
        try:
            tally[outcome(go_on, 1 << 20)] += 1
        except BaseException as error:
            place = kept(data, tmp_path)
            raise AssertionError(f"seed {SEED}, input {number}, {place}: {error!r}") from error
    assert tally["refused"] > tally["read"] > 0
    print(f"{INPUTS // RESUMED:,} hostile runs: {tally}")


def bent_text(random: random.Random) -> bytes:
    """Return some bytes that are almost a text."""
    data = bytearray((STORY[: random.randrange(200)] + "one\ttwo\nthree\tfour\n").encode())
    for _ in range(random.randrange(6)):
        at = random.randrange(len(data) + 1)
        data[at:at] = random.choice(
            [b"\xff", b"\xed\xa0\x80", b"\0", b"\xf4\x90\x80\x80", b"\xc3", b"\t", b"\n", b"\r",
             b"\x1b[2J", b"\xef\xbb\xbf", bytes([random.randrange(256)]), "🂡e\u0301‮".encode()]
        )  # fmt: skip
    made = bytes(data)
    if random.random() < 0.2:
        made = gzip.compress(made)[: random.choice([None, 5, 20, -4])]
    return made


def text_read(path: Path, way: int, encoding: str) -> None:
    """Read a text to its end as labelled lines (0), as bytes (1) or as characters (2)."""
    if way == 0:
        assert examples(read_labelled(str(path), 0.25).train, 99)
        return
    text = open_text([path], as_bytes=way == 1, encoding=encoding)
    vocabulary = Vocabulary.of(text)
    points = [point for block in text.blocks(0, text.characters) for point in block.tolist()]
    assert len(points) == text.characters
    if way == 2:
        again = "".join(map(chr, points))
        assert vocabulary.decode(vocabulary.encode(again)) == again


@needs_proc
def test_hostile_texts(tmp_path: Path) -> None:
    """Every text, in every way that texts are read, is read to its end or refused."""
    source = random.Random(SEED)
    tally = {"read": 0, "refused": 0}

    for number in range(INPUTS):
        data = bent_text(source)
        path = tmp_path / ("text.txt.gz" if data[:2] == b"\x1f\x8b" else "text.txt")
        path.write_bytes(data)
        work = partial(text_read, path, number % 3, source.choice(ENCODINGS))
        try:
            tally[outcome(work, len(data))] += 1
            outcome(partial(parse, data.decode("latin-1")), len(data))
        except BaseException as error:
            raise AssertionError(f"seed {SEED}, input {number}: {data!r}: {error!r}") from error
    assert min(tally.values()) > INPUTS / 20
    print(f"{INPUTS:,} hostile texts: {tally}")
