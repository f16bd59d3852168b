"""Items for a list: all different, and none of those that the model learned from.

A model keeps fingerprints of its items, not the items. Those that were held out are not among them,
but their fingerprints lie in a range of their own (see `chargen.text.examples.held_out`): an item
whose fingerprint lies there cannot be checked, and is left out as well. That is a tenth of all, by
chance, so it changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from chargen.checkpoint import MOST_SEEN, Checkpoint
from chargen.errors import KindError
from chargen.tasks.draft import Sample
from chargen.tasks.drawing import Sampling
from chargen.text.examples import fingerprint

if TYPE_CHECKING:
    from chargen.text.examples import Prints

ENOUGH = 0.5
"""At least this share of the items of a round should be new; else the next round is larger."""

PATIENCE = 200
"""Texts that are written for each item that is asked for, at most."""

LARGEST_ROUND = 1 << 14


@dataclass(frozen=True)
class Known:
    """What a model can tell of the items that it should not write.

    Attributes:
        prints: fingerprints of those that it learned from, sorted.
        held: the end of the range of fingerprints that were held out.
        as_bytes: whether the items are bytes.
    """

    prints: Prints
    held: int
    as_bytes: bool = False

    @classmethod
    def of(cls, name: str, saved: Checkpoint) -> Known:
        """Return what a model knows.

        Raises:
            KindError: it was not trained on lines or documents, or keeps no fingerprints.
        """
        if not saved.items or saved.seen is None:
            raise KindError(
                f"{name} was not trained on a list of items", "Train a model with --lines"
            )
        fraction = saved.settings.get("valid_fraction")
        held = fraction if isinstance(fraction, float) else 0.0
        return cls(saved.seen, int(held * float(1 << 64)), saved.vocabulary.as_bytes)

    @property
    def whole(self) -> bool:
        """Whether all items are known; of more than a million, only some are."""
        return len(self.prints) < MOST_SEEN

    def new(self, data: bytes) -> bool:
        """Return whether an item is surely none of the list's."""
        encoding = "latin-1" if self.as_bytes else "utf-8"
        found = fingerprint([data.decode(encoding, "surrogateescape")])
        if found < self.held:
            return False
        at = int(np.searchsorted(self.prints, np.uint64(found)))
        return at == len(self.prints) or int(self.prints[at]) != found


def items(
    draw: Callable[[Sampling], Iterator[Sample]], wanted: Sampling, known: Known, begun: bytes = b""
) -> Iterator[Sample]:
    """Yield ``wanted.count`` items, each once and each new; fewer, if the model repeats itself.

    Args:
        draw: writes texts; those that do not end within their length are no items.
        wanted: how to write; the seeds go on from one text to the next.
        known: what is not new.
        begun: with what each item begins, before the text that is written.
    """
    had: set[str] = set()
    size, seed = wanted.count, wanted.seed
    while len(had) < wanted.count and seed - wanted.seed < PATIENCE * wanted.count:
        before = len(had)
        for text in draw(replace(wanted, seed=seed, count=size)):
            item = begun + text.data
            ended = text.finish == "stop" and item.strip()
            if ended and text.text not in had and known.new(item):
                had.add(text.text)
                yield text
                if len(had) == wanted.count:
                    return
        seed += size
        if len(had) - before < ENOUGH * size:
            size = min(2 * size, LARGEST_ROUND)
