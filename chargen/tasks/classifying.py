r"""Which label does this text have? Three judges.

- By likelihood: a model for each label, or one that is told the label, and Bayes' rule with equal
  priors, P(label | text) ∝ P(text | label).
- By a bidirectional network that was trained to tell (`chargen.networks.bidirectional.Classifier`).
- By counting n-grams (`chargen.tasks.ngrams`), the baseline.

Each gives logarithms of weights; `chargen.tasks.calibration` turns them into probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal
from chargen.engine.classifier import Classifier
from chargen.engine.language_model import LanguageModel
from chargen.engine.likelihood import character_nats, expected_nats, with_escape
from chargen.errors import CorpusError
from chargen.tasks.ngrams import NGrams
from chargen.text.corpus import Text
from chargen.text.labelled import as_text
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]
    Doubles = NDArray[np.float64]

BATCH = 64
TOGETHER = 1 << 14
"""The most texts, and the most characters (padding included), that are read side by side."""

LONGEST_READ = 10_000
"""The most characters of a text that are read to tell its label."""


class Judge(Protocol):
    """A way to tell labels apart."""

    names: tuple[str, ...]

    def weigh(self, texts: Sequence[str]) -> Doubles:
        """Return the logarithm of a weight (N, K) for each text and label."""


def by_likelihood(saved: Checkpoint) -> Judge:
    """Return a judge made of a model that reads the label with the text."""
    members = [
        (Causal(saved.architecture, saved.weights, label), saved.vocabulary)
        for label in range(len(saved.labels))
    ]
    return Likelihood(saved.labels, members)


def by_both_sides(saved: Checkpoint) -> Judge:
    """Return the judge that a bidirectional network with labels makes."""
    classifier = Classifier(saved.architecture, saved.weights)
    return BothSides(saved.labels, classifier, saved.vocabulary)


def batches(texts: Sequence[Ids]) -> list[list[int]]:
    """Group the indices of texts of similar length; each group is small enough for memory."""
    together: list[list[int]] = []
    for index in sorted(range(len(texts)), key=lambda index: len(texts[index])):
        # The longest comes last.
        room = min(BATCH, TOGETHER // max(1, len(texts[index])))
        if not together or len(together[-1]) >= room:
            together.append([])
        together[-1].append(index)
    return together


class Likelihood:
    """Language models, one for each label."""

    def __init__(
        self, names: Sequence[str], members: Sequence[tuple[LanguageModel, Vocabulary]]
    ) -> None:
        self.names = tuple(names)
        self.members = members

    def weigh(self, texts: Sequence[str]) -> Doubles:
        """Return log P(text | label), characters that a model does not know included."""
        logs = np.zeros((len(texts), len(self.names)))
        for label, (model, vocabulary) in enumerate(self.members):
            ids = [vocabulary.encode(text) for text in texts]
            for rows in batches(ids):
                given = [np.empty(0, np.int32)] * len(rows)
                charged = [ids[row] for row in rows]
                nats = character_nats(model, given, charged)
                logs[rows, label] = [
                    -with_escape(vocabulary, one, costs).sum()
                    for one, costs in zip(charged, nats, strict=True)
                ]
        return logs

    def characters(
        self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> list[Doubles]:
        """Return for each text and label what `expected_nats` says of its characters (K, T, 3).

        Here, characters that a model does not know have their nats.
        """
        found: list[list[Doubles]] = [[] for _ in texts]
        for label, (model, vocabulary) in enumerate(self.members):
            ids = [vocabulary.encode(text) for text in texts]
            parts: dict[int, Doubles] = {}
            for rows in batches(ids):
                charged = [ids[row] for row in rows]
                for row, one, figures in zip(
                    rows, charged, expected_nats(model, charged), strict=True
                ):
                    figures[:, 0] = with_escape(vocabulary, one, figures[:, 0])
                    parts[row] = figures
            for row, figures in parts.items():
                found[row].append(figures)
            if progress is not None:
                progress(label + 1, len(self.members))
        return [np.stack(one) for one in found]


class BothSides:
    """A bidirectional network that tells the label at each place."""

    def __init__(self, names: Sequence[str], model: Classifier, vocabulary: Vocabulary) -> None:
        self.names = tuple(names)
        self.model = model
        self.vocabulary = vocabulary

    def weigh(self, texts: Sequence[str]) -> Doubles:
        """Return the mean over a text's places of each label's log-probability."""
        ids = [self.vocabulary.encode(text) for text in texts]
        logs = np.zeros((len(texts), len(self.names)))
        for rows in batches(ids):
            for row, told in zip(rows, self.model.forward([ids[row] for row in rows]), strict=True):
                logs[row] = told.mean(axis=0)
        return logs


class Counting:
    """N-grams of each label's texts.

    Args:
        examples: pairs of a text and its label's index among ``names``.
    """

    def __init__(self, names: Sequence[str], examples: Sequence[tuple[str, int]]) -> None:
        self.names = tuple(names)
        self.models = [NGrams() for _ in names]
        for text, label in examples:
            self.models[label].learn(text)

    def weigh(self, texts: Sequence[str]) -> Doubles:
        """Return log P(text | label)."""
        return np.array([[-model.nats(text) for model in self.models] for text in texts])


def to_tell(source: str, text: Text, lines: bool) -> list[tuple[str, str]]:
    """Return the texts to classify, each with a name: a text's beginning, or each of its lines.

    Raises:
        CorpusError: there is nothing on any line.
    """
    if not lines:
        return [(source, as_text(text, 0, min(LONGEST_READ, text.characters)))]
    found = [
        (f"{source}:{number}", line.removesuffix("\r")[:LONGEST_READ] + "\n")
        for number, line in enumerate(as_text(text, 0, text.characters).split("\n"), 1)
        if line.strip()
    ]
    if not found:
        raise CorpusError(f"{source} has empty lines only", "Give lines with a text on them")
    return found


def weigh_all(
    judge: Judge,
    texts: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
    step: int = 4 * BATCH,
) -> Doubles:
    """Return a judge's weights for many texts, a few at a time."""
    parts = []
    for at in range(0, len(texts), step):
        parts.append(judge.weigh(texts[at : at + step]))
        if progress is not None:
            progress(min(at + step, len(texts)), len(texts))
    return np.concatenate(parts)
