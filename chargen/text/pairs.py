"""Pairs: a source and its target on each line, with features where there are any.

The lines are shuffled once and joined to one text with marks, as labelled texts are (see
`chargen.text.examples`). So a file of any size is read in the same memory. Whether a pair is held
out depends on its source and its features alone. So two targets of one source are on one side.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from chargen.errors import CorpusError, argument
from chargen.text.corpus import Span, Text
from chargen.text.examples import (
    Found,
    Lines,
    documents,
    fingerprint,
    held_out,
    joined,
    lines,
    named_files,
)
from chargen.text.pair_form import Form, Pair

SHOWN = 5
"""Pairs that are named at most when some are too long."""


@dataclass(frozen=True)
class Symbols:
    """The symbols of a model of pairs, beside the characters of its sources.

    Attributes:
        form: how its pairs are written.
        targets, features: known symbols, in the order of their ids.

    Raises:
        ValueError: no targets, or one twice.
    """

    form: Form
    targets: tuple[str, ...]
    features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for symbols in (self.targets, self.features):
            if len(set(symbols)) != len(symbols):
                raise ValueError("symbols must differ")
        if not self.targets:
            raise ValueError("there are no targets")

    @property
    def end(self) -> int:
        """The output that ends a target; as an input, "no symbol"."""
        return len(self.targets)

    @property
    def copy(self) -> int:
        """The output that copies the source's character."""
        return len(self.targets) + 1


class Pairs(Lines):
    """The pairs of a span of a text with marks; they are read when they are asked for.

    Args:
        span: whole examples.
        form: how they are written; what is too long is cut.
    """

    def __init__(self, span: Span, form: Form) -> None:
        super().__init__(span)
        self.form = form

    def read(self, start: int, stop: int) -> list[Pair]:
        """Return the pairs from one place to another."""
        pairs = (self.form.pair(line, "a pair") for line in self.lines(start, stop))
        return [self.form.shortened(pair) for pair in pairs]


@dataclass(frozen=True)
class Counts:
    """How often each symbol occurs.

    Attributes:
        characters: of sources.
        features, targets: as their names say.
    """

    characters: Counter[str]
    features: Counter[str]
    targets: Counter[str]

    @classmethod
    def none(cls) -> Counts:
        """Return counts of nothing."""
        return cls(Counter(), Counter(), Counter())

    def add(self, pair: Pair) -> None:
        """Count a pair."""
        self.characters.update(pair.source)
        self.features.update(pair.features)
        self.targets.update(pair.target or ())


@dataclass(frozen=True)
class Paired:
    """Pairs to learn from and pairs held out.

    Attributes:
        train: those to learn from as one text, with marks.
        valid: those held out; None if there are none.
        counts: of the symbols of both, as a vocabulary may know both.
        learned: target symbols to learn from, ends included.
        usual, longest: characters of a usual source (the mean), and symbols of the longest source
            or target.
        form: how they are written.
    """

    train: Text
    valid: Text | None
    counts: Counts
    learned: int
    usual: float
    longest: int
    form: Form


def read_pairs(
    text: Text,
    form: Form,
    fraction: float,
    note: Callable[[str], None],
) -> Paired:
    """Read pairs and hold out a share of them.

    Args:
        text: with a pair on each line.
        fraction: of the pairs to hold out.
        note: called with a line that the user should read.

    Raises:
        CorpusError: a line is no pair; there are no two pairs; all targets are equal.
    """
    found, counts = Found(), Counts.none()
    targets: set[tuple[str, ...]] = set()
    lengths, longest = array("q"), 0
    for start, line, pair in _limited(text, form, note):
        found.add(0, start, len(line), "", fingerprint([pair.source, "\t", *pair.features]))
        counts.add(pair)
        lengths.append(len(pair.target or ()) + 1)
        longest = max(longest, len(pair.source), lengths[-1] - 1)
        if len(targets) < 2:
            targets.add(pair.target or ())
    if len(lengths) < 2:
        raise CorpusError(
            f"{text.names[0]} has fewer than two pairs", "Give hundreds, better thousands"
        )
    if len(targets) < 2:
        raise CorpusError(
            f"all targets of {text.names[0]} are equal",
            f"Check which column is the target ({argument('columns')})",
        )
    ids = np.zeros(len(lengths), dtype=np.int64)
    held = held_out(found.prints, ids, fraction)
    train = joined([text], found, ids, ~held)
    assert train is not None
    learned = int(np.array(lengths)[~held].sum())
    usual = counts.characters.total() / len(lengths)
    valid = joined([text], found, ids, held)
    return Paired(train, valid, counts, learned, usual, longest, form)


def _limited(
    text: Text, form: Form, note: Callable[[str], None]
) -> Iterator[tuple[int, str, Pair]]:
    """Yield each pair with its line and where that starts; say which are too long."""
    long: list[str] = []
    count = 0
    for where, start, line in numbered(text):
        pair = form.pair(line, where)
        if not form.fits(pair):
            count += 1
            if len(long) < SHOWN:
                long.append(where)
            if not form.cut:
                continue
            pair = form.shortened(pair)
        yield start, line, pair
    if count:
        more = f" and {count - len(long):,} more" if count > len(long) else ""
        done = "cut" if form.cut else "left out"
        note(f"{done}, as longer than {form.longest:,} symbols: {', '.join(long)}{more}")


def numbered(text: Text) -> Iterator[tuple[str, int, str]]:
    """Yield for each line that is not empty how to name it, where it starts, and the line."""
    for name, (first, last) in zip(named_files(text), documents(text), strict=True):
        for number, (start, line) in enumerate(lines(text, first, last), 1):
            if line.strip():
                yield f"line {number:,} of {name}", start, line
