"""Patterns as automata."""

from __future__ import annotations

import itertools
import re

import greenery
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import UsageError
from chargen.text import patterns
from chargen.text.patterns import DEAD, NEVER, Automaton, automaton
from chargen.text.vocabulary import ALL_BYTES, Vocabulary

SMALL = Vocabulary("abé\n")


def matches(found: Automaton, text: str, vocabulary: Vocabulary = SMALL) -> bool:
    """Return whether an automaton ends well on a text."""
    state = 0
    for index in vocabulary.encode(text).tolist():
        state = int(found.table[state, index]) if index < len(vocabulary) else DEAD
        if state == DEAD:
            return False
    return bool(found.accepting[state])


SHORT = ["".join(text) for size in range(6) for text in itertools.product("abé\n", repeat=size)]
PATTERNS = st.recursive(
    st.sampled_from(["a", "b", "é", "[ab]", "[^a]", "\n"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "?", "+", "{2}", "{1,3}"])).map(
            lambda two: f"({two[0]}){two[1]}"
        ),
    ),
    max_leaves=6,
)


@given(pattern=PATTERNS)
def test_an_automaton_matches_what_others_match(pattern: str) -> None:
    """For every short text, as Python's own expressions and as another library's automaton."""
    found, oracle = automaton([pattern], SMALL), greenery.parse(pattern).to_fsm()
    for text in SHORT[:: 1 + len(SHORT) // 200]:
        matched = re.fullmatch(pattern, text) is not None
        assert matches(found, text) == matched == oracle.accepts(text)


@given(first=PATTERNS, second=PATTERNS)
def test_several_patterns_are_all_kept(first: str, second: str) -> None:
    """A text matches both, or it does not match."""
    found = automaton([first, second], SMALL)
    for text in SHORT[:: 1 + len(SHORT) // 200]:
        both = re.fullmatch(first, text) and re.fullmatch(second, text)
        assert matches(found, text) == (both is not None)


@given(pattern=PATTERNS, longest=st.integers(0, 3))
def test_the_fewest_characters_are_those_of_the_shortest_text(pattern: str, longest: int) -> None:
    """At least so many: by trying all short texts."""
    least = automaton([pattern], SMALL).least(longest)[:, 0]
    sizes = {len(text) for text in SHORT if re.fullmatch(pattern, text)}
    for wanted, found in enumerate(least.tolist()):
        tried = min((size for size in sizes if size >= wanted), default=None)
        if tried is not None:
            assert found == tried
        else:
            assert found > max(map(len, SHORT))


def test_each_state_leads_to_an_end() -> None:
    """What the vocabulary lacks leads nowhere, so nothing that leads only there is left."""
    found = automaton(["a(Ω|b)|bΩ"], SMALL)
    assert matches(found, "ab")
    assert found.table[0].tolist()[1:] == [DEAD] * 3
    assert (found.least(0) < NEVER).all()
    assert automaton(["Ω"], SMALL).least(0)[0, 0] >= NEVER


def test_letters_are_those_of_the_vocabulary() -> None:
    r"""\\w is every letter that the model knows, \\W every other character; flags work."""
    for pattern, text in ((r"\w+", "aé"), (r"[\w\n]+", "é\nb"), (r"\W", "\n"), ("(?i)É", "é")):
        assert matches(automaton([pattern], SMALL), text)
    assert not matches(automaton([r"\w+"], SMALL), "a\n")
    assert matches(automaton([r"\\w"], Vocabulary("\\w")), "\\w", Vocabulary("\\w"))


def test_marks_around_a_pattern_change_nothing() -> None:
    """It is matched as a whole anyway; a dollar sign behind a backslash is one."""
    dollar = Vocabulary("a$")
    assert matches(automaton(["^a$"], dollar), "a", dollar)
    assert matches(automaton([r"^a\$$"], dollar), "a$", dollar)


def test_bytes_match_the_bytes_of_a_pattern() -> None:
    """A letter outside ASCII is its bytes in UTF-8."""
    letters = Vocabulary(ALL_BYTES, as_bytes=True)
    assert matches(automaton(["é+"], letters), "é", letters)


def test_a_text_has_an_end_and_lacks_what_is_forbidden() -> None:
    """The character behind a text ends it; a forbidden one never comes."""
    ended = automaton(["a|aé*"], SMALL).ended_by(3)
    assert matches(ended, "aé\n")
    assert not matches(ended, "aé")
    assert not matches(ended, "a\n\n")
    without = automaton(["[ab]*"], SMALL).without(np.array([1]))
    assert matches(without, "aa")
    assert not matches(without, "ab")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(a", "cannot be understood"), ("a^b", "cannot be used: '^'"),
        (r"(a)\1", "cannot be used: Group references"),
    ],
)  # fmt: skip
def test_a_bad_pattern_is_named(pattern: str, said: str) -> None:
    """The error has the pattern and what is wrong with it."""
    with pytest.raises(UsageError) as raised:
        automaton([pattern], SMALL)
    assert f"the pattern {pattern!r} {said}" in str(raised.value)


def test_a_pattern_may_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a limit, for the table and for the counts of characters."""
    found = automaton(["a{20}"], SMALL)
    monkeypatch.setattr(patterns, "LARGEST", 60)
    monkeypatch.setattr(patterns, "MOST_STATES", 10)
    with pytest.raises(UsageError, match="too large"):
        automaton(["a{20}"], SMALL)
    with pytest.raises(UsageError, match="too large"):
        found.least(10)


CLASSES = ["[]a]+", "[^]a]+", "[ab]*]?", r"[\]a]+", "a[^^]b?"]


@pytest.mark.parametrize("pattern", CLASSES)
def test_brackets_in_classes_are_characters(pattern: str) -> None:
    """Where Python's expressions take them so."""
    vocabulary = Vocabulary("ab]^[")
    found = automaton([pattern], vocabulary)
    for size in range(4):
        for text in map("".join, itertools.product("ab]^[", repeat=size)):
            matched = re.fullmatch(pattern, text) is not None
            assert matches(found, text, vocabulary) == matched
