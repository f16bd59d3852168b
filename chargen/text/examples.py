"""Examples: short texts, each of which is learned and judged alone.

Labelled texts are made of examples, and so are lists (each line is one) and collections of
documents (each file is one). The examples are shuffled, always in the same way, and joined to one
text. So this text is read, cut into lanes and streamed like any other. `Marks` say where each one
begins. Each ends with an end mark, so that a model can learn to end one.

Whether an example is held out depends on its fingerprint, and on nothing else. So the same examples
are held out from a file that has grown, and equal examples are never on both sides.
"""

from __future__ import annotations

import hashlib
import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from chargen.errors import CorpusError, UsageError, argument
from chargen.text.corpus import Marks, Span, Text, read_all
from chargen.text.scratch import Scratch
from chargen.text.sources import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Prints = NDArray[np.uint64]

LINES, DOCUMENTS = "lines", "documents"

ENDS = {LINES: "\n", DOCUMENTS: "\x03"}
"""The character that ends an example: a line's own, or Unicode's "end of text"."""

FINGERPRINT = 8
"""Bytes of a fingerprint: in ten million texts, two have one by chance 0.0003 % of the time."""

# A list, as opposed to running text or a program, by its first lines.
FEWEST_LINES = 50
LONGEST_ITEM, USUAL_ITEM = 100, 40
MOST_BLANK, MOST_SENTENCES = 0.01, 0.1
PUNCTUATION = ".,;:!?…。，、；：！？—-{}()[]"
LOOKED_AT = 1 << 16
"""Characters whose lines are looked at."""


def items_of(lines: bool, documents: bool) -> str:
    """Return what a text is made of, by the two options; nothing for running text.

    Raises:
        UsageError: both are given.
    """
    if lines and documents:
        raise UsageError(
            f"{argument(LINES)} and {argument(DOCUMENTS)} exclude each other", "Give one of them"
        )
    return LINES if lines else DOCUMENTS if documents else ""


class Found:
    """Where examples lie in their texts: columns of machine integers, for a few or for millions."""

    def __init__(self) -> None:
        self.text = array("q")
        self.start = array("q")
        self.length = array("q")
        self.label = array("q")
        self.fingerprint = array("Q")
        self.names: dict[str, int] = {}

    def add(self, text: int, start: int, length: int, label: str, fingerprint: int) -> None:
        """Add an example: the number of its text, where it is, its label, and its fingerprint."""
        self.text.append(text)
        self.start.append(start)
        self.length.append(length)
        self.label.append(self.names.setdefault(label, len(self.names)))
        self.fingerprint.append(fingerprint)

    @property
    def prints(self) -> Prints:
        """The fingerprints, (N,)."""
        return np.array(self.fingerprint, dtype=np.uint64)


def fingerprint(parts: Iterable[str]) -> int:
    """Return the fingerprint of a text, whose end mark does not count, given in parts."""
    digest = hashlib.blake2b(digest_size=FINGERPRINT)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass"))
    return int.from_bytes(digest.digest(), "big")


def lines(text: Text, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, str]]:
    """Yield where each line of a text, or of a stretch of it, starts, and it without its end."""
    at, kept = start, ""
    last = text.characters if stop is None else stop
    for block in itertools.chain(text.blocks(start, last), [None]):
        kept += "" if block is None else read_all([block])
        *whole, kept = kept.split("\n") if block is not None else (kept, "")
        for line in whole:
            yield at, line.removesuffix("\r")
            at += len(line) + 1


def documents(text: Text) -> Iterator[tuple[int, int]]:
    """Yield where each file of a text starts and stops; empty ones are left out."""
    owner = text.index.part
    firsts = np.flatnonzero(np.diff(owner, prepend=-1))
    starts = text.index.first[firsts].tolist()
    yield from itertools.pairwise([*starts, text.characters])


def shuffled(span: Span, seed: int) -> Span:
    """Return a stretch of a text whose documents are read in another order; nothing is copied."""
    edges = np.array([start for start, _ in documents(span.text)], dtype=np.int64)
    ranges: list[tuple[int, int]] = []
    for first, last in span.ranges:
        inside = edges[np.searchsorted(edges, first, "right") : np.searchsorted(edges, last)]
        ranges += itertools.pairwise([first, *inside.tolist(), last])
    order = np.random.default_rng(seed).permutation(len(ranges)).tolist()
    return Span(span.text, tuple(ranges[number] for number in order))


class Lines:
    """The lines of a span of a text with marks, each an example; read when they are asked for.

    Args:
        span: whole examples.
    """

    def __init__(self, span: Span) -> None:
        self.span = span
        marks = span.marks
        assert marks is not None
        bounds = np.append(marks.starts, span.text.characters)
        (first, last), *_ = span.ranges
        whole = (bounds[:-1] >= first) & (bounds[1:] <= last)
        self.bounds = np.stack((bounds[:-1][whole], bounds[1:][whole]), axis=1)

    def __len__(self) -> int:
        return len(self.bounds)

    def lines(self, start: int, stop: int) -> list[str]:
        """Return the lines from one example to another, without their ends."""
        if start >= stop:
            return []
        # They follow one another, so that they are one stretch of the text.
        first, last = int(self.bounds[start, 0]), int(self.bounds[stop - 1, 1])
        text = read_all(self.span.text.blocks(first, last, keep=True))
        bounds = (self.bounds[start:stop] - first).tolist()
        return [text[begin:end].removesuffix("\n") for begin, end in bounds]


