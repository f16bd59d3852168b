"""Telling kinds of text apart: both engines, calibration, and what a verdict counts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chargen.architecture import Architecture
from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal as Engine
from chargen.engine.classifier import Classifier as ClassifierEngine
from chargen.kinds import CLASSIFIER
from chargen.networks.base import Batch
from chargen.networks.bidirectional import Classifier
from chargen.networks.causal import Causal as Network
from chargen.tasks.calibration import (
    best_inverse_temperature,
    log_loss,
    probabilities,
    verdict,
)
from chargen.tasks.classifying import Counting, by_both_sides, by_likelihood, weigh_all
from chargen.text.labelled import examples, read_labelled
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST, windows
from chargen.training.evaluate import evaluate
from tests.conftest import random_weights, small, write

VOCABULARY = Vocabulary("abcd\n", escape=0.01)
V = len(VOCABULARY)
TEXTS = ["abca\n", "dd\n", "abcdabcdabcd\n", "cézanne\n"]


def labelled(architecture: Architecture) -> Checkpoint:
    weights = random_weights(architecture, V)
    return Checkpoint(architecture, VOCABULARY, weights, labels=("x", "y", "z"))


@pytest.fixture(params=["elman", "gru", "lstm"])
def classifier(request: pytest.FixtureRequest) -> Checkpoint:
    """A small network of each kind that tells labels."""
    return labelled(Architecture(request.param, 2, 6, 5, kind=CLASSIFIER, labels=3))


def test_the_engines_agree_on_labels(classifier: Checkpoint) -> None:
    """Both engines give a text's labels the same weights, whatever texts are beside it."""
    network = Classifier(classifier.architecture, V).eval()
    network.assign(classifier.weights)
    judge = by_both_sides(classifier)
    together = judge.weigh(TEXTS)
    for text, mine in zip(TEXTS, together, strict=True):
        ids = VOCABULARY.encode(text)
        inputs = np.concatenate(([V], ids[:-1]))[None]
        with torch.no_grad():
            left, right, _ = network.read(
                torch.from_numpy(inputs), torch.from_numpy(ids[None]).long(), network.start(1)
            )
            logs = network(left, right[:-1]).log_softmax(-1).mean(0)[0].numpy()
        np.testing.assert_allclose(mine, logs, atol=1e-4)
        np.testing.assert_allclose(judge.weigh([text])[0], logs, atol=1e-4)


def test_a_classifier_sees_the_whole_text(classifier: Checkpoint) -> None:
    """Changing any one character changes the weights."""
    judge = by_both_sides(classifier)
    whole = judge.weigh(["abcabc\n"])
    for changed in ("bbcabc\n", "abbabc\n", "abcaba\n"):
        assert not np.allclose(judge.weigh([changed]), whole)


@pytest.mark.parametrize("arch", ["elman", "gru", "lstm", "transformer"])
def test_the_engines_agree_on_what_is_told_the_label(arch: str) -> None:
    """With a label's vector added, logits of both engines are equal, and differ between labels."""
    plain = small(arch)
    architecture = Architecture(**{**vars(plain), "labels": 3})
    saved = labelled(architecture)
    network = Network(architecture, V).eval()
    network.assign(saved.weights)
    ids = np.array([[V, 0, 1, 2, 3, 0]], dtype=np.int32)
    seen = []
    for label in range(3):
        engine = Engine(architecture, saved.weights, label)
        mine, _ = engine.forward(ids, engine.start(1))
        with torch.no_grad():
            logits, _ = network(torch.from_numpy(ids), network.start(1), torch.tensor([[label]]))
        np.testing.assert_allclose(mine, logits.numpy(), atol=1e-4)
        seen.append(mine)
    assert not np.allclose(seen[0], seen[1])


