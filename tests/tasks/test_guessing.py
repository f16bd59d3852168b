"""From judges to answers: how sure models that were trained apart may be, and whether any fits."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.engine.causal import Causal
from chargen.engine.likelihood import expected_nats
from chargen.tasks.drawing import Sampling
from chargen.tasks.guessing import (
    FITTED,
    PIECE,
    REFUSED,
    STRETCH,
    fit,
    fitting,
    guesses,
    steady,
    stretches,
)
from chargen.tasks.sampling import sample
from chargen.text.corpus import open_text
from chargen.text.sources import spool
from tests.conftest import STORY, probabilities, tiny_checkpoint

ONE, TWO = tiny_checkpoint(seed=1), tiny_checkpoint(seed=2)
MODELS = [("one", ONE), ("two", TWO)]


@given(st.integers(1, 300), st.integers(2, 5), st.integers(0, 1000))
def test_shares_are_probabilities(length: int, labels: int, seed: int) -> None:
    """They sum to one, and the label under which a text costs least has the most."""
    nats = np.random.default_rng(seed).exponential(size=(labels, length))
    shares = steady(nats)
    assert shares.sum() == pytest.approx(1)
    assert shares.argmax() == nats.sum(axis=1).argmin()


def test_one_piece_is_weak_evidence() -> None:
    """However much better one label is on one piece, that is one piece: 84 %, and no more."""
    nats = np.array([[1.0] * PIECE, [90.0] * PIECE])
    assert steady(nats)[0] == pytest.approx(0.8413, abs=1e-4)
    assert steady(np.tile(nats, 9))[0] == pytest.approx(0.99865, abs=1e-4)
    assert steady(np.ones((2, 8))).tolist() == [0.5, 0.5]


def test_evidence_that_wavers_is_no_evidence() -> None:
    """Two pieces for, two against: little better than chance, whatever the sizes."""
    better = np.repeat([5.0, -5.0, 5.0, -4.0], PIECE)
    assert 0.5 < steady(np.stack((np.zeros(4 * PIECE), better)))[0] < 0.6


def test_expectations_are_those_of_the_distribution() -> None:
    """Nats, entropy and variance at each character, straight from the definitions."""
    engine = Causal(ONE.architecture, ONE.weights)
    ids = ONE.vocabulary.encode("The tide went out")
    (found,) = expected_nats(engine, [ids])
    inputs = np.concatenate(([engine.bos], ids[:-1]))[None].astype(np.int32)
    shares = probabilities(engine.forward(inputs, engine.start(1))[0][0])
    costs = -np.log(shares)
    entropy = (shares * costs).sum(axis=-1)
    variance = (shares * (costs - entropy[:, None]) ** 2).sum(axis=-1)
    expected = np.stack((costs[np.arange(len(ids)), ids], entropy, variance), axis=1)
    assert np.allclose(found, expected, atol=1e-4)


def test_what_a_model_writes_fits_it_and_noise_does_not() -> None:
    """Nearly every text of a model's own fits; its unlikeliest characters do not."""
    engine = Causal(ONE.architecture, ONE.weights)
    texts = [one.text for one in sample(engine, ONE.vocabulary, Sampling(length=60, count=50))]
    assert np.mean([guess.fits for guess in guesses(MODELS, texts)]) > 0.95
    assert not guesses(MODELS, ["ΩΩΩ"])[0].fits
    assert guesses(MODELS, ["ΩΩΩ"])[0].label is None
    # A text costs what was expected, or a little more: that fits.
    assert fitting(np.array([[1.0, 1.0, 0.1]] * 50))
    assert not fitting(np.array([[2.0, 1.0, 0.1]] * 50))


def test_one_held_out_stretch_in_a_hundred_is_refused() -> None:
    """The slack is the excess that all but so many stretches of the held-out text are below."""
    text = "".join(random.Random(1).choices(STORY, k=STRETCH * 300))
    valid = open_text([spool("held out", io.BytesIO(text.encode()))]).span()
    told = fit(ONE, valid)
    assert told.keys() == {FITTED}
    # A text that a model has not learned costs more than it expects: so it learns to expect that.
    assert told[FITTED] > 0
    fitted = replace(ONE, figures=ONE.figures | told)
    found = guesses([("one", fitted), ("two", fitted)], [text for text, _ in stretches(valid)])
    assert 1 - np.mean([guess.fits for guess in found]) <= REFUSED
    strict = replace(ONE, figures=ONE.figures | {FITTED: 0.0})
    found = guesses([("one", strict), ("two", strict)], [text for text, _ in stretches(valid)])
    assert np.mean([guess.fits for guess in found]) < 1


def test_stretches_of_bytes_are_those_bytes() -> None:
    """A stretch that begins or ends inside a character is still the bytes that it was."""
    data = ("é" * STRETCH * 60).encode()
    valid = open_text([spool("held out", io.BytesIO(data))], as_bytes=True).span(1)
    found = [text.encode("utf-8", "surrogateescape") for text, _ in stretches(valid)]
    assert {len(one) for one in found} == {STRETCH}
    assert set(found) <= {data[:STRETCH], data[1 : STRETCH + 1]}


def test_few_stretches_tell_nothing() -> None:
    """A short held-out text leaves the usual slack."""
    valid = open_text([spool("held out", io.BytesIO(STORY.encode()))]).span()
    assert fit(ONE, valid) == {}


def test_texts_do_not_depend_on_their_neighbours() -> None:
    """A batch says what each text alone would say."""
    texts = ["The tide", "nobody counted", "x", "It came back; it went out"]
    together = guesses(MODELS, texts)
    for text, guess in zip(texts, together, strict=True):
        (alone,) = guesses(MODELS, [text])
        assert alone.label == guess.label
        for one, other in zip(alone.labels, guess.labels, strict=True):
            assert one.probability == pytest.approx(other.probability, abs=1e-4)


def test_an_empty_text_says_nothing() -> None:
    """All labels are equally likely; no texts have no answers."""
    empty, full = guesses(MODELS, ["", "The tide"])
    assert [one.probability for one in empty.labels] == [0.5, 0.5]
    assert full.labels[0].probability > 0.5
    assert guesses(MODELS, []) == []
