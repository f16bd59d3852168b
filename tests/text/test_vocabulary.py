"""Characters and ids."""

from __future__ import annotations

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.text.corpus import open_text
from chargen.text.sources import spool
from chargen.text.vocabulary import MANY, SCALARS, Vocabulary
from tests.conftest import any_text

texts = any_text(min_size=1).map(lambda text: "x" + text)  # where no byte order mark begins it


def of(text: str, known: str = "") -> Vocabulary:
    return Vocabulary.of(open_text([spool("made", io.BytesIO(text.encode()))]), known)


@given(texts)
def test_decoding_undoes_encoding(text: str) -> None:
    """Any text comes back from the ids of its own vocabulary."""
    vocabulary = of(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(texts, texts)
def test_all_of_unicode_has_probability_one(text: str, other: str) -> None:
    """Known characters share what the escape leaves; the unknown share the escape."""
    vocabulary = of(text)
    known = math.exp(-vocabulary.known_nats)
    unknown = math.exp(-vocabulary.unknown_nats) * (SCALARS - len(vocabulary))
    assert known + unknown == pytest.approx(1)
    strange = [character for character in other if character not in text]
    assert (vocabulary.encode(other) == vocabulary.bos).sum() == len(strange)
    assert vocabulary.unknown(other) == list(dict.fromkeys(strange))


def test_characters_stand_in_code_order() -> None:
    """The ids do not depend on where in the text a character stands."""
    assert of("banana").characters == of("nabana").characters == "abn"


def test_the_most_frequent_of_many_characters_are_first() -> None:
    """A network can treat rare ones differently; equally frequent ones are in code order."""
    counts = {chr(0x4E00 + number): 1 + number % 3 for number in range(MANY)}
    found = Vocabulary.counted(counts).characters
    assert list(found) == sorted(counts, key=lambda one: (-counts[one], one))


def test_known_characters_keep_their_ids() -> None:
    """A model's characters come first when its vocabulary grows."""
    assert of("zebra", known="xz").characters == "xzaber"


def test_the_escape_is_the_share_of_characters_seen_once() -> None:
    """Good-Turing: in "aabbcd" two of six characters occur once."""
    assert of("aabbcd").escape == pytest.approx(2 / 6)
    assert of("aabb").escape == pytest.approx(1 / 4)


@given(st.binary(min_size=1, max_size=100))
def test_bytes_have_no_unknown(data: bytes) -> None:
    """A vocabulary of bytes knows all 256 and leaves nothing to an escape."""
    text = open_text([spool("made", io.BytesIO(data), as_bytes=True)], as_bytes=True)
    vocabulary = Vocabulary.of(text)
    assert len(vocabulary) == 256
    assert vocabulary.known_nats == 0
    assert bytes(vocabulary.lookup(next(text.span().blocks())).tolist()) == data


@pytest.mark.parametrize(("characters", "escape"), [("", 0), ("aa", 0), ("a", 1), ("a", -0.1)])
def test_a_vocabulary_that_cannot_be_is_refused(characters: str, escape: float) -> None:
    """No characters, a character twice, or an escape that is no probability."""
    with pytest.raises(ValueError, match=r"vocabulary|probability"):
        Vocabulary(characters, escape)
