"""The network that turns one text into another, in NumPy; see `chargen.networks.transducer`.

Targets are written symbol by symbol: several sources side by side, several beginnings of a target
for each (K of them, the beam). `Writing` holds all that; it tells how likely each next symbol is,
and goes on with those that were chosen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from chargen.architecture import NONE, Architecture, below
from chargen.engine.encoder import Encoder
from chargen.engine.language_model import State, pick
from chargen.engine.likelihood import log_softmax
from chargen.engine.product import product
from chargen.engine.stack import Stack
from chargen.engine.transformer import softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Ids = NDArray[np.int32]

LEAST = np.float32(-1e4)
"""The logarithm of a chance that there is not."""


class Writer(Protocol):
    """Targets that are being written: for B sources, K for each; by one model or by several."""

    def next(self) -> Doubles:
        """Return the log-probability (B, K, N) of each next symbol; the ids are `Reading`'s."""

    def choose(self, parents: NDArray[np.intp], ids: NDArray[np.intp]) -> None:
        """Go on with some: the k-th is now target ``parents[b, k]`` and then ``ids[b, k]``."""

    def keep(self, sources: NDArray[Any]) -> None:
        """Go on with some of the sources, by an index."""

    def looked(self) -> Doubles:
        """Return at which places (B, K, S) of the sources the last symbols were written, in shares.

        After `choose` only; (B, K, 1) where a source is remembered as one vector.
        """


class Reading:
    """Sources that were read, side by side.

    Output ids: 0 to V-1 are the target symbols, V ends a target, and from V + 1 on come characters
    that can only be copied, numbered for each source by itself.

    Attributes:
        memory: (B, S, H), the places of each source.
        there: (B, S), which places there are.
        copied: (B, S, N), 1 for the output that copying a place gives.
        wanted: what a source's features add to the decoder's inputs; None without features.
    """

    def __init__(
        self, memory: Floats, there: NDArray[np.bool_], copied: Floats, wanted: Floats | None
    ) -> None:
        self.memory, self.there, self.copied, self.wanted = memory, there, copied, wanted

    @property
    def copyable(self) -> NDArray[np.bool_]:
        """Which places (B, S) have a character that can be copied."""
        there: NDArray[np.bool_] = self.copied.max(axis=-1) > 0
        return there

    def pick(self, rows: NDArray[Any]) -> Reading:
        """Return some of the sources."""
        wanted = None if self.wanted is None else self.wanted[rows]
        return Reading(self.memory[rows], self.there[rows], self.copied[rows], wanted)


class Transducer(Encoder):
    """An encoder and a decoder with attention."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, Floats]) -> None:
        super().__init__(architecture, weights)
        self.decoder = Stack(architecture, weights, "decoder", vectors="symbol.weight")
        self.looks = [
            below(weights, f"look.{number}.") for number in range(architecture.layers - 1)
        ]

    def read(
        self, sources: Sequence[Ids], features: Sequence[Ids], copies: Sequence[Ids]
    ) -> Reading:
        """Read sources.

        Args:
            sources: (S,) ids of each.
            features: ids of each one's features.
            copies: (S,) for each, the output that copying a place gives; -1 for none.
        """
        described = wanted = None
        if self.architecture.features:
            told = np.zeros((len(sources), self.architecture.features), dtype=np.float32)
            for row, ids in enumerate(features):
                told[row, ids] = 1
            described = told @ self.weights["feature.weight"].T
            wanted = told @ self.weights["wanted.weight"].T
        outputs = max(self.architecture.targets, *(one.max(initial=0) for one in copies)) + 1
        left, right, there = self.sides(sources, described)
        if self.architecture.attention == NONE:
            every = np.arange(len(sources))
            left, right = left[every, there.sum(axis=1) - 1][:, None], right[:, :1]
            # No place is left from which a character could be copied.
            there, copies = there[:, :1], [np.full_like(one, -1) for one in copies]
        copied = np.zeros((*there.shape, outputs), dtype=np.float32)
        for row, one in enumerate(copies):
            known = np.flatnonzero(one >= 0)
            copied[row, known, one[known]] = 1
        return Reading(self.joined(left, right), there, copied, wanted)

    def write(self, reading: Reading) -> Writing:
        """Begin targets of sources, one for each."""
        return Aligned(self, reading) if self.architecture.aligned else Averaged(self, reading)

    def step(
        self, ids: Ids, state: State, added: Floats | None, reading: Reading
    ) -> tuple[Floats, State]:
        """Return the decoder's outputs (B, K, H) after ids (B, K), and the state."""
        rows, beam = ids.shape
        x = self.decoder.table[ids.reshape(-1, 1)]
        if added is not None:
            x = x + np.repeat(added, beam, axis=0)[:, None]
        after: State = []
        for number, (layer, carried) in enumerate(zip(self.decoder.layers, state, strict=True)):
            x, carried = layer.forward(layer.project(x) if number else x, carried)
            after.append(carried)
            if number < len(self.looks):
                x = self._look(number, x.reshape(rows, beam, -1), reading).reshape(x.shape)
        return self.settled(x).reshape(rows, beam, -1), after

    def _look(self, number: int, decoded: Floats, reading: Reading) -> Floats:
        """Return what was decoded (B, K, H) together with what it looked at in the source."""
        look = self.looks[number]
        weights = softmax(fit(product(self.settled(decoded), look["query.weight"].T), reading))
        mean: Floats = weights @ reading.memory
        seen = product(mean, look["context.weight"].T)
        seen += decoded
        return seen if self.architecture.family.attends else np.tanh(seen, out=seen)


