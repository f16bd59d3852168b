"""How well pairs are translated: held-out sources, and what came out for each.

The word error rate is the share of targets that are not exactly right. The character error rate is
the number of edits (symbols put in, left out or replaced) over the number of symbols in the right
targets.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from rapidfuzz.distance import Levenshtein

from chargen.metrics import PAIR_ACCURACY, Metric
from chargen.ranks import ALONE, Ranks
from chargen.tasks.translating import Translator, Written
from chargen.text.pair_form import Pair

WORST, COMMONEST = 20, 20
"""Pairs and confusions that are listed."""


@dataclass(frozen=True)
class Outcome:
    """What came of one pair.

    Attributes:
        pair: source and right target.
        written: what the model wrote, with its probability.
        edits: between the two.
    """

    pair: Pair
    written: Written
    edits: int

    @property
    def symbols(self) -> int:
        """Symbols of the right target."""
        return len(self.pair.target or ())


@dataclass(frozen=True)
class PairScore:
    """How well held-out pairs were translated.

    Attributes:
        pairs: how many.
        wrong: targets that were not exactly right.
        edits, symbols: summed over all pairs.
        spread: sum of squares of each pair's edits less what its length lets expect.
        nats: what the right targets cost, summed, ends included; of those that can be written.
        priced: symbols of these targets, ends included.
        impossible: pairs whose target has a symbol that can neither be written nor copied.
        outcomes: of each pair.
    """

    metric: ClassVar[Metric] = PAIR_ACCURACY

    pairs: int
    wrong: int
    edits: int
    symbols: int
    spread: float
    nats: float = 0.0
    priced: int = 0
    impossible: int = 0
    outcomes: Sequence[Outcome] = field(default=(), repr=False)

    @classmethod
    def of(
        cls, outcomes: Sequence[Outcome], nats: float = 0.0, priced: int = 0, impossible: int = 0
    ) -> PairScore:
        """Return the score of outcomes, of which there is at least one."""
        edits = np.array([one.edits for one in outcomes], dtype=np.float64)
        symbols = np.array([max(1, one.symbols) for one in outcomes], dtype=np.float64)
        rate = edits.sum() / symbols.sum()
        return cls(
            len(outcomes),
            int((edits > 0).sum()),
            int(edits.sum()),
            int(symbols.sum()),
            float(((edits - rate * symbols) ** 2).sum()),
            nats,
            priced,
            impossible,
            outcomes,
        )

    @property
    def exact(self) -> float:
        """Share of targets that are exactly right."""
        return 1 - self.wer

    @property
    def wer(self) -> float:
        """Share of targets that are not."""
        return self.wrong / self.pairs

    @property
    def exact_error(self) -> float:
        """Standard error of both: that of a share of independent pairs."""
        return math.sqrt(self.exact * self.wer / self.pairs)

    @property
    def cer(self) -> float:
        """Edits for each symbol of the right targets."""
        return self.edits / self.symbols

    @property
    def cer_error(self) -> float:
        """Standard error of the character error rate (of a ratio; Cochran 1977, section 2.11)."""
        return math.sqrt(self.spread) / self.symbols

    @property
    def loss(self) -> float:
        """The figure that training makes as low as it can: nats per symbol."""
        return self.nats / max(1, self.priced)

    @property
    def rank(self) -> float:
        """What the best model has least of: wrong targets; among equals, nats."""
        return (self.wrong + self.loss / (1 + self.loss)) / self.pairs

    def json(self) -> dict[str, Any]:
        """Return the figures under their usual keys."""
        return {
            "pairs": self.pairs,
            "exact": self.exact,
            "exact_error": self.exact_error,
            "wer": self.wer,
            "cer": self.cer,
            "cer_error": self.cer_error,
            "nats_per_symbol": self.loss,
        }

    def details(self) -> dict[str, Any]:
        """Return what lies behind the figures."""
        confused = [
            {"right": right, "written": written, "times": times}
            for right, written, times in self.confusions()
        ]
        worst = [
            {
                "source": one.pair.source,
                "features": list(one.pair.features),
                "right": list(one.pair.target or ()),
                "written": list(one.written.symbols),
                "edits": one.edits,
                "probability": one.written.probability,
            }
            for one in self.worst()
        ]
        return {"impossible": self.impossible, "confusions": confused, "worst": worst}

    def confusions(self) -> list[tuple[str, str, int]]:
        """Return the commonest confusions: what was right, what was written, and how often.

        Nothing on the left stands for a symbol put in, nothing on the right for one left out.
        """
        counts: Counter[tuple[str, str]] = Counter()
        for one in self.outcomes:
            right, written = one.pair.target or (), one.written.symbols
            for edit in Levenshtein.editops(right, written):
                counts[
                    "" if edit.tag == "insert" else right[edit.src_pos],
                    "" if edit.tag == "delete" else written[edit.dest_pos],
                ] += 1
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return [(*symbols, count) for symbols, count in ranked[:COMMONEST]]

    def worst(self) -> list[Outcome]:
        """Return the pairs with the most edits for each symbol, the worst first."""
        wrong = [one for one in self.outcomes if one.edits]
        return sorted(wrong, key=lambda one: (-one.edits / max(1, one.symbols), one.pair.source))[
            :WORST
        ]


def score_pairs(
    translator: Translator,
    pairs: Sequence[Pair],
    beam: int,
    progress: Callable[[int, int], None] | None = None,
    ranks: Ranks = ALONE,
) -> PairScore:
    """Translate sources, and compare with their targets.

    Args:
        pairs: with their targets; at least one.
        progress: called with pairs done and pairs in all.
        ranks: that divide the pairs among them.
    """
    outcomes = []
    mine = pairs[ranks.share(len(pairs))]
    for done, (pair, found) in enumerate(
        zip(mine, translator.translate(mine, 1, beam), strict=True), 1
    ):
        written = found[0] if found else Written((), "", math.inf)
        edits = Levenshtein.distance(pair.target or (), written.symbols)
        outcomes.append(Outcome(pair, written, edits))
        if progress is not None:
            progress(done, len(mine))
    nats, priced, impossible = costs(ranks.together(list(translator.costs(mine))), pairs)
    return PairScore.of(ranks.together(outcomes), nats, priced, impossible)


def costs(each: Iterable[float], pairs: Sequence[Pair]) -> tuple[float, int, int]:
    """Return the nats of all targets that can be written, their symbols, and how many cannot."""
    total, symbols, impossible = 0.0, 0, 0
    for nats, pair in zip(each, pairs, strict=True):
        if math.isfinite(nats):
            total += nats
            symbols += len(pair.target or ()) + 1
        else:
            impossible += 1
    return total, symbols, impossible
