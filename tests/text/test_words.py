"""Words and sentences by Unicode's rules, with another library as the oracle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from uniseg.sentencebreak import sentences as uniseg_sentences
from uniseg.wordbreak import words as uniseg_words

from chargen.text.words import sentences, words
from tests.conftest import any_text

SIGNS = "aBé1 .!?,;:'\"”)\n\r\t\u2028\u0301\u200d\xad。"
"""Characters of every class of Sentence_Break whose class does not depend on Unicode's version."""
LETTERS = SIGNS + "7_東タกั👩🇩🇪א"


@given(st.text(st.sampled_from(LETTERS), max_size=12))
def test_words_are_those_of_the_annex(text: str) -> None:
    """Both libraries cut at the same places."""
    assert [text[start:stop] for start, stop, _ in words(text)] == list(uniseg_words(text))


@given(st.text(st.sampled_from(SIGNS), max_size=12))
def test_sentences_are_those_of_the_annex(text: str) -> None:
    """One pattern gives what the rules give one by one."""
    assert [text[start:stop] for start, stop in sentences(text)] == list(uniseg_sentences(text))


@given(any_text())
def test_nothing_is_left_out(text: str) -> None:
    """Pieces follow one another from the first character to the last."""
    assert "".join(text[start:stop] for start, stop, _ in words(text)) == text
    assert "".join(text[start:stop] for start, stop in sentences(text)) == text


def test_what_has_a_letter_or_a_digit_is_a_word() -> None:
    """Blanks and signs are between words; a decimal point and an apostrophe are inside one."""
    text = "It’s 3.5 m — good!"
    found = [(text[start:stop], is_word) for start, stop, is_word in words(text)]
    assert [piece for piece, is_word in found if is_word] == ["It’s", "3.5", "m", "good"]
    assert [piece for piece, is_word in found if not is_word] == [" ", " ", " ", "—", " ", "!"]
