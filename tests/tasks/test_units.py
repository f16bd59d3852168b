"""What units follow along a text."""

from __future__ import annotations

import numpy as np
import pytest

from chargen.errors import UsageError
from chargen.tasks.units import best, inside, named

TEXT = "one (two) three (four (five)) six"
MARKS = inside(TEXT, "()")


def test_between_signs_is_between_them() -> None:
    """Pairs may be nested; the same sign twice opens and closes in turn."""
    assert "".join(c for c, mark in zip(TEXT, MARKS, strict=True) if mark) == "twofour five"
    marks = inside('"a" b "c"', '""')
    assert "".join(c for c, mark in zip('"a" b "c"', marks, strict=True) if mark) == "ac"


@pytest.mark.parametrize(
    ("text", "pair"), [("a (b)", "("), ("a b", "()"), ("(b", "()"), ("a)b", "()")]
)
def test_a_pair_must_be_two_and_in_the_text(text: str, pair: str) -> None:
    """Something must be inside, and something outside."""
    if text == "(b":
        assert inside(text, pair).tolist() == [False, True]
        return
    with pytest.raises(UsageError, match="inside"):
        inside(text, pair)


def made() -> np.ndarray:
    """Return two layers of four units; unit 1:2 follows the brackets, unit 0:3 turns them round."""
    states = np.random.default_rng(1).normal(size=(2, len(TEXT), 4)).astype(np.float32)
    states[1, :, 2] = MARKS
    states[0, :, 3] = 2 - 3 * MARKS
    return states


def test_the_best_units_follow_the_marks() -> None:
    """Whichever way round; with their layer, number and values."""
    found = best(made(), MARKS, 2)
    assert {(one.layer, one.number) for one in found} == {(1, 2), (0, 3)}
    assert sorted(one.correlation for one in found) == pytest.approx([-1, 1], abs=1e-5)
    assert (found[0].values == made()[found[0].layer, :, found[0].number]).all()


def test_without_marks_units_that_keep_their_value_are_best() -> None:
    """One that follows brackets changes seldom; noise changes always."""
    found = best(made(), None, 2)
    assert {(one.layer, one.number) for one in found} == {(1, 2), (0, 3)}
    assert all(one.correlation > 0.5 for one in found)


def test_units_can_be_named() -> None:
    """In the order asked for; there must be such units."""
    found = named(made(), MARKS, [(0, 1), (1, 2)])
    assert [(one.layer, one.number) for one in found] == [(0, 1), (1, 2)]
    with pytest.raises(UsageError, match=r"no unit 4 in layer 1\. There are 2 layers of 4 units"):
        named(made(), MARKS, [(1, 4)])
