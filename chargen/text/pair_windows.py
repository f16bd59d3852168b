"""From pairs to ids, and to what a network is given in one step.

Ids of target symbols are 0 to V-1. As an output, V means "the target has ended", and V + 1 means
"copy the source's character here". As an input, V means "no symbol": before a target, and for a
symbol that is not known.

A symbol that is no target of the training, such as a letter of a rare name, can only be copied. So
that a model learns to, some characters are hidden from it in training (`hidden`): neither the
source's id nor the target's tells which character that is; only copying gives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chargen.text.pair_form import Pair
from chargen.text.pairs import Pairs
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]
    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float32]

UNKNOWN = -2
"""The target of a symbol that the model can only copy."""

CHUNK = 1 << 14
"""Pairs that are in memory at a time."""

SORTED = 20
"""Pairs are sorted by length in groups of so many batches, so that a batch has little padding."""

CELLS, PLACES = 1 << 22, 1 << 15
"""At most so many cells (pairs × source × target) and places (pairs × both) are in a batch."""

HIDDEN = 0.05
"""Share of the pairs in which a character is hidden."""


@dataclass(frozen=True)
class Encoded:
    """A pair as ids.

    Attributes:
        source: (S,) ids; the first and the last place are "no character".
        features: the ids of its features; those not known are left out.
        target: (T,) ids, the last one "the target has ended"; UNKNOWN for a symbol not known.
        same: (T, S), whether a place of the target is the character at a place of the source.
        copyable: (S,), which places have a character that could be a symbol.
    """

    source: Ids
    features: Ids
    target: Ids
    same: Bools
    copyable: Bools


@dataclass(frozen=True)
class PairWindow:
    """One step's data: pairs side by side.

    Attributes:
        sources: (B, S) ids, "no character" after a source.
        lengths: (B,) places of each source.
        features: (B, F), 1 for each feature that a pair has.
        inputs: (B, T) ids, the symbol before each target.
        targets: (B, T) ids; ``PAST`` after the end.
        same, copyable: (B, T, S) and (B, S), see `Encoded`.
        end: how many pairs of the pass are done with this step.
    """

    sources: Ids
    lengths: Ids
    features: Floats
    inputs: Ids
    targets: Ids
    same: Bools
    copyable: Bools
    end: int

    @property
    def characters(self) -> int:
        """How many target symbols there are, ends included."""
        return int((self.targets != PAST).sum())


class Coder:
    """Turns pairs into ids."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        symbols = vocabulary.symbols
        assert symbols is not None
        self.vocabulary, self.symbols = vocabulary, symbols
        self.targets = {symbol: index for index, symbol in enumerate(symbols.targets)}
        self.features = {symbol: index for index, symbol in enumerate(symbols.features)}

    def source(self, pair: Pair) -> Ids:
        """Return the ids (S,) of a source, between two that mean "no character"."""
        edge = [self.vocabulary.bos]
        return np.concatenate((edge, self.vocabulary.encode(pair.source), edge)).astype(np.int32)

    def described(self, pair: Pair) -> Ids:
        """Return the ids of a pair's features that are known."""
        known = [self.features[one] for one in pair.features if one in self.features]
        return np.array(known, dtype=np.int32)

    def encoded(self, pair: Pair) -> Encoded:
        """Return a pair with its target as ids."""
        symbols = pair.target or ()
        target = [self.targets.get(one, UNKNOWN) for one in symbols]
        same = np.zeros((len(symbols) + 1, len(pair.source) + 2), dtype=np.bool_)
        characters = np.array(["", *pair.source, ""], dtype=object)
        for place, one in enumerate(symbols):
            same[place] = characters == one
        ids = np.array([*target, self.symbols.end], dtype=np.int32)
        spaced = self.symbols.form.spaced
        copyable = [one != "" and not (spaced and one.isspace()) for one in characters]
        return Encoded(
            self.source(pair), self.described(pair), ids, same, np.array(copyable, dtype=np.bool_)
        )

    def window(self, pairs: Sequence[Encoded], end: int = 0) -> PairWindow:
        """Return pairs side by side."""
        rows, none = len(pairs), self.symbols.end
        wide = max(len(pair.source) for pair in pairs)
        long = max(len(pair.target) for pair in pairs)
        sources = np.full((rows, wide), self.vocabulary.bos, dtype=np.int32)
        targets = np.full((rows, long), PAST, dtype=np.int32)
        features = np.zeros((rows, len(self.symbols.features)), dtype=np.float32)
        same = np.zeros((rows, long, wide), dtype=np.bool_)
        copyable = np.zeros((rows, wide), dtype=np.bool_)
        for row, pair in enumerate(pairs):
            sources[row, : len(pair.source)] = pair.source
            targets[row, : len(pair.target)] = pair.target
            features[row, pair.features] = 1
            same[row, : len(pair.target), : len(pair.source)] = pair.same
            copyable[row, : len(pair.source)] = pair.copyable
        inputs = np.full((rows, long), none, dtype=np.int32)
        inputs[:, 1:] = np.where(targets[:, :-1] < 0, none, targets[:, :-1])
        lengths = np.array([len(pair.source) for pair in pairs], dtype=np.int32)
        return PairWindow(sources, lengths, features, inputs, targets, same, copyable, end)


