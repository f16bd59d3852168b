"""How well pairs are translated: rates with their errors, confusions, the worst."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from chargen.tasks.pair_quality import Outcome, PairScore, score_pairs
from chargen.tasks.translating import Written, translator
from chargen.text.pair_form import Pair
from tests.conftest import pair_checkpoint


def outcome(right: str, written: str) -> Outcome:
    """Return what came of a pair."""
    mine = tuple(written)
    edits = Levenshtein.distance(right, written)
    return Outcome(Pair(right.upper(), (), tuple(right)), Written(mine, written, 1.0), edits)


def test_rates_are_what_they_are_defined_as() -> None:
    """One wrong of four; three edits in sixteen symbols; their standard errors."""
    score = PairScore.of(
        [
            outcome(right, written)
            for right, written in (
                ("tide", "tide"), ("boat", "beats"), ("sand", "sand"), ("gull", "gull"),
            )
        ]
    )  # fmt: skip
    assert score.json() | {"nats_per_symbol": 0.0} == {
        "pairs": 4,
        "exact": 0.75,
        "exact_error": math.sqrt(0.75 * 0.25 / 4),
        "wer": 0.25,
        "cer": 2 / 16,
        "cer_error": pytest.approx(math.sqrt(3 * 0.25 + 1.5**2) / 16),
        "nats_per_symbol": 0.0,
    }


def test_confusions_and_the_worst_are_listed() -> None:
    """What was right, what was written; nothing stands for a symbol put in or left out."""
    score = PairScore.of(
        [outcome("aa", "ab"), outcome("ca", "cb"), outcome("d", "de"), outcome("fg", "f")]
    )
    assert score.confusions() == [("a", "b", 2), ("", "e", 1), ("g", "", 1)]
    assert [one.pair.source for one in score.worst()] == ["D", "AA", "CA", "FG"]
    assert json.loads(json.dumps(score.details()))["confusions"][0] == {
        "right": "a",
        "written": "b",
        "times": 2,
    }


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0, 100), st.floats(0, 100))
def test_the_best_model_has_the_fewest_wrong_targets(
    one: int, other: int, mine: float, theirs: float
) -> None:
    """Nats decide between equals only."""
    ranks = [
        PairScore(50, wrong, wrong, 100, 0.0, nats, 1).rank
        for wrong, nats in ((one, mine), (other, theirs))
    ]
    if one != other:
        assert (ranks[0] < ranks[1]) == (one < other)
    elif mine < theirs:
        assert ranks[0] <= ranks[1]


def test_pairs_are_scored_by_a_model() -> None:
    """Nats are those of the right targets; what cannot be written is counted and not priced."""
    turns = translator([("m", pair_checkpoint())])
    pairs = [Pair("ab", (), ("x", "a")), Pair("cd", (), ("q",)), Pair("d", ("F",), ("b",))]
    seen: list[tuple[int, int]] = []
    score = score_pairs(turns, pairs, 2, lambda done, total: seen.append((done, total)))
    costs = turns.costs(pairs)
    assert score.pairs == 3
    assert score.impossible == 1
    assert score.loss == pytest.approx((costs[0] + costs[2]) / 5)
    assert seen == [(1, 3), (2, 3), (3, 3)]
