"""Whole spans are counted as the CoNLL shared tasks count them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chargen.tasks.span_quality import SpanScore, Tally, score_spans
from chargen.tasks.tagging import Spans, Tagger
from chargen.text.tagged import Tagged, _sentence

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
SENTENCES = st.lists(
    st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1, max_size=9),
    min_size=1,
    max_size=6,
)


class Guesses(Tagger):
    """A tagger that finds what it was told."""

    def __init__(self, found: Sequence[Tagged]) -> None:
        self.found = found

    def compared(self, examples: Sequence[Tagged]) -> Iterator[tuple[Spans, float]]:
        """Yield what it was told, at no cost."""
        assert len(examples) == len(self.found)
        yield from ((one.spans, 0.0) for one in self.found)


def chunks(sentences: Sequence[Sequence[str]]) -> set[tuple[str, int, int]]:
    """Return label, first and last token of the spans, by the rules of ``conlleval`` and seqeval.

    A span begins at a token with B, and at one with I after O or after another label. It ends
    before a token with O or B, or with another label.
    """
    flat = [tag for tags in sentences for tag in [*tags, "O"]]
    found = set()
    first, sort, label = 0, "O", ""
    for at, tag in enumerate([*flat, "O"]):
        new_sort, _, new_label = tag.partition("-")
        ends = sort != "O" and (new_sort in "BO" or new_label != label)
        begins = new_sort == "B" or (new_sort == "I" and (sort == "O" or new_label != label))
        if ends:
            found.add((label, first, at - 1))
        if begins:
            first = at
        sort, label = new_sort, new_label
    return found


def sentence(tags: Sequence[str]) -> Tagged:
    """Return a sentence of words of different lengths with these tags."""
    return _sentence([("w" * (1 + at % 3), tag) for at, tag in enumerate(tags)], None)


def scored(right: Sequence[Sequence[str]], guessed: Sequence[Sequence[str]]) -> SpanScore:
    """Return the score of guessed tags."""
    return score_spans(Guesses([sentence(tags) for tags in guessed]), list(map(sentence, right)))


@given(SENTENCES)
def test_spans_are_counted_as_conlleval_counts_them(
    sentences: list[list[tuple[str, str]]],
) -> None:
    """Counts in all and by label are those of the published rules, for broken tags, too."""
    right, guessed = ([[pair[side] for pair in tags] for tags in sentences] for side in (0, 1))
    score = scored(right, guessed)
    there, found = chunks(right), chunks(guessed)
    assert score.all == Tally(len(there & found), len(found), len(there))
    for label in ("PER", "LOC"):
        mine = [{one for one in some if one[0] == label} for some in (there & found, found, there)]
        assert score.labels.get(label, Tally(0, 0, 0)) == Tally(*map(len, mine))


def test_figures_of_a_known_example() -> None:
    """One of two spans found, and one that is not there: precision, recall and F1 are a half."""
    score = scored([["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "B-PER", "O"]])
    assert (score.all.precision, score.all.recall, score.all.f1) == (0.5, 0.5, 0.5)
    assert score.json()["f1"] == 0.5
    assert score.labels["LOC"].recall == 0.0


def test_nothing_found_is_no_division_by_zero() -> None:
    """Without spans, all figures are 0."""
    score = scored([["O"]], [["O"]])
    assert (score.all.precision, score.all.recall, score.all.f1, score.error) == (0, 0, 0, 0)


def test_the_standard_error_is_that_of_a_bootstrap() -> None:
    """The standard error of F1 is near the spread of F1 over texts drawn again."""
    rng = np.random.default_rng(1)
    right = [[str(rng.choice(TAGS)) for _ in range(6)] for _ in range(300)]
    guessed = [[tag if rng.random() < 0.7 else "O" for tag in tags] for tags in right]
    score = scored(right, guessed)
    rows = []
    for one, other in zip(right, guessed, strict=True):
        there, found = chunks([one]), chunks([other])
        rows.append((2 * len(there & found), len(there) + len(found)))
    table = np.array(rows)
    drawn = [table[rng.integers(0, 300, 300)].sum(0) for _ in range(400)]
    spread = np.std([mine / both for mine, both in drawn])
    assert abs(score.error / spread - 1) < 0.2
