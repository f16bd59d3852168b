"""Examples that are learned whole: read in chunks, shuffled, and put side by side by length."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

CHUNK = 1 << 13
"""Examples that are in memory at a time."""

SORTED = 20
"""Examples are sorted by length in groups of so many batches, so that there is little padding."""

CELLS, PLACES = 1 << 22, 1 << 15
"""At most so many cells (examples × source × target) and places (examples × both) in a batch."""

E = TypeVar("E", contravariant=True)
C = TypeVar("C")
Read = TypeVar("Read", covariant=True)
Given = TypeVar("Given")
Made = TypeVar("Made")


class Examples(Protocol[Read]):
    """Examples that can be read again and again."""

    def __len__(self) -> int: ...

    def read(self, start: int, stop: int) -> Sequence[Read]:
        """Return the examples from one place to another."""


class Coder(Protocol[E, C]):
    """What turns examples into ids."""

    def encoded(self, example: E, /) -> C:
        """Return an example as ids."""

    def size(self, coded: C, /) -> tuple[int, int]:
        """Return the places of its source and of its target."""

    def varied(self, coded: C, chance: float, /) -> C:
        """Return an example as it is shown in one step; ``chance`` is from 0 to 1."""

    def window(self, coded: Sequence[C], end: int, /) -> Any:
        """Return one step's data; ``end`` examples of the pass are done with it."""


class ExampleFeed(Generic[E, C]):
    """The examples that a network learns from, in another order in each pass.

    Args:
        examples: to learn from.
        coder: that turns them into ids.
        batch: examples in a step, at most.
        seed: of the order.
        characters: that a pass trains on.
    """

    def __init__(
        self, examples: Examples[E], coder: Coder[E, C], batch: int, seed: int, characters: int
    ) -> None:
        self.examples, self.coder, self.batch, self.seed = examples, coder, batch, seed
        self.characters = characters
        self._kept: tuple[int, list[C]] = (-1, [])

    @property
    def places(self) -> int:
        """How many places a pass has: one for each example."""
        return len(self.examples)

    def windows(self, epoch: int, place: int) -> Iterator[Any]:
        """Yield the steps of a pass that come after a place."""
        for start in range(place // CHUNK * CHUNK, len(self.examples), CHUNK):
            chunk = self._chunk(start)
            random = np.random.default_rng((self.seed, epoch, start))
            done = start
            for rows in self._batches(chunk, random):
                chances = random.random(len(rows)).tolist()
                done += len(rows)
                if done > place:
                    shown = zip(rows, chances, strict=True)
                    varied = [self.coder.varied(chunk[row], chance) for row, chance in shown]
                    yield self.coder.window(varied, done)

    def _chunk(self, start: int) -> list[C]:
        """Return the examples from a place on as ids; the last chunk is kept."""
        if self._kept[0] != start:
            read = self.examples.read(start, min(start + CHUNK, len(self.examples)))
            self._kept = start, [self.coder.encoded(example) for example in read]
        return self._kept[1]

    def _batches(self, chunk: Sequence[C], random: np.random.Generator) -> list[list[int]]:
        order = random.permutation(len(chunk)).tolist()
        batches: list[list[int]] = []
        for at in range(0, len(order), SORTED * self.batch):
            group = order[at : at + SORTED * self.batch]
            sizes = {row: self.coder.size(chunk[row]) for row in group}
            batches += batched(sorted(group, key=lambda row: sizes[row]), sizes, self.batch)
        return [batches[index] for index in random.permutation(len(batches)).tolist()]


def side_by_side(
    given: Iterable[Given],
    size: Callable[[Given], tuple[int, int]],
    work: Callable[[Sequence[Given]], Iterable[Made]],
    together: int,
    chunk: int,
) -> Iterator[Made]:
    """Yield what is made of each example, in their order, while those of like length go together.

    Args:
        size: returns the places of an example's source and of its target.
        work: returns what is made of examples, one for each.
        together: examples that are worked on side by side, at most.
        chunk: examples that are in memory.
    """
    them = iter(given)
    while some := list(itertools.islice(them, chunk)):
        sizes = {row: size(one) for row, one in enumerate(some)}
        made: dict[int, Made] = {}
        for rows in batched(sorted(sizes, key=lambda row: sizes[row]), sizes, together):
            made |= zip(rows, work([some[row] for row in rows]), strict=True)
        yield from (made[row] for row in range(len(some)))


def batched(
    order: Sequence[int], sizes: Mapping[int, tuple[int, int]], most: int
) -> list[list[int]]:
    """Cut rows into batches, each of them small enough for memory.

    Args:
        order: rows, such that neighbours are of similar length.
        sizes: of each row, the places of its source and of its target.
        most: rows in a batch.
    """
    batches: list[list[int]] = []
    wide = long = 0
    for row in order:
        rows = 1 + (len(batches[-1]) if batches else most)
        wide, long = max(wide, sizes[row][0]), max(long, sizes[row][1])
        if rows > most or rows * wide * long > CELLS or rows * (wide + long) > PLACES:
            batches.append([])
            wide, long = sizes[row]
        batches[-1].append(row)
    return batches
