"""Where places of a corpus are: in which file, and in which line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chargen.text.corpus import Text
from chargen.text.examples import named_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.int64]

NEW_LINE = ord("\n")


def lines(corpus: Text, places: Places) -> list[tuple[str, int]]:
    """Return the file and the number of the line at each place of a corpus."""
    found: dict[int, tuple[str, int]] = {}
    owners = corpus.index.part
    edges = corpus.index.first[np.flatnonzero(np.diff(owners, prepend=-1))]
    wanted = np.unique(places)
    for start, stop, name in zip(
        edges, [*edges[1:], corpus.characters], named_files(corpus), strict=True
    ):
        mine = wanted[(wanted >= start) & (wanted < stop)]
        if not len(mine):
            continue
        at, line = int(start), 1
        for block in corpus.blocks(int(start), int(mine[-1]) + 1):
            ends = np.flatnonzero(block == NEW_LINE)
            here = mine[(mine >= at) & (mine < at + len(block))]
            counts = np.searchsorted(ends, here - at)
            found |= {int(p): (name, line + int(n)) for p, n in zip(here, counts, strict=True)}
            at, line = at + len(block), line + len(ends)
    return [found[int(place)] for place in places]
