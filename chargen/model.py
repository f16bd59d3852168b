"""A trained model, to use from Python: load it, let it write, ask how well it predicts."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from chargen import checkpoint, kinds, runs
from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal
from chargen.errors import KindError, UsageError, argument
from chargen.tasks import quality, restoring, sampling, scoring
from chargen.tasks.beam import Reader
from chargen.tasks.classifying import Judge, Likelihood
from chargen.tasks.each import Each, score_each
from chargen.tasks.quality import Quality
from chargen.tasks.restoring import Restoration
from chargen.tasks.sampling import Sample, Sampling
from chargen.tasks.scoring import ModelPredictor, Score
from chargen.text.corpus import Span, Text, open_text
from chargen.text.examples import ENDS, named_items
from chargen.text.sources import Source, spool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]


LONG = 200_000
"""For a text of at least this many characters, PyTorch saves more time than its import takes."""


class Model:
    """A checkpoint together with the engine that runs it; needs PyTorch for long texts only.

    Attributes:
        path: the file.
        checkpoint: what it says.
    """

    def __init__(self, path: Path, saved: Checkpoint) -> None:
        self.path = path
        self.checkpoint = saved

    @property
    def name(self) -> str:
        """The name of its run, or of its file."""
        return runs.label(self.path)

    @property
    def as_bytes(self) -> bool:
        """Whether the model reads and writes bytes, not characters."""
        return self.checkpoint.vocabulary.as_bytes

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its texts, if they have any."""
        return self.checkpoint.labels

    @cached_property
    def engine(self) -> Causal:
        """The network of a model without labels, made ready on first use."""
        return self.engine_for(None)

    def engine_for(self, label: str | None) -> Causal:
        """Return the network that continues texts of one label; None where there are no labels.

        Raises:
            KindError: see `require_causal`.
            UsageError: see `label_id`.
        """
        self.require_causal()
        number = self.label_id(label)
        return Causal(self.checkpoint.architecture, self.checkpoint.weights, number)

    def label_id(self, label: str | None) -> int | None:
        """Return a label's id, or None if no label is given.

        Raises:
            UsageError: the model has labels and this is not one of them, or the model has no labels
                and one is given.
        """
        known = ", ".join(self.labels[:12]) + (", …" if len(self.labels) > 12 else "")
        if label is None and not self.labels:
            return None
        if not self.labels:
            raise UsageError(f"{self.name} has no labels", f"Leave {argument('label')} out")
        if label is None:
            raise UsageError(
                f"{self.name} has labels: {known}", f"Name one of them by {argument('label')}"
            )
        if label not in self.labels:
            raise UsageError(f"{self.name} has no label {label!r}", f"Its labels are: {known}")
        return self.labels.index(label)

    def require_causal(self) -> None:
        """Make sure that the model reads from left to right, and can continue and score texts.

        Raises:
            KindError: it is bidirectional.
        """
        kind = self.checkpoint.architecture.kind
        if not kind.continues:
            raise KindError(
                f"{self.name} sees both sides of a text and can neither continue nor score one",
                f"Use `chargen {kind.command}` with it, or a model trained without "
                f"{argument('bidirectional')}",
            )

    continues = require_causal
    """The earlier name."""

    @cached_property
    def reader(self) -> Reader:
        """What fills gaps, made ready on first use.

        Raises:
            KindError: the model has labels.
        """
        kind = self.checkpoint.architecture.kind
        if self.labels or kind.reader is None:
            raise KindError(
                f"{self.name} was trained with labels and cannot restore",
                f"Use a model that was trained without {argument('labels')}",
            )
        made: Reader = kinds.load(kind.reader)(self.checkpoint)
        return made

    def samples(
        self,
        wanted: Sampling,
        prime: Ids | None = None,
        write: Callable[[bytes], None] | None = None,
        label: str | None = None,
    ) -> Iterator[Sample]:
        """Write texts, and yield them as they are done.

        Args:
            prime: ids to go on from, as from `prime`.
            write: called with the first sample's bytes as they are drawn.
            label: the label of the text to write, for a model with labels.
        """
        engine = self.engine if label is None else self.engine_for(label)
        wanted = replace(wanted, end=self.checkpoint.end)
        return sampling.sample(engine, self.checkpoint.vocabulary, wanted, prime, write)

    def prime(self, text: str, unknown: str = "error") -> Ids:
        """Return the ids of a text that the model is to continue.

        Args:
            unknown: for a character that the model does not know: ``error``, ``skip``, ``replace``.

        Raises:
            PrimeError: there are such characters.
        """
        return sampling.prepare_prime(text, self.checkpoint.vocabulary, unknown)

    def sample(
        self,
        length: int = 1000,
        *,
        temp: float = 1.0,
        prime: str = "",
        seed: int = 0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        stop: str | None = None,
        label: str | None = None,
    ) -> str:
        """Return one text of ``length`` characters, without the prime."""
        wanted = Sampling(length, temp, top_k, top_p, min_p, stop, seed)
        return next(self.samples(wanted, self.prime(prime), label=label)).text

    def restore(
        self,
        damaged: str,
        count: int = 1,
        *,
        beam: int = restoring.BEAM,
        gap: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Restoration]:
        """Return the ``count`` likeliest ways to fill a text's gaps, the likeliest first.

        Args:
            damaged: the text, with [...] for a gap, [?] for one character, [5] for five.
            beam: hypotheses followed side by side.
            gap: another mark for a gap of unknown length; then brackets are part of the text.
            progress: called with pieces done and pieces in all.

        Raises:
            UsageError: no gap is marked, or one is too long.
        """
        pieces = restoring.parse(damaged, gap)
        vocabulary = self.checkpoint.vocabulary
        return restoring.restore(self.reader, vocabulary, pieces, count, beam, progress)

    def judge(
        self,
        span: Span,
        *,
        gaps: int = 300,
        seed: int = 0,
        unknown: bool = False,
        beam: int = restoring.BEAM,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Quality]:
        """Make gaps in a text and return how well they are filled (`chargen.tasks.quality`)."""
        return quality.restoration_quality(
            self.reader,
            self.checkpoint.vocabulary,
            span,
            gaps=gaps,
            seed=seed,
            unknown=unknown,
            beam=beam,
            progress=progress,
        )

    def score(
        self,
        text: Text,
        *,
        exact: bool = False,
        label: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Score:
        """Score an opened text; ``exact`` makes one pass instead of lanes with burn-in.

        The text is scored as it runs, by a model of lines or documents too; see `score_each`.

        Raises:
            KindError: see `require_causal`.
            UsageError: see `label_id`.
        """
        self.require_causal()
        number = self.label_id(label)
        span, vocabulary = text.span(), self.checkpoint.vocabulary
        if not exact and len(span) >= LONG:
            from chargen.training.evaluate import score_long

            return score_long(self.checkpoint, span, number or 0, progress)
        predictor = ModelPredictor(self.engine if label is None else self.engine_for(label))
        lanes = 1 if exact else None
        return scoring.score(predictor, span, vocabulary, lanes=lanes, progress=progress)

    def score_each(
        self,
        texts: Sequence[Text],
        items: str,
        label: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Each]:
        """Score lines or documents, each alone, from its beginning to its end mark.

        A model that was not trained on such items knows no end mark of documents; then it is not
        scored.

        Args:
            items: ``lines`` or ``documents``.

        Raises:
            KindError: see `require_causal`.
            UsageError: see `label_id`.
        """
        self.require_causal()
        vocabulary = self.checkpoint.vocabulary
        end = ENDS[items] if ENDS[items] in vocabulary.characters else ""
        named = [
            (name, text.removesuffix(end) + end)
            for each in texts
            for name, text in named_items(each, items)
        ]
        return score_each(self.engine_for(label), vocabulary, named, progress)

    def perplexity(
        self,
        path: str | Path | None = None,
        *,
        text: str | None = None,
        exact: bool = False,
        label: str | None = None,
    ) -> Score:
        """Score a file or folder, or a ``text`` given as it is.

        Raises:
            CorpusError: the file cannot be read, or there is nothing in it.
            TypeError: neither is given, or both.
        """
        source: Source
        if path is not None and text is None:
            source = path
        elif text is not None and path is None:
            source = spool("the text given", io.BytesIO(text.encode()), as_bytes=self.as_bytes)
        else:
            raise TypeError("give a path, or text=...")
        return self.score(open_text([source], as_bytes=self.as_bytes), exact=exact, label=label)

    def __repr__(self) -> str:
        return f"<chargen model {self.name}: {self.checkpoint.architecture}>"


def judge_of(models: Sequence[Model]) -> tuple[Judge, float]:
    """Return a judge of labels, made of one model with labels or of one model for each label.

    Returns:
        The judge, and the inverse temperature by which to multiply its logarithms.

    Raises:
        KindError: the only model has no labels, or one of several models has some.
        UsageError: two models have the same name.
    """
    if len(models) == 1:
        (model,) = models
        kind = model.checkpoint.architecture.kind
        if not model.labels or kind.judge is None:
            raise KindError(
                f"{model.name} has no labels to tell apart",
                f"Give one model for each label, or one trained with {argument('labels')}",
            )
        fitted = model.checkpoint.figures.get("sharpness")
        if not isinstance(fitted, float) or not 0 <= fitted < math.inf:
            fitted = 1.0
        return kinds.load(kind.judge)(model.checkpoint), fitted
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        raise UsageError("two of the models have one name", "Name the model of each label once")
    for model in models:
        if model.labels:
            raise KindError(f"{model.name} has labels of its own", "Give it alone")
    members = [(model.engine, model.checkpoint.vocabulary) for model in models]
    return Likelihood(names, members), 1.0


def load(model: str | Path | None = None, out: str | Path | None = None) -> Model:
    """Load a model by path or by the name of its run in ``out``; the newest run if not named.

    Args:
        out: the folder of runs; ``CHARGEN_CHECKPOINTS``, or ``checkpoints``, if not given.

    Raises:
        CheckpointError: there is no such model, or its file is not sound.
    """
    folder = runs.default_out() if out is None else Path(out)
    path = runs.find(None if model is None else str(model), folder)
    return Model(path, checkpoint.read(path))
