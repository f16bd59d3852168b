"""The clock of a training: the time that somebody waits, charged to what it was spent on.

A budget in minutes is wall time from the start of the command. But a process can be stopped for
hours (Ctrl-Z, a laptop that sleeps, a reader that does not read), and nothing is learned meanwhile.
So an activity is charged at most a few times what it has usually taken.
"""

from __future__ import annotations

import time

from chargen.ranks import ALONE, Ranks

TIMES = 4
SLACK = 0.5
"""An activity is charged at most this many times its usual time, and so many seconds more."""

FIRST = 10.0
"""Seconds that an activity is charged at most when nobody knows yet how long it takes."""

NEW = 0.1
"""Weight of the latest time in the usual time."""


class Clock:
    """Charges time to activities, each by its name.

    Args:
        began: when the wait began, by `time.perf_counter`; None for now.
        ranks: all of them go by the clock of rank 0.
    """

    def __init__(self, began: float | None = None, ranks: Ranks = ALONE) -> None:
        self.ranks = ranks
        self.last = time.perf_counter() if began is None else began
        self.spent: dict[str, float] = {}
        self.usual: dict[str, float] = {}

    def charge(self, what: str, most: float = FIRST) -> float:
        """Return the seconds since the last call, as far as they are charged.

        Args:
            what: what they were spent on.
            most: the most to charge for something that has not been done before.
        """
        now = time.perf_counter()
        elapsed, self.last = self.ranks.told(now - self.last), now
        usual = self.usual.get(what)
        charged = min(elapsed, most if usual is None else TIMES * usual + SLACK)
        self.usual[what] = charged if usual is None else usual + NEW * (charged - usual)
        self.spent[what] = self.spent.get(what, 0.0) + charged
        return charged

    def affords(self, what: str, share: float) -> bool:
        """Return whether doing it once more keeps it within a share of all time spent so far."""
        wanted = self.spent.get(what, 0.0) + self.usual.get(what, 0.0)
        return wanted <= share * sum(self.spent.values())
