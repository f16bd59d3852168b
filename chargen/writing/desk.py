"""The writer's loop without a terminal: the text, three proposals, and what is done with them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chargen.tasks.drawing import Sampling
from chargen.writing.assistant import Assistant, Measured, Proposal, Wish
from chargen.writing.history import MODEL, difference
from chargen.writing.manuscript import Manuscript

PROPOSALS = 3
STEP, HOTTEST = 0.1, 2.0
"""Of the temperature."""

WORD = re.compile(r"\s*\S*")
"""What is taken as a word: with the blanks before it."""


class Desk:
    """A text with a cursor, and the proposals for how it goes on there.

    Args:
        manuscript: the text; it is saved after each change.
        assistant: who proposes.
        sampling: how proposals are written; its ``seed`` is that of the first.

    Attributes:
        cursor: a place in the text, in characters.
        asked: whether proposals are shown.
        chosen: which of them would be taken.
    """

    def __init__(
        self,
        manuscript: Manuscript,
        assistant: Assistant,
        sampling: Sampling,
    ) -> None:
        self.manuscript, self.assistant = manuscript, assistant
        self.history = manuscript.history
        self.sampling = replace(sampling, count=PROPOSALS)
        self.cursor = len(self.history.text)
        self.asked = False
        self.chosen = 0
        self._rest: Proposal | None = None
        self.assistant.ask(Wish(self.text))

    @property
    def text(self) -> str:
        """The text that is shown."""
        return self.history.text

    @property
    def temp(self) -> float:
        """The temperature of the proposals."""
        return self.sampling.temp

    @property
    def proposals(self) -> Sequence[Proposal]:
        """What is proposed: ways to go on, or the rest of the one of which a part is taken."""
        return (self._rest,) if self._rest is not None else self.assistant.proposals

    @property
    def measured(self) -> Measured | None:
        """What the text cost when it was last read to its end; None until then."""
        return self.assistant.measured

    def edited(self, text: str, cursor: int) -> None:
        """Take the text and the cursor as the writer has made them."""
        if text != self.text:
            self.history.change(*difference(self.text, text))
            self._changed(cursor)
        elif cursor != self.cursor:
            self.cursor = cursor
            self.dismiss()

    def propose(self) -> None:
        """Ask for proposals; if they are shown, choose the next one."""
        if self.asked and self._rest is None:
            self.chosen = (self.chosen + 1) % PROPOSALS
            return
        self._ask()

    def back(self) -> None:
        """Choose the proposal before."""
        self.chosen = (self.chosen - 1) % len(self.proposals or (None,))

    def others(self) -> None:
        """Ask for other proposals, with the next seeds."""
        if self.asked:
            self._use_up()
        self._ask()

    def _use_up(self) -> None:
        """Let the next proposals have other seeds."""
        self.sampling = replace(self.sampling, seed=self.sampling.seed + PROPOSALS)

    def _ask(self) -> None:
        self.asked, self.chosen, self._rest = True, 0, None
        self.assistant.ask(Wish(self.text, self.cursor, self.sampling))

    def dismiss(self) -> None:
        """Put the proposals away."""
        if self.asked:
            self.asked, self._rest = False, None
            self._use_up()
            self.assistant.ask(Wish(self.text))

    def warmer(self, steps: int = 1) -> None:
        """Change the temperature, and that of the proposals that are shown, with the same seeds."""
        hottest = max(HOTTEST, self.temp)
        temp = round(min(hottest, max(0.0, self.temp + steps * STEP)), 6)
        self.sampling = replace(self.sampling, temp=temp)
        if self.asked:
            self._ask()

    def take(self) -> None:
        """Put all of the chosen proposal into the text."""
        self._take(len(self._proposal().text))

    def take_word(self) -> None:
        """Put the next word of the chosen proposal into the text, and keep the rest."""
        found = WORD.match(self._proposal().text)
        self._take(found.end() if found else 0)

    def take_character(self) -> None:
        """Put the next character of the chosen proposal into the text, and keep the rest."""
        self._take(1)

    def _proposal(self) -> Proposal:
        """Return the chosen proposal; while it is being written, there is nothing to take."""
        found = self.proposals[self.chosen :][:1]
        return found[0] if found and found[0].over else Proposal("", 0)

    def _take(self, characters: int) -> None:
        proposal = self._proposal()
        put, left = proposal.text[:characters], proposal.text[characters:]
        if not put:
            return
        at = self.cursor
        self.history.change(at, "", put, MODEL)
        self._changed(at + len(put))
        if left:
            self.asked, self.chosen = True, 0
            self._rest = replace(proposal, text=left, over=True)

    def undo(self) -> None:
        """Go back by one step."""
        self._moved(self.history.undo())

    def redo(self) -> None:
        """Go forward by one step."""
        self._moved(self.history.redo())

    def other_branch(self) -> None:
        """Show the end of the next branch."""
        self._moved(self.history.other())

    def _moved(self, cursor: int | None) -> None:
        if cursor is not None:
            self._changed(cursor)

    def _changed(self, cursor: int) -> None:
        """Save the text, and let the assistant read it."""
        self.cursor = cursor
        if self.asked:
            self._use_up()
        self.asked, self._rest = False, None
        self.manuscript.save()
        self.assistant.ask(Wish(self.text))

    def json(self) -> dict[str, Any]:
        """Return what is known of the text, under its usual keys."""
        found = self.measured
        about: dict[str, Any] = {"characters": len(self.text), "branches": self.history.branch[1]}
        if found is not None and found.text == self.text:
            about |= {"words": found.words, "nats_per_char": found.bits * math.log(2)}
            about |= {"bpc": found.bits}
        return about

    def close(self) -> None:
        """End the assistant, and let other processes write the file."""
        self.assistant.close()
        self.manuscript.close()
