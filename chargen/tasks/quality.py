"""How well gaps are filled: gaps made in a held-out text, and what came back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chargen.declared import LARGEST_NUMBER, check
from chargen.errors import CorpusError
from chargen.tasks.beam import Gap, Reader, search
from chargen.tasks.restoring import BEAM
from chargen.text.corpus import Span
from chargen.text.vocabulary import Vocabulary

LENGTHS = range(1, 11)
"""Lengths of the gaps that are made, as for Pythia (Assael et al. 2019, arXiv:1910.06262)."""

BEFORE, AFTER = 200, 100
"""Characters that are shown on either side."""

TOP = 20


@dataclass(frozen=True)
class Quality:
    """How well gaps of one length were filled.

    Attributes:
        length: in characters; 0 for all together.
        gaps: how many.
        characters: missing in them.
        wrong: edits between the best filling and the truth, summed.
        first, listed: gaps whose truth came first, or among the first ``top``.
        top: as many as the beam has hypotheses, `TOP` at most.
    """

    length: int
    gaps: int
    characters: int
    wrong: int
    first: int
    listed: int
    top: int = TOP

    def json(self) -> dict[str, Any]:
        """Return the figures; rates are shares of one."""
        return {
            "length": self.length,
            "gaps": self.gaps,
            "character_error_rate": self.wrong / max(1, self.characters),
            "top_1": self.first / max(1, self.gaps),
            f"top_{self.top}": self.listed / max(1, self.gaps),
        }


def edits(mine: Sequence[Any], theirs: Sequence[Any]) -> int:
    """Return the fewest insertions, deletions and replacements between two texts.

    Example:
        >>> edits("sitting", "kitten")
        3
    """
    row = list(range(len(theirs) + 1))
    for number, one in enumerate(mine, 1):
        previous, row[0] = row[0], number
        for at, other in enumerate(theirs, 1):
            previous, row[at] = (
                row[at],
                min(row[at] + 1, row[at - 1] + 1, previous + (one != other)),
            )
    return row[-1]


def restoration_quality(
    reader: Reader,
    vocabulary: Vocabulary,
    span: Span,
    *,
    gaps: int = 300,
    seed: int = 0,
    unknown: bool = False,
    beam: int = BEAM,
    progress: Callable[[int, int], None] | None = None,
) -> list[Quality]:
    """Return how well gaps made in a text are filled, for each length, and last for all.

    Args:
        gaps: how many, evenly over `LENGTHS`, at random places.
        unknown: do not tell how long a gap is.

    Raises:
        CorpusError: the text is too short for a gap with both its sides.
    """
    check("gaps", gaps, 1, 1 << 20)
    check("beam", beam, 1, 1 << 12)
    top = min(TOP, beam)
    check("seed", seed, 0, LARGEST_NUMBER)
    if len(span) <= BEFORE + AFTER + LENGTHS[-1]:
        raise CorpusError(
            f"a text of {len(span)} characters is too short to make gaps in",
            f"Give one of more than {BEFORE + AFTER + LENGTHS[-1]}",
        )
    random = np.random.default_rng(seed)
    counts = {length: [0, 0, 0, 0, 0] for length in (*LENGTHS, 0)}
    for number in range(gaps):
        length = LENGTHS[number % len(LENGTHS)]
        at = int(random.integers(BEFORE, len(span) - AFTER - length + 1))
        points = np.concatenate(list(span.blocks(at - BEFORE, at + length + AFTER)))
        before, missing, after = np.split(vocabulary.lookup(points), (BEFORE, BEFORE + length))
        gap = Gap(None if unknown else length)
        ranked, _ = search(reader, [before, gap, after], beam)
        truth = tuple(missing.tolist())
        found = [fills[0] for fills in ranked.fills[:top]]
        for key in (length, 0):
            counts[key][0] += 1
            counts[key][1] += length
            counts[key][2] += edits(found[0], truth)
            counts[key][3] += found[0] == truth
            counts[key][4] += truth in found
        if progress is not None:
            progress(number + 1, gaps)
    return [
        Quality(length, made, characters, wrong, first, listed, top)
        for length, (made, characters, wrong, first, listed) in counts.items()
        if made
    ]
