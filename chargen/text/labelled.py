"""Labelled texts: a file of ``label<TAB>text`` lines, or a folder with a folder for each label.

See `chargen.text.examples` for what becomes of the examples.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chargen.errors import CorpusError
from chargen.text.corpus import Text, open_text, read_all
from chargen.text.examples import Found, fingerprint, held_out, joined, lines
from chargen.text.packed import HIDDEN
from chargen.text.sources import STRICT, proper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chargen.text.examples import Prints

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


def read_labelled(
    source: str,
    fraction: float,
    *,
    encoding: str = "utf-8",
    as_bytes: bool = False,
    errors: str = STRICT,
    progress: Callable[[int, int], None] | None = None,
    skipped: Callable[[str], None] | None = None,
) -> Labelled:
    """Read labelled texts and hold out a share of each label's.

    From a file of lines, a share is held out by the lines' fingerprints (see `held_out`). From a
    folder, the end of each label's text is held out, because neighbouring pieces of one text are
    similar.

    Args:
        source: a file, ``-``, or a folder of folders.
        fraction: of each label's examples to hold out.
        encoding, as_bytes, errors, progress, skipped: see `chargen.text.corpus.open_text`.

    Raises:
        CorpusError: a line without a tab, or with nothing on a side of it; fewer than two labels;
            see also `chargen.text.corpus.open_text`.
    """

    def opened(path: str | Path) -> Text:
        return open_text(
            [path],
            encoding=encoding,
            as_bytes=as_bytes,
            errors=errors,
            progress=progress,
            skipped=skipped,
        )

    found = Found()
    folder = Path(source)
    if os.path.isdir(folder):
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
        named = [path for path in inside if not path.name.startswith(HIDDEN)]
        texts = [opened(path) for path in named]
        for number, (path, text) in enumerate(zip(named, texts, strict=True)):
            for start, length in _pieces(text):
                piece = read_all(text.blocks(start, start + length))
                found.add(number, start, length, proper(path.name), fingerprint([piece]))
    else:
        texts = [opened(source)]
        for start, line, name in _lines(texts[0], source):
            found.add(0, start, len(line), name, fingerprint([line]))
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
    if os.path.isdir(folder):
        held = _ends(ids, found.prints, fraction)
    else:
        held = held_out(found.prints, ids, fraction)
    digest = hashlib.sha256("\n".join(names).encode() + ids.astype("<i4").tobytes())
    train, valid = (joined(texts, found, ids, which) for which in (~held, held))
    assert train is not None
    return Labelled(names, train, valid, digest.hexdigest())


def _lines(text: Text, source: str) -> Iterator[tuple[int, str, str]]:
    """Yield where each line's text starts, the text, and its label."""
    for number, (at, line) in enumerate(lines(text), 1):
        start, tab, rest = line.partition("\t")
        name = (as_string(start) if text.as_bytes else start).strip()
        if line.strip():
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
            yield at + len(start) + 1, rest, name


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


def _ends(ids: NDArray[np.int64], prints: Prints, fraction: float) -> NDArray[np.bool_]:
    """Return which pieces are held out: the last of each label's, unless one like it is not."""
    held = np.zeros(len(ids), dtype=np.bool_)
    for label in np.unique(ids):
        mine = np.flatnonzero(ids == label)
        held[mine[len(mine) - min(len(mine) - 1, round(len(mine) * fraction)) :]] = True
    return held & ~np.isin(prints, prints[~held])


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
