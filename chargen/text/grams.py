"""Fingerprints of all stretches of one length: of n-grams of characters.

A model's folder may hold those of its corpus, to tell later what the model copies: for some lengths
a Bloom filter (Bloom 1970, Communications of the ACM 13), from which no text can be read. A stretch
of the corpus is always found in it; another is found by mistake in less than one of a hundred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from chargen.errors import CheckpointError, argument
from chargen.files import write_whole
from chargen.text.corpus import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    CodePoints = NDArray[np.uint32]
    Prints = NDArray[np.uint64]

BASE = 0x9E3779B97F4A7C15
INVERSE = pow(BASE, -1, 1 << 64)

SIZES = (16, 32, 8)
"""Lengths of stretches whose fingerprints are kept, the most useful first."""

BITS, HASHES = 12, 4
"""Bits of a filter for each stretch, and how many of them a stretch sets: (1 - e^(-4/12))^4 is the
share of mistakes, 0.6 %."""

LARGEST = 32 << 20
"""Bytes of all filters of a corpus, at most; of a large one, fewer lengths are kept, or none."""

FORMAT = {"format": "chargen fingerprints", "version": "1"}


def prints(points: CodePoints, size: int) -> Prints:
    """Return a fingerprint for each stretch of ``size`` characters (T - size + 1,).

    A polynomial in the code points modulo 2⁶⁴ (Karp & Rabin 1987), from sums over the text, so that
    the cost does not grow with the size; then mixed (the finish of splitmix64, Steele et al. 2014),
    so that every bit of it depends on all characters.
    """
    count = len(points) - size + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    powers = _powers(BASE, len(points))
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(_mixed(points) * powers)))
    found = (sums[size:] - sums[:count]) * _powers(INVERSE, count)
    return _mixed(found)


def _powers(base: int, count: int) -> Prints:
    """Return the first powers of a number, modulo 2⁶⁴."""
    steps = np.full(count, base, np.uint64)
    steps[0] = 1
    return np.cumprod(steps)


def _mixed(values: NDArray[np.unsignedinteger[Any]]) -> Prints:
    """Return numbers in which each bit depends on all bits of those given."""
    mixed = values.astype(np.uint64) + np.uint64(BASE)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


@dataclass(frozen=True)
class Grams:
    """Which stretches a corpus has, for some lengths.

    Attributes:
        filters: for each length, the bits of its filter.
    """

    filters: Mapping[int, NDArray[np.uint8]]

    @classmethod
    def of(cls, span: Span) -> Grams:
        """Return those of a text, which is streamed."""
        size = -(-len(span) * BITS // 8)
        sizes = [gram for gram in SIZES if gram <= len(span)][: LARGEST // max(1, size)]
        filters = {gram: np.zeros(size, np.uint8) for gram in sorted(sizes)}
        if not filters:
            return cls(filters)
        rest = np.empty(0, np.uint32)
        for block in span.blocks():
            points = np.concatenate((rest, block))
            for gram, bits in filters.items():
                # What is left of the block before has longer stretches that reach into this one.
                begin = max(0, len(rest) - gram + 1)
                for places in _places(prints(points[begin:], gram), size):
                    np.bitwise_or.at(bits, places >> np.uint64(3), _bit(places))
            rest = points[-max(SIZES) + 1 :]
        return cls(filters)

    @classmethod
    def read(cls, path: Path) -> Grams:
        """Read those that were written.

        Raises:
            CheckpointError: the file is missing or damaged.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                if (file.metadata() or {}) | FORMAT != file.metadata():
                    raise ValueError
                return cls({int(name): file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - it is no dictionary
        except FileNotFoundError:
            raise CheckpointError(
                f"{path} does not exist: nothing is known of the model's corpus",
                f"Train a model with {argument('fingerprints')}, or compare with the corpus by "
                "`chargen novelty`",
            ) from None
        except (OSError, SafetensorError, ValueError):
            raise CheckpointError(f"{path} is damaged", "Train the model again") from None

    def require_some(self) -> None:
        """Make sure that anything is known.

        Raises:
            CheckpointError: the corpus was too large, or too short, or several have no length in
                common.
        """
        if not self.filters:
            raise CheckpointError(
                "nothing is known of the corpus, which is too large or too short for fingerprints",
                "Compare with the corpus by `chargen novelty`",
            )

    def write(self, path: Path) -> None:
        """Write them to a file.

        Raises:
            CheckpointError: it cannot be written.
        """
        arrays = {str(gram): bits for gram, bits in self.filters.items()}
        write_whole(path, save(arrays, FORMAT))

    def has(self, found: Prints, size: int) -> NDArray[np.bool_]:
        """Return which fingerprints of stretches of one length are of the corpus."""
        bits = self.filters[size]
        there = np.ones(found.shape, np.bool_)
        for places in _places(found, len(bits)):
            there &= bits[places >> np.uint64(3)] & _bit(places) != 0
        return there

    def longest(self, points: CodePoints) -> tuple[int, int]:
        """Return where the longest run that the corpus has too starts in a text, and its length.

        The true one is not longer. It may be shorter, where overlapping stretches of the corpus are
        joined in a way in which the corpus has not joined them. The length is 0 if it is shorter
        than all lengths that are known.
        """
        longest = (0, 0)
        shorter, before = np.ones(len(points), np.bool_), 1
        for size in sorted(self.filters):
            hits = self.has(prints(points, size), size)
            # Only where all shorter stretches within it are there, too: so mistakes are rare.
            counts = np.append(0, np.cumsum(shorter))
            width = size - before + 1
            hits &= (counts[width:] - counts[:-width])[: len(hits)] == width
            edges = np.flatnonzero(np.diff(np.concatenate(([0], hits, [0]))))
            if not len(edges):
                break
            starts, stops = edges[::2], edges[1::2]
            at = int((stops - starts).argmax())
            longest = int(starts[at]), int(stops[at] - starts[at]) + size - 1
            shorter, before = hits, size
        return longest


@dataclass(frozen=True)
class Several(Grams):
    """Which stretches any of several corpora has.

    Attributes:
        parts: what is known of each.
    """

    parts: Sequence[Grams] = ()

    @classmethod
    def of_all(cls, parts: Sequence[Grams]) -> Several:
        """Return what all know together, for the lengths that each of them knows."""
        sizes = set.intersection(*(set(part.filters) for part in parts))
        return cls({size: parts[0].filters[size] for size in sizes}, parts)

    def has(self, found: Prints, size: int) -> NDArray[np.bool_]:
        """Return which fingerprints are those of stretches of any corpus."""
        there = np.zeros(found.shape, np.bool_)
        for part in self.parts:
            there |= part.has(found, size)
        return there


def _places(found: Prints, size: int) -> list[Prints]:
    """Return which bits stand for each fingerprint, in a filter of so many bytes."""
    low, high = found & np.uint64(0xFFFFFFFF), found >> np.uint64(32)
    bits = np.uint64(8 * size)
    return [(low + np.uint64(number) * (high | np.uint64(1))) % bits for number in range(HASHES)]


def _bit(places: Prints) -> NDArray[np.uint8]:
    return np.left_shift(np.uint8(1), (places & np.uint64(7)).astype(np.uint8))
