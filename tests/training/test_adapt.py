"""Learning while reading: each character is scored before it is learned from."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from chargen.architecture import FAMILIES
from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal as Engine
from chargen.tasks.scoring import ModelPredictor, score
from chargen.text.corpus import Span, open_text
from chargen.text.sources import spool
from chargen.text.vocabulary import Vocabulary
from chargen.training.adapt import WINDOW, adapt
from tests.conftest import STORY, random_weights, sized, small, tiny_checkpoint

MODEL = tiny_checkpoint()


def span(text: str) -> Span:
    return open_text([spool("made", io.BytesIO(text.encode()))]).span()


def static(saved: Checkpoint, text: str) -> float:
    predictor = ModelPredictor(Engine(saved.architecture, saved.weights))
    return score(predictor, span(text), saved.vocabulary, lanes=1).nats


@pytest.mark.parametrize("arch", sorted(FAMILIES))
def test_a_text_that_repeats_itself_becomes_cheaper(arch: str) -> None:
    """Every family of networks learns from what it has read, and better when it reads it again."""
    architecture, vocabulary = small(arch), Vocabulary.counted(Counter(STORY))
    weights = random_weights(architecture, len(vocabulary))
    saved = Checkpoint(architecture, vocabulary, weights)
    found, learned = adapt(saved, span(STORY))
    assert found.nats < 0.8 * static(saved, STORY)
    assert static(learned, STORY) < found.nats


def test_the_first_window_costs_what_it_costs_without_learning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The network learns nothing of a window before all of it is scored."""
    monkeypatch.setattr("chargen.training.adapt.MOST_COUNTED", 0)
    text = STORY[:WINDOW]
    assert adapt(MODEL, span(text))[0].nats == pytest.approx(static(MODEL, text), rel=1e-4)


def test_what_comes_later_does_not_change_what_was_scored() -> None:
    """The cost of a beginning is the same, whatever follows it."""
    beginning, ends = STORY[: 3 * WINDOW], ("boats", "zebra")
    first = adapt(MODEL, span(beginning))[0].nats
    for end in ends:
        _, learned = adapt(MODEL, span(beginning))
        whole = adapt(MODEL, span(beginning + end))[0].nats
        assert whole >= first
        # The end was scored by the model that had learned from the beginning.
        given = static(learned, beginning + end) - static(learned, beginning)
        assert whole - first == pytest.approx(given, rel=0.05)


def test_the_model_given_stays_as_it_is() -> None:
    """Learning makes another model, with the same vocabulary and n-grams of its own."""
    before = {name: array.copy() for name, array in MODEL.weights.items()}
    _, learned = adapt(MODEL, span(STORY))
    assert all(np.array_equal(before[name], array) for name, array in MODEL.weights.items())
    assert learned.vocabulary == MODEL.vocabulary
    assert learned.architecture == sized(replace(MODEL.architecture, ngrams=1), learned.weights)
    assert learned.architecture.ngrams > 100


def test_unknown_characters_cost_the_escape_and_teach_nothing() -> None:
    """A text of unknown characters leaves the weights as they were."""
    found, learned = adapt(MODEL, span("ΩΨΩ"))
    assert found.unknown == 3
    assert found.nats == pytest.approx(3 * MODEL.vocabulary.unknown_nats)
    for name, array in MODEL.weights.items():
        np.testing.assert_array_equal(learned.weights[name], array)


def test_the_same_text_teaches_the_same() -> None:
    """Two readings give the same figure, to the last bit of rounding."""
    one, other = (adapt(MODEL, span(STORY))[0].nats for _ in range(2))
    assert one == pytest.approx(other, rel=1e-6)
