"""Labelled texts: a file of ``label<TAB>text`` lines, or a folder with a folder for each label.

The examples are shuffled, always in the same way, and joined to one text. So this text is read, cut
into lanes and streamed like any other. `Marks` say where each example begins and what its label is.
Each example ends with a line break, so that a model can learn to end one.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chargen.errors import CorpusError, argument
from chargen.text.corpus import Marks, Text, open_text, read_all
from chargen.text.sources import HIDDEN, Part, proper

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIECE = 500
"""Characters after which a long text of a folder is cut, at the next end of a line."""

LONGEST_PIECE = 2 * PIECE
LONGEST_LABEL = 100
LARGEST_LABEL_COUNT = 1 << 12


@dataclass(frozen=True)
class Labelled:
    """Examples to learn from and examples held out.

    Attributes:
        names: the labels, in alphabetical order; a label's id is its place.
        train: the examples to learn from as one text, with marks.
        valid: those held out; None if there are none.
        sha256: fingerprint of names and labels; that of the text is the text's.
    """

    names: tuple[str, ...]
    train: Text
    valid: Text | None
    sha256: str


class _Found:
    """Where examples lie: columns of machine integers, for a few lines or for millions."""

    def __init__(self) -> None:
        self.text = array("q")
        self.start = array("q")
        self.length = array("q")
        self.label = array("q")
        self.names: dict[str, int] = {}

    def add(self, text: int, start: int, length: int, name: str) -> None:
        self.text.append(text)
        self.start.append(start)
        self.length.append(length)
        self.label.append(self.names.setdefault(name, len(self.names)))


def read_labelled(
    source: str,
    fraction: float,
    *,
    encoding: str = "utf-8",
    as_bytes: bool = False,
    progress: Callable[[int, int], None] | None = None,
    skipped: Callable[[str], None] | None = None,
) -> Labelled:
    """Read labelled texts and hold out a share of each label's.

    From a file of lines, a random share is held out, because lines are often sorted; it is the same
    share each time. From a folder, the end of each label's text is held out, because neighbouring
    pieces of one text are similar.

    Args:
        source: a file, ``-``, or a folder of folders.
        fraction: of each label's examples to hold out.
        encoding, as_bytes, progress, skipped: see `chargen.text.corpus.open_text`.

    Raises:
        CorpusError: a line without a tab, or with nothing on a side of it; fewer than two labels;
            see also `chargen.text.corpus.open_text`.
    """

    def opened(path: str | Path) -> Text:
        return open_text(
            [path], encoding=encoding, as_bytes=as_bytes, progress=progress, skipped=skipped
        )

    found = _Found()
    folder = Path(source)
    if os.path.isdir(folder):
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
        named = [path for path in inside if not path.name.startswith(HIDDEN)]
        texts = [opened(path) for path in named]
        for number, (path, text) in enumerate(zip(named, texts, strict=True)):
            for start, length in _pieces(text):
                found.add(number, start, length, proper(path.name))
    else:
        texts = [opened(source)]
        for start, length, name in _lines(texts[0], source):
            found.add(0, start, length, name)
    if len(found.names) < 2:
        there = ", ".join(map(repr, found.names)) or "none"
        raise CorpusError(
            f"{source} has fewer than two labels: {there}",
            "Give lines of label<TAB>text, or a folder with a folder of texts for each label",
        )
    if len(found.names) > LARGEST_LABEL_COUNT:
        raise CorpusError(
            f"{source} has {len(found.names):,} labels", f"Use {LARGEST_LABEL_COUNT:,} at most"
        )
    names = tuple(sorted(found.names))
    ids = np.array([names.index(name) for name in found.names])[np.array(found.label)]
    random = np.random.default_rng(0)
    order = np.arange(len(ids)) if os.path.isdir(folder) else random.permutation(len(ids))
    train, valid = _split(order, ids, fraction)
    digest = hashlib.sha256("\n".join(names).encode() + ids.astype("<i4").tobytes())
    made = [
        _joined(texts, found, random.permutation(part), ids) if len(part) else None
        for part in (train, valid)
    ]
    if made[0] is None:
        raise CorpusError(
            f"{source} leaves nothing to train on", f"Give a lower {argument('valid_fraction')}"
        )
    return Labelled(names, made[0], made[1], digest.hexdigest())


def _lines(text: Text, source: str) -> Iterator[tuple[int, int, str]]:
    """Yield start and length of each line's text, and its label."""
    at, kept = 0, ""
    number = 0
    for block in itertools.chain(text.blocks(0, text.characters), [None]):
        kept += "" if block is None else read_all([block])
        *whole, kept = kept.split("\n") if block is not None else (kept, "")
        for line in whole:
            number += 1
            bare = line.removesuffix("\r")
            start, tab, rest = bare.partition("\t")
            name = (as_string(start) if text.as_bytes else start).strip()
            if bare.strip():
                if not tab or not name or not rest:
                    lacks = "no tab" if not tab else "no text" if name else "no label"
                    raise CorpusError(
                        f"line {number:,} of {source} has {lacks}",
                        "Write a label, a tab and a text on each line",
                    )
                if len(name) > LONGEST_LABEL:
                    raise CorpusError(
                        f"line {number:,} of {source} has a label of {len(name):,} characters",
                        f"Use labels of {LONGEST_LABEL} at most",
                    )
                yield at + len(start) + 1, len(rest), name
            at += len(line) + 1


