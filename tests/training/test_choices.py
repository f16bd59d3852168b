"""Choices made by hand are kept, and the others are made from text, budget and pace."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CorpusError, UsageError
from chargen.options import Budget, Options
from chargen.text.corpus import Text
from chargen.text.vocabulary import Vocabulary
from chargen.training.choices import Known, common, decide

NETWORKS = [Options(), Options(arch="transformer"), Options(bidirectional=True)]


@given(st.integers(1, 10**12), st.sampled_from(NETWORKS))
def test_every_text_gets_sizes_that_work(characters: int, options: Options) -> None:
    """Whatever the length of the text, a lane holds a window."""
    plan = decide(options, characters)
    assert plan.budget == Budget(2, "minutes")
    assert 1 <= plan.batch * plan.bptt <= characters


def test_what_was_asked_for_is_kept() -> None:
    """A choice made by hand is never changed."""
    asked = Options(hidden=7, layers=3, embed=2, dropout=0.0, batch=5, bptt=9, lr=0.5, steps=1)
    made = Options(**decide(asked, 1000).settings())
    assert asked.given().items() <= made.given().items()


def test_a_text_shorter_than_the_window_asked_for_is_refused() -> None:
    """The error says how long the text is and what would fit."""
    with pytest.raises(CorpusError, match="has 40 characters, less than one window of 128"):
        decide(Options(bptt=128), 40)


def test_a_tied_embedding_is_as_wide_as_the_layers() -> None:
    """A tied embedding takes the width of the layers; another size for it is an error."""
    assert decide(Options(tied=True, hidden=48), 1000).architecture.embed == 48
    with pytest.raises(UsageError, match="`tied` needs equal sizes"):
        decide(Options(tied=True, hidden=48, embed=9), 1000)


def test_a_faster_machine_gets_a_wider_network_and_more_dropout() -> None:
    """Width depends on how much text is read in the time, and dropout on the number of passes."""
    slow, fast = (
        decide(Options(minutes=1), 300_000, throughput=speed) for speed in (5_000, 500_000)
    )
    assert slow.architecture.hidden < fast.architecture.hidden
    assert slow.dropout < fast.dropout


def test_few_pairs_get_a_smaller_network() -> None:
    """Few pairs are learned by a narrow GRU, many by an LSTM; a family asked for stays."""
    known, asked = Known(targets=9, usual=7, longest=20), Options(pairs=True)
    sizes = [decide(asked, count, known).architecture for count in (6_000, 60_000)]
    assert [(one.arch, one.hidden) for one in sizes] == [("gru", 128), ("lstm", 256)]
    asked = Options(pairs=True, arch="elman")
    assert decide(asked, 6_000, known).architecture.arch == "elman"


def test_every_even_width_is_divided_among_heads() -> None:
    """The heads that chargen chooses itself always fit, and are about 64 units wide."""

    def heads(hidden: int) -> int:
        options = Options(arch="transformer", hidden=hidden)
        return decide(options, 100_000).architecture.heads

    assert all(heads(hidden) for hidden in range(2, 700, 2))
    assert [heads(hidden) for hidden in (32, 128, 200)] == [1, 2, 2]


def test_a_large_alphabet_has_narrow_outputs() -> None:
    """Common characters are those that make up most of a text; there must be many others."""

    def common_of(counts: dict[int, int]) -> int:
        text = SimpleNamespace(counts=counts)
        vocabulary = Vocabulary.counted({chr(point): count for point, count in counts.items()})
        return common(vocabulary, cast("Text", text))

    many = {0x4E00 + number: 1 for number in range(2000)} | {0x20: 18_000 - 1800, 0x21: 1800}
    assert common_of(many) == 2
    assert common_of(dict.fromkeys(range(0x4E00, 0x4E00 + 2000), 7)) == 1800
    assert common_of(dict.fromkeys(range(0x400, 0x400 + 300), 7)) == 0
    known = Known(characters=2000, common=2)
    assert decide(Options(), 10_000, known).architecture.common == 2
    assert decide(Options(common=0), 10_000, known).architecture.common == 0
    assert decide(Options(tied=True), 10_000, known).architecture.common == 0
    assert decide(Options(features="on"), 10_000, known).architecture.common == 2
    with pytest.raises(UsageError, match="common"):
        decide(Options(tied=True, common=2), 10_000, known)
    with pytest.raises(UsageError, match="2000 different"):
        decide(Options(common=2000), 10_000, known)


def test_contexts_are_counted_where_a_text_is_continued() -> None:
    """However often it is read, and however many characters it has; not where it has labels."""

    def counts(options: Options, known: Known | None = None) -> str:
        plan = decide(options, 300_000, known or Known(characters=65))
        assert (plan.architecture.ngrams > 0) == (plan.features == "on")
        return plan.features

    assert counts(Options(minutes=1)) == "on"
    assert counts(Options(minutes=1), Known(characters=6_000)) == "on"
    assert counts(Options(minutes=1), Known(characters=65, labels=2)) == "off"
    assert counts(Options(minutes=1, bidirectional=True)) == "off"
    assert counts(Options(minutes=1, features="off")) == "off"
    assert counts(Options(minutes=1, features="on")) == "on"
    with pytest.raises(UsageError, match="`features` is for models that continue"):
        counts(Options(features="on", bidirectional=True))
