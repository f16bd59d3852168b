"""Files made to harm: whatever they hold, reading them ends in a result or in one clear error.

A few thousand by default; for more, and how many there were:

    CHARGEN_INPUTS=1000000 python -m pytest -s tests/torture/test_hostile.py

A model file is changed where its structure is: lengths, names, types, shapes and places of tensors,
the header within the header, and single bytes anywhere. Nothing may escape but chargen's own
errors, take more than seconds, or more memory than `MEMORY` and some times the file's size.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chargen import checkpoint
from chargen.corpus import open_text
from chargen.errors import ChargenError
from chargen.labels import examples, read_labelled
from chargen.restoring import parse
from chargen.vocabulary import Vocabulary
from tests.conftest import STORY, posix_only, tiny_checkpoint

pytestmark = posix_only

INPUTS = int(os.environ.get("CHARGEN_INPUTS", "3000"))
SECONDS = 5
MEMORY = 64 << 20

ODD: list[Any] = [
    None, True, -1, 0, 1, 2**31, 2**63, -(2**63), 10**30, 0.5, float("nan"), float("inf"), "", "x",
    "\ud800", "\0", "../../etc/passwd", "F32", "BOOL", [], {}, [[]], [0], [-1, 4], [2**40, 2**40],
    ["a", "a"], {"a": 1}, "[" * 3000, "a" * 3000,
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
    """Let what is inside take some seconds, and some memory on top of what is in use."""

    def late(*_: object) -> None:
        raise AssertionError(f"took more than {SECONDS} seconds")

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY + 64 * size, before[1]))
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


@needs_proc
def test_hostile_models(tmp_path: Path) -> None:
    """Every changed model file is read or refused, in bounded time and memory."""
    seed = random.randrange(1 << 32)
    source = random.Random(seed)
    path = tmp_path / "model.safetensors"
    checkpoint.write(path, tiny_checkpoint())
    whole = path.read_bytes()
    tally = {"read": 0, "refused": 0}
    for number in range(INPUTS):
        data = bent_model(whole, source)
        path.write_bytes(data)
        try:
            tally[outcome(lambda: checkpoint.read(path, resume=True), len(data))] += 1
        except BaseException as error:
            kept = Path(os.environ.get("CHARGEN_KEEP", tmp_path)) / "hostile.safetensors"
            kept.write_bytes(data)
            raise AssertionError(
                f"seed {seed}, input {number}, kept as {kept}: {error!r}"
            ) from error
    assert tally["refused"] > tally["read"]
    print(f"{INPUTS:,} hostile models: {tally}")


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


@needs_proc
def test_hostile_texts(tmp_path: Path) -> None:
    """Every text, in every way that texts are read, is read to its end or refused."""
    seed = random.randrange(1 << 32)
    source = random.Random(seed)
    tally = {"read": 0, "refused": 0}

    def read(path: Path, way: int) -> None:
        if way == 0:
            found = read_labelled(str(path), source.random() / 2)
            assert examples(found.train, 99)
            return
        text = open_text(
            [path], as_bytes=way == 1, encoding=source.choice(["utf-8", "utf-16", "latin-1"])
        )
        vocabulary = Vocabulary.of(text)
        points = [point for block in text.blocks(0, text.characters) for point in block.tolist()]
        assert len(points) == text.characters
        if way == 2:
            again = "".join(map(chr, points))
            assert vocabulary.decode(vocabulary.encode(again)) == again

    for number in range(INPUTS):
        data = bent_text(source)
        path = tmp_path / ("text.txt.gz" if data[:2] == b"\x1f\x8b" else "text.txt")
        path.write_bytes(data)
        way = number % 3
        try:
            tally[outcome(partial(read, path, way), len(data))] += 1
            outcome(partial(parse, data.decode("latin-1")), len(data))
        except BaseException as error:
            raise AssertionError(f"seed {seed}, input {number}: {data!r}: {error!r}") from error
    assert min(tally.values()) > INPUTS / 20
    print(f"{INPUTS:,} hostile texts: {tally}")
