"""Character n-grams, the classifier to beat: simple, fast, and hard to beat at telling languages.

Witten & Bell 1991, "The zero-frequency problem", IEEE Transactions on Information Theory 37, method
C, interpolated. Let N(h) be the number of characters that followed a history h, and T(h) the number
of different ones. Then

    P(c | h) = (N(h c) + T(h) P(c | h')) / (N(h) + T(h)),

where h' is h without its first character. For the empty history, P(c | h') is the uniform
distribution over Unicode.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict

from chargen.text.vocabulary import SCALARS

ORDER = 5
"""Characters that an n-gram has, the one predicted included."""


class NGrams:
    """A model of the texts of one label, learned by counting.

    Args:
        order: n.

    Example:
        >>> model = NGrams(order=2)
        >>> model.learn("abab")
        >>> model.nats("ab") < model.nats("ba")
        True
    """

    def __init__(self, order: int = ORDER) -> None:
        self.order = order
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.totals: Counter[str] = Counter()

    def learn(self, text: str) -> None:
        """Count a text's n-grams, from its beginning, of all lengths up to the order."""
        for at, character in enumerate(text):
            for start in range(max(0, at - self.order + 1), at + 1):
                history = text[start:at]
                self.counts[history][character] += 1
                self.totals[history] += 1

    def nats(self, text: str) -> float:
        """Return what a text costs, in nats."""
        total = 0.0
        for at, character in enumerate(text):
            chance = 1 / SCALARS
            for start in range(at, max(-1, at - self.order), -1):
                history = text[start:at]
                seen = self.totals.get(history, 0)
                if not seen:
                    break
                different = len(self.counts[history])
                chance = (self.counts[history][character] + different * chance) / (seen + different)
            total -= math.log(chance)
        return total
