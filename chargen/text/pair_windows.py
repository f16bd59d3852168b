"""From pairs to ids, and to what a network is given in one step.

Ids of target symbols are 0 to V-1. As an output, V means "the target has ended", and V + 1 means
"copy the source's character here". As an input, V means "no symbol": before a target, and for a
symbol that is not known.

A symbol that is no target of the training, such as a letter of a rare name, can only be copied. So
that a model learns to, some characters are hidden from it in training (`hidden`): neither the
source's id nor the target's tells which character that is; only copying gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from chargen.text.pair_form import Pair
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]
    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float32]

UNKNOWN = -2
"""The target of a symbol that the model can only copy."""

HIDDEN = 0.05
"""Share of the pairs in which a character is hidden."""


@dataclass(frozen=True)
class Encoded:
    """A pair as ids.

    Attributes:
        source: (S,) ids; the first and the last place are "no character".
        features: the ids of its features; those not known are left out.
        target: (T,) ids, the last one "the target has ended"; UNKNOWN for a symbol not known.
        characters: (S,) code points; -1 where there is no character that could be a symbol.
        symbols: (T,) code points; -2 for the end, and for a symbol of several characters.
    """

    source: Ids
    features: Ids
    target: Ids
    characters: Ids
    symbols: Ids


@dataclass(frozen=True)
class PairWindow:
    """One step's data: pairs side by side.

    Attributes:
        sources: (B, S) ids, "no character" after a source.
        lengths: (B,) places of each source.
        features: (B, F), 1 for each feature that a pair has.
        inputs: (B, T) ids, the symbol before each target.
        targets: (B, T) ids; ``PAST`` after the end.
        same: (B, T, S), whether a target is the character at a place of the source.
        copyable: (B, S), which places have a character that could be a symbol.
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
    """Turns pairs into ids.

    Args:
        vocabulary: of a model of pairs.
        share: of the pairs in which a character is hidden in training.
    """

    def __init__(self, vocabulary: Vocabulary, share: float = HIDDEN) -> None:
        self.share = share
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
        spaced = self.symbols.form.spaced
        points = [-1 if spaced and one.isspace() else ord(one) for one in pair.source]
        told = [ord(one) if len(one) == 1 else -2 for one in symbols]
        return Encoded(
            self.source(pair),
            self.described(pair),
            np.array([*target, self.symbols.end], dtype=np.int32),
            np.array([-1, *points, -1], dtype=np.int32),
            np.array([*told, -2], dtype=np.int32),
        )

    def size(self, pair: Encoded) -> tuple[int, int]:
        """Return the places of a source and of a target."""
        return len(pair.source), len(pair.target)

    def varied(self, pair: Encoded, chance: float) -> Encoded:
        """Return a pair as it is shown in one step of training: in some, a character is hidden."""
        return hidden(pair, chance / self.share, self) if chance < self.share else pair

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
            here = pair.symbols[:, None] == pair.characters
            same[row, : len(pair.target), : len(pair.source)] = here
            copyable[row, : len(pair.source)] = pair.characters >= 0
        inputs = np.full((rows, long), none, dtype=np.int32)
        inputs[:, 1:] = np.where(targets[:, :-1] < 0, none, targets[:, :-1])
        lengths = np.array([len(pair.source) for pair in pairs], dtype=np.int32)
        return PairWindow(sources, lengths, features, inputs, targets, same, copyable, end)


def hidden(pair: Encoded, chance: float, coder: Coder) -> Encoded:
    """Return a pair with one of its characters hidden, if one can be copied.

    Args:
        chance: a number from 0 to 1 that says which.
    """
    places = np.flatnonzero(np.isin(pair.characters, pair.symbols))
    if not len(places):
        return pair
    character = pair.characters[places[int(chance * len(places))]]
    source = np.where(pair.characters == character, coder.vocabulary.bos, pair.source)
    target = np.where(pair.symbols == character, UNKNOWN, pair.target)
    return replace(pair, source=source.astype(np.int32), target=target.astype(np.int32))
