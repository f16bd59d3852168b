"""Surprise: exact for characters, and the same total whatever the rows are."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.engine.causal import Causal as Engine
from chargen.engine.likelihood import character_nats, with_escape
from chargen.tasks.surprise import OWNERS, PER, UNITS, surprise, table
from chargen.text.vocabulary import ALL_BYTES, SCALARS, Vocabulary
from chargen.text.words import LETTER
from tests.conftest import STORY, any_text, probabilities, random_weights, tiny_checkpoint

MODEL = tiny_checkpoint()
ENGINE = Engine(MODEL.architecture, MODEL.weights)
VOCABULARY = MODEL.vocabulary


def nats_of(text: str) -> float:
    ids = VOCABULARY.encode(text)
    costs = character_nats(ENGINE, [ids[:0]], [ids])[0] if text else np.zeros(0)
    return float(with_escape(VOCABULARY, ids, costs).sum())


def test_figures_follow_from_the_definition() -> None:
    """Of each place: cost, expected cost, rank, and the chance that no word goes on."""
    text = "the Ω tide"
    (found,) = surprise(ENGINE, VOCABULARY, [("", text)])
    ids = np.concatenate(([VOCABULARY.bos], VOCABULARY.encode(text))).astype(np.int32)
    logits, _ = ENGINE.forward(ids[None], ENGINE.start(1))
    escape, left = VOCABULARY.escape, SCALARS - len(VOCABULARY)
    shares = probabilities(logits[0]) * (1 - escape)
    for at, index in enumerate(ids[1:]):
        cost = escape / left if index == VOCABULARY.bos else shares[at, index]
        assert found.nats[at] == pytest.approx(-math.log(cost), rel=1e-5)
        expected = -(shares[at] * np.log(shares[at])).sum() - escape * math.log(escape / left)
        assert found.entropy[at] == pytest.approx(expected, rel=1e-4)
        above = 0 if index == VOCABULARY.bos else 1 + (shares[at] > shares[at, index]).sum()
        assert found.rank[at] == above
        assert found.unknown[at] == (index == VOCABULARY.bos)
    other = [LETTER.search(one) is None for one in VOCABULARY.characters]
    np.testing.assert_allclose(found.ends, shares[:, other].sum(axis=1), rtol=1e-4)


@given(any_text(max_size=60), st.sampled_from(PER[:-1]), st.sampled_from(OWNERS))
def test_the_rows_are_the_text(text: str, per: str, owner: str) -> None:
    """Rows follow one another without a gap, and their costs sum to that of the text."""
    rows = list(table(surprise(ENGINE, VOCABULARY, [("", text)]), per, owner, "e"))
    assert [row["start"] for row in rows] == [0, *(row["end"] for row in rows)][: len(rows)]
    assert sum(row["chars"] for row in rows) == len(text)
    assert sum(row["nats"] for row in rows) == pytest.approx(nats_of(text), abs=1e-6)
    assert all(row["entropy"] > 0 for row in rows)


def test_units_differ_by_a_factor() -> None:
    """A ban is 3.3 bits, a nat 1.4."""
    found = surprise(ENGINE, VOCABULARY, [("", STORY[:90])])
    sums = {
        unit: sum(row[unit] for row in table(found, "word", base=base))
        for base, unit in UNITS.items()
    }
    assert sums["bits"] == pytest.approx(sums["nats"] / math.log(2))
    assert sums["bans"] == pytest.approx(sums["nats"] / math.log(10))


@pytest.mark.parametrize(
    ("owner", "pieces"),
    [
        ("after", ["“It’s ", "3.5 ", "m,” ", "she.\n"]),
        ("before", ["“It’s", " 3.5", " m", ",” she.\n"]),
        ("apart", ["“", "It’s", " ", "3.5", " ", "m", ",", "”", " ", "she", ".", "\n"]),
    ],
)
def test_blanks_belong_to_whom_they_are_given(owner: str, pieces: list[str]) -> None:
    """The first word owns what is before it, the last one what is behind it."""
    text = "“It’s 3.5 m,” she.\n"
    rows = list(table(surprise(ENGINE, VOCABULARY, [("", text)]), "word", owner))
    found = [text[row["start"] : row["end"]] for row in rows]
    assert found == pieces
    assert [row["word"] for row in rows if LETTER.search(row["word"])] == [
        "It’s",
        "3.5",
        "m",
        "she",
    ]


def test_texts_are_read_alone() -> None:
    """Each begins anew, and has a number and a name."""
    found = surprise(ENGINE, VOCABULARY, [("one", "the tide"), ("two", "the tide")])
    np.testing.assert_allclose(found[0].nats, found[1].nats, rtol=1e-6)
    rows = list(table(found, "document"))
    assert [(row["text_id"], row["text"]) for row in rows] == [(1, "one"), (2, "two")]


def test_pieces_side_by_side_are_nearly_exact() -> None:
    """A piece begins after a stretch that has settled its state."""
    text = STORY * 4
    (exact,) = surprise(ENGINE, VOCABULARY, [("", text)])
    (pieces,) = surprise(ENGINE, VOCABULARY, [("", text)], lanes=8)
    np.testing.assert_allclose(pieces.nats, exact.nats, atol=1e-4)
    np.testing.assert_allclose(pieces.ends, exact.ends, atol=1e-4)


def test_a_character_costs_what_its_bytes_cost() -> None:
    """A model of bytes gives figures of characters; their sum is that of the bytes."""
    vocabulary = Vocabulary(ALL_BYTES, as_bytes=True)
    engine = Engine(MODEL.architecture, random_weights(MODEL.architecture, 256))
    text = "né — 漢字.\udcff"
    (found,) = surprise(engine, vocabulary, [("", text)])
    assert len(found.nats) == len(found.entropy) == len(found.rank) == len(text)
    assert len(found.ends) == len(text) + 1
    ids = vocabulary.encode(text)
    assert found.nats.sum() == pytest.approx(
        float(character_nats(engine, [ids[:0]], [ids])[0].sum()), rel=1e-6
    )
    assert not found.unknown.any()


def test_sentences_have_numbers() -> None:
    """Words and characters say in which sentence they are."""
    rows = table(surprise(ENGINE, VOCABULARY, [("", "One. Two! Three")]), "word")
    numbers = [(row["word"], row["sentence_id"]) for row in rows]
    assert numbers == [("One", 1), ("Two", 2), ("Three", 3)]
    assert list(itertools.islice(table([], "word"), 1)) == []