def fit(query: Floats, reading: Reading) -> Floats:
    """Return how well each place of a source fits each query (B, K, H): (B, K, S)."""
    scores: Floats = query @ reading.memory.swapaxes(1, 2)
    scores *= np.float32(reading.memory.shape[-1] ** -0.5)
    np.copyto(scores, LEAST, where=~reading.there[:, None])
    return scores


class Writing(ABC):
    """Targets that are being written by one model; see `Writer`."""

    def __init__(self, model: Transducer, reading: Reading) -> None:
        self.model, self.reading = model, reading
        self.beam = 1
        wanted = reading.wanted
        self.added = None if wanted is None else model.decoder.addition(wanted)
        self.end = model.architecture.targets
        rows = len(reading.memory)
        self._read(np.full((rows, 1), self.end, dtype=np.int32), model.decoder.start(rows))

    def _read(self, ids: Ids, state: State) -> None:
        self.decoded, self.state = self.model.step(ids, state, self.added, self.reading)

    @abstractmethod
    def next(self) -> Doubles:
        """See `Writer`."""

    def choose(self, parents: NDArray[np.intp], ids: NDArray[np.intp]) -> None:
        """See `Writer`."""
        rows = np.arange(len(parents))[:, None] * self.beam + parents
        self.beam = parents.shape[1]
        # A symbol that is not known is read as "no symbol".
        read = np.minimum(ids, self.end).astype(np.int32)
        self._read(read, pick(self.state, rows.ravel()))

    @abstractmethod
    def looked(self) -> Doubles:
        """See `Writer`."""

    def keep(self, sources: NDArray[Any]) -> None:
        """See `Writer`."""
        rows = np.arange(len(self.decoded) * self.beam).reshape(-1, self.beam)[sources].ravel()
        self.reading = self.reading.pick(sources)
        self.state = pick(self.state, rows)
        self.decoded = self.decoded[sources]
        self.added = None if self.added is None else self.added[sources]


class Averaged(Writing):
    """With soft attention, or none."""

    def next(self) -> Doubles:
        """See `Writer`."""
        weights, reading = self.model.weights, self.reading
        scores = fit(product(self.decoded, weights["query.weight"].T), reading)
        looked = softmax(scores.copy())
        self.weights = looked
        seen = product(looked @ reading.memory, weights["place.weight"].T)
        x = np.tanh(product(self.decoded, weights["read.weight"].T) + seen)
        logits = (product(x, weights["output.weight"].T) + weights["output.bias"]).astype(
            np.float64
        )
        copyable = reading.copyable
        logits[~copyable.any(axis=-1), :, -1] = LEAST
        logs = log_softmax(logits)
        pointer = softmax(np.where(copyable[:, None], scores, LEAST))
        chances = np.zeros((*logs.shape[:2], reading.copied.shape[-1]))
        chances[..., : self.end + 1] = np.exp(logs[..., :-1])
        chances += np.exp(logs[..., -1:]) * (pointer @ reading.copied)
        return np.log(np.maximum(chances, 1e-300))

    def choose(self, parents: NDArray[np.intp], ids: NDArray[np.intp]) -> None:
        """See `Writer`."""
        self.weights = self.weights[np.arange(len(parents))[:, None], parents]
        super().choose(parents, ids)

    def keep(self, sources: NDArray[Any]) -> None:
        """See `Writer`."""
        super().keep(sources)
        self.weights = self.weights[sources]

    def looked(self) -> Doubles:
        """See `Writer`; the weights of soft attention."""
        return self.weights.astype(np.float64)


