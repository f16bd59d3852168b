"""Spans of a text: which they are, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.checkpoint import Checkpoint
from chargen.engine.tagger import Chain
from chargen.engine.tagger import Tagger as Engine
from chargen.errors import KindError, argument
from chargen.text.batches import batched, side_by_side
from chargen.text.mark_windows import TagCoder, overlapping
from chargen.text.marking import BEGIN, INSIDE
from chargen.text.tagged import Tagged, marks_of, of_marks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

Spans = tuple[tuple[int, int, str], ...]
"""See `chargen.text.tagged.Tagged`."""

BATCH = 64
CHUNK = 512
"""Texts that are read side by side, and in memory, so that those of like length are together."""

MARGIN = 200
"""Characters that are read on each side of a window of a text that is longer than any learned."""


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

    def json(self) -> dict[str, Any]:
        """Return the span under its usual keys."""
        return {
            "label": self.label,
            "start": self.start,
            "end": self.end,
            "span": self.text,
            "probability": self.probability,
        }


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
        """Yield the spans that are found in each text, and the nats of its right marks.

        These are infinite for a text with a label that the model does not know.
        """
        read = self._read([one.text for one in examples])
        for example, (text, spans, scores) in zip(examples, read, strict=True):
            if not text:
                yield spans, 0.0
                continue
            marks = [self.coder.ids.get(mark, -1) for mark in marks_of(example)]
            if -1 in marks:
                yield spans, math.inf
                continue
            yield spans, float(self.engine.nats([scores], [np.array(marks, np.int32)])[0])

    def _read(self, texts: Iterable[str]) -> Iterator[tuple[str, Spans, Doubles]]:
        """Yield each text with its spans, and the scores (T, K) of its marks."""
        return side_by_side(texts, lambda text: (len(text) + 2, 1), self._marked, BATCH, CHUNK)

    def _marked(self, texts: Sequence[str]) -> list[tuple[str, Spans, Doubles]]:
        window = self.marking.longest
        stretches = [list(overlapping(len(text), window, MARGIN)) for text in texts]
        parts = [
            text[one.first : one.last]
            for text, some in zip(texts, stretches, strict=True)
            for one in some
        ]
        sizes = {row: (len(part) + 2, 1) for row, part in enumerate(parts)}
        read = (
            scores
            for rows in batched(list(sizes), sizes, BATCH)
            for scores in self.engine.scores([self.coder.source(parts[row]) for row in rows])
        )
        nothing = np.empty((0, len(self.marking.marks)))
        scored = []
        for some in stretches:
            own = [next(read)[one.start - one.first : one.stop - one.first] for one in some]
            scored.append(np.concatenate([nothing, *own]))
        some_text = [scores for scores in scored if len(scores)]
        best = iter(self.engine.best(some_text) if some_text else [])
        found: list[tuple[str, Spans, Doubles]] = []
        for text, scores in zip(texts, scored, strict=True):
            marks = [self.marking.marks[index] for index in next(best)] if text else []
            found.append((text, of_marks(text, marks).spans, scores))
        return found
