"""A model reading a text while it is written: after a change, only what follows is read again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chargen.engine.language_model import LOGITS, WINDOW, LanguageModel, State, pick, read
from chargen.engine.likelihood import charge, with_escape
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

FAR = 2048
"""Characters that are read before a proposal, at most: a fifth of a second for 512 units."""

MARKS = 64
"""Places whose state is kept, at most."""


@dataclass(frozen=True)
class Mark:
    """A place in a text, and what the model knows there.

    Attributes:
        place: characters (bytes, for a model of bytes) before it.
        logits: (1, V), for the next one.
        state: of one text; a copy is given to the model, which may overwrite it.
    """

    place: int
    logits: Floats
    state: State


class Reading:
    """What a model has read of a text that changes.

    Args:
        model: what reads.
        vocabulary: its characters.
        end: the id after which a new text begins, for a model of lines or documents; None for
            none.

    Attributes:
        ids: of the text.
        nats: (T,), what each costs, the escape included; NaN where it is not read yet.
    """

    def __init__(
        self, model: LanguageModel, vocabulary: Vocabulary, end: int | None = None
    ) -> None:
        self.model, self.vocabulary, self.end = model, vocabulary, end
        self.ids: Ids = np.empty(0, np.int32)
        self.nats: Doubles = np.empty(0)
        self._marks: list[Mark] = []

    def turn_to(self, text: str) -> None:
        """Take a text in place of the one before; what both begin with is not read again."""
        ids = self.vocabulary.encode(text)
        shorter = min(len(ids), len(self.ids))
        differ = ids[:shorter] != self.ids[:shorter]
        same = int(differ.argmax()) if differ.any() else shorter
        nats = np.full(len(ids), np.nan)
        nats[:same] = self.nats[:same]
        self.ids, self.nats = ids, nats
        self._marks = [mark for mark in self._marks if mark.place <= same]

    def to(self, place: int) -> Iterator[Mark]:
        """Read on to a place, and yield a mark after each stretch; the last is at the place.

        If more than `FAR` characters before the place are unread, only the last `FAR` of them are
        read, so that the writer does not wait for a long text.
        """
        near = self._nearest(place)
        far = place - near.place > FAR
        return self._on(self._beginning(place - FAR) if far else near, place, known=not far)

    def whole(self) -> Iterator[Mark]:
        """Read all from the first character that is not read yet, and yield as `to` does."""
        unread = np.isnan(self.nats)
        first = int(unread.argmax()) if unread.any() else len(self.ids)
        return self._on(self._nearest(first), len(self.ids), known=True)

    def _on(self, mark: Mark, place: int, *, known: bool) -> Iterator[Mark]:
        """Read on from a mark.

        Args:
            known: whether all before the mark was read. Only then are costs and marks kept.
        """
        yield mark
        while mark.place < place:
            nats, mark = self._read(mark, place)
            if known:
                self.nats[mark.place - len(nats) : mark.place] = nats
                self._keep(mark)
            yield mark

    def _nearest(self, place: int) -> Mark:
        """Return the last mark before a place, or where its own text begins."""
        begin = 0
        if self.end is not None:
            ends = np.flatnonzero(self.ids[:place] == self.end)
            begin = int(ends[-1]) + 1 if len(ends) else 0
        found = [mark for mark in self._marks if begin <= mark.place <= place]
        return max(found, key=lambda mark: mark.place) if found else self._beginning(begin)

    def _beginning(self, place: int) -> Mark:
        return Mark(place, *read(self.model, self.ids[:0]))

    def _read(self, mark: Mark, place: int) -> tuple[Doubles, Mark]:
        """Read a stretch: up to a place, to the end of a text, or what is read in one call.

        Returns:
            what its characters cost, and the mark after it.
        """
        most = max(1, min(WINDOW, LOGITS // self.model.bos))
        stop = min(place, mark.place + most)
        ids = self.ids[mark.place : stop]
        ends = np.flatnonzero(ids == self.end) if self.end is not None else ids[:0]
        if len(ends):
            ids = ids[: ends[0] + 1]
            stop = mark.place + len(ids)
        logits, state = self.model.forward(ids[None], pick(mark.state, [0]))
        before = np.concatenate((mark.logits[:, None], logits[:, :-1]), axis=1)
        last = logits[:, -1].copy()
        nats = with_escape(self.vocabulary, ids, charge(before, ids[None])[0][0])
        return nats, self._beginning(stop) if len(ends) else Mark(stop, last, state)

    def _keep(self, mark: Mark) -> None:
        """Keep a mark; if there are too many, drop every other one, but none near the end."""
        marks = {one.place: one for one in self._marks} | {mark.place: mark}
        kept = [marks[place] for place in sorted(marks)]
        if len(kept) > MARKS:
            del kept[: -MARKS // 4 : 2]
        self._marks = kept
