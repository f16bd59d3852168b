"""A model that was read from a file: what it is, and the engines that run it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from chargen import checkpoint, runs
from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal
from chargen.engine.language_model import LanguageModel
from chargen.engine.rounding import rounded
from chargen.errors import KindError
from chargen.tasks import abilities, listing
from chargen.tasks.beam import Reader
from chargen.tasks.mending import Mender
from chargen.tasks.tagging import Tagger
from chargen.tasks.translating import Translator, translator
from chargen.text.grams import Grams


class Loaded:
    """A checkpoint, and the engines that run it; each is made ready when it is first used.

    Attributes:
        path: the file.
        checkpoint: what it says.
    """

    def __init__(self, path: Path, saved: Checkpoint) -> None:
        self.path = path
        self.checkpoint = saved
        self._engines: dict[tuple[int | None, bool], Causal] = {}

    @property
    def name(self) -> str:
        """The name of its run, or of its file."""
        return runs.label(self.path)

    @property
    def network(self) -> str:
        """Its network, in words."""
        return str(self.checkpoint.architecture)

    @property
    def alone(self) -> bool:
        """Whether it is one model with a network and a file of its own; a blend is none."""
        return True

    def require_alone(self) -> None:
        """Make sure that it is one model.

        Raises:
            KindError: it is a blend.
        """
        if not self.alone:
            raise KindError(
                f"{self.name} is a blend, which can write and score only",
                "Name one model",
            )

    @property
    def as_bytes(self) -> bool:
        """Whether the model reads and writes bytes, not characters."""
        return self.checkpoint.vocabulary.as_bytes

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its texts, if they have any."""
        return self.checkpoint.labels

    def engine_for(self, label: str | None, *, writing: bool = False) -> LanguageModel:
        """Return what continues texts of one label; None where there are none.

        Args:
            writing: with matrices rounded to bfloat16, see `chargen.engine.rounding`.

        Raises:
            KindError, UsageError: see `require_causal` and `label_id`.
        """
        return self.network_for(label, writing=writing)

    def network_for(self, label: str | None, *, writing: bool = False) -> Causal:
        """Return the network that continues texts of one label, made ready on first use.

        Args:
            writing: with its matrices rounded to bfloat16.

        Raises:
            KindError, UsageError: see `require_causal` and `label_id`.
        """
        self.require_alone()
        self.require_causal()
        number, saved = self.label_id(label), self.checkpoint
        # A transformer is not written in compiled code.
        shorter = writing and not saved.architecture.family.attends
        if (number, shorter) not in self._engines:
            weights = rounded(saved.weights) if shorter else saved.weights
            self._engines[number, shorter] = Causal(saved.architecture, weights, number)
        return self._engines[number, shorter]

    def label_id(self, label: str | None) -> int | None:
        """Return a label's id, or None if no label is given.

        Raises:
            UsageError: the model has labels and this is not one of them, or the model has no labels
                and one is given.
        """
        return abilities.label_id(self.name, self.labels, label)

    def require_causal(self) -> None:
        """Make sure that the model reads from left to right, and can continue and score texts.

        Raises:
            KindError: it is bidirectional.
        """
        abilities.require_causal(self.name, self.checkpoint)

    def require_running(self) -> None:
        """Make sure that the model can score a text as it runs on, and learn along it.

        Raises:
            KindError: it is bidirectional, or a model of lines or documents.
        """
        self.require_alone()
        abilities.require_running(self.name, self.checkpoint)

    @cached_property
    def grams(self) -> Grams:
        """What is known of the model's corpus; read from its folder on first use.

        Raises:
            CheckpointError: there is nothing, or it is damaged.
        """
        return Grams.read(runs.Run(self.path.parent).fingerprints)

    def longest_copy(self, text: str) -> str:
        """Return the longest run of a text that the model's corpus has, too.

        By fingerprints of the corpus: the true run is not longer, and hardly ever shorter. It is
        empty where there is none of eight characters or more; of sixteen, for a corpus of more than
        eleven million characters.

        Raises:
            CheckpointError: see `grams`; or the corpus was too large, or too short, to keep any.
        """
        self.grams.require_some()
        if self.as_bytes:
            text = text.encode("utf-8", "surrogateescape").decode("latin-1")
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        start, length = self.grams.longest(points)
        found = text[start : start + length]
        return found.encode("latin-1").decode("utf-8", "replace") if self.as_bytes else found

    @cached_property
    def reader(self) -> Reader:
        """What fills gaps, made ready on first use.

        Raises:
            KindError: the model has labels.
        """
        self.require_alone()
        return abilities.reader(self.name, self.checkpoint)

    @cached_property
    def translator(self) -> Translator:
        """What turns sources into targets, made ready on first use.

        Raises:
            KindError: the model was not trained on pairs.
        """
        return translator([(self.name, self.checkpoint)])

    @cached_property
    def tagger(self) -> Tagger:
        """What marks spans, made ready on first use.

        Raises:
            KindError: the model was not trained on tags.
        """
        return Tagger(self.name, self.checkpoint)

    @cached_property
    def mender(self) -> Mender:
        """What mends damaged texts, made ready on first use.

        Raises:
            KindError: the model was not trained to undo damage.
        """
        return Mender(self.name, self.checkpoint)

    def save(self, path: str | Path, *, compact: bool = False) -> None:
        """Write the model to a file, without what only training needs.

        Args:
            compact: write each matrix as whole numbers of eight bits, with a scale for each row: a
                quarter of the size, and figures that differ in the third decimal.

        Raises:
            CheckpointError: the file cannot be written.
            KindError: it is a blend.
        """
        self.require_alone()
        model = replace(self.checkpoint, training={}, tensors={})
        checkpoint.write(Path(path), model, compact=compact)

    def info(self) -> dict[str, Any]:
        """Return all that is known of the model, as ``chargen info --json`` prints it."""
        self.require_alone()
        return listing.document(self.name, self.path, self.checkpoint)

    def __repr__(self) -> str:
        return f"<chargen model {self.name}: {self.network}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return listing.as_html(self.info() if self.alone else {"model": repr(self)})