def _pieces(text: Text) -> Iterator[tuple[int, int]]:
    """Yield start and length of pieces of a running text, cut at ends of lines if possible."""
    start = at = 0
    for block in text.blocks(0, text.characters):
        for end in [*(np.flatnonzero(block == ord("\n")) + at + 1).tolist(), at + len(block)]:
            while end - start > LONGEST_PIECE:
                yield start, PIECE
                start += PIECE
            if end - start >= PIECE:
                yield start, end - start
                start = end
        at += len(block)
    if at > start:
        yield start, at - start


def _split(
    order: NDArray[np.int64], ids: NDArray[np.int64], fraction: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of examples to train on and to hold out: the last of each label."""
    held = [
        np.empty(0, dtype=np.int64),
        *(
            mine[len(mine) - round(len(mine) * fraction) :]
            for label in np.unique(ids)
            for mine in [order[ids[order] == label]]
        ),
    ]
    valid = np.sort(np.concatenate(held))
    return np.setdiff1d(order, valid), valid


def _joined(
    texts: Sequence[Text], found: _Found, order: NDArray[np.int64], ids: NDArray[np.int64]
) -> Text:
    """Write examples one after the other to a temporary file, and return it as a text."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the text is read
    starts = np.empty(len(order), dtype=np.int64)
    at = 0
    for row, place in enumerate(order.tolist()):
        text, start, length = texts[found.text[place]], found.start[place], found.length[place]
        starts[row] = at
        for points in text.blocks(start, start + length):
            last = points
            if text.as_bytes:
                copy.write(points.astype(np.uint8).tobytes())
            else:
                copy.write(points.astype("<u4").tobytes().decode("utf-32-le").encode())
        at += length
        if last[-1] != ord("\n"):
            copy.write(b"\n")
            at += 1
    name = texts[0].names[0] if len(texts) == 1 else ", ".join(found.names)
    part = Part(name, copy.seek(0, os.SEEK_END), handle=copy)
    weakref.finalize(part, copy.close)
    return Text(
        [part], as_bytes=texts[0].as_bytes, marks=Marks(starts, ids[order].astype(np.int32))
    )


def examples(text: Text, most: int) -> list[tuple[str, int]]:
    """Return the first ``most`` examples of a labelled text, each with its label's id."""
    marks = text.marks
    assert marks is not None
    ends = [*marks.starts[1:].tolist(), text.characters]
    bounds = zip(marks.starts.tolist(), ends, marks.labels.tolist(), strict=True)
    return [
        (as_text(text, start, end), label) for start, end, label in itertools.islice(bounds, most)
    ]


def as_text(text: Text, start: int, end: int, errors: str = "surrogateescape") -> str:
    """Return a stretch of a text as a string; ``errors`` is for bytes that are no UTF-8."""
    stretch = read_all(text.blocks(start, end))
    return as_string(stretch, errors) if text.as_bytes else stretch


def as_string(characters: str, errors: str = "replace") -> str:
    """Decode a string in which each character stands for one byte of UTF-8."""
    return characters.encode("latin-1").decode("utf-8", errors)
