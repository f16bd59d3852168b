"""Scoring with the network in PyTorch: while it is in training, and of long texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from chargen.checkpoint import Checkpoint
from chargen.engine.likelihood import log_softmax
from chargen.kinds import load
from chargen.networks.base import Batch, State, Trainable, charged
from chargen.networks.bidirectional import Classifier, GapFiller
from chargen.networks.causal import Causal
from chargen.networks.tagger import Marker, Tagger
from chargen.networks.transducer import Transducer
from chargen.ranks import ALONE, Ranks
from chargen.tasks import pair_quality, span_quality, tagging
from chargen.tasks.classifying import LONGEST_READ, batches
from chargen.tasks.mending import Mender, MendScore
from chargen.tasks.pair_quality import PairScore
from chargen.tasks.scoring import SHORTEST_LANE, GapScore, LabelScore, Score, score
from chargen.tasks.span_quality import SpanScore
from chargen.tasks.translating import translator
from chargen.text.corpus import Span, read_all
from chargen.text.pairs import Pairs
from chargen.text.tagged import TaggedTexts
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST, Window
from chargen.training.devices import autocast, keep_freed_memory, pick_precision
from chargen.training.powers import Sample, best_powers
from chargen.training.texts import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]

Scored = Score | LabelScore | PairScore | SpanScore | MendScore

GAP_LANES = 16
GAP_WINDOW = 1024
"""A bidirectional network sees to the end of its window: few lanes, and long windows."""


def charge(logits: Tensor, targets: Tensor) -> tuple[Floats, Bools]:
    """Return nats and hits (B, T) of targets (B, T) under logits (B, T, V)."""
    nats, likeliest = charged(logits, targets.clamp(0, logits.shape[-1] - 1))
    return nats.cpu().numpy(), (likeliest == targets).cpu().numpy()


class CausalPredictor:
    """Scores with a network that predicts each next character; a `chargen.tasks.scoring.Predictor`.

    Args:
        label: for a network with labels, that of a text without marks.
        sample: filled on the way, where contexts were counted.
    """

    def __init__(self, network: Causal, label: int = 0, sample: Sample | None = None) -> None:
        self.network = network
        self.label = label
        self.sample = sample

    def start(self, batch: int) -> State:
        """Return the state before any character."""
        return self.network.start(batch)

    def charge(self, window: Window, state: State) -> tuple[Floats, Bools, State]:
        """Return nats and hits (B, T), and the state."""
        nats, hits, after = self.network.charge(self.batch(window), state, self.sample)
        return nats.cpu().numpy(), hits.cpu().numpy(), after

    def batch(self, window: Window) -> Batch:
        """Return a window where the network is, with a label if the text has none."""
        batch: Batch = self.network.placed(window)
        if batch.labels is not None:
            return batch
        return replace(batch, labels=torch.full_like(batch.inputs[:, :1], self.label))


class Reader:
    """The network in PyTorch as a `chargen.engine.language_model.LanguageModel`, for long texts."""

    def __init__(self, saved: Checkpoint, label: int) -> None:
        keep_freed_memory()
        self.network = Causal(saved.architecture, len(saved.vocabulary)).eval()
        self.network.assign(saved.weights)
        self.label = label
        self.precision = pick_precision("auto", torch.device("cpu"))

    @property
    def bos(self) -> int:
        """V, the id that stands for "no character"."""
        return self.network.characters

    def start(self, batch: int) -> Any:
        """Return the state of ``batch`` texts that have not begun."""
        return self.network.start(batch)

    def forward(self, ids: Ids, state: Any) -> tuple[Floats, Any]:
        """Return logits (B, T, V) for the character after each of ``ids`` (B, T), and the state."""
        labels = torch.full((len(ids), 1), self.label)
        with torch.no_grad(), autocast(torch.device("cpu"), self.precision):
            logits, after = self.network(torch.from_numpy(ids), state, labels)
        return logits.float().numpy(), after


class GapPredictor:
    """Scores each character as a gap of one, between all before it and the rest of the window."""

    def __init__(self, network: GapFiller) -> None:
        self.network = network

    def start(self, batch: int) -> State:
        """Return the state before any character."""
        return self.network.start(batch)

    def charge(self, window: Window, state: State) -> tuple[Floats, Bools, State]:
        """Return nats and hits (B, T), and the state."""
        inputs = self.network.moved(window.inputs).long()
        targets = self.network.moved(window.targets).long()
        left, right, state = self.network.read(inputs, targets, state)
        one = torch.ones(len(left), 1, dtype=torch.long, device=left.device)
        logits = self.network(left, right[1:], one).transpose(0, 1)
        return *charge(logits, targets), state


def score_causal(
    network: Causal, span: Span, vocabulary: Vocabulary, most: int | None, ranks: Ranks
) -> Score:
    """Score a text by a network that predicts each next character.

    Note which powers of what was counted would have been best.
    """
    sample = Sample(network.characters, min(len(span), most or len(span)) // ranks.size)
    predictor = CausalPredictor(network, sample=sample)
    found = score(predictor, span, vocabulary, most=most, ranks=ranks)
    if network.ngrams is not None:
        network.fitted = best_powers(sample, network.ngrams.powers, ranks)
    return found


def score_gaps(
    network: GapFiller, span: Span, vocabulary: Vocabulary, most: int | None, ranks: Ranks
) -> GapScore:
    """Score a text by a network that fills gaps."""
    lanes = max(1, min(GAP_LANES, min(most or len(span), len(span)) // SHORTEST_LANE))
    plain = score(
        GapPredictor(network),
        span,
        vocabulary,
        most=most,
        lanes=lanes,
        window=GAP_WINDOW,
        ranks=ranks,
    )
    return GapScore(**vars(plain))


def score_labels(
    network: Classifier, span: Span, vocabulary: Vocabulary, most: int | None, ranks: Ranks
) -> LabelScore:
    """Score the examples of a labelled text, each alone, by the mean over its places."""
    marks = span.marks
    assert marks is not None
    bounds = np.append(marks.starts, span.text.characters)
    (first, last), *_ = span.ranges
    whole = np.flatnonzero((bounds[:-1] >= first) & (bounds[1:] <= last))
    share = 1.0 if most is None else min(1.0, most / len(span))
    wanted = max(1, round(share * len(whole)))
    chosen = whole[np.arange(wanted) * len(whole) // wanted][ranks.share(wanted)]
    ends = np.minimum(bounds[chosen + 1], bounds[chosen] + LONGEST_READ)
    examples = [
        vocabulary.lookup(np.concatenate(list(span.text.blocks(start, end))))
        for start, end in zip(bounds[chosen].tolist(), ends.tolist(), strict=True)
    ]
    means = np.empty((len(examples), network.architecture.labels))
    for rows in batches(examples):
        for row, logs in zip(rows, _told(network, [examples[row] for row in rows]), strict=True):
            means[row] = logs.mean(axis=0)
    truth = marks.labels[chosen]
    nats = -log_softmax(means)[np.arange(len(truth)), truth].sum()
    hits = (means.argmax(axis=1) == truth).sum()
    hits, nats = ranks.summed(np.array([hits, nats], dtype=np.float64)).tolist()
    return LabelScore(wanted, int(hits), nats)


def score_pairs(
    network: Transducer, span: Span, vocabulary: Vocabulary, most: int | None, ranks: Ranks
) -> PairScore:
    """Translate held-out sources without a beam, by the network's twin in NumPy."""
    assert vocabulary.symbols is not None
    pairs = Pairs(span, vocabulary.symbols.form)
    wanted = _share(len(pairs), span, most)
    saved = Checkpoint(network.architecture, vocabulary, network.arrays())
    return pair_quality.score_pairs(
        translator([("", saved)]), pairs.read(0, wanted), beam=1, ranks=ranks
    )


