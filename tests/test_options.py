"""Choices made by hand, and choices made for the user."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CorpusError, UsageError
from chargen.options import Settings, choose


@pytest.mark.parametrize(
    "options",
    [
        {"arch": "perceptron"}, {"layers": 0}, {"hidden": -1}, {"embed": 0}, {"dropout": 1.0},
        {"dropout": math.nan}, {"minutes": 0}, {"epochs": -1}, {"steps": 0}, {"batch": 0},
        {"bptt": 0}, {"lr": 0.0}, {"lr": math.inf}, {"clip": 0.0}, {"weight_decay": -1},
        {"valid_fraction": 1.0}, {"patience": 0}, {"seed": -1}, {"device": "abacus"},
        {"precision": "fp8"}, {"valid_chars": 0}, {"evaluations": 0},
    ],
)  # fmt: skip
def test_values_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    """Each bad value is an error that names its option."""
    with pytest.raises(UsageError, match=f"--{next(iter(options)).replace('_', '-')}"):
        Settings(**options)


def test_there_is_one_budget() -> None:
    """Minutes, epochs and steps exclude each other."""
    with pytest.raises(UsageError, match="--minutes and --steps are two budgets"):
        Settings(minutes=1, steps=2)


KINDS = [Settings(), Settings(arch="transformer"), Settings(bidirectional=True)]


@given(st.integers(1, 10**12), st.sampled_from(KINDS))
def test_every_text_gets_sizes_that_work(characters: int, settings: Settings) -> None:
    """Whatever the length of the text, every choice is made and a lane holds a window."""
    chosen = choose(settings, characters)
    assert chosen.architecture().hidden == chosen.hidden
    assert chosen.minutes == 2
    assert chosen.batch is not None
    assert chosen.bptt is not None
    assert 1 <= chosen.batch * chosen.bptt <= characters
    assert None not in (chosen.dropout, chosen.lr, chosen.embed, chosen.layers)


def test_what_was_asked_for_is_kept() -> None:
    """A choice made by hand is never changed."""
    asked = Settings(hidden=7, layers=3, embed=2, dropout=0.0, batch=5, bptt=9, lr=0.5, steps=1)
    assert choose(asked, 1000) == asked


def test_a_text_shorter_than_the_window_asked_for_is_refused() -> None:
    """The error says how long the text is and what would fit."""
    with pytest.raises(CorpusError, match="has 40 characters, less than one window of 128"):
        choose(Settings(bptt=128), 40)


def test_a_tied_embedding_is_as_wide_as_the_layers() -> None:
    """With --tied and no --embed the sizes are equal; with another --embed it is an error."""
    assert choose(Settings(tied=True, hidden=48), 1000).embed == 48
    with pytest.raises(UsageError, match="--tied needs equal sizes"):
        choose(Settings(tied=True, hidden=48, embed=9), 1000).architecture()


def test_a_faster_machine_gets_a_wider_network_and_more_dropout() -> None:
    """What counts is how much will be read in the time, and how often that is the whole text."""
    slow, fast = (choose(Settings(minutes=1), 300_000, pace) for pace in (5_000, 500_000))
    assert slow.hidden is not None
    assert fast.hidden is not None
    assert slow.hidden < fast.hidden
    assert slow.dropout is not None
    assert fast.dropout is not None
    assert slow.dropout < fast.dropout


def test_every_even_width_is_divided_among_heads() -> None:
    """The heads that chargen chooses itself always fit, and are about 64 units wide."""
    for hidden in range(2, 700, 2):
        made = choose(Settings(arch="transformer", hidden=hidden), 100_000)
        assert made.architecture().hidden == hidden
    heads = {h: choose(Settings(arch="transformer", hidden=h), 9999).heads for h in (32, 128, 200)}
    assert heads == {32: 1, 128: 2, 200: 2}


@pytest.mark.parametrize("name", ["steps", "seed", "hidden", "valid_chars"])
def test_whole_numbers_have_an_end(name: str) -> None:
    """However many digits are given, the answer is an error, and it is short."""
    with pytest.raises(UsageError, match="is 99999") as caught:
        Settings(**{name: 10**4000 - 1})  # type: ignore[arg-type]
    assert len(str(caught.value)) < 200
