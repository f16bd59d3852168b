"""Examples side by side: each once a pass, the same steps after any place, small enough batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chargen.text import batches
from chargen.text.batches import ExampleFeed, batched
from chargen.text.corpus import open_text
from chargen.text.pair_form import Form, Pair
from chargen.text.pair_windows import Coder, Encoded, PairWindow
from chargen.text.pairs import Pairs, read_pairs
from chargen.text.vocabulary import Vocabulary
from tests.conftest import write


def feed(tmp_path: Path, count: int, batch: int = 4) -> ExampleFeed[Pair, Encoded]:
    """Return what a network reads of so many pairs."""
    path = write(tmp_path / "a.tsv", "".join(f"{'ab' * (n % 7)}{n}\t{n}\n" for n in range(count)))
    found = read_pairs(open_text([path]), Form(), 0, print)
    coder = Coder(Vocabulary.of_pairs(found), share=0.5)
    return ExampleFeed(Pairs(found.train.span(), Form()), coder, batch, 1, found.learned)


def test_a_pass_has_each_pair_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another order in the next pass, the same in the same pass, in chunks or whole."""
    for chunk in (16, 1 << 14):
        monkeypatch.setattr(batches, "CHUNK", chunk)
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
    monkeypatch.setattr(batches, "CHUNK", chunk)
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
