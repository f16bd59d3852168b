"""From pairs to ids: each side, what can be copied, and the steps of a pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chargen.text import pair_windows
from chargen.text.corpus import open_text
from chargen.text.pair_form import Form, Pair
from chargen.text.pair_windows import UNKNOWN, Coder, PairFeed, PairWindow, batched, hidden
from chargen.text.pairs import Pairs, read_pairs
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST
from tests.conftest import pair_checkpoint, write


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
    same = np.zeros((4, 5), dtype=bool)
    same[0, 1] = same[2, 2] = True
    assert np.array_equal(found.same, same)


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


def feed(tmp_path: Path, count: int, batch: int = 4) -> PairFeed:
    """Return what a network reads of so many pairs."""
    path = write(tmp_path / "a.tsv", "".join(f"{'ab' * (n % 7)}{n}\t{n}\n" for n in range(count)))
    found = read_pairs(open_text([path]), Form(), 0, print)
    coder = Coder(Vocabulary.of_pairs(found))
    return PairFeed(Pairs(found.train.span(), Form()), coder, batch, 1, found.learned, copies=True)


def test_a_pass_has_each_pair_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another order in the next pass, the same in the same pass, in chunks or whole."""
    for chunk in (16, 1 << 14):
        monkeypatch.setattr(pair_windows, "CHUNK", chunk)
        made = feed(tmp_path, 50)
        first, again, second = (list(made.windows(epoch, 0)) for epoch in (0, 0, 1))
        assert sum(len(window.sources) for window in first) == made.places == 50
        assert sum(window.characters for window in first) == made.characters
        assert all(map(equal, first, again))
        assert not all(map(equal, first, second))
        ends = [window.end for window in first]
        assert ends == sorted(ends)
        assert ends[-1] == 50


@pytest.mark.parametrize("chunk", [16, 1 << 14])
def test_a_pass_goes_on_at_any_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """The steps after a place are those of the whole pass, hidden characters included."""
    monkeypatch.setattr(pair_windows, "CHUNK", chunk)
    monkeypatch.setattr(pair_windows, "HIDDEN", 0.5)
    made = feed(tmp_path, 50)
    whole = list(made.windows(3, 0))
    for number, window in enumerate(whole):
        rest = list(made.windows(3, window.end))
        assert len(rest) == len(whole) - number - 1
        assert all(map(equal, rest, whole[number + 1 :]))


def equal(one: PairWindow, other: PairWindow) -> bool:
    """Return whether two steps are the same."""
    return all(np.array_equal(vars(one)[name], vars(other)[name]) for name in vars(one))


def test_a_batch_is_small_enough_for_memory() -> None:
    """By pairs, by cells and by places; one pair is always let in."""
    sizes = {0: (4, 4), 1: (4, 5), 2: (2000, 2000), 3: (2000, 2000), 4: (9000, 9000)}
    assert batched([0, 1, 2, 3, 4], sizes, 8) == [[0, 1], [2], [3], [4]]
    alike = dict.fromkeys(range(10), (3, 3))
    assert [len(rows) for rows in batched(list(alike), alike, 4)] == [4, 4, 2]