class Aligned(Writing):
    """With monotonic attention: each symbol at one place, summed over all ways through the source.

    Attributes:
        path: (B, K, S), the logarithm of the chance that the last symbol was written at a place,
            given the target so far; None before the first.
    """

    def __init__(self, model: Transducer, reading: Reading) -> None:
        super().__init__(model, reading)
        self.path: Doubles | None = None
        self.here = (reading.memory @ model.weights["place.weight"].T).astype(np.float64)
        self.here[~reading.copyable, -1] = LEAST

    def next(self) -> Doubles:
        """See `Writer`."""
        weights, reading = self.model.weights, self.reading
        scores = fit(product(self.decoded, weights["query.weight"].T), reading).astype(np.float64)
        reach = np.logaddexp.accumulate(scores[..., ::-1], axis=-1)[..., ::-1]
        if self.path is None:
            self.prior = scores - reach[..., :1]
        else:
            self.prior = np.logaddexp.accumulate(self.path - reach, axis=-1) + scores
        read = np.tanh(product(self.decoded, weights["read.weight"].T))
        self.mine = (product(read, weights["output.weight"].T) + weights["output.bias"]).astype(
            np.float64
        )
        high = self.mine.max(axis=-1, keepdims=True)
        top = self.here.max(axis=-1, keepdims=True)
        powers, own = np.exp(self.here - top), np.exp(self.mine - high)
        self.total = np.log(own @ powers.swapaxes(1, 2)) + high + top.swapaxes(1, 2)
        # The chance of each place, over what all outputs come to there; `high` and `top` cancel.
        shares = np.exp(self.prior - self.total + high + top.swapaxes(1, 2))
        chances = np.zeros((*self.mine.shape[:2], reading.copied.shape[-1]))
        chances[..., : self.end + 1] = (own * (shares @ powers))[..., :-1]
        copying = shares * own[..., -1:] * powers[:, None, :, -1]
        chances += copying @ reading.copied
        return np.log(np.maximum(chances, 1e-300))

    def choose(self, parents: NDArray[np.intp], ids: NDArray[np.intp]) -> None:
        """See `Writer`."""
        rows = np.arange(len(parents))[:, None]
        mine, total = self.mine[rows, parents], self.total[rows, parents]
        known = np.minimum(ids, self.end)
        here = self.here.swapaxes(1, 2)
        written = np.take_along_axis(mine, known[..., None], axis=-1) + here[rows, known]
        written = np.where(ids[..., None] > self.end, -np.inf, written)
        copied = self.reading.copied.swapaxes(1, 2)[rows, ids] > 0
        copying = np.where(copied, mine[..., -1:] + here[:, -1][:, None], -np.inf)
        path = self.prior[rows, parents] + np.logaddexp(written, copying) - total
        path -= np.logaddexp.reduce(path, axis=-1, keepdims=True)
        self.path = np.maximum(path, -1e9)
        super().choose(parents, ids)

    def looked(self) -> Doubles:
        """See `Writer`; the chance of each place, given the target up to there."""
        assert self.path is not None
        return np.exp(self.path)

    def keep(self, sources: NDArray[Any]) -> None:
        """See `Writer`."""
        super().keep(sources)
        self.here = self.here[sources]
        self.prior, self.mine = self.prior[sources], self.mine[sources]
        self.total = self.total[sources]
        self.path = None if self.path is None else self.path[sources]


class Together:
    """Several models that write the same targets: the mean of their probabilities."""

    def __init__(self, writers: Sequence[Writer]) -> None:
        self.writers = writers

    def next(self) -> Doubles:
        """See `Writer`."""
        logs = np.stack([writer.next() for writer in self.writers])
        mean: Doubles = np.logaddexp.reduce(logs, axis=0) - np.log(len(logs))
        return mean

    def choose(self, parents: NDArray[np.intp], ids: NDArray[np.intp]) -> None:
        """See `Writer`."""
        for writer in self.writers:
            writer.choose(parents, ids)

    def keep(self, sources: NDArray[Any]) -> None:
        """See `Writer`."""
        for writer in self.writers:
            writer.keep(sources)

    def looked(self) -> Doubles:
        """See `Writer`; the mean of the models' shares."""
        mean: Doubles = np.mean([writer.looked() for writer in self.writers], axis=0)
        return mean