def test_likelihood_is_the_cost_of_the_text() -> None:
    """A model's weight of a text is minus its nats, unknown characters and all."""
    saved = labelled(Architecture("gru", 1, 6, 5, labels=3))
    judge = by_likelihood(saved)
    logs = judge.weigh(TEXTS)
    engine = Engine(saved.architecture, saved.weights, 1)
    for text, row in zip(TEXTS, logs, strict=True):
        ids = VOCABULARY.encode(text)
        logits, _ = engine.forward(
            np.concatenate(([V], ids[:-1])).astype(np.int32)[None], engine.start(1)
        )
        chances = np.exp(logits[0] - logits[0].max(-1, keepdims=True)).astype(np.float64)
        chances /= chances.sum(-1, keepdims=True)
        nats = 0.0
        for t, index in enumerate(ids):
            strange = index == V
            nats += VOCABULARY.unknown_nats if strange else VOCABULARY.known_nats
            nats -= 0 if strange else math.log(chances[t, index])
        assert row[1] == pytest.approx(-nats, abs=1e-3)


def test_counting_tells_two_languages() -> None:
    """N-grams of two kinds of text tell them apart."""
    counting = Counting(("x", "y"), [("abab abab", 0), ("cdcd cdcd", 1), ("abba", 0)])
    assert counting.weigh(["abab", "dcdc"]).argmax(axis=1).tolist() == [0, 1]


LOGS = arrays.arrays(np.float64, (8, 3), elements=st.floats(-50, 0))


@given(LOGS, arrays.arrays(np.int64, 8, elements=st.integers(0, 2)))
def test_no_inverse_temperature_is_better(logs: np.ndarray, truth: np.ndarray) -> None:
    """None of many other values costs less than the one that was fitted."""
    best = log_loss(logs, truth, best_inverse_temperature(logs, truth))
    for other in (0.0, 0.01, 0.1, 0.5, 1.0, 2.0, 10.0, 60.0):
        assert best <= log_loss(logs, truth, other) + 1e-6


@given(LOGS)
def test_probabilities_are_probabilities(logs: np.ndarray) -> None:
    """They sum to one, and what weighs most is likeliest."""
    shares = probabilities(logs, 0.3)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    heaviest = logs.argmax(axis=1)
    assert (shares[np.arange(8), heaviest] == shares.max(axis=1)).all()


def test_the_highest_inverse_temperature_overflows_nothing() -> None:
    """However sure a judge is told to be, probabilities are numbers."""
    assert probabilities(np.array([[-900.0, -901.0]]), 1e307).tolist() == [[1.0, 0.0]]


def test_a_verdict_counts() -> None:
    """Accuracy, confusion and calibration of weights that were made by hand."""
    truth = np.array([0, 0, 1, 1] * 25)
    logs = np.where(np.arange(2)[None] == truth[:, None], 0.0, -1.0)
    logs[::4] = logs[::4, ::-1]
    found = verdict("by hand", logs, truth)
    assert found.accuracy == 0.75
    assert found.confusion.tolist() == [[25, 25], [0, 50]]
    assert found.confusion.sum() == 100
    # Where three of four are right, a calibrated judge is as sure as that.
    assert found.inverse_temperature == pytest.approx(math.log(3), abs=1e-3)
    assert found.calibration_error < 0.2
    assert found.log_loss == pytest.approx(0.75 * math.log(4 / 3) + 0.25 * math.log(4), abs=0.05)
    assert found.brier == pytest.approx(0.75 * 2 / 16 + 0.25 * 2 * 9 / 16, abs=0.05)
    assert found.c_at_1 == 0.75


def test_a_text_may_be_left_unanswered() -> None:
    """It counts as much as the share of right answers; no answer at all is worth nothing."""
    truth = np.array([0, 1, 2] * 30)
    sure = np.where(np.arange(3)[None] == truth[:, None], 0.0, -9.0)
    unsure = np.zeros_like(sure)
    logs = np.where(np.arange(90)[:, None] < 45, sure, unsure)
    found = verdict("half", logs, truth)
    assert found.c_at_1 == pytest.approx(0.5 + 0.5 * 0.5)
    assert verdict("none", unsure, truth).c_at_1 == 0


