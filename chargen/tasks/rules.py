"""Rules that a text must keep: what it matches, contains, begins and ends with, and how long it is.

All rules become one automaton. At each character, those are allowed from which a text that keeps
all rules can still end in time, and no others: so each text keeps them, and none is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from chargen.declared import LARGEST_NUMBER, check
from chargen.errors import UsageError, argument
from chargen.tasks.copies import Limit, Runs
from chargen.text.grams import Grams
from chargen.text.patterns import DEAD, NEVER, Automaton, automaton, bare
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Ids = NDArray[np.int32]

NEW_LINE = "\n"
ANY = "(?s:.*)"


@dataclass(frozen=True)
class Rules:
    r"""What each text must keep; without any of these, it is free.

    Attributes:
        match: a regular expression for the whole text.
        each_line: whether ``match`` is for each line instead.
        must: texts that it contains.
        forbid: characters that it does not contain.
        start, end: texts that it begins and ends with.
        min_length, max_length: how many characters it has.
        max_copy: characters of a run that it shares with the model's corpus, at most.

    Raises:
        UsageError: a value that can never work.
    """

    match: str | None = None
    each_line: bool = False
    must: Sequence[str] = ()
    forbid: str = ""
    start: str = ""
    end: str = ""
    min_length: int = 0
    max_length: int | None = None
    max_copy: int | None = None

    def __post_init__(self) -> None:
        check("min_length", self.min_length, 0, LARGEST_NUMBER)
        if self.max_length is not None:
            check("max_length", self.max_length, 1, LARGEST_NUMBER)
        if self.max_copy is not None:
            check("max_copy", self.max_copy, 1, LARGEST_NUMBER)
        if self.each_line and self.match is None:
            raise UsageError(
                f"{argument('each_line')} is about a pattern", f"Give {argument('match')} as well"
            )

    def __bool__(self) -> bool:
        """Return whether there is any rule."""
        return self != FREE

    def plan(
        self,
        vocabulary: Vocabulary,
        ending: str | None,
        length: int,
        grams: Grams | None = None,
    ) -> Plan:
        """Return how to keep the rules.

        Args:
            ending: the character that ends each of the model's texts; None if there is none. Then
                a new line ends a text, unless the pattern is about several lines.
            length: characters of a text, at most.
            grams: what is known of the model's corpus; needed for ``max_copy``.

        Raises:
            UsageError: the model cannot write a text that keeps all rules, or not within the
                length; or see `chargen.text.patterns.automaton`.
        """
        longest = length if self.max_length is None else min(length, self.max_length)
        if self.min_length > longest:
            raise UsageError(
                f"{argument('min_length')} is {self.min_length:,}, and a text has {longest:,} "
                "characters at most",
                f"Give a larger {argument('length')}",
            )
        found = automaton(self.patterns(), vocabulary)
        if vocabulary.as_bytes and not self.forbid.isascii():
            raise UsageError(
                f"{argument('forbid')} is {self.forbid!r}, and the model is one of bytes",
                "Forbid characters of ASCII only",
            )
        if self.forbid:
            ids = vocabulary.encode(self.forbid)
            found = found.without(ids[ids != vocabulary.bos])
        shortest, last = self.min_length, ending or NEW_LINE
        index = int(vocabulary.encode(last)[-1])
        if ending is not None:
            found = found.without(np.array([index]))
        # A text of one line ends with the line, as it does in the texts that the model knows.
        ends = index != vocabulary.bos and not (found.table[:, index] != DEAD).any()
        if ends:
            found, shortest, longest = found.ended_by(index), shortest + 1, longest + 1
        limit = None
        if self.max_copy is not None:
            assert grams is not None
            limit = Limit(grams, self.max_copy, vocabulary)
        plan = Plan(
            automaton=found,
            least=found.least(shortest),
            longest=longest,
            ending=last if ends else None,
            last=index if ends else None,
            soon=bool(self.end),
            limit=limit,
        )
        self._require(plan, vocabulary)
        return plan

    def patterns(self) -> list[str]:
        """Return each rule as a regular expression for the whole text."""
        found = []
        if self.match is not None:
            line = f"(?:{bare(self.match)})"
            found.append(f"{line}(?:\n{line})*\n?" if self.each_line else self.match)
        found += [f"{ANY}{re.escape(text)}{ANY}" for text in self.must]
        found += [f"{re.escape(self.start)}{ANY}"] if self.start else []
        found += [f"{ANY}{re.escape(self.end)}"] if self.end else []
        return found

    def _require(self, plan: Plan, vocabulary: Vocabulary) -> None:
        """Make sure that there is a text that keeps all rules.

        Raises:
            UsageError: there is none, or none that is short enough.
        """
        fewest = int(plan.least[-1, 0]) - (plan.ending is not None)
        if fewest >= NEVER - 1:
            letters = filter(str.isalpha, self.match or "")
            texts = "".join([*self.must, self.start, self.end, *letters])
            unknown = "".join(vocabulary.unknown(texts))
            said = f": it does not know {unknown!r}" if unknown else ""
            raise UsageError(
                f"the model can write no text that keeps all rules{said}",
                "Leave one of them out, or give others",
            )
        most = plan.longest - (plan.ending is not None)
        if fewest > most:
            raise UsageError(
                f"a text that keeps all rules has {fewest:,} characters at least, not {most:,}",
                f"Give a larger {argument('length')}, or other rules",
            )


FREE = Rules()
NAMES = frozenset(field.name for field in fields(Rules))


@dataclass(frozen=True)
class Plan:
    """How the texts of one model keep rules.

    Attributes:
        automaton: of the texts, with the ending where there is one.
        least: see `Automaton.least`, to the shortest length.
        longest: characters of a text, at most, the ending included.
        ending: the character that ends a text, which is no part of it; None for none.
        last: its id.
        soon: whether a text ends as soon as it may, where no character ends it.
        limit: of runs that the corpus has, too; None for none.
    """

    automaton: Automaton
    least: NDArray[np.int64]
    longest: int
    ending: str | None
    last: int | None
    soon: bool
    limit: Limit | None

    def ends(self, states: Ids, drawn: int) -> Flags:
        """Return whether texts in these states may end after so many characters (B,)."""
        if drawn < len(self.least) - 1:
            return np.zeros(len(states), np.bool_)
        return np.asarray(self.automaton.accepting[states])

    def allowed(self, states: Ids, drawn: int) -> Flags:
        """Return which characters (B, V) may follow in each state, after so many characters."""
        after = self.automaton.table[states]
        fewest = self.least[max(0, len(self.least) - 2 - drawn)]
        allowed = np.logical_and(after != DEAD, fewest[after] <= self.longest - drawn - 1)
        if self.soon and self.ending is None:
            allowed &= ~self.ends(states, drawn)[:, None]
        return np.asarray(allowed)


class Guide:
    """Where some texts are, and what each may go on with.

    Args:
        plan: the rules.
        count: texts, all at their beginning.
    """

    def __init__(self, plan: Plan, count: int) -> None:
        self.plan = plan
        self.states = np.zeros(count, np.int32)
        self.drawn = 0
        self.runs = None if plan.limit is None else Runs(plan.limit, count)
        self.allowed = plan.allowed(self.states, 0)

    def read(self, ids: Ids) -> None:
        """Take in the next character of each text (B,)."""
        self.states = self.plan.automaton.table[self.states, ids]
        self.drawn += 1
        self.allowed = self.plan.allowed(self.states, self.drawn)
        if self.runs is not None:
            self.runs.read(ids)
            forbidden = self.runs.forbidden()
            if self.plan.last is not None:
                # What ends a text is no part of it.
                forbidden[:, self.plan.last] = False
            self.allowed &= ~forbidden

    @property
    def over(self) -> Flags:
        """Whether each text has ended (B,), because nothing may follow."""
        return ~self.allowed.any(axis=-1) & self.plan.ends(self.states, self.drawn)

    def require_way(self) -> None:
        """Make sure that each text can end or go on: runs can close all ways that rules leave.

        Raises:
            UsageError: one cannot.
        """
        if (~self.allowed.any(axis=-1) & ~self.over).any() and self.drawn < self.plan.longest:
            raise UsageError(
                f"the rules leave nothing but what {argument('max_copy')} does not allow",
                f"Give a larger {argument('max_copy')}, or other rules",
            )

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these texts only."""
        self.states, self.allowed = self.states[rows], self.allowed[rows]
        if self.runs is not None:
            self.runs.keep(rows)
