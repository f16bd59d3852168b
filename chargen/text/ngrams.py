"""What the training text tells by counting: a second predictor, beside the network.

Let N(h c) be how often the character c followed the context h in the training text, N(h) the sum
over all c, and T(h) how many different c there were. Then

    q(c | h) = (N(h c) + a T(h) q(c | h')) / (N(h) + a T(h)),

where h' is h without its first character. For the empty context, q(c | h') is 1 / V. With a = 1
this is Witten and Bell's method C, interpolated (1991, "The zero-frequency problem", IEEE
Transactions on Information Theory 37). A context that was not counted takes the q of the next
shorter one. With the network's p(c), the model's probability is (log-linear interpolation, Klakow
1998, ICSLP):

    p(c)^α q(c | h)^β / Σ over all c' of p(c')^α q(c' | h)^β

So logits become α · logits + β · log q. The powers α and β depend on the case: how long the
longest context is that was counted, and how many characters followed it.

Counting takes a second, and knows at once what a network needs minutes to learn; the network knows
what lies further back, and what contexts have in common (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.text.contexts import LONGEST, WORD, keys, latest, ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Ids = NDArray[np.int32]
    Cases = NDArray[np.uint8]
    Array = NDArray[Any]

PRIOR = 4.0
"""a: how many counts each different character is worth to the shorter context.

Models depend on it, and compiled code has it in it: it must not change.
"""

USUAL = 0.6, 0.3
"""α and β where there is no held-out text to fit them to."""

MANY = 2, 4, 8
"""A context with at least so many followers is in the next group. Like `PRIOR`, they are part of
models and of compiled code."""

CASES = (LONGEST + 1) * (len(MANY) + 1)
"""How many cases there are: for each length, one more than there are limits."""

LEAST = np.float32(2**-126)
"""A lower q is taken for this, float32's smallest number of full precision. It must not change."""

LARGEST_POWER = 16.0
"""Of a sound model, and of either sign."""

MOST_CHARACTERS = 1 << 16
"""Of a vocabulary, so that each has a number of sixteen bits."""

TYPES = {
    "lengths": np.int32,
    "key": np.uint32,
    "followers": np.uint16,
    "character": np.uint16,
    "count": np.uint16,
    "powers": np.float32,
}
"""Of the numbers that are stored. Compiled code is right only if counts have 16 bits."""


def sound(weights: Mapping[str, Array], characters: int) -> bool:
    """Return whether what is stored fits together; see `Ngrams` for the arguments."""
    lengths, key, followers = (weights[name] for name in ("lengths", "key", "followers"))
    return bool(
        lengths[0] == 1
        and key[0] == 0
        and lengths.min() >= 0
        and lengths.sum(dtype=np.int64) == len(key)
        and key.max() < 1 << WORD
        and followers.min() > 0
        and followers.sum(dtype=np.int64) == len(weights["character"])
        and weights["character"].max() < characters
        and weights["count"].min() > 0
        and believable(weights["powers"])
        and (np.diff(ordered(lengths, key)) > 0).all()
    )


def believable(powers: Array) -> bool:
    """Return whether this may be α and β of each case, (`CASES`, 2)."""
    alike = powers.shape == (CASES, 2) and powers.dtype == TYPES["powers"]
    return alike and bool((np.abs(powers) <= LARGEST_POWER).all())


