r"""Which kind of text is this? Three ways to tell, and how well each does.

- By likelihood: a model for each kind, or one that is told the kind, and Bayes' rule with equal
  priors, P(kind | text) ∝ P(text | kind).
- By a bidirectional network that was trained to tell (`chargen.networks.bidirectional.Classifier`).
- By counting n-grams (`chargen.tasks.ngrams`), the baseline.

Each gives logarithms of weights, which are too sure of themselves: a network charges the characters
of a text one by one, but their evidence is not independent. So they are multiplied by one number,
the sharpness, which is fitted to examples that were held out (temperature scaling; Guo et al. 2017,
arXiv:1706.04599).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from chargen.checkpoint import Checkpoint
from chargen.engine.stack import Engine, Tower
from chargen.errors import CorpusError
from chargen.options import MOST, check
from chargen.tasks.ngrams import ORDER, NGrams
from chargen.tasks.restoring import READ, along, log_softmax
from chargen.text.corpus import Text
from chargen.text.labelled import Labelled, as_text, examples
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]
    Doubles = NDArray[np.float64]

BATCH = 64
TOGETHER = 1 << 14
"""Texts, and characters with the filling of the shorter ones, that are read side by side."""

BINS = 10
MOST_CHARACTERS = 10_000
"""Of a text, so many are read to tell what it is."""

SHARPEST = 64.0


class Judge(Protocol):
    """A way to tell kinds of text apart."""

    names: tuple[str, ...]

    def weigh(self, texts: Sequence[str]) -> Doubles:
        """Return the logarithm of a weight (N, K) for each text and kind."""


def judge_of(saved: Checkpoint) -> Judge:
    """Return the way that a model with labels tells them."""
    if saved.architecture.classifies:
        return Sides(saved)
    members = [
        (Engine(saved.architecture, saved.weights, label), saved.vocabulary)
        for label in range(len(saved.labels))
    ]
    return Likelihood(saved.labels, members)


def batches(texts: Sequence[Ids]) -> list[list[int]]:
    """Return places of texts of similar length, so many together that memory stays bounded."""
    together: list[list[int]] = []
    for place in sorted(range(len(texts)), key=lambda place: len(texts[place])):
        # The longest comes last.
        room = min(BATCH, TOGETHER // max(1, len(texts[place])))
        if not together or len(together[-1]) >= room:
            together.append([])
        together[-1].append(place)
    return together


class Likelihood:
    """Models that read from left to right, one for each kind or one that is told the kind."""

    def __init__(self, names: Sequence[str], members: Sequence[tuple[Engine, Vocabulary]]) -> None:
        self.names = tuple(names)
        self.members = members

    def weigh(self, texts: Sequence[str]) -> Doubles:
        """Return log P(text | kind): what it costs each kind, and its strange characters."""
        logs = np.zeros((len(texts), len(self.names)))
        for kind, (engine, vocabulary) in enumerate(self.members):
            ids = [vocabulary.encode(text) for text in texts]
            for rows in batches(ids):
                given = [np.empty(0, np.int32)] * len(rows)
                charged = [ids[row] for row in rows]
                nats = along(engine, engine.read_out, engine.none, given, charged)
                strange = np.array([(one == vocabulary.none).sum() for one in charged])
                known = np.array([len(one) for one in charged]) - strange
                nats += known * vocabulary.known_nats
                if strange.any():
                    nats += strange * vocabulary.unknown_nats
                logs[rows, kind] = -nats
        return logs


class Sides:
    """A bidirectional network that tells the label at each place; from its equations."""

    def __init__(self, saved: Checkpoint) -> None:
        self.names = saved.labels
        self.vocabulary = saved.vocabulary
        self.left = Tower(saved.architecture, saved.weights)
        self.mirror = Tower(saved.architecture, saved.weights, "mirror")
        self.weights = saved.weights

    def weigh(self, texts: Sequence[str]) -> Doubles:
        """Return the mean over a text's places of the logarithm of each label's probability."""
        ids = [self.vocabulary.encode(text) for text in texts]
        logs = np.zeros((len(texts), len(self.names)))
        for rows in batches(ids):
            left = self._read(self.left, [ids[row] for row in rows])
            right = self._read(self.mirror, [ids[row][::-1] for row in rows])
            for row, h, g in zip(rows, left, right, strict=True):
                size = len(ids[row])
                both = np.tanh(
                    h[:size] @ self.weights["left.weight"].T
                    + g[size:0:-1] @ self.weights["right.weight"].T
                )
                given = log_softmax(
                    both @ self.weights["output.weight"].T + self.weights["output.bias"]
                )
                logs[row] = given.mean(axis=0)
        return logs

    def _read(self, tower: Tower, texts: Sequence[Ids]) -> NDArray[np.float32]:
        rows = np.full((len(texts), 1 + max(map(len, texts))), self.vocabulary.none, dtype=np.int32)
        for row, text in enumerate(texts):
            rows[row, 1 : 1 + len(text)] = text
        parts, state = [], tower.start(len(rows))
        for at in range(0, rows.shape[1], READ):
            read, state = tower.climb(rows[:, at : at + READ], state)
            parts.append(read)
        return np.concatenate(parts, axis=1)


class Counting:
    """N-grams of each kind.

    Args:
        examples: pairs of a text and its kind's place among ``names``.
    """

    def __init__(self, names: Sequence[str], examples: Sequence[tuple[str, int]]) -> None:
        self.names = tuple(names)
        self.models = [NGrams() for _ in names]
        for text, kind in examples:
            self.models[kind].learn(text)

    def weigh(self, texts: Sequence[str]) -> Doubles:
        """Return log P(text | kind)."""
        return np.array([[-model.nats(text) for model in self.models] for text in texts])


def probabilities(logs: Doubles, sharpness: float = 1.0) -> Doubles:
    """Return the probability (N, K) of each kind."""
    shifted = sharpness * (logs - logs.max(axis=-1, keepdims=True))
    weights = np.exp(shifted)
    shares: Doubles = weights / weights.sum(axis=-1, keepdims=True)
    return shares


def log_loss(logs: Doubles, truth: NDArray[np.integer[Any]], sharpness: float = 1.0) -> float:
    """Return the mean nats that the true kinds cost."""
    # From logarithms, not from probabilities: one that is nought as a number still has a cost.
    scaled = sharpness * (logs - logs.max(axis=1, keepdims=True))
    own = scaled[np.arange(len(truth)), truth]
    return float((np.log(np.exp(scaled).sum(axis=1)) - own).mean())


def sharpen(logs: Doubles, truth: NDArray[np.integer[Any]]) -> float:
    """Return the sharpness at which the true kinds cost least.

    The cost is convex in it, so that halving where it rises finds the lowest.
    """
    low, high = 0.0, SHARPEST
    for _ in range(60):
        one, other = low + (high - low) / 3, high - (high - low) / 3
        if log_loss(logs, truth, one) <= log_loss(logs, truth, other):
            high = other
        else:
            low = one
    return (low + high) / 2


@dataclass(frozen=True)
class Verdict:
    """How well one way told the kinds of held-out texts.

    Attributes:
        name: of the way.
        accuracy: share of texts whose likeliest kind was the right one.
        log_loss: mean nats of the right kind; the sharpness fitted on the other half of the texts.
        calibration_error: mean distance of what was claimed from what came true, over ten equal
            ranges of the probability of the likeliest kind.
        sharpness: that fits all the texts.
        confusion: (K, K), texts of each kind (rows) that were taken for each kind (columns).
    """

    name: str
    accuracy: float
    log_loss: float
    calibration_error: float
    sharpness: float
    confusion: NDArray[np.int64]

    def json(self) -> dict[str, Any]:
        """Return the figures under their names."""
        return vars(self) | {"confusion": self.confusion.tolist()}


def verdict(name: str, logs: Doubles, truth: NDArray[np.integer[Any]]) -> Verdict:
    """Judge a way by its weights (N, K) for texts of known kinds (N,)."""
    kinds = logs.shape[1]
    shares = np.empty_like(logs)
    halves = np.random.default_rng(0).permutation(len(truth)) % 2
    for half in (0, 1):
        mine = halves == half
        others = ~mine if (~mine).any() else mine
        shares[mine] = probabilities(logs[mine], sharpen(logs[others], truth[others]))
    chosen = logs.argmax(axis=1)
    right = chosen == truth
    claimed = shares.max(axis=1)
    bins = np.minimum((claimed * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, claimed - right, minlength=BINS)
    confusion = np.zeros((kinds, kinds), dtype=np.int64)
    np.add.at(confusion, (truth, chosen), 1)
    true = np.maximum(shares[np.arange(len(truth)), truth], np.finfo(np.float64).tiny)
    return Verdict(
        name,
        float(right.mean()),
        float(-np.log(true).mean() + 0.0),
        float(np.abs(gaps).sum() / len(truth)),
        sharpen(logs, truth),
        confusion,
    )


def evaluate(
    name: str,
    judge: Judge,
    labelled: Labelled,
    most: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Verdict]:
    """Judge a way by held-out examples, beside n-grams that learn all the others.

    Args:
        name: of the way.
        most: examples, at most.

    Raises:
        CorpusError: the labels are not the judge's, or nothing is held out.
        UsageError: a number that cannot work.
    """
    check("--examples", most, 1, MOST)
    if set(labelled.names) != set(judge.names):
        raise CorpusError(
            f"the text has other labels than {name}: {', '.join(labelled.names[:8])}",
            f"Use the model's: {', '.join(judge.names[:8])}",
        )
    if labelled.valid is None:
        raise CorpusError("the text has too few examples to hold any out", "Give more")
    place = [judge.names.index(label) for label in labelled.names]
    learned = [(text, place[label]) for text, label in examples(labelled.train, sys.maxsize)]
    held_out = examples(labelled.valid, most)
    texts = [text[:MOST_CHARACTERS] for text, _ in held_out]
    truth = np.array([place[label] for _, label in held_out])
    counting = Counting(judge.names, learned)
    ways: list[tuple[str, Judge]] = [(name, judge), (f"{ORDER}-grams", counting)]
    return [verdict(way, weigh_all(one, texts, progress), truth) for way, one in ways]


def to_tell(source: str, text: Text, lines: bool) -> list[tuple[str, str]]:
    """Return what is to be told apart in a text, its beginning or its lines, each with a name.

    Raises:
        CorpusError: there is nothing on any line.
    """
    if not lines:
        return [(source, as_text(text, 0, min(MOST_CHARACTERS, text.characters)))]
    found = [
        (f"{source}:{number}", line.removesuffix("\r")[:MOST_CHARACTERS] + "\n")
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