class PairFeed:
    """The pairs that a network learns from, in another order in each pass.

    Args:
        pairs: to learn from.
        coder: that knows their symbols.
        batch: pairs in a step, at most.
        seed: of the order.
        characters: target symbols in a pass.
        copies: whether the network can copy, so that characters may be hidden.
    """

    def __init__(
        self, pairs: Pairs, coder: Coder, batch: int, seed: int, characters: int, copies: bool
    ) -> None:
        self.pairs, self.coder, self.batch, self.seed = pairs, coder, batch, seed
        self.characters = characters
        self.share = HIDDEN if copies else 0.0
        self._kept: tuple[int, list[Encoded]] = (-1, [])

    @property
    def places(self) -> int:
        """How many places a pass has: one for each pair."""
        return len(self.pairs)

    def windows(self, epoch: int, place: int) -> Iterator[PairWindow]:
        """Yield the steps of a pass that come after a place."""
        for start in range(place // CHUNK * CHUNK, len(self.pairs), CHUNK):
            chunk = self._chunk(start)
            random = np.random.default_rng((self.seed, epoch, start))
            done = start
            for rows in self._batches(chunk, random):
                hide = random.random(len(rows))
                done += len(rows)
                if done > place:
                    shown = [
                        hidden(chunk[row], one / self.share, self.coder)
                        if one < self.share
                        else chunk[row]
                        for row, one in zip(rows, hide.tolist(), strict=True)
                    ]
                    yield self.coder.window(shown, done)

    def _chunk(self, start: int) -> list[Encoded]:
        """Return the pairs from a place on, encoded; the last chunk is kept."""
        if self._kept[0] != start:
            read = self.pairs.read(start, min(start + CHUNK, len(self.pairs)))
            self._kept = start, [self.coder.encoded(pair) for pair in read]
        return self._kept[1]

    def _batches(self, chunk: Sequence[Encoded], random: np.random.Generator) -> list[list[int]]:
        order = random.permutation(len(chunk)).tolist()
        batches: list[list[int]] = []
        for at in range(0, len(order), SORTED * self.batch):
            group = order[at : at + SORTED * self.batch]
            sizes = {row: (len(chunk[row].source), len(chunk[row].target)) for row in group}
            batches += batched(sorted(group, key=lambda row: sizes[row]), sizes, self.batch)
        return [batches[index] for index in random.permutation(len(batches)).tolist()]


def batched(order: Sequence[int], sizes: dict[int, tuple[int, int]], most: int) -> list[list[int]]:
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


def hidden(pair: Encoded, chance: float, coder: Coder) -> Encoded:
    """Return a pair with one of its characters hidden, if one can be copied.

    Args:
        chance: a number from 0 to 1 that says which.
    """
    places = np.flatnonzero(pair.same.any(axis=0))
    if not len(places):
        return pair
    at = places[int(chance * len(places))]
    where = pair.source == pair.source[at]
    source = np.where(where, coder.vocabulary.bos, pair.source)
    target = np.where(pair.same[:, at], UNKNOWN, pair.target)
    return Encoded(source, pair.features, target, pair.same, pair.copyable)
