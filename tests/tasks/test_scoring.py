"""Perplexity: one sum, one division, the same from either engine."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from chargen import checkpoint
from chargen.architecture import Architecture
from chargen.engine.causal import Causal as Engine
from chargen.measured import BESIDE
from chargen.model import load
from chargen.networks.causal import Causal as Network
from chargen.tasks.scoring import ModelPredictor, Score, score
from chargen.text.corpus import open_text
from chargen.text.sources import spool
from chargen.text.vocabulary import SCALARS, Vocabulary
from chargen.training.evaluate import CausalPredictor
from tests.conftest import STORY, probabilities, random_weights, tiny_checkpoint

MODEL = tiny_checkpoint()
PREDICTOR = ModelPredictor(Engine(MODEL.architecture, MODEL.weights))


def scored(text: str, **options: int | None) -> Score:
    opened = open_text([spool("made", io.BytesIO(text.encode()))])
    return score(PREDICTOR, opened.span(), MODEL.vocabulary, **options)  # type: ignore[arg-type]


def by_hand(text: str) -> list[float]:
    """Each known character's nats, one step after the other, straight from the definition."""
    engine, vocabulary = PREDICTOR.model, MODEL.vocabulary
    state, before, nats = engine.start(1), vocabulary.bos, []
    for index in vocabulary.encode(text):
        logits, state = engine.forward(np.array([[before]], dtype=np.int32), state)
        if index < vocabulary.bos:
            probability = probabilities(logits[0, 0])[index] * (1 - vocabulary.escape)
        else:
            probability = vocabulary.escape / (SCALARS - len(vocabulary))
        nats.append(-math.log(probability))
        before = int(index)
    return nats


@pytest.mark.parametrize("text", [STORY[:300], "t", "the Ω tide\0"])
def test_the_figures_follow_from_the_definition(text: str) -> None:
    """Every character is charged once, the first and the unknown among them."""
    result, nats = scored(text, lanes=1), by_hand(text)
    assert result.characters == len(text)
    assert result.unknown == len([c for c in text if c not in MODEL.vocabulary.characters])
    assert result.nats_per_char == pytest.approx(sum(nats) / len(text), abs=1e-5)
    assert result.perplexity == pytest.approx(math.exp(sum(nats) / len(text)), rel=1e-4)
    assert result.bpc == pytest.approx(sum(nats) / len(text) / math.log(2), abs=1e-4)
    assert result.bits_per_byte == pytest.approx(
        sum(nats) / math.log(2) / len(text.encode()), abs=1e-4
    )


def test_the_window_does_not_matter() -> None:
    """The exact pass is the same whatever the number of characters a call."""
    results = [scored(STORY, lanes=1, window=window) for window in (1, 7, 128, 5000)]
    for result in results:
        assert result.nats == pytest.approx(results[0].nats, rel=1e-6)
        assert result.hits == results[0].hits


@pytest.mark.parametrize("lanes", [2, 5, 8])
def test_lanes_come_close_to_the_exact_pass(lanes: int) -> None:
    """With burn-in the lanes differ from the exact pass by less than 0.001 bits a character."""
    exact, quick = scored(STORY, lanes=1), scored(STORY, lanes=lanes, burn_in=64)
    assert quick.characters == exact.characters
    assert abs(quick.bpc - exact.bpc) < 1e-3


def test_without_burn_in_lanes_are_worse_off(tmp_path: object) -> None:
    """The burn-in is what makes lanes close: without it the figure moves."""
    exact = scored(STORY, lanes=1)
    assert abs(scored(STORY, lanes=40, burn_in=0).bpc - exact.bpc) > 1e-3


def test_both_engines_score_alike(architecture: Architecture) -> None:
    """PyTorch and NumPy give the same nats, hits and error for the same weights."""
    vocabulary = MODEL.vocabulary
    weights = random_weights(architecture, len(vocabulary))
    network = Network(architecture, len(vocabulary)).eval()
    network.assign(weights)
    span = open_text([spool("made", io.BytesIO((STORY + "Ω").encode()))]).span()
    with torch.no_grad():
        one = score(CausalPredictor(network), span, vocabulary)
    other = score(ModelPredictor(Engine(architecture, weights)), span, vocabulary)
    assert one.nats == pytest.approx(other.nats, rel=1e-5)
    assert (one.hits, one.unknown, one.characters) == (other.hits, other.unknown, other.characters)


@pytest.mark.parametrize("precise", [True, False])
def test_long_texts_are_scored_by_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precise: bool
) -> None:
    """PyTorch scores long texts, in bf16 too, within 0.001 bits a character of the other engine."""
    checkpoint.write(tmp_path / "model.safetensors", MODEL)
    model = load(tmp_path / "model.safetensors")
    usual = model.perplexity(text=STORY)
    surprise = model.surprise(STORY)
    products = len(STORY) * (MODEL.architecture.parameters(len(MODEL.vocabulary)) + BESIDE)
    monkeypatch.setattr("chargen.measured.WORTH", products + 1)
    assert model.perplexity(text=STORY).nats == usual.nats
    monkeypatch.setattr("chargen.measured.WORTH", products)
    monkeypatch.setattr("chargen.measured.LONG", len(STORY))
    monkeypatch.setattr(
        "chargen.training.evaluate.pick_precision", lambda *_: "fp32" if precise else "bf16"
    )
    long = model.perplexity(text=STORY)
    assert long.nats != usual.nats, "it was another engine"
    assert long.characters == usual.characters
    assert abs(long.bpc - usual.bpc) < (1e-5 if precise else 1e-3)
    (pieces,) = model.surprises([("", STORY)])
    np.testing.assert_allclose(pieces.nats, surprise.nats, atol=1e-4 if precise else 0.1)


def test_totals_add_nats_and_characters() -> None:
    """The total of two texts is not the mean of their figures."""
    one, other = scored(STORY), scored("tt")
    both = one + other
    assert both.nats_per_char == (one.nats + other.nats) / (len(STORY) + 2)
    assert both.size == len(STORY.encode()) + 2


def test_the_standard_error_is_that_of_a_mean() -> None:
    """For independent characters the estimate is the textbook's, within a third."""
    random = np.random.default_rng(0)
    text = "".join(random.choice(list(MODEL.vocabulary.characters), 20_000))
    result, nats = scored(text), by_hand(text[:3000])
    assert result.error == pytest.approx(np.std(nats) / math.sqrt(20_000), rel=0.33)
    assert result.perplexity_error == pytest.approx(result.perplexity * result.error)


def test_an_empty_span_is_refused() -> None:
    """There is no perplexity of nothing."""
    opened = open_text([spool("made", io.BytesIO(b"abc"))])
    with pytest.raises(ValueError, match="no text to score"):
        score(PREDICTOR, opened.span(1, 1), Vocabulary("abc"))
