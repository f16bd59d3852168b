"""What networks remember: where it is measured, and what was found.

Two measurements over the same random places of a held-out text: how much context helps a network,
and how far back a gradient reaches. `chargen.training.memory` makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.checkpoint import Checkpoint
from chargen.declared import LARGEST_NUMBER, check
from chargen.errors import CorpusError
from chargen.text.corpus import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST = 1024
"""Characters of context at each place."""

SMALL = 0.01
"""Bits per character that are nothing to speak of."""

ALIKE = 1.25
"""Sizes and times that differ by less than this factor are alike."""


@dataclass(frozen=True)
class Memory:
    """What one network remembers.

    Attributes:
        contexts: 1, 2, 4 … characters.
        bpc: bits per character, given that many characters before it.
        error: standard error of each.
        gradient: length of the gradient that reaches back 0, 1, 2, 4 … characters; 0 is the last
            character before the predicted one.
        loss: bits per character that are lost with only so many characters before it, against the
            longest context, and
        loss_error: standard error of each loss, from the differences at the same places.
    """

    contexts: tuple[int, ...]
    bpc: tuple[float, ...]
    error: tuple[float, ...]
    gradient: tuple[float, ...]
    loss: tuple[float, ...]
    loss_error: tuple[float, ...]

    @property
    def back(self) -> dict[int, float]:
        """The length of the gradient by how many characters it reaches back."""
        return dict(zip((0, *self.contexts), self.gradient, strict=False))

    @property
    def used(self) -> int:
        """The shortest context that is as good as the longest, as far as can be told."""
        for context, loss, error in zip(self.contexts, self.loss, self.loss_error, strict=True):
            if loss <= max(SMALL, 2 * error):
                return context
        return self.contexts[-1]

    def json(self) -> dict[str, Any]:
        """Return the figures by name."""
        return vars(self) | {"used": self.used}

    def rows(self) -> list[dict[str, Any]]:
        """Return the figures for each context, and for as many characters back."""
        columns = (self.contexts, self.bpc, self.error, self.loss, self.loss_error)
        names = ("context", "bpc", "error", "loss", "loss_error")
        return [
            dict(zip(names, row, strict=True)) | {"gradient": self.back.get(row[0])}
            for row in zip(*columns, strict=True)
        ]


def conclusion(found: Sequence[tuple[str, Memory]]) -> str:
    """Say in one sentence how much context each model makes use of."""
    parts = [
        f"{name} makes use of all {memory.used:,} characters that were given"
        if memory.used == memory.contexts[-1]
        else f"{name} makes no use of more than {memory.used:,} characters"
        for name, memory in found
    ]
    return "As far as these places can tell, " + "; ".join(parts) + "."


def differences(models: Sequence[tuple[str, Checkpoint]]) -> list[str]:
    """Say in what models differ beside what is compared: size, text and time of training."""
    if len(models) < 2:
        return []
    sizes = [saved.parameters for _, saved in models]
    prints = {saved.corpus.get("sha256") for _, saved in models}
    seconds = [saved.figures.get("seconds") for _, saved in models]
    times = [one for one in seconds if isinstance(one, int | float)]
    said = []
    if max(sizes) > ALIKE * min(sizes):
        said.append(f"in size (from {min(sizes):,} to {max(sizes):,} parameters)")
    if len(prints) > 1:
        said.append("in the text they learned from")
    if len(times) > 1 and max(times) > ALIKE * min(times):
        said.append(f"in the time they learned (from {min(times):,.0f} to {max(times):,.0f} s)")
    return said


def contexts(longest: int = LONGEST) -> tuple[int, ...]:
    """Return 1, 2, 4 … up to ``longest``.

    Example:
        >>> contexts(9)
        (1, 2, 4, 8)
    """
    return tuple(1 << power for power in range(longest.bit_length()))


def places(span: Span, count: int, seed: int = 0) -> NDArray[np.uint32]:
    """Return the code points (count, 1 + LONGEST) of random stretches of a text.

    Raises:
        CorpusError: the text is too short.
        UsageError: a number that cannot work.
    """
    check("places", count, 1, 1 << 16)
    check("seed", seed, 0, LARGEST_NUMBER)
    if len(span) <= LONGEST + 1:
        raise CorpusError(
            f"a text of {len(span):,} characters is too short to compare on",
            f"Give one of more than {LONGEST + 1:,}",
        )
    starts = np.random.default_rng(seed).integers(0, len(span) - LONGEST, count)
    return np.stack(
        [np.concatenate(list(span.blocks(start, start + LONGEST + 1))) for start in starts.tolist()]
    )