class Ngrams:
    """How often characters followed contexts.

    Args:
        weights: of the contexts, in the order of their keys: ``lengths`` (`LONGEST` + 1,), how many
            there are of each length; ``key`` (R,), their hashes; ``followers`` (R,), T(h);
            ``character`` and ``count`` (P,), N(h c) for each of their followers; ``powers``
            (`CASES`, 2), α and β.
        characters: V.

    Attributes:
        keys: (R,), see `chargen.text.contexts.keys`.
        begin: (R + 2,), where the followers of each context begin. After all contexts there is one
            without followers, which stands for every context that was not counted.
        character: (P,), the followers.
        part: (P,), N(h c) / (N(h) + a T(h)).
        left: (R + 1,), a T(h) / (N(h) + a T(h)): what is left to the shorter context.
        cases: (R,), the case in which each context is the longest one.
        powers: (`CASES`, 2).
    """

    def __init__(self, weights: Mapping[str, Array], characters: int) -> None:
        self.weights = weights
        self.bos = characters
        lengths = np.repeat(np.arange(LONGEST + 1), weights["lengths"])
        groups = np.searchsorted(MANY, weights["followers"], side="right")
        self.cases = (lengths * (len(MANY) + 1) + groups).astype(np.uint8)
        self.powers = weights["powers"]
        self.keys = ordered(weights["lengths"], weights["key"])
        followers = weights["followers"].astype(np.int64)
        ends = np.cumsum(followers)
        self.begin = np.concatenate(([0], ends, ends[-1:]))
        self.character = weights["character"].astype(np.int32)
        count = weights["count"].astype(np.float64)
        prior = PRIOR * followers
        whole = np.add.reduceat(count, self.begin[:-2]) + prior
        self.left = np.append(prior / whole, 1.0)
        self.part = count / np.repeat(whole, followers)

    def start(self, batch: int) -> tuple[Ids]:
        """Return the characters before texts that have not begun, (B, `LONGEST` - 1)."""
        return (np.full((batch, LONGEST - 1), self.bos, np.int32),)

    def forward(
        self, ids: Ids, past: Ids, ages: NDArray[np.int32] | None = None
    ) -> tuple[Doubles, Cases, tuple[Ids]]:
        """Return what is told of the character after each of ``ids`` (B, T), and the last ids.

        Args:
            past: (B, `LONGEST` - 1), the ids before them.
            ages: see `chargen.text.contexts.keys`.

        Returns:
            log q (B, T, V); the cases (B, T); and the ids before what follows.
        """
        rows = self.find(keys(ids, past, self.bos, ages).reshape(-1, LONGEST + 1))
        logs = np.log(np.maximum(self.told(rows), LEAST)).reshape(*ids.shape, self.bos)
        longest = (rows < len(self.keys)).sum(axis=1) - 1
        cases = self.cases[rows[np.arange(len(rows)), longest]].reshape(ids.shape)
        return logs, cases, (latest(ids, past, self.bos).astype(np.int32),)

    def mixed(self, logits: Floats, logs: Doubles, cases: Cases) -> Floats:
        """Return logits (…, V) of network and counts together; see `forward`."""
        powers = self.powers[cases]
        return (powers[..., :1] * logits + powers[..., 1:] * logs).astype(np.float32)

    def find(self, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of contexts (N, `LONGEST` + 1), given their keys.

        A context counts only if all shorter ones do.
        """
        at = np.minimum(self.keys.searchsorted(wanted), len(self.keys) - 1)
        known = np.logical_and.accumulate(self.keys[at] == wanted, axis=-1)
        return np.where(known, at, len(self.keys))

    def told(self, rows: NDArray[np.int64]) -> Doubles:
        """Return q (N, V), given the rows of the contexts of each place (N, `LONGEST` + 1).

        The recursion is written out: each context's part is multiplied by what all longer ones
        leave.
        """
        places, size = len(rows), self.bos
        rest = np.cumprod(self.left[rows[:, ::-1]], axis=1)[:, ::-1]
        by = np.concatenate((rest[:, 1:], np.ones((places, 1))), axis=1).ravel()
        flat = rows.ravel()
        sizes = self.begin[flat + 1] - self.begin[flat]
        ends = np.cumsum(sizes)
        which = np.repeat(self.begin[flat] - ends + sizes, sizes) + np.arange(sizes.sum())
        place = np.repeat(np.arange(places) * size, sizes.reshape(places, LONGEST + 1).sum(axis=1))
        parts = self.part[which] * np.repeat(by, sizes)
        told = np.bincount(place + self.character[which], parts, minlength=places * size)
        return told.reshape(places, size) + rest[:, :1] / size
