"""Fine-tuning with an old text in mind: it is read again beside the new one, and scored twice."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import ChargenError, CorpusError, UsageError
from chargen.model import load
from chargen.text.corpus import Span, open_text, read_all
from chargen.text.sources import spool
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST
from chargen.training.feeds import Kept, old_lanes
from chargen.training.keep import AFTER, BEFORE
from chargen.training.loop import Trainer
from chargen.training.reports import Done, Start
from tests.conftest import STORY, prepared, write

TINY: dict[str, Any] = {
    "hidden": 16, "embed": 8, "batch": 4, "bptt": 16, "steps": 60, "precision": "fp32",
    "evaluations": 2, "lr": 0.01, "features": "off",
}  # fmt: skip

NEW = "0123456789 and 9876543210, again and again\n" * 30


def span_of(text: str) -> Span:
    return open_text([spool("made", io.BytesIO(text.encode()))]).span()


@given(st.text("abc", min_size=1, max_size=20), st.integers(0, 100), st.integers(0, 90))
def test_a_text_is_read_round_and_round(text: str, start: int, length: int) -> None:
    """After the end of a span its start follows, as often as needed."""
    endless = text * (2 + (start + length) // len(text))
    assert read_all(span_of(text).around(start, length).blocks()) == endless[start : start + length]


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.data())
def test_places_in_a_span_are_places_in_its_text(sizes: list[int], data: st.DataObject) -> None:
    """The character at each place of a span is the one that stands there in the text."""
    text = "".join(map(chr, range(0x4E00, 0x4E00 + sum(sizes))))
    edges = np.cumsum([0, *sizes])
    ranges = tuple(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))[::2]
    span = Span(span_of(text).text, tuple(data.draw(st.permutations(ranges))))
    places = span.places(np.arange(len(span)))
    assert "".join(text[place] for place in places) == read_all(span.blocks())


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.integers(0, 4))
def test_old_lanes_go_on_where_the_last_pass_ended(
    new: int, old: int, bptt: int, done: int
) -> None:
    """A pass reads each new character once, and the old text goes on from pass to pass."""
    told, learned = "abcdefghijklm", "the new text that is learned"
    span = span_of(told + learned)
    vocabulary = Vocabulary.of(span.text)
    fresh, known = span.part(len(told), len(span)), span.part(0, len(told))
    both = new + old
    feed = Kept(fresh, known, vocabulary, both, bptt, old, slice(0, both))
    read = dict.fromkeys(range(old), "")
    for epoch in range(3):
        made = [part.window for part in feed.portions(epoch, 0)]
        targets = np.concatenate([window.targets for window in made], axis=1)
        texts = [vocabulary.decode(row[row != PAST]) for row in targets]
        assert "".join(texts[:new]) == learned
        assert sum(window.characters for window in made) == feed.characters
        read[epoch] = "".join(texts[new:])
        again = [part.window for part in feed.portions(epoch, done * bptt)]
        assert [window.end for window in again] == [window.end for window in made][done:]
        for one, other in zip(again, made[done:], strict=True):
            assert np.array_equal(one.targets, other.targets)
    together = "".join(read[epoch] for epoch in range(3))
    assert together == (told * len(together))[: len(together)]


@pytest.mark.parametrize(
    ("batch", "share", "lanes"), [(32, 0.25, 8), (32, 0, 0), (4, 0.01, 1), (2, 0.9, 1), (1, 0.5, 0)]
)
def test_a_share_is_a_number_of_lanes(batch: int, share: float, lanes: int) -> None:
    """Each text has a lane at least, unless the old one is only scored."""
    assert old_lanes(batch, share) == lanes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an old text, a new one, and a model of the old one."""
    made = tmp_path_factory.mktemp("keep")
    write(made / "old.txt", STORY * 2)
    write(made / "new.txt", NEW)
    list(prepared(made / "old.txt", made / "runs", TINY | {"steps": 200}, name="base"))
    return made


def tuned(folder: Path, name: str, **options: Any) -> tuple[Trainer, list[Any]]:
    """Fine-tune the model on the new text, with the old one in mind."""
    asked: dict[str, Any] = {"name": name, "base": "base", "keep": str(folder / "old.txt")}
    for key in ("base", "keep", "resume", "overwrite"):
        if key in options:
            asked[key] = options.pop(key)
    chosen = options if asked.get("resume") else TINY | options
    made = prepared(folder / "new.txt", folder / "runs", chosen, **asked)
    return made, list(made)


def test_the_old_text_is_scored_before_and_after(folder: Path) -> None:
    """Both figures are those that scoring the held-out end by the two models gives."""
    made, reports = tuned(folder, "scored")
    start, done = reports[0], reports[-1]
    assert isinstance(start, Start)
    assert isinstance(done, Done)
    assert start.kept is not None
    assert done.kept is not None
    assert start.kept["after"] is None
    end = write(folder / "end.txt", (STORY * 2)[int(len(STORY * 2) * 0.9) :])
    for when, run in [("before", "base"), ("after", "scored")]:
        told = load(folder / "runs" / run).perplexity(end).loss
        assert done.kept[when]["nats_per_char"] == pytest.approx(told, abs=2e-3)
        assert done.kept[when]["perplexity"] == pytest.approx(
            math.exp(done.kept[when]["nats_per_char"])
        )
    figures = made.learner.figures
    assert figures[BEFORE] == done.kept["before"]["nats_per_char"]
    assert figures[AFTER] == done.kept["after"]["nats_per_char"]


def test_reading_the_old_text_again_keeps_it_known(folder: Path) -> None:
    """With a share of the lanes, less is forgotten than without."""
    lost = {}
    for share in (0.0, 0.5):
        *_, done = tuned(folder, f"share{share}", keep_share=share)[1]
        lost[share] = done.kept["after"]["nats_per_char"] - done.kept["before"]["nats_per_char"]
    assert lost[0.5] < lost[0.0] / 2


def test_a_resumed_run_ends_with_the_same_weights(folder: Path) -> None:
    """The old text goes on where it was, and the figure from before training is remembered."""
    whole, reports = tuned(folder, "whole", keep_share=0.5)
    cut = prepared(
        folder / "new.txt",
        folder / "runs",
        TINY | {"keep_share": 0.5},
        name="cut",
        base="base",
        keep=str(folder / "old.txt"),
    )
    for report in cut:
        if report.event == "step" and report.data["step"] == 37:
            cut.stop()
    again = prepared(None, folder / "runs", {}, name="cut", resume=True)
    *_, done = list(again)
    assert isinstance(done, Done)
    one, other = whole.learner.network.arrays(), again.learner.network.arrays()
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert done.kept == reports[-1].kept


@pytest.mark.parametrize(
    ("asked", "options", "error", "words"),
    [
        ({"base": None}, {}, UsageError, "`keep` is for `base`"),
        ({"keep": None}, {"keep_share": 0.3}, UsageError, "`keep_share` is for `keep`"),
        ({}, {"batch": 1}, UsageError, "one lane in all"),
        ({"keep": "nowhere.txt"}, {}, CorpusError, "nowhere.txt"),
    ],
)
def test_what_cannot_be_is_refused(
    folder: Path,
    asked: dict[str, Any],
    options: dict[str, Any],
    error: type[ChargenError],
    words: str,
) -> None:
    """Each says what is wrong, and no folder is left behind."""
    with pytest.raises(error, match=words):
        tuned(folder, "refused", **asked, **options)
    assert not (folder / "runs" / "refused").exists()
