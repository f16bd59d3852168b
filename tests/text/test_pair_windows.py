"""From pairs to ids: each side, what can be copied, and the steps of a pass."""

from __future__ import annotations

import numpy as np
import pytest

from chargen.text.pair_form import Pair
from chargen.text.pair_windows import UNKNOWN, Coder, hidden
from chargen.text.windows import PAST
from tests.conftest import pair_checkpoint


@pytest.fixture
def coder() -> Coder:
    """Of sources of a, b, c, d and targets of a, b, x."""
    return Coder(pair_checkpoint().vocabulary)


def test_a_pair_is_encoded(coder: Coder) -> None:
    """Edges, unknown characters and features, the end, and what copying gives."""
    found = coder.encoded(Pair("bea", ("G", "new"), ("b", "é", "e")))
    assert found.source.tolist() == [4, 1, 4, 0, 4]
    assert found.features.tolist() == [1]
    assert found.target.tolist() == [1, UNKNOWN, UNKNOWN, 3]
    window = coder.window([found])
    same = np.zeros((4, 5), dtype=bool)
    same[0, 1] = same[2, 2] = True
    assert np.array_equal(window.same[0], same)
    assert window.copyable.tolist() == [[False, True, True, True, False]]


def test_pairs_stand_side_by_side(coder: Coder) -> None:
    """Each is filled up; the symbol before the first, and after an unknown one, is none."""
    window = coder.window(
        [coder.encoded(Pair("a", ("F",), ("x",))), coder.encoded(Pair("bc", (), ("q", "a")))], 7
    )
    assert window.sources.tolist() == [[4, 0, 4, 4], [4, 1, 2, 4]]
    assert window.lengths.tolist() == [3, 4]
    assert window.features.tolist() == [[1, 0], [0, 0]]
    assert window.targets.tolist() == [[2, 3, PAST], [UNKNOWN, 0, 3]]
    assert window.inputs.tolist() == [[3, 2, 3], [3, 3, 0]]
    assert (window.characters, window.end) == (5, 7)


def test_a_hidden_character_can_only_be_copied(coder: Coder) -> None:
    """All its places in the source are unknown, and so are all in the target."""
    pair = coder.encoded(Pair("aba", (), ("a", "x", "a")))
    shown = hidden(pair, 0.0, coder)
    assert shown.source.tolist() == [4, 4, 1, 4, 4]
    assert shown.target.tolist() == [UNKNOWN, 2, UNKNOWN, 3]
    nothing = coder.encoded(Pair("cd", (), ("x",)))
    assert hidden(nothing, 0.5, coder) is nothing
