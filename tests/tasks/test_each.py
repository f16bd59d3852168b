"""Each text alone: probabilities that sum to one at most, and both averages."""

from __future__ import annotations

import math

import pytest

from chargen.engine.causal import Causal
from chargen.engine.likelihood import character_nats, with_escape
from chargen.tasks.each import score_each, together
from tests.conftest import STORY, tiny_checkpoint


def test_a_text_costs_what_its_characters_cost() -> None:
    """Whatever texts stand beside it, and in their order; unknown characters are charged."""
    saved = tiny_checkpoint()
    model = Causal(saved.architecture, saved.weights)
    texts = ["The tide.\n", "ab\n", "Ω\n", *STORY.splitlines(keepends=True), "e" * 3000]
    named = [(str(number), text) for number, text in enumerate(texts)]
    seen: list[tuple[int, int]] = []
    found = score_each(model, saved.vocabulary, named, lambda *done: seen.append(done))
    assert [each.name for each in found] == [name for name, _ in named]
    assert seen[-1] == (len(texts), len(texts))
    for each, text in zip(found, texts, strict=True):
        ids = saved.vocabulary.encode(text)
        (nats,) = character_nats(model, [ids[:0]], [ids])
        assert each.nats == pytest.approx(with_escape(saved.vocabulary, ids, nats).sum(), rel=1e-5)
        assert each.characters == len(text)
    assert found[2].unknown == 1


def test_the_averages_weigh_characters_and_texts() -> None:
    """One is over all characters, the other over all texts."""
    saved = tiny_checkpoint()
    model = Causal(saved.architecture, saved.weights)
    found = score_each(model, saved.vocabulary, [("a", "a\n"), ("b", "the tide went\n")])
    mean = together(found)
    assert mean["nats_per_text"] == pytest.approx(sum(each.nats for each in found) / 2)
    assert mean["nats_per_char"] == pytest.approx(sum(each.nats for each in found) / 16)
    assert mean["perplexity"] == pytest.approx(math.exp(mean["nats_per_char"]))
    assert [row["log_probability"] for row in map(type(found[0]).json, found)] == [
        -each.nats for each in found
    ]