def test_accuracy_goes_by_length() -> None:
    """In groups of equal size, the shortest texts first."""
    truth = np.zeros(40, np.int64)
    lengths = np.arange(40)[::-1]
    logs = np.where((lengths >= 20)[:, None], [[0.0, -1.0]], [[-1.0, 0.0]])
    found = verdict("by length", logs, truth, lengths).by_length
    assert [(one.shortest, one.longest, one.examples) for one in found] == [
        (0, 9, 10), (10, 19, 10), (20, 29, 10), (30, 39, 10),
    ]  # fmt: skip
    assert [one.accuracy for one in found] == [0, 0, 1, 1]


def test_many_texts_at_once(classifier: Checkpoint) -> None:
    """Weights do not depend on how many texts are weighed together, and progress is told."""
    seen: list[tuple[int, int]] = []
    judge = by_both_sides(classifier)
    logs = weigh_all(judge, TEXTS, lambda *done: seen.append(done), step=3)
    np.testing.assert_allclose(logs, judge.weigh(TEXTS), atol=1e-5)
    assert seen == [(3, 4), (4, 4)]


def test_held_out_labels_are_scored_by_example(classifier: Checkpoint, tmp_path: Path) -> None:
    """The trainer's figure is the one that the NumPy engine gives, example by example."""
    lines = "".join(f"{'xyz'[n % 3]}\t{'abcd'[n % 4] * (n % 5 + 1)}\n" for n in range(30))
    text = read_labelled(str(write(tmp_path / "lines.tsv", lines)), 0).train
    network = Classifier(classifier.architecture, V)
    network.assign(classifier.weights)
    score = evaluate(network, text.span(), VOCABULARY, "fp32").json()
    alone = examples(text, 30)
    truth = np.array([label for _, label in alone])
    logs = by_both_sides(classifier).weigh([example for example, _ in alone])
    assert score["examples"] == 30
    assert score["label_accuracy"] == (logs.argmax(axis=1) == truth).mean()
    assert score["label_nats"] == pytest.approx(log_loss(logs, truth), abs=1e-4)


def test_training_sees_an_example_as_judging_does(classifier: Checkpoint, tmp_path: Path) -> None:
    """In a window of examples, each place has the logits that it has if its example is alone."""
    lines = "".join(f"{'xyz'[n % 3]}\t{'abcd'[n % 4] * (n % 5 + 1)}\n" for n in range(12))
    text = read_labelled(str(write(tmp_path / "lines.tsv", lines)), 0).train
    network = Classifier(classifier.architecture, V).eval()
    network.assign(classifier.weights)
    # Two lanes: the second begins within an example.
    lanes = [(0, text.characters), (int(text.marks.starts[5]), text.characters)]  # type: ignore[union-attr]
    (window,) = windows(text.span(), VOCABULARY, lanes, text.characters)
    inputs, targets = (torch.from_numpy(part).long() for part in (window.inputs, window.targets))
    with torch.no_grad():
        left, right, _ = network.read(inputs, targets, network.start(2), window.ages)
        found = network(left, right[:-1]).log_softmax(-1).transpose(0, 1).numpy()
    ids = [VOCABULARY.encode(example) for example, _ in examples(text, 12)]
    alone = ClassifierEngine(classifier.architecture, classifier.weights).forward(ids)
    whole = np.concatenate(alone)
    np.testing.assert_allclose(found[0], whole, atol=1e-4)
    rest = np.concatenate(alone[5:])
    np.testing.assert_allclose(found[1, : len(rest)], rest, atol=1e-4)


def test_a_classifier_is_charged_for_labels_alone(classifier: Checkpoint) -> None:
    """Each place costs the nats of its label; places past a lane's end cost nothing."""
    torch.manual_seed(1)
    network = Classifier(classifier.architecture, V)
    targets = torch.tensor([[0, 1, 2, PAST], [3, PAST, PAST, PAST]])
    inputs = torch.tensor([[V, 0, 1, 2], [V, 3, V, V]])
    labels = torch.tensor([[1, 1, 1, 1], [2, 2, 2, 2]])
    nats, _ = network.cost(Batch(inputs, targets, labels), network.start(2))
    assert float(nats.detach()) == pytest.approx(4 * math.log(3), rel=0.6)
