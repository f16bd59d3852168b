"""From sources to targets, with a beam: the likeliest targets, each with its exact probability.

A beam holds beginnings of targets. In each step, every beginning is continued by every symbol, and
the likeliest are kept. A target's probability is the model's own, with all ways through the source
summed, and no two targets of a source are equal: so the probabilities that are shown never sum to
more than one.

A monotonic model's targets are as long as their sources let them be, and the likeliest is the best.
Other models may end a target anywhere, and a long target has many chances to be less likely than a
short one, or than none at all. So theirs are compared by the nats of a symbol, end included (Wu et
al. 2016, arXiv:1609.08144, section 7), among those that are the first to end while they are in the
beam: a model that repeats itself would find the next symbol ever cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.architecture import MONOTONIC, NONE
from chargen.checkpoint import Checkpoint
from chargen.declared import check
from chargen.engine.transducer import Together, Transducer, Writer
from chargen.errors import KindError, argument
from chargen.text.batches import side_by_side
from chargen.text.pair_form import Form, Pair
from chargen.text.pair_windows import Coder
from chargen.text.pairs import Symbols

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]
    Doubles = NDArray[np.float64]

BEAM = 5
WIDEST = 1 << 10
BATCH = 64
CHUNK = 1024
"""Sources that are read side by side, and in memory, so that those of like length are together."""

NO_CHANCE = 600.0
"""Nats of what has no probability: 1e-300 is taken for zero."""

TIMES, MORE = 20, 20
"""A target has at most so many times as many symbols as its source, and so many more."""


@dataclass(frozen=True)
class Written:
    """A target that was written.

    Attributes:
        symbols: its symbols.
        text: these as a target is written.
        nats: what it costs; exp(-nats) is its probability.
    """

    symbols: tuple[str, ...]
    text: str
    nats: float

    @property
    def probability(self) -> float:
        """How likely the target is, by the model."""
        return math.exp(-self.nats)

    def json(self) -> dict[str, Any]:
        """Return the target under its usual keys."""
        return {"target": self.text, "probability": self.probability, "nats": self.nats}


@dataclass(frozen=True)
class Member:
    """A model of pairs, ready to use."""

    name: str
    model: Transducer
    coder: Coder

    @classmethod
    def of(cls, name: str, saved: Checkpoint) -> Member:
        """Return a member of a checkpoint.

        Raises:
            KindError: it is no model of pairs.
        """
        if saved.vocabulary.symbols is None:
            raise KindError(
                f"{name} was not trained on pairs and cannot translate",
                f"Use `chargen {saved.architecture.kind.command}` with it alone, or a model "
                f"trained with {argument('pairs')}",
            )
        return cls(name, Transducer(saved.architecture, saved.weights), Coder(saved.vocabulary))


class Translator:
    """One model of pairs, or several whose probabilities are averaged.

    Raises:
        KindError: the models write other targets.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        first, *others = members
        self.symbols = first.coder.symbols
        for other in others:
            theirs = other.coder.symbols
            same = theirs.targets == self.symbols.targets
            if not same or theirs.form.spaced != self.symbols.form.spaced:
                raise KindError(
                    f"{other.name} and {first.name} write targets of other symbols",
                    "Average models that were trained on the same pairs",
                )

    @property
    def form(self) -> Form:
        """How pairs of the models are written."""
        return self.symbols.form

    def translate(
        self, pairs: Iterable[Pair], count: int = 1, beam: int = BEAM
    ) -> Iterator[list[Written]]:
        """Yield the likeliest targets of each source, the likeliest first, in the given order.

        Args:
            count: how many, at most.
            beam: beginnings of targets that are followed side by side.

        Raises:
            UsageError: a value that can never work.
        """
        check("beam", beam, 1, WIDEST)
        check("count", count, 1, WIDEST)
        beam = max(beam, count)
        return side_by_side(
            map(self.form.shortened, pairs),
            lambda pair: (len(pair.source) + 2,) * 2,
            lambda some: self._searched(some, count, beam),
            max(1, BATCH * BEAM // max(BEAM, beam)),
            CHUNK,
        )

    def writer(self, pairs: Sequence[Pair]) -> tuple[Writer, list[list[str]]]:
        """Return what writes the targets of sources; and the outputs of each, by their ids."""
        outputs = [outputs_of(pair, self.symbols.targets, self.form.spaced) for pair in pairs]
        writers: list[Writer] = []
        for member in self.members:
            ids = {one: index for index, one in enumerate(self.symbols.targets)}
            copies = []
            for pair, known in zip(pairs, outputs, strict=True):
                own = {one: at for at, one in enumerate(known) if at > self.symbols.end}
                mine = [ids.get(one, own.get(one, -1)) for one in pair.source]
                copies.append(np.array([-1, *mine, -1], dtype=np.int32))
            reading = member.model.read(
                [member.coder.source(pair) for pair in pairs],
                [member.coder.described(pair) for pair in pairs],
                copies,
            )
            writers.append(member.model.write(reading))
        return (writers[0] if len(writers) == 1 else Together(writers)), outputs

    def _searched(self, pairs: Sequence[Pair], count: int, beam: int) -> list[list[Written]]:
        """Return the best targets of sources that are searched side by side."""
        writer, outputs = self.writer(pairs)
        limits = [min(self.form.longest, TIMES * len(pair.source) + MORE) for pair in pairs]
        free = any(one.model.architecture.attention != MONOTONIC for one in self.members)
        ended = search(writer, self.symbols.end, limits, count, beam, by_symbol=free)
        return [
            [
                Written(symbols, self.form.written(symbols), nats)
                for nats, ids in best
                for symbols in [tuple(known[index] for index in ids)]
            ]
            for best, known in zip(ended, outputs, strict=True)
        ]

    def costs(self, pairs: Sequence[Pair]) -> list[float]:
        """Return the nats of each pair's target; infinity if it has a symbol that has no output.

        A source is read as `translate` reads it: up to the longest that there may be.
        """
        longest = self.form.longest
        found = side_by_side(
            (replace(pair, source=pair.source[:longest]) for pair in pairs),
            lambda pair: (len(pair.source) + 2, len(pair.target or ()) + 1),
            self._charged,
            BATCH,
            CHUNK,
        )
        return list(found)

    def require_attention(self) -> None:
        """Make sure that there are places of a source at which the models look.

        Raises:
            KindError: a model has no attention.
        """
        for one in self.members:
            if one.model.architecture.attention == NONE:
                raise KindError(
                    f"{one.name} was trained without attention: there is nothing to show",
                    f"Use a model trained without {argument('attention')} {NONE}",
                )

    def looked(self, pair: Pair) -> Doubles:
        """Return at which places of the source each symbol of a target was written.

        Returns:
            (T, S) shares that sum to one for each symbol. Edges count as the places beside them.

        Raises:
            KindError: see `require_attention`.
        """
        self.require_attention()
        writer, (outputs,) = self.writer([pair])
        ids = {one: index for index, one in enumerate(outputs) if index != self.symbols.end}
        here = np.zeros((1, 1), dtype=np.intp)
        rows = []
        for symbol in pair.target or ():
            writer.next()
            writer.choose(here, here + ids[symbol])
            rows.append(writer.looked()[0, 0])
        shares = np.array(rows).reshape(len(rows), len(pair.source) + 2)
        # The source stands between two places that mean "no character".
        shares[:, 1] += shares[:, 0]
        shares[:, -2] += shares[:, -1]
        return shares[:, 1:-1]

    def _charged(self, pairs: Sequence[Pair]) -> list[float]:
        """Return the nats of targets that are read side by side."""
        writer, outputs = self.writer(pairs)
        end = self.symbols.end
        longest = max(len(pair.target or ()) for pair in pairs)
        ids = np.full((len(pairs), longest + 1), end)
        nats = np.zeros(len(pairs))
        for row, (pair, known) in enumerate(zip(pairs, outputs, strict=True)):
            own = {one: index for index, one in enumerate(known) if index != end}
            target = [own.get(one, -1) for one in pair.target or ()]
            if -1 in target:
                nats[row], target = np.inf, []
            ids[row, : len(target)] = target
        lengths = np.array([len(pair.target or ()) for pair in pairs])
        rows, here = np.arange(len(pairs)), np.zeros((len(pairs), 1), dtype=np.intp)
        for at in range(longest + 1):
            logs = writer.next()[rows, 0, ids[:, at]]
            logs[logs < -NO_CHANCE] = -np.inf
            nats -= np.where(at <= lengths, logs, 0)
            if at < longest:
                writer.choose(here, ids[:, at : at + 1])
        return [float(one) for one in nats]


def outputs_of(pair: Pair, targets: Sequence[str], spaced: bool) -> list[str]:
    """Return what each output writes: the targets, nothing (the end), and what is only copied."""
    known = set(targets)
    own = [
        one
        for one in dict.fromkeys(pair.source)
        if one not in known and not (spaced and one.isspace())
    ]
    return [*targets, "", *own]


def search(
    writer: Writer,
    end: int,
    limits: Sequence[int],
    count: int,
    beam: int,
    by_symbol: bool = False,
) -> list[list[tuple[float, tuple[int, ...]]]]:
    """Return the ``count`` cheapest targets of each source as pairs of nats and ids.

    Args:
        writer: that has begun targets of the sources.
        end: the output that ends a target.
        limits: symbols that each target has at most.
        by_symbol: whether the cheapest is the one whose symbols cost least, each on average.
    """

    def rank(one: tuple[float, tuple[int, ...]]) -> tuple[float, tuple[int, ...]]:
        nats, symbols = one
        return (nats / (len(symbols) + 1) if by_symbol else nats), symbols

    ended: list[list[tuple[float, tuple[int, ...]]]] = [[] for _ in limits]
    rows: NDArray[np.intp] = np.arange(len(limits))
    begun: list[list[tuple[int, ...]]] = [[()] for _ in limits]
    nats = np.zeros((len(limits), 1))
    step = 0
    while True:
        logs = writer.next()
        costs = nats[..., None] - logs
        costs[logs < -NO_CHANCE] = np.inf
        for at, row in enumerate(rows.tolist()):
            # By symbol, a target counts only if it ends among the best of all that go on here.
            edge = np.inf
            if by_symbol and step < limits[row] and costs[at].size > beam:
                edge = np.partition(costs[at], beam - 1, axis=None)[beam - 1]
            new = zip(costs[at, :, end].tolist(), begun[row], strict=True)
            ended[row] += [one for one in new if one[0] < np.inf and one[0] <= edge]
            if not by_symbol:
                ended[row] = sorted(ended[row])[:count]
        costs[..., end] = np.inf
        flat = costs.reshape(len(costs), -1)
        most = min(beam, flat.shape[1])
        best = np.argpartition(flat, most - 1, axis=1)[:, :most]
        nats = np.take_along_axis(flat, best, axis=1)
        order = np.argsort(nats, axis=1, kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        nats = np.take_along_axis(nats, order, axis=1)
        # What has no chance only fills the beam: it repeats the best.
        best = np.where(nats < np.inf, best, best[:, :1])
        parents, ids = best // logs.shape[-1], best % logs.shape[-1]
        step += 1
        going = []
        for at, row in enumerate(rows.tolist()):
            if by_symbol:
                full = len(ended[row]) >= beam
            else:
                full = len(ended[row]) == count and ended[row][-1][0] <= nats[at, 0]
            if not full and step <= limits[row] and nats[at, 0] < np.inf:
                going.append(at)
                begun[row] = [
                    (*begun[row][parent], one)
                    for parent, one in zip(parents[at].tolist(), ids[at].tolist(), strict=True)
                ]
        if not going:
            return [sorted(one, key=rank)[:count] for one in ended]
        if len(going) < len(rows):
            writer.keep(np.array(going))
            rows, nats = rows[going], nats[going]
            parents, ids = parents[going], ids[going]
        writer.choose(parents, ids)


def translator(named: Sequence[tuple[str, Checkpoint]]) -> Translator:
    """Return a translator of checkpoints, each with its name.

    Raises:
        KindError: see `Member.of` and `Translator`.
    """
    _, first = named[0]
    members = [Member.of(name, in_order(saved, first.vocabulary.symbols)) for name, saved in named]
    return Translator(members)


def in_order(saved: Checkpoint, wanted: Symbols | None) -> Checkpoint:
    """Return a model with its targets in the order of another model's, if both know the same.

    The order of a model that began with another one is its own.
    """
    mine = saved.vocabulary.symbols
    if mine is None or wanted is None or mine.targets == wanted.targets:
        return saved
    if set(mine.targets) != set(wanted.targets):
        return saved
    known = {symbol: index for index, symbol in enumerate(mine.targets)}
    order = [known[symbol] for symbol in wanted.targets]
    weights = dict(saved.weights)
    for name in ("symbol.weight", "output.weight", "output.bias", "place.weight"):
        if name != "place.weight" or saved.architecture.aligned:
            # Behind the targets stand "no symbol", or the end and the copy.
            rows = [*order, *range(len(order), len(weights[name]))]
            weights[name] = weights[name][rows]
    vocabulary = replace(saved.vocabulary, symbols=replace(mine, targets=wanted.targets))
    return replace(saved, vocabulary=vocabulary, weights=weights)
