"""A model that was read from a file, and what texts cost it, character by character."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from chargen.engine.language_model import LanguageModel
from chargen.engine.likelihood import character_nats, with_escape
from chargen.errors import KindError, argument
from chargen.loaded import Loaded
from chargen.tasks import comparing, compressing, each, scoring
from chargen.tasks import surprise as surprising
from chargen.tasks.comparing import Memory
from chargen.tasks.compressing import Coder
from chargen.tasks.each import Each
from chargen.tasks.scoring import ModelPredictor, Score
from chargen.tasks.surprise import Surprise
from chargen.text.corpus import Text, open_text
from chargen.text.sources import spool

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONG = 200_000
"""`Measured.surprises` reads texts of at least so many characters in all with PyTorch."""

WORTH, BESIDE = 9e10, 280_000
"""PyTorch saves more time than its import takes if a text needs at least `WORTH` products. A
character needs one for each weight; NumPy's other work for it takes as long as `BESIDE` more."""


class Measured(Loaded):
    """A checkpoint that measures texts; needs PyTorch for long texts only."""

    def nats(self, text: str, *, label: str | None = None) -> NDArray[np.float64]:
        """Return what each character of a text costs, after all those before it.

        Returns:
            (T,) nats, in float64, with what unknown characters are charged; T is the number of
            characters (of bytes, for a model of bytes). Their sum is that of `perplexity`.

        Raises:
            KindError, UsageError: see `require_causal` and `label_id`.
        """
        vocabulary, engine = self.checkpoint.vocabulary, self.engine_for(label)
        ids = vocabulary.encode(text)
        costs = character_nats(engine, [ids[:0]], [ids])[0] if len(ids) else np.zeros(0)
        return with_escape(vocabulary, ids, costs)

    def surprise(self, text: str, *, label: str | None = None) -> Surprise:
        """Measure how surprising each character of a text is, after all those before it.

        Raises:
            KindError, UsageError: see `require_causal` and `label_id`.

        Example:
            >>> from chargen import load
            >>> found = load("starter").surprise("To be, or not to be")
            >>> int(found.nats.argmax()), int(found.rank[1])
            (0, 6)
        """
        return self.surprises([("", text)], exact=True, label=label)[0]

    def surprises(
        self,
        named: Sequence[tuple[str, str]],
        *,
        exact: bool = False,
        likeliest: int = 0,
        label: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Surprise]:
        """Measure texts, each alone; see `chargen.tasks.surprise.surprise`.

        Args:
            named: a name for each text, and the text.
            exact: whether to read a long text in one pass; else in pieces side by side.
            likeliest: how many of the likeliest characters to tell for each place.
            label: that of the texts, for a model with labels.
            progress: called with characters done and characters in all.

        Raises:
            KindError, UsageError: see `require_causal` and `label_id`.
        """
        engine: LanguageModel = self.engine_for(label)
        lanes = 1 if exact else surprising.LANES
        if not exact and self.alone and sum(len(text) for _, text in named) >= LONG:
            from chargen.training.evaluate import Reader

            engine = Reader(self.checkpoint, self.label_id(label) or 0)
        vocabulary = self.checkpoint.vocabulary
        return surprising.surprise(
            engine, vocabulary, named, lanes=lanes, likeliest=likeliest, progress=progress
        )

    def states(self, text: str, *, label: str | None = None) -> NDArray[np.float32]:
        """Return each layer's output after each character of a text.

        Returns:
            (L, T, H) for L layers, T characters and H units: h of a recurrent network, the
            residual stream after each block of a transformer.

        Raises:
            KindError, UsageError: see `require_causal` and `label_id`.
        """
        return self.network_for(label).outputs(self.checkpoint.vocabulary.encode(text))

    def attention(self, text: str, *, label: str | None = None) -> NDArray[np.float32]:
        """Return what each head of a transformer attends to along a text.

        Returns:
            (L, heads, T + 1, T + 1) for L layers and T characters: the share of each place (the
            last axis) in what each place reads; the first place is the beginning of the text.

        Raises:
            KindError: the model is no transformer that continues texts.
            UsageError: see `label_id`.
        """
        network = self.network_for(label)
        if not self.checkpoint.architecture.family.attends:
            raise KindError(
                f"{self.name} is no transformer, so nothing in it attends",
                f"Use a model trained with {argument('arch')} transformer",
            )
        return network.attention(self.checkpoint.vocabulary.encode(text))

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
            KindError, UsageError: see `require_causal` and `label_id`.
        """
        self.require_causal()
        number = self.label_id(label)
        span, vocabulary = text.span(), self.checkpoint.vocabulary
        products = len(span) * (self.checkpoint.architecture.parameters(len(vocabulary)) + BESIDE)
        if not exact and self.alone and products >= WORTH:
            from chargen.training.evaluate import score_long

            return score_long(self.checkpoint, span, number or 0, progress)
        predictor = ModelPredictor(self.engine_for(label))
        lanes = 1 if exact else None
        return scoring.score(predictor, span, vocabulary, lanes=lanes, progress=progress)

    def adapt(
        self,
        text: str | Text,
        *,
        label: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[Score, Self]:
        """Read a text and learn from it; needs PyTorch. See `chargen.training.adapt`.

        Args:
            text: as it is, or opened.
            label: that of the text, for a model with labels.
            progress: called with characters done and characters in all.

        Returns:
            What the text cost, each character scored before it was learned from; and a model that
            has learned from all of it. This model stays as it is.

        Raises:
            KindError, UsageError: see `require_running` and `label_id`.

        Example:
            >>> from chargen import load
            >>> model = load("starter")
            >>> text = "A rose is a rose is a rose. " * 20
            >>> cost, reader = model.adapt(text)
            >>> cost.nats > reader.adapt(text)[0].nats
            True
        """
        self.require_running()
        number = self.label_id(label)
        from chargen.training.adapt import adapt

        opened = self.opened(text) if isinstance(text, str) else text
        found, learned = adapt(self.checkpoint, opened.span(), number or 0, progress)
        return found, type(self)(self.path, learned)

    def score_each(
        self,
        texts: Sequence[Text],
        items: str,
        label: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Each]:
        """Score lines or documents, each alone; see `chargen.tasks.each.score_items`.

        Raises:
            KindError, UsageError: see `require_causal` and `label_id`.
        """
        vocabulary = self.checkpoint.vocabulary
        return each.score_items(self.engine_for(label), vocabulary, texts, items, progress)

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
        if path is not None and text is None:
            opened = open_text([path], as_bytes=self.as_bytes)
        elif text is not None and path is None:
            opened = self.opened(text)
        else:
            raise TypeError("give a path, or text=...")
        return self.score(opened, exact=exact, label=label)

    def opened(self, text: str) -> Text:
        """Return a text that is not in a file."""
        data = io.BytesIO(text.encode(errors="surrogateescape"))
        return open_text(
            [spool("the text given", data, as_bytes=self.as_bytes)], as_bytes=self.as_bytes
        )

    def compress(
        self,
        data: bytes,
        *,
        label: str | None = None,
        adapt: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> bytes:
        """Return a file's bytes as small as the model can make them; see `decompress`.

        Any bytes will do; those of a text like the model's become the smallest.

        Args:
            label: of the text, for a model with labels.
            adapt: count the file's n-grams while it is read, as `adapt` does; the network stays
                as it is, so that the file can be read back on every machine.
            progress: called with characters done and characters in all.

        Raises:
            KindError: the model is no recurrent network that continues texts.
            UsageError: see `label_id`; or the model has too many characters to learn.

        Example:
            >>> from chargen import load
            >>> model = load("starter")
            >>> text = b"To be, or not to be, that is the question."
            >>> packed = model.compress(text)
            >>> model.decompress(packed) == text
            True
        """
        return self._coder(label).compress(data, progress, adapt=adapt)

    def decompress(
        self,
        packed: bytes,
        *,
        label: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> bytes:
        """Return the bytes that this model has compressed; see `compress`.

        Raises:
            CorpusError: they were not compressed by chargen, or are damaged.
            CheckpointError: they were compressed with another model.
            KindError, UsageError: see `compress`.
        """
        return self._coder(label).decompress(packed, progress)

    def _coder(self, label: str | None) -> Coder:
        engine, saved = self.network_for(label, writing=True), self.checkpoint
        return Coder(self.name, engine, saved.vocabulary, compressing.fingerprint(saved, label))

    def compare(self, path: str | Path, *, places: int = 512, seed: int = 0) -> Memory:
        """Measure what the model remembers, at random places of a held-out file; needs PyTorch.

        Raises:
            CorpusError: the file cannot be read, or is too short.
            KindError: see `require_causal`.
        """
        from chargen.training.memory import measure

        self.require_alone()
        self.require_causal()
        stretches = comparing.places(open_text([path], as_bytes=self.as_bytes).span(), places, seed)
        return measure(self.checkpoint, stretches)
