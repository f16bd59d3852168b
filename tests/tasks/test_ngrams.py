"""N-grams: probabilities that sum to one, and a worked example."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.tasks.ngrams import NGrams
from chargen.text.vocabulary import SCALARS


def test_a_worked_example() -> None:
    """After "ab" and "ac", with bigrams, counted by hand."""
    model = NGrams(order=2)
    model.learn("ab")
    model.learn("ac")
    # Nothing before: a twice, b and c once, three kinds in four; then after a, b and c once each.
    lone = (1 + 3 / SCALARS) / 7
    assert model.nats("b") == pytest.approx(-math.log(lone))
    first = (2 + 3 / SCALARS) / 7
    then = (1 + 2 * lone) / 4
    assert model.nats("ab") == pytest.approx(-math.log(first) - math.log(then))


@given(st.text("abc", max_size=30), st.text("abc", max_size=6))
def test_probabilities_sum_to_one(learned: str, history: str) -> None:
    """After any history, the known characters and the rest of Unicode have probability one."""
    model = NGrams(order=3)
    model.learn(learned)
    before = model.nats(history)
    known = sum(math.exp(before - model.nats(history + one)) for one in "abc")
    strange = math.exp(before - model.nats(history + "z")) * (SCALARS - 3)
    assert known + strange == pytest.approx(1)


def test_what_was_read_is_likelier() -> None:
    """A text like the one learned costs less than one unlike it."""
    model = NGrams()
    model.learn("the cat sat on the mat. " * 5)
    assert model.nats("the mat") < model.nats("eht tam")
