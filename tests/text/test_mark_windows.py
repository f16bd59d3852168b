"""Marked texts as ids, and how they are varied while a network learns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chargen.text.mark_windows import Marked, TagCoder
from chargen.text.marking import Marking, of_labels
from chargen.text.tagged import Tagged, of_marks
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST

LETTERS = "abcd "
MARKING = Marking(of_labels(("LOC", "PER")))
VOCABULARY = Vocabulary(LETTERS, marking=MARKING)
EXAMPLES = [Tagged("ab cd", ((0, 2, "PER"),)), Tagged("d abc a", ((2, 5, "LOC"), (6, 7, "PER")))]
CHANCES = st.floats(0, 1, exclude_max=True)


def seen(coder: TagCoder, text: Marked) -> Tagged:
    """Return a text as it is shown; a character that is not shown is a question mark."""
    ids = text.source[1:-1].tolist()
    characters = "".join("?" if one == VOCABULARY.bos else LETTERS[one] for one in ids)
    marks = [coder.marking.marks[mark] for mark in text.targets.tolist()]
    return of_marks(characters, marks)


def same(shown: str, text: str) -> bool:
    """Tell whether a text is another one but for characters that are not shown."""
    return len(shown) == len(text) and all(a in (b, "?") for a, b in zip(shown, text, strict=True))


@given(CHANCES, st.sampled_from(EXAMPLES))
def test_only_spans_are_put_in_place_of_others(chance: float, example: Tagged) -> None:
    """What is around spans stays, and each span becomes one with the same label, or stays."""
    coder = TagCoder(VOCABULARY, EXAMPLES)
    mentions = {"PER": ["ab", "a"], "LOC": ["abc"]}
    shown = seen(coder, coder.varied(coder.encoded(example), chance))
    assert [label for *_, label in shown.spans] == [label for *_, label in example.spans]
    here = there = 0
    for (start, end, label), (first, last, _) in zip(shown.spans, example.spans, strict=True):
        assert same(shown.text[here:start], example.text[there:first])
        assert any(same(shown.text[start:end], mention) for mention in mentions[label])
        here, there = end, last
    assert same(shown.text[here:], example.text[there:])


def test_spans_change_in_some_steps_only() -> None:
    """Of many steps, some show a text as it is, and some show another name in it."""
    coder = TagCoder(VOCABULARY, EXAMPLES)
    lengths = {
        len(coder.varied(coder.encoded(EXAMPLES[0]), step / 50).targets) for step in range(50)
    }
    assert lengths == {4, 5}


def test_a_coder_without_examples_shows_the_spans_that_are_there() -> None:
    """Outside of training, no other spans are known, and a text keeps its length."""
    coder = TagCoder(VOCABULARY)
    text = coder.encoded(EXAMPLES[1])
    assert all(len(coder.varied(text, step / 9).source) == len(text.source) for step in range(9))


def test_texts_side_by_side() -> None:
    """A window has each text between two places for "no character", and nothing after its end."""
    coder = TagCoder(VOCABULARY)
    window = coder.window([coder.encoded(example) for example in EXAMPLES], end=7)
    assert window.lengths.tolist() == [7, 9]
    assert (window.end, window.characters) == (7, 12)
    assert window.targets[0, 5:].tolist() == [PAST, PAST]
    edges = VOCABULARY.bos
    assert window.sources[0].tolist() == [edges, 0, 1, 4, 2, 3, edges, edges, edges]
