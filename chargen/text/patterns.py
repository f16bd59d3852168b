"""Patterns as automata over a vocabulary: which characters a text may go on with.

The library interegular turns regular expressions in the syntax of Python's `re`, without references
back, into deterministic automata and makes their product. Here they become tables over a
vocabulary, in which states from which no text can end are left out. A table answers for many texts
at once, and tells how many characters are needed to the end.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.errors import UsageError
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from interegular.fsm import FSM, Alphabet
    from numpy.typing import NDArray

    Table = NDArray[np.int32]
    Flags = NDArray[np.bool_]

DEAD = -1
"""The state that is no state: the character cannot follow."""

LARGEST = 1 << 24
"""Cells of a table, at most: 64 MiB."""

MOST_STATES = 1 << 14
"""States of an automaton, at most."""

NEVER = 1 << 40
"""More characters than any text has."""


@dataclass(frozen=True)
class Automaton:
    """Which texts match, character by character; state 0 is before the first.

    Attributes:
        table: (S, V), the state after each character, `DEAD` where it cannot follow.
        accepting: (S,), whether a text may end here.
    """

    table: Table
    accepting: Flags

    @property
    def edges(self) -> NDArray[np.int64]:
        """Pairs (2, E) of states, the second a character after the first; each pair once."""
        size = len(self.table)
        sources, places = np.nonzero(self.table != DEAD)
        pairs = np.unique(sources * size + self.table[sources, places])
        return np.stack((pairs // size, pairs % size))

    def least(self, longest: int) -> NDArray[np.int64]:
        """Return how many characters must come until a text may end.

        Returns:
            (longest + 1, S): row n has the fewest characters, n at least, after which a text in
            each state may end; `NEVER` where it cannot.

        Raises:
            UsageError: it would be too large.
        """
        if (longest + 1) * len(self.table) > LARGEST:
            raise too_large()
        sources, targets = self.edges

        def after_one(counts: NDArray[np.int64]) -> NDArray[np.int64]:
            found = np.full(len(counts), NEVER)
            np.minimum.at(found, sources, counts[targets] + 1)
            return np.asarray(np.minimum(found, NEVER))

        first = np.where(self.accepting, 0, NEVER)
        while True:
            better = np.minimum(first, after_one(first))
            if (better == first).all():
                break
            first = better
        rows = [first]
        for _ in range(longest):
            rows.append(after_one(rows[-1]))
        return np.stack(rows)

    def pruned(self) -> Automaton:
        """Return the same without the states from which no text can end."""
        alive = self.least(0)[0] < NEVER
        alive[0] = True
        number = np.append(np.cumsum(alive) - 1, DEAD)
        number[:-1][~alive] = DEAD
        return Automaton(number[self.table[alive]].astype(np.int32), self.accepting[alive])

    def without(self, ids: NDArray[np.integer[Any]]) -> Automaton:
        """Return the same for texts that have none of these characters."""
        table = self.table.copy()
        table[:, ids] = DEAD
        return Automaton(table, self.accepting).pruned()

    def ended_by(self, index: int) -> Automaton:
        """Return the automaton of these texts with a character behind them that ends them."""
        last = len(self.table)
        table = np.vstack((self.table, np.full((1, self.table.shape[1]), DEAD, np.int32)))
        table[:last, index] = np.where(self.accepting, last, DEAD)
        return Automaton(table, np.arange(last + 1) == last)


def automaton(patterns: Sequence[str], vocabulary: Vocabulary) -> Automaton:
    r"""Return the automaton of the texts that match all patterns, each as a whole.

    A ``^`` at the beginning of a pattern and a ``$`` at its end change nothing. To a model of bytes
    a pattern is its bytes in UTF-8.

    Raises:
        UsageError: a pattern cannot be understood, or all together are too large.

    Example:
        >>> found = automaton(["ab*"], Vocabulary("abc"))
        >>> found.table.tolist(), found.accepting.tolist()
        ([[1, -1, -1], [-1, 2, -1], [-1, 2, -1]], [False, True, True])
    """
    import interegular

    interegular.fsm.crawl = explored
    made: FSM | None = None
    for pattern in patterns:
        try:
            with warnings.catch_warnings(action="ignore"):
                re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise UsageError(
                f"the pattern {pattern!r} cannot be understood: {error}",
                "Check its brackets and backslashes",
            ) from None
        try:
            one = interegular.parse_pattern(spelled(pattern, vocabulary)).to_fsm()
            made = one if made is None else made & one
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - the library has no class for all it refuses
            raise UsageError(
                f"the pattern {pattern!r} cannot be used: {str(error).rstrip('.')}",
                "It is matched as a whole, without marks of places such as \\b or references back",
            ) from None
    count = len(vocabulary)
    if made is not None and len(made.states) * count > LARGEST:
        raise too_large()
    if made is None:
        return Automaton(np.zeros((1, count), np.int32), np.ones(1, np.bool_))
    states = {made.initial: 0}
    for state in made.states:
        states.setdefault(state, len(states))
    table = np.full((len(states), count), DEAD, np.int32)
    # Characters that the patterns treat alike have one key.
    keys = np.array([made.alphabet[character] for character in vocabulary.characters])
    for state, steps in made.map.items():
        for key, after in steps.items():
            table[states[state], keys == key] = states.get(after, DEAD)
    accepting = np.zeros(len(states), np.bool_)
    accepting[[states[state] for state in made.finals]] = True
    return Automaton(table, accepting).pruned()


def explored(
    alphabet: Alphabet,
    initial: Any,
    final: Callable[[Any], bool],
    follow: Callable[[Any, Any], Any],
) -> FSM:
    """Return the automaton of all states that can be reached.

    Takes the place of the library's own search, which looks through all states for each new one,
    and never gives up.

    Args:
        initial: the first state; a state is a set or a dictionary.
        final: whether a text may end in a state.
        follow: the state after a character, given by its key.

    Raises:
        UsageError: there are too many states.
    """
    from interegular.fsm import FSM, OblivionError

    def named(state: Any) -> Hashable:
        return frozenset(state.items() if isinstance(state, dict) else state)

    states, numbers = [initial], {named(initial): 0}
    steps: dict[int, dict[Any, int]] = {}
    for number, state in enumerate(states):
        steps[number] = {}
        for key in alphabet.by_transition:
            try:
                after = follow(state, key)
            except OblivionError:
                continue
            if named(after) not in numbers:
                numbers[named(after)] = len(states)
                states.append(after)
                if len(states) > MOST_STATES:
                    raise too_large()
            steps[number][key] = numbers[named(after)]
    finals = {number for number, state in enumerate(states) if final(state)}
    return FSM(
        alphabet=alphabet,
        states=range(len(states)),
        initial=0,
        finals=finals,
        map=steps,
        __no_validation__=True,
    )


def spelled(pattern: str, vocabulary: Vocabulary) -> str:
    r"""Return a pattern as the library reads it: ``\w`` is any letter or digit, not those of ASCII.

    Example:
        >>> spelled(r"^\w[\w-]\\w$", Vocabulary("aé!"))
        '[aé][aé-]\\\\w'
    """
    if vocabulary.as_bytes:
        return bare(pattern).encode("utf-8", "surrogateescape").decode("latin-1")
    letters = "".join(re.findall(r"\w", vocabulary.characters)) or "_"
    within = False

    def replaced(found: re.Match[str]) -> str:
        nonlocal within
        if found[0][0] == "[" and not within:
            within = True
            # A bracket that closes is a character where a class has just begun.
            return found[0].removesuffix("]") + ("\\]" if found[0][-1] == "]" else "")
        if found[0] == "]":
            within = False
        if found[0] == r"\w":
            return letters if within else f"[{letters}]"
        if found[0] == r"\W" and within:
            raise UsageError(
                r"a class of characters cannot have \W", "Name the characters that are meant"
            )
        return f"[^{letters}]" if found[0] == r"\W" else found[0]

    return re.sub(r"\\.|\[\^?\]?|\]", replaced, bare(pattern), flags=re.DOTALL)


def bare(pattern: str) -> str:
    """Return a pattern without the marks of a text's beginning and end around it."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\$$", r"\1", pattern.removeprefix("^"))


def too_large() -> UsageError:
    """Return the error for what would take too much memory."""
    return UsageError("the pattern is too large", "Give a simpler one, or fewer texts to contain")
