"""All versions of a text, as a tree of changes: nothing that was written is ever lost.

Undo goes to the version before. If the text is changed there, a new branch begins, and the old one
stays.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

TYPED, MODEL, ELSEWHERE = "typed", "model", "elsewhere"
"""Who made a change: the writer, the model, or another program."""


@dataclass(frozen=True)
class Change:
    """One change of a text.

    Attributes:
        on: number of the version that was changed; a version has the number of the change that
            made it.
        at: where, in characters.
        cut: what was there.
        put: what is there now.
        by: one of `TYPED`, `MODEL`, `ELSEWHERE`.
    """

    on: int
    at: int
    cut: str
    put: str
    by: str = TYPED

    def goes_on(self, other: Change) -> bool:
        """Return whether this is the next key of the same word, or of the same deletion."""
        if self.by != TYPED or other.by != TYPED:
            return False
        if not (self.cut or other.cut):
            single = len(self.put) == len(other.put) == 1
            next_word = other.put.isspace() and not self.put.isspace()
            return single and self.at == other.at + 1 and not next_word
        if not (self.put or other.put):
            single = len(self.cut) == len(other.cut) == 1
            return single and self.at in (other.at, other.at - 1)
        return False


def difference(old: str, new: str) -> tuple[int, str, str]:
    """Return where two texts differ, and what each has there.

    Example:
        >>> difference("the sea", "the red sea")
        (4, '', 'red ')
    """
    shorter = min(len(old), len(new))
    same = _longest(shorter, lambda size: old.startswith(new[:size]))
    tail = _longest(shorter - same, lambda size: old.endswith(new[len(new) - size :]))
    return same, old[same : len(old) - tail], new[same : len(new) - tail]


def _longest(most: int, fits: Callable[[int], bool]) -> int:
    """Return the largest size up to ``most`` that fits, where each smaller one fits, too."""
    return bisect_right(range(1, most + 1), False, key=lambda size: not fits(size))


class GapBuffer:
    """A text with a gap where it was changed last, so that the next change nearby is quick.

    A history of a hundred thousand keys is replayed in one. If each key copied the text, a novel
    would take minutes.
    """

    def __init__(self, text: str) -> None:
        self.before = list(text)
        # Of what is behind the gap, the last character stands first.
        self.behind: list[str] = []

    def replace(self, at: int, cut: str, put: str) -> None:
        """Put something in place of what is at a place.

        Raises:
            ValueError: what is to be cut is not there; nothing is changed then.
        """
        if not 0 <= at <= len(self):
            raise ValueError(f"there is no place {at}")
        distance = at - len(self.before)
        if distance < 0:
            self.behind += reversed(self.before[at:])
            del self.before[at:]
        elif distance > 0:
            self.before += reversed(self.behind[-distance:])
            del self.behind[-distance:]
        stays = max(0, len(self.behind) - len(cut))
        if self.behind[stays:] != [*reversed(cut)]:
            raise ValueError(f"{cut!r} is not at {at}")
        del self.behind[stays:]
        self.before += put

    def __len__(self) -> int:
        return len(self.before) + len(self.behind)

    def __str__(self) -> str:
        return "".join(self.before) + "".join(reversed(self.behind))


class History:
    """The versions of one text.

    Args:
        text: of the first version.

    Attributes:
        here: the number of the version that is shown; 0 is the first one.
    """

    def __init__(self, text: str = "") -> None:
        self.first = text
        self._buffer, self._text = GapBuffer(text), text
        self._stale = False
        self.here = 0
        # Version 0 changes nothing.
        self.changes = [Change(-1, 0, "", "")]
        self.tips = [0]
        self.toward: dict[int, int] = {}

    @property
    def text(self) -> str:
        """The text of the version that is shown."""
        if self._stale:
            self._text, self._stale = str(self._buffer), False
        return self._text

    def change(self, at: int, cut: str, put: str, by: str = TYPED) -> None:
        """Make a new version of the one that is shown.

        Raises:
            ValueError: what is to be cut is not there.
        """
        if (cut, put) == ("", ""):
            return
        self._replace(at, cut, put)
        parent = self.here
        self.changes.append(Change(parent, at, cut, put, by))
        self.here = self.toward[parent] = len(self.changes) - 1
        if self.tips[-1] == parent:
            self.tips.pop()
        elif parent in self.tips:
            self.tips.remove(parent)
        self.tips.append(self.here)

    def undo(self) -> int | None:
        """Go back by one step: a word, a deletion, or what was taken; return where it was."""
        if not self.here:
            return None
        while True:
            change = self._up()
            before = self.changes[self.here]
            if not (self.here and change.goes_on(before)):
                return change.at + len(change.cut)

    def redo(self) -> int | None:
        """Go forward by one step, to where the text was last; return where it was changed."""
        change = None
        while self.here in self.toward:
            following = self.changes[self.toward[self.here]]
            if change is not None and not following.goes_on(change):
                break
            change = following
            self._down(self.toward[self.here])
        return None if change is None else change.at + len(change.put)

    @property
    def branch(self) -> tuple[int, int]:
        """Which branch leads on from what is shown, from 1, and how many there are."""
        tip = self.here
        while tip in self.toward:
            tip = self.toward[tip]
        return self.tips.index(tip) + 1, len(self.tips)

    def other(self) -> int | None:
        """Go to the end of the next branch; return where it was changed last, None if alone."""
        number, count = self.branch
        if count == 1:
            return None
        self.go(self.tips[number % count])
        last = self.changes[self.here]
        return last.at + len(last.put)

    def go(self, version: int) -> None:
        """Show a version."""
        above = set(self._line(self.here))
        way = []
        for one in self._line(version):
            if one in above:
                break
            way.append(one)
        meeting = self.changes[way[-1]].on if way else version
        while self.here != meeting:
            self._up()
        for one in reversed(way):
            self._down(one)

    def _line(self, version: int) -> Iterator[int]:
        """Yield a version, the one that it was made from, and so on to the first."""
        while version >= 0:
            yield version
            version = self.changes[version].on

    def _up(self) -> Change:
        change = self.changes[self.here]
        self._replace(change.at, change.put, change.cut)
        self.toward[change.on] = self.here
        self.here = change.on
        return change

    def _down(self, version: int) -> None:
        change = self.changes[version]
        self._replace(change.at, change.cut, change.put)
        self.toward[change.on] = version
        self.here = version

    def _replace(self, at: int, cut: str, put: str) -> None:
        self._buffer.replace(at, cut, put)
        self._stale = True
