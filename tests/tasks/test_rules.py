"""Rules that texts keep."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.engine.causal import Causal
from chargen.errors import UsageError
from chargen.tasks.draft import Sample
from chargen.tasks.drawing import Sampling
from chargen.tasks.rules import Guide, Rules
from chargen.tasks.sampling import sample, stream
from chargen.text.vocabulary import Vocabulary
from tests.conftest import tiny_checkpoint

MODEL = tiny_checkpoint()
ENGINE, VOCABULARY = Causal(MODEL.architecture, MODEL.weights), MODEL.vocabulary


def written(length: int, *, mark: str | None = None, count: int = 20, **asked: Any) -> list[Sample]:
    """Return texts with the seeds from 0 on."""
    wanted = Sampling(length=length, count=count, end=mark, rules=Rules(**asked))
    return list(sample(ENGINE, VOCABULARY, wanted))


@given(
    pattern=st.sampled_from(
        ["[a-z]{3,9}", "[a-z]+( [a-z]+)*", "(the|and)?(t|s)+", "a|ab|abc", "[^e]*o[^e]*"]
    ),
    must=st.sampled_from([(), ("s",), ("s", "t")]),
    forbid=st.sampled_from(["", "i", "aeiu"]),
    low=st.integers(0, 8),
    high=st.integers(8, 14),
)
@settings(max_examples=60)
def test_each_text_keeps_all_rules(
    pattern: str, must: tuple[str, ...], forbid: str, low: int, high: int
) -> None:
    """Whatever they are: or it is said at once that no text can."""
    asked: dict[str, Any] = {"match": pattern, "must": must, "forbid": forbid, "min_length": low}
    try:
        texts = [one.text for one in written(40, max_length=high, count=6, **asked)]
    except UsageError as error:
        assert "keeps all rules" in str(error)  # noqa: PT017 - either is right
        return
    for text in texts:
        assert re.fullmatch(pattern, text)
        assert all(part in text for part in must)
        assert not set(text) & set(forbid)
        assert low <= len(text) <= high


@pytest.mark.parametrize("end", [None, "\n"])
def test_what_is_allowed_is_what_can_still_end_well(end: str | None) -> None:
    """At each beginning, by trying all texts of the longest length."""
    vocabulary = Vocabulary("ab\n")
    rules = Rules(match="a*b?a+|bb", must=("b",), min_length=2)
    plan = rules.plan(vocabulary, end, 4)
    sizes = range(6)
    texts = ["".join(t) for size in sizes for t in itertools.product("ab", repeat=size)]
    good = [
        text + "\n" for text in texts
        if re.fullmatch("a*b?a+|bb", text) and "b" in text and 2 <= len(text) <= 4
    ]  # fmt: skip
    beginnings = {text[:size] for text in good for size in range(len(text))}
    for text in beginnings:
        guide = Guide(plan, 1)
        for index in vocabulary.encode(text):
            guide.read(np.array([index]))
        allowed = {vocabulary.characters[at] for at in np.flatnonzero(guide.allowed[0])}
        assert allowed == {one[len(text)] for one in good if one.startswith(text)}
        assert not guide.over[0]


def test_a_text_of_one_line_ends_with_the_line() -> None:
    """A new line ends it, unless the pattern has one; then it goes on to its length."""
    texts = [one.text for one in written(30, match="[a-z]{2,20}")]
    assert len({len(text) for text in texts}) > 3
    assert {one.finish for one in written(30, match="[a-z]{2,20}")} == {"stop"}
    assert {len(one.text) for one in written(30, match="[a-z\n]{2,30}")} == {30}


def test_each_line_may_match() -> None:
    """The pattern is then about lines, and the text about as many as there is room for."""
    for one in written(60, match="[a-z]{3,8} [a-z]{3,8}", each_line=True):
        lines = one.text.removesuffix("\n").split("\n")
        assert all(re.fullmatch("[a-z]{3,8} [a-z]{3,8}", line) for line in lines)
        assert len(one.text) <= 60


def test_start_and_end_frame_the_text() -> None:
    """It ends as soon as it may after the shortest length."""
    for one in written(90, start="the ", end=".", min_length=20):
        assert one.text.startswith("the ")
        assert one.text.endswith(".")
        assert 20 <= len(one.text) <= 90
        assert "." not in one.text[19:-1]


def test_a_model_of_lines_ends_its_texts_itself() -> None:
    """Its end mark counts as no character, and cannot be part of a pattern's text."""
    for one in written(12, mark="\n", match="(?s:.*)", min_length=3, max_length=5):
        assert 3 <= len(one.text) <= 5
        assert one.finish == "stop"
        assert "\n" not in one.text


def test_a_text_in_a_batch_is_the_text_alone() -> None:
    """Rules do not change that a text depends on its own seed only; nor does streaming."""
    asked = Rules(match="[a-z]{2,20}", must=("e",))
    batch = written(30, match="[a-z]{2,20}", must=("e",))
    for seed, one in enumerate(batch):
        alone = Sampling(length=30, seed=seed, rules=asked)
        assert next(sample(ENGINE, VOCABULARY, alone)).text == one.text
        prime = np.empty(0, np.int32)
        assert b"".join(stream(ENGINE, VOCABULARY, alone, prime)) == one.data


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"must": ("Ω",)}, "can write no text that keeps all rules: it does not know 'Ω'"),
        ({"match": "a+Ж"}, "it does not know 'Ж'"),
        ({"match": "a+", "must": ("b",)}, "can write no text that keeps all rules"),
        ({"match": "a{30}"}, "has 30 characters at least, not 20"),
        ({"match": "a{3}", "min_length": 4}, "can write no text"),
        (
            {"min_length": 9, "max_length": 4, "match": "a*"},
            "is 9, and a text has 4 characters at most",
        ),
        ({"each_line": True}, "`each_line` is about a pattern"),
    ],
)
def test_what_cannot_be_kept_is_said_at_once(asked: dict[str, Any], said: str) -> None:
    """Before anything is written, with the number of characters or the unknown ones."""
    with pytest.raises(UsageError, match=said):
        written(20, **asked)
