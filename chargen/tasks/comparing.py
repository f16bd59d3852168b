"""What networks remember: where it is measured, and what was found.

Two measurements over the same random places of a held-out text: how much context helps a network,
and how far back a gradient reaches. `chargen.training.memory` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.errors import CorpusError
from chargen.options import LARGEST_NUMBER, check
from chargen.text.corpus import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST = 1024
"""Characters of context at each place."""


@dataclass(frozen=True)
class Memory:
    """What one network remembers.

    Attributes:
        contexts: 1, 2, 4 … characters.
        bpc: bits per character, given that many characters before it.
        error: standard error of each.
        gradient: length of the gradient that reaches back 0, 1, 2, 4 … characters; 0 is the last
            character before the predicted one.
    """

    contexts: tuple[int, ...]
    bpc: tuple[float, ...]
    error: tuple[float, ...]
    gradient: tuple[float, ...]

    def json(self) -> dict[str, Any]:
        """Return the figures by name."""
        return vars(self)


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
