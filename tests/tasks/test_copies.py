"""Runs that a text shares with a corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chargen.engine.language_model import State
from chargen.errors import CheckpointError, UsageError
from chargen.tasks.draft import Sample
from chargen.tasks.drawing import Sampling
from chargen.tasks.rules import Rules
from chargen.tasks.sampling import sample
from chargen.text import counting as texts
from chargen.text.corpus import open_text
from chargen.text.grams import Grams
from chargen.text.vocabulary import Vocabulary
from tests.conftest import STORY, write

VOCABULARY = Vocabulary("".join(sorted(set(STORY))))


class Parrot:
    """A model that knows its corpus by heart: it goes on as the corpus does, nearly always."""

    bos = len(VOCABULARY)

    def start(self, batch: int) -> State:
        """Return the last six characters of each text, none so far."""
        return [(np.full((batch, 6), self.bos, np.int32),)]

    def forward(self, ids: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """Return high logits for what follows in the corpus."""
        last = state[0][0]
        logits = np.zeros((*ids.shape, self.bos), np.float32)
        for t in range(ids.shape[1]):
            last = np.concatenate((last[:, 1:], ids[:, t : t + 1]), axis=1)
            for row, text in enumerate(last):
                found = STORY.find(VOCABULARY.decode(text[text < self.bos]))
                after = (found + (text < self.bos).sum()) % len(STORY)
                logits[row, t, VOCABULARY.encode(STORY[after])[0]] = 9
        return logits, [(last,)]


def known(folder: Path) -> Grams:
    return Grams.of(open_text([write(folder / "story.txt", STORY)]).span())


def written(grams: Grams, **asked: object) -> list[Sample]:
    wanted = Sampling(length=120, count=8, **asked)  # type: ignore[arg-type]
    return list(sample(Parrot(), VOCABULARY, wanted, grams=grams))


def longest(text: str) -> int:
    """Return the length of the longest run of a text that is in the story, by searching."""
    sizes = range(1, len(text) + 1)
    return max(n for n in sizes if any(text[k : k + n] in STORY for k in range(len(text) - n + 1)))


@pytest.mark.parametrize(
    ("most", "faithful"),
    [(7, False), (8, False), (15, False), (20, False), (40, False), (20, True), (40, True)],
)
def test_no_run_is_longer_than_allowed(tmp_path: Path, most: int, faithful: bool) -> None:
    """Whatever the model wants to write; without a limit it copies far more."""
    grams = known(tmp_path)
    assert min(longest(one.text) for one in written(grams)) > 60
    rules = Rules(max_copy=most)
    for one in written(grams, rules=rules, faithful=faithful, temp=3.0 if faithful else 1.0):
        assert longest(one.text) <= most
        assert len(one.text) == 120


def test_a_limit_goes_with_other_rules(tmp_path: Path) -> None:
    """All are kept; where they leave nothing, that is said."""
    grams = known(tmp_path)
    for one in written(grams, rules=Rules(max_copy=10, must=("heron",), forbid="w")):
        assert longest(one.text) <= 10
        assert "heron" in one.text
        assert "w" not in one.text
    with pytest.raises(UsageError, match="leave nothing but what `max_copy` does not allow"):
        written(grams, rules=Rules(max_copy=10, must=("the boats lay down",), start="the boats"))


def test_a_limit_below_what_is_known_is_refused(tmp_path: Path) -> None:
    """The shortest stretches have eight characters."""
    with pytest.raises(UsageError, match=r"`max_copy` is 6, .* Give 7 at least"):
        written(known(tmp_path), rules=Rules(max_copy=6))


def test_the_longest_run_is_told(tmp_path: Path) -> None:
    """Where it starts and how long it is; a shorter one than is known is none."""
    grams = known(tmp_path)

    def points(text: str) -> np.ndarray:
        return np.frombuffer(text.encode("utf-32-le"), np.uint32)

    for size in (8, 12, 16, 31, 32, 60):
        assert grams.longest(points("x" * 9 + STORY[3 : 3 + size] + "x" * 9)) == (9, size)
    assert grams.longest(points("x" * 9 + STORY[3:10] + "x" * 9)) == (0, 0)
    assert grams.longest(points("")) == (0, 0)


def test_what_is_known_is_kept_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same whatever the blocks it was read in; a file that is no such file is refused."""
    grams = known(tmp_path)
    monkeypatch.setattr(texts, "BLOCK", 50)
    again = known(tmp_path)
    grams.write(tmp_path / "grams")
    back = Grams.read(tmp_path / "grams")
    for size in (8, 16, 32):
        assert (grams.filters[size] == again.filters[size]).all()
        assert (grams.filters[size] == back.filters[size]).all()
    write(tmp_path / "other", STORY)
    with pytest.raises(CheckpointError, match="is damaged"):
        Grams.read(tmp_path / "other")
    with pytest.raises(CheckpointError, match="nothing is known of the model's corpus"):
        Grams.read(tmp_path / "none")


def test_a_large_corpus_leaves_fewer_lengths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file has a largest size; the most useful lengths are kept."""
    monkeypatch.setattr("chargen.text.grams.LARGEST", 3 * len(STORY))
    assert list(known(tmp_path).filters) == [16, 32]


def test_what_ends_a_text_is_no_part_of_a_run(tmp_path: Path) -> None:
    """A line of the corpus of the largest length may be written, and then ends."""
    line = STORY.split("\n")[0]
    rules = Rules(match=line, max_copy=len(line))
    wanted = Sampling(length=90, end="\n", rules=rules)
    (one,) = sample(Parrot(), VOCABULARY, wanted, grams=known(tmp_path))
    assert one.text == line