def score_tags(
    network: Tagger, span: Span, vocabulary: Vocabulary, most: int | None, ranks: Ranks
) -> SpanScore:
    """Find the spans of held-out texts, by the network's twin in NumPy."""
    examples = TaggedTexts(span)
    saved = Checkpoint(network.architecture, vocabulary, network.arrays())
    read = examples.read(0, _share(len(examples), span, most))
    return span_quality.score_spans(tagging.Tagger("", saved), read, ranks=ranks)


def score_mending(
    network: Marker, span: Span, vocabulary: Vocabulary, most: int | None, ranks: Ranks
) -> MendScore:
    """Damage held-out text and mend it, by the network's twin in NumPy."""
    saved = Checkpoint(network.architecture, vocabulary, network.arrays())
    right = read_all(span.blocks(0, min(len(span), most or len(span))))
    return Mender("", saved).score(right, ranks=ranks)


def _share(examples: int, span: Span, most: int | None) -> int:
    """Return how many examples have about ``most`` characters; at least one."""
    share = 1.0 if most is None else min(1.0, most / len(span))
    return max(1, round(share * examples))


def _told(network: Classifier, texts: Sequence[Ids]) -> Iterator[Floats]:
    """Yield the log-probabilities (T, labels) at the places of each text, read alone."""
    targets = np.full((len(texts), max(map(len, texts))), PAST, dtype=np.int32)
    for row, text in zip(targets, texts, strict=True):
        row[: len(text)] = text
    inputs = np.roll(targets, 1, axis=1)
    inputs[:, 0] = PAST
    inputs = np.where(inputs == PAST, network.characters, inputs)
    ages = np.broadcast_to(np.arange(targets.shape[1], dtype=np.int32), targets.shape)
    left, right, _ = network.read(
        network.moved(inputs).long(),
        network.moved(targets).long(),
        network.start(len(texts)),
        np.ascontiguousarray(ages),
    )
    logs = network(left, right[:-1]).float().log_softmax(-1).transpose(0, 1).cpu().numpy()
    for text, told in zip(texts, logs, strict=True):
        yield told[: len(text)]


def evaluate(
    network: Trainable,
    span: Span,
    vocabulary: Vocabulary,
    precision: str,
    most: int | None = None,
    ranks: Ranks = ALONE,
) -> Scored:
    """Score a text by the measure of the network's kind; do not change weights or state.

    Args:
        most: about how many of its characters to score, all over the text; None for all.
        ranks: that divide the work among them; each gets the whole score.
    """
    network.eval()
    device = network.output.bias.device
    with torch.no_grad(), autocast(device, precision):
        scored: Scored = load(network.architecture.kind.evaluate)(
            network, span, vocabulary, most, ranks
        )
    return scored


def score_long(
    saved: Checkpoint,
    span: Span,
    label: int = 0,
    progress: Progress | None = None,
) -> Score:
    """Score a text that is long enough to be worth importing PyTorch for, on the CPU."""
    keep_freed_memory()
    network = Causal(saved.architecture, len(saved.vocabulary)).eval()
    network.assign(saved.weights)
    device = torch.device("cpu")
    with torch.no_grad(), autocast(device, pick_precision("auto", device)):
        return score(CausalPredictor(network, label), span, saved.vocabulary, progress=progress)
