"""A model that reads along and proposes how a text may go on, in a thread of its own."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from chargen.engine.language_model import LanguageModel
from chargen.tasks.draft import Draft, pieces_of
from chargen.tasks.drawing import Sampling, Stream
from chargen.text.vocabulary import Vocabulary
from chargen.text.words import words
from chargen.writing.reading import Mark, Reading

TAIL = 32
"""Characters that a proposal may be longer than asked, so that it ends with a whole word."""


@dataclass(frozen=True)
class Proposal:
    """How a text may go on.

    Attributes:
        text: as far as it is written.
        seed: with which it is written again.
        over: whether it is whole.
    """

    text: str
    seed: int
    over: bool = False


@dataclass(frozen=True)
class Wish:
    """What the assistant is to do.

    Attributes:
        text: to read.
        place: where proposals go on, in characters.
        sampling: how they are written: ``count`` of them, the first with ``seed``, the next with
            ``seed + 1``. None for no proposals.
    """

    text: str
    place: int = 0
    sampling: Sampling | None = None


@dataclass(frozen=True)
class Measured:
    """What a text costs.

    Attributes:
        text: that was read.
        nats: in all.
        words: how many it has.
    """

    text: str
    nats: float
    words: int

    @property
    def bits(self) -> float:
        """Bits per character."""
        return self.nats / math.log(2) / max(1, len(self.text))


class Assistant:
    """Does what it was asked for last, and gives up what it was asked for before.

    Args:
        model: what reads and writes.
        vocabulary: its characters.
        end: the character that ends a text, for a model of lines or documents.
        told: called from the assistant's thread when there is news.

    Attributes:
        proposals: to the last wish, as far as they are written.
        measured: the last text that was read to its end.
        error: what stopped the assistant; None while it works.
    """

    def __init__(
        self,
        model: LanguageModel,
        vocabulary: Vocabulary,
        end: str | None = None,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self.model, self.vocabulary, self.told = model, vocabulary, told
        ending = int(vocabulary.encode(end)[0]) if end else None
        self._reading = Reading(model, vocabulary, ending)
        self._pieces, self._end = pieces_of(vocabulary), end
        self.proposals: tuple[Proposal, ...] = ()
        self.measured: Measured | None = None
        self.error: Exception | None = None
        self._wish: Wish | None = None
        self._open = True
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="assistant", daemon=True)
        self._thread.start()

    def ask(self, wish: Wish) -> None:
        """Ask for something, in place of what was asked before."""
        with self._changed:
            self._wish, self.proposals = wish, ()
            self._changed.notify()

    def close(self) -> None:
        """End the thread, after the character that it is at."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (wish := self._next()) is not None:
                for news in self._work(wish):
                    if self._wish is not None or not self._open:
                        break
                    if news:
                        self.told()
        except Exception as error:  # noqa: BLE001 - the writer's text must not suffer from it
            self.error = error
            self.told()

    def _next(self) -> Wish | None:
        """Wait for a wish; None when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._wish is not None or not self._open)
            wish, self._wish = self._wish, None
            return wish if self._open else None

    def _work(self, wish: Wish) -> Iterator[bool]:
        """Do what is wished for, and yield after each piece of it whether there is news."""
        self._reading.turn_to(wish.text)
        if wish.sampling is not None:
            place = len(self.vocabulary.encode(wish.text[: wish.place]))
            for reached in self._reading.to(place):
                mark = reached
                yield False
            for found in self._written(mark, wish.sampling):
                with self._changed:
                    if self._wish is None:
                        self.proposals = found
                yield True
        for _ in self._reading.whole():
            yield False
        count = sum(is_word for _, _, is_word in words(wish.text))
        self.measured = Measured(wish.text, float(self._reading.nats.sum()), count)
        yield True

    def _written(self, mark: Mark, sampling: Sampling) -> Iterator[tuple[Proposal, ...]]:
        """Write all proposals side by side, and yield them after each character."""
        sampling = replace(sampling, end=self._end)
        seeds = [sampling.seed + number for number in range(sampling.count)]
        drafts = [Draft(self._pieces, sampling, seed) for seed in seeds]
        found = [Proposal("", seed) for seed in seeds]
        stream = Stream(self.model, sampling, seeds, mark.logits, mark.state)
        rows = list(range(len(seeds)))
        while rows:
            ids, nats = next(stream)
            going = []
            for at, row in enumerate(rows):
                draft = drafts[row]
                draft.take(ids[:, at].tolist(), nats[:, at].tolist())
                text = bytes(draft.data).decode(errors="ignore")
                over = draft.stopped or _complete(text, draft.drawn, sampling.length)
                found[row] = Proposal(text, draft.seed, over)
                going += [] if over else [at]
            rows = [rows[at] for at in going]
            if rows and len(going) < len(ids[0]):
                stream.keep(going)
            yield tuple(found)


def _complete(text: str, drawn: int, length: int) -> bool:
    """Return whether a proposal is long enough, and ends with a whole word."""
    return drawn >= length and (text[-1:].isspace() or drawn >= length + TAIL)
