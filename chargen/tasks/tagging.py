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

Spans = tuple[tuple[int, int, str], ...]
"""See `chargen.text.tagged.Tagged`."""

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
        for text, spans, scores in self._read(texts):
            chain = self.engine.chain(scores)
            yield [
                Marked(label, start, end, text[start:end], self._sure(chain, start, end, label))
                for start, end, label in spans
            ]

    def _sure(self, chain: Chain, start: int, end: int, label: str) -> float:
        begin, inside = (self.coder.ids[side + label] for side in (BEGIN, INSIDE))
        return chain.span(start, end, begin, inside)

    def compared(self, examples: Sequence[Tagged]) -> Iterator[tuple[Spans, float]]:
        """Yield the spans that are found in each text, and what its right marks cost."""
        read = self._read([one.text for one in examples])
        for example, (text, spans, scores) in zip(examples, read, strict=True):
            if not text:
                yield spans, 0.0
                continue
            marks = [self.coder.ids.get(mark, 0) for mark in marks_of(example)]
            yield spans, float(self.engine.nats([scores], [np.array(marks, np.int32)])[0])

    def _read(self, texts: Iterable[str]) -> Iterator[tuple[str, Spans, NDArray[np.float64]]]:
        """Yield each text with its spans, and the scores (T, K) of its marks."""
        chunk: list[str] = []
        for text in texts:
            chunk.append(text)
            if len(chunk) == CHUNK:
                yield from self._side_by_side(chunk)
                chunk = []
        yield from self._side_by_side(chunk)

    def _side_by_side(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[str, Spans, NDArray[np.float64]]]:
        sizes = {row: (len(text) + 2, 1) for row, text in enumerate(texts) if text}
        found: dict[int, tuple[Spans, NDArray[np.float64]]] = {}
        for rows in batched(sorted(sizes, key=lambda row: sizes[row]), sizes, BATCH):
            scored = self.engine.scores([self.coder.source(texts[row]) for row in rows])
            for row, scores, best in zip(rows, scored, self.engine.best(scored), strict=True):
                marks = [self.marking.marks[index] for index in best.tolist()]
                found[row] = of_marks(texts[row], marks).spans, scores
        nothing: tuple[Spans, NDArray[np.float64]] = ((), np.empty((0, len(self.marking.marks))))
        for row, text in enumerate(texts):
            yield text, *found.get(row, nothing)