def named_files(text: Text) -> list[str]:
    """Return the name of each file of a text that is not empty, in their order."""
    return [text.names[owner] for owner in np.unique(text.index.part).tolist()]


def named_items(text: Text, items: str) -> Iterator[tuple[str, str]]:
    """Yield each line or document of a text, and what to call it: the line, or the file's name."""
    if items == LINES:
        yield from ((line, line) for _, line in lines(text) if line.strip())
        return
    for name, (start, stop) in zip(named_files(text), documents(text), strict=True):
        yield name, read_all(text.blocks(start, stop))


def is_list(text: Text) -> bool:
    """Return whether a text's lines seem to be items of a list: short, and no sentences."""
    head = read_all(text.blocks(0, min(LOOKED_AT, text.characters)))
    found = [line.removesuffix("\r") for line in head.split("\n")]
    if not found.pop() or text.characters > LOOKED_AT:
        found = found[:-1] or found
    if len(found) < FEWEST_LINES:
        return False
    blank = sum(not line.strip() or line[0].isspace() for line in found)
    sentences = sum(line.endswith(tuple(PUNCTUATION)) for line in found)
    lengths = [len(line) for line in found]
    return (
        max(lengths) <= LONGEST_ITEM
        and sum(lengths) <= USUAL_ITEM * len(found)
        and blank <= MOST_BLANK * len(found)
        and sentences <= MOST_SENTENCES * len(found)
        and len(set(found)) > len(found) / 2
    )


def divided(text: Text, items: str, fraction: float) -> tuple[Text, Text | None]:
    """Return a text's items to learn from, and those held out, each joined to a text.

    Args:
        items: what they are, lines or documents.
        fraction: of them to hold out.

    Raises:
        CorpusError: there are no items.
    """
    found = Found()
    if items == LINES:
        for start, line in lines(text):
            if line.strip():
                found.add(0, start, len(line), "", fingerprint([line]))
    else:
        for start, stop in documents(text):
            whole = (read_all([block]) for block in text.blocks(start, stop))
            found.add(0, start, stop - start, "", fingerprint(whole))
    if not found.text:
        raise CorpusError(f"{text.names[0]} has empty lines only", "Give lines with a text on them")
    ids = np.zeros(len(found.text), dtype=np.int64)
    held = held_out(found.prints, ids, fraction)
    train = joined([text], found, ids, ~held, ENDS[items])
    assert train is not None
    return train, joined([text], found, ids, held, ENDS[items])


def seen_among(examples: Iterable[Iterable[str]], seen: Prints | None) -> int:
    """Return how many examples, given in parts, are among those that a model has learned from.

    Args:
        seen: the fingerprints that the model keeps; None if it keeps none.
    """
    if seen is None:
        return 0
    mine = np.array([fingerprint(parts) for parts in examples], dtype=np.uint64)
    return int(np.isin(mine, seen).sum())


def held_out(prints: Prints, ids: NDArray[np.int64], fraction: float) -> NDArray[np.bool_]:
    """Return which examples are held out: about a fraction, but never all of one label.

    Args:
        prints: (N,), of the examples.
        ids: (N,), of their labels.
    """
    held: NDArray[np.bool_] = prints < np.uint64(fraction * float(1 << 64))
    for label in np.setdiff1d(ids, ids[~held]).tolist():
        mine = prints[ids == label]
        held &= prints != mine.max()
    if not held.any() and round(fraction * len(prints)):
        # A few examples, none of which came by chance: the first that leaves its label another.
        for lowest in np.unique(prints).tolist():
            chosen: NDArray[np.bool_] = prints == lowest
            if np.array_equal(np.unique(ids), np.unique(ids[~chosen])):
                return chosen
    return held


def joined(
    texts: Sequence[Text],
    found: Found,
    ids: NDArray[np.int64],
    which: NDArray[np.bool_],
    end: str = ENDS[LINES],
) -> Text | None:
    """Write some examples, shuffled, to a temporary file, and return it as a text; None for none.

    Args:
        ids: (N,), of their labels.
        which: (N,), whether to write each.
        end: the end mark; an example that has it already gets no second one.
    """
    order = np.random.default_rng(0).permutation(np.flatnonzero(which))
    if not len(order):
        return None
    copy = Scratch()
    starts = np.empty(len(order), dtype=np.int64)
    at = 0
    for row, place in enumerate(order.tolist()):
        text, start, length = texts[found.text[place]], found.start[place], found.length[place]
        starts[row] = at
        last = ""
        for block in text.blocks(start, start + length, keep=True):
            last = read_all([block])
            copy.write(last.encode("latin-1" if text.as_bytes else "utf-8"))
        at += length
        if not last.endswith(end):
            copy.write(end.encode())
            at += 1
    one = len(texts) == 1
    name = texts[0].names[0] if one else ", ".join(found.names)
    part = Part(name, copy.size, copy=copy)
    marks = Marks(starts, ids[order].astype(np.int32), found.prints[order])
    return Text([part], as_bytes=texts[0].as_bytes, marks=marks)
