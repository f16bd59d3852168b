"""Texts that keep rules, drawn as the model itself would draw them.

To forbid characters one by one bends the distribution: a text whose beginning leads mostly into
what is forbidden comes too often. The exact distribution is the model's own, given that the rules
are kept. It is drawn by rejection, made fast by a memory of what failed ("Constrained
adaptive rejection sampling", arXiv:2510.01902).

A tree holds for each beginning of a text a bound on the probability that the model goes on from it
to a text that keeps the rules. A bound starts at 1 and falls to the sum, over the characters c that
may follow, of p(c) times the bound after c, when the beginning is reached. A text is drawn by these
weights; at each beginning it goes on with the probability new bound / old bound, and is rejected
else. The bounds cancel along the text, so what is not rejected has the model's own probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from chargen.engine.language_model import LanguageModel, State, pick
from chargen.errors import UsageError, argument
from chargen.tasks import filters
from chargen.tasks.drawing import Sampling, filtered
from chargen.tasks.rules import Guide, Plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

TOGETHER = 256
"""Texts that are tried side by side, at most."""

LARGEST_TREE = 1 << 20
"""Beginnings that are remembered; of others, the bound stays 1."""

PATIENCE = 50_000
"""Tries for one text after which the rules are too rare."""


@dataclass
class Beginning:
    """A node of the tree.

    Attributes:
        bound: on the probability that a text that begins so keeps the rules.
        share: the probability of its last character.
        before: the beginning without its last character; None at the root.
        after: by the next character.
    """

    bound: float = 1.0
    share: float = 1.0
    before: Beginning | None = None
    after: dict[int, Beginning] = field(default_factory=dict)

    def fall(self, bound: float) -> None:
        """Set a lower bound, and lower those of all beginnings of this one."""
        node: Beginning | None = self
        less = self.bound - bound
        while node is not None:
            node.bound = max(0.0, node.bound - less)
            less *= node.share
            node = node.before


@dataclass(frozen=True)
class Drawn:
    """One text drawn: its ids, their costs in nats, and whether it ended before its length."""

    ids: list[int]
    nats: list[float]
    ended: bool


def draw(
    model: LanguageModel,
    sampling: Sampling,
    plan: Plan,
    logits: Floats,
    state: State,
    tried: Callable[[int, int], None] | None = None,
) -> Iterator[Drawn]:
    """Yield ``sampling.count`` texts.

    Args:
        sampling: how to choose; temperature and filters change what the model's own
            probabilities are.
        plan: the rules.
        logits, state: (1, V) and of one row, with which all texts begin.
        tried: called with texts tried and texts that kept the rules.

    Raises:
        UsageError: the model keeps the rules too rarely.
    """
    tree = Tree()
    attempts = found = 0
    size = sampling.count
    while found < sampling.count:
        size = min(max(1, size), TOGETHER)
        # All that are begun are finished: else long texts would come too rarely.
        texts = _attempts(
            model, sampling, plan, (logits, state), tree, range(attempts, attempts + size)
        )
        attempts += size
        for text in texts:
            if text is not None and found < sampling.count:
                found += 1
                yield text
        if tried is not None:
            tried(attempts, found)
        hopeless = tree.root.bound <= 0
        if hopeless or attempts > PATIENCE * (found + 1):
            raise UsageError(
                f"of {attempts:,} texts that the model wrote, {found:,} keep the rules",
                f"Give other rules, or leave out {argument('faithful')}",
            )
        size = (sampling.count - found) * attempts // max(1, found)


class Tree:
    """All beginnings that were met."""

    def __init__(self) -> None:
        self.root = Beginning()
        self.size = 1

    def step(self, node: Beginning, index: int, share: float) -> Beginning:
        """Return the beginning with one more character."""
        after = node.after.get(index)
        if after is None:
            after = Beginning(share=share, before=node)
            if self.size < LARGEST_TREE:
                node.after[index] = after
                self.size += 1
            else:
                # It is not remembered, so it must not change what is.
                after.before = None
        return after


def _attempts(
    model: LanguageModel,
    sampling: Sampling,
    plan: Plan,
    begun: tuple[Floats, State],
    tree: Tree,
    numbers: range,
) -> list[Drawn | None]:
    """Try to write texts, side by side; None for each that was rejected."""
    count = len(numbers)
    randoms = [np.random.Generator(np.random.PCG64([sampling.seed, number])) for number in numbers]
    done: list[Drawn | None] = [None] * count
    texts: list[tuple[list[int], list[float]]] = [([], []) for _ in numbers]
    nodes, bounds = [tree.root] * count, [tree.root.bound] * count
    rows, guide = list(range(count)), Guide(plan, count)
    logits, state = np.repeat(begun[0], count, axis=0), pick(begun[1], np.zeros(count, np.int64))
    while rows:
        shifted = logits - logits.max(axis=-1, keepdims=True)
        own = filters.weigh(shifted)
        weights = own if sampling.temp == 1 else filters.weigh(shifted, sampling.temp)
        chances = filtered(weights, sampling).astype(np.float64)
        chances /= chances.sum(axis=-1, keepdims=True)
        costs = np.log(own.sum(axis=-1, keepdims=True)) - shifted
        going: list[int] = []
        chosen: list[int] = []
        for at, row in enumerate(rows):
            node, random = nodes[row], randoms[row]
            open_to = chances[at] * guide.allowed[at]
            for index, after in node.after.items():
                open_to[index] *= after.bound
            bound = float(open_to.sum())
            if bound < node.bound:
                node.fall(bound)
            if random.random() * bounds[row] >= bound:
                continue
            index = int(filters.draw(open_to[None], random.random(1))[0])
            nodes[row] = tree.step(node, index, float(chances[at, index]))
            bounds[row] = nodes[row].bound
            texts[row][0].append(index)
            texts[row][1].append(float(costs[at, index]))
            going.append(at)
            chosen.append(index)
        rows, ids = [rows[at] for at in going], np.array(chosen, np.int32)
        guide.keep(going)
        guide.read(ids)
        over = guide.over
        for row, ended in zip(rows, over, strict=True):
            if ended or guide.drawn == plan.longest:
                done[row] = Drawn(*texts[row], ended=bool(ended))
        left = [at for at, row in enumerate(rows) if done[row] is None]
        if not left:
            break
        guide.keep(left)
        kept = np.array(going)[left]
        logits, state = model.forward(ids[left][:, None], pick(state, kept))
        logits, rows = logits[:, 0], [rows[at] for at in left]
    return done
