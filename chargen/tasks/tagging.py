"""Spans of a text: which they are, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chargen.checkpoint import Checkpoint
from chargen.engine.tagger import Chain
from chargen.engine.tagger import Tagger as Engine
from chargen.errors import KindError, argument
from chargen.text.batches import batched
from chargen.text.mark_windows import TagCoder
from chargen.text.marking import BEGIN, INSIDE
from chargen.text.tagged import Tagged, marks_of, of_marks

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 64
CHUNK = 512
"""Texts that are read side by side, and in memory, so that those of like length are together."""


@dataclass(frozen=True)
class Marked:
    """A span that was found.

    Attributes:
        label: what it is.
        start, end: its first character, and the first one after it, counted from 0.
        text: its characters.
        probability: that just this span stands there, with this label.
    """

    label: str
    start: int
    end: int
    text: str
    probability: float


class Tagger:
    """A model that marks spans, ready to use.

    Raises:
        KindError: the model marks none.
    """

    def __init__(self, name: str, saved: Checkpoint) -> None:
        marking = saved.vocabulary.marking
        if marking is None or marking.undo:
            raise KindError(
                f"{name} was not trained on tags and marks no spans",
                f"Use `chargen {saved.architecture.kind.command}` with it, or a model trained with "
                f"{argument('tags')}",
            )
        self.engine = Engine(saved.architecture, saved.weights)
        self.coder = TagCoder(saved.vocabulary)
        self.marking = marking

    def tag(self, texts: Iterable[str]) -> Iterator[list[Marked]]:
        """Yield the spans of each text, in the order of the texts; see `Marked`."""
        for text, chain in self.chains(texts):
            if chain is None:
                yield []
                continue
            marks = [self.marking.marks[index] for index in chain.best().tolist()]
            yield [
                Marked(label, start, end, text[start:end], self._sure(chain, start, end, label))
                for start, end, label in of_marks(text, marks).spans
            ]

    def _sure(self, chain: Chain, start: int, end: int, label: str) -> float:
        begin, inside = (self.coder.ids[side + label] for side in (BEGIN, INSIDE))
        return chain.span(start, end, begin, inside)

    def nats(self, examples: Sequence[Tagged]) -> float:
        """Return what the right marks of texts cost, summed."""
        total = 0.0
        for example, (_, chain) in zip(
            examples, self.chains([one.text for one in examples]), strict=True
        ):
            if chain is not None:
                ids = [self.coder.ids.get(mark, 0) for mark in marks_of(example)]
                total += chain.nats(ids)
        return total

    def chains(self, texts: Iterable[str]) -> Iterator[tuple[str, Chain | None]]:
        """Yield each text with the distribution over its marks; None for an empty text."""
        chunk: list[str] = []
        for text in texts:
            chunk.append(text)
            if len(chunk) == CHUNK:
                yield from self._side_by_side(chunk)
                chunk = []
        yield from self._side_by_side(chunk)

    def _side_by_side(self, texts: Sequence[str]) -> Iterator[tuple[str, Chain | None]]:
        sizes = {row: (len(text) + 2, 1) for row, text in enumerate(texts) if text}
        found: dict[int, NDArray[np.float64]] = {}
        for rows in batched(sorted(sizes, key=lambda row: sizes[row]), sizes, BATCH):
            scored = self.engine.scores([self.coder.source(texts[row]) for row in rows])
            found |= zip(rows, scored, strict=True)
        for row, text in enumerate(texts):
            yield text, self.engine.chain(found[row]) if text else None
