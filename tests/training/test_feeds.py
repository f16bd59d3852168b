"""Portions that are read ahead come in turn, and so does what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CorpusError
from chargen.training.feeds import Ahead, Portion


def portion(number: int) -> Portion:
    return Portion(None, 0, 1, number)


@given(st.lists(st.booleans(), max_size=9))
def test_looking_ahead_changes_nothing(looks: list[bool]) -> None:
    """Whoever looks at the next portion gets the same one in its turn."""
    ahead = Ahead(portion(number) for number in range(len(looks)))
    for number, look in enumerate(looks):
        seen = ahead.look() if look else None
        found = next(ahead)
        assert found.characters == number
        assert seen is None or seen is found
    assert ahead.look() is None
    assert list(ahead) == []


def test_what_cannot_be_read_is_told_in_its_turn() -> None:
    """The portion before it was learned by then, and is counted."""

    def portions() -> Iterator[Portion]:
        yield portion(0)
        raise CorpusError("the text has changed", "Put it back")

    ahead = Ahead(portions())
    next(ahead)
    assert ahead.look() is None
    for _ in range(2):
        with pytest.raises(CorpusError, match="has changed"):
            next(ahead)
