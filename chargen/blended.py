"""Several models used as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, reduce
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chargen.engine.blend import PROBABILITIES, WAYS, Blend, together
from chargen.engine.language_model import LanguageModel
from chargen.errors import KindError, UsageError, argument
from chargen.model import Model, load
from chargen.text.grams import Grams, Several

if TYPE_CHECKING:
    from chargen.text.examples import Prints


class Blended(Model):
    """A blend of models that continue texts, used as one: to write, score and look into texts.

    Args:
        parts: the models.
        weights: of each; they are divided by their sum.
        way: ``probabilities``, or ``logits``; see `chargen.engine.blend`.

    Raises:
        KindError: a model does not continue texts, or the models do not fit together.
        UsageError: a weight is not positive, or the way is unknown.
    """

    def __init__(
        self, parts: Sequence[Model], weights: Sequence[float], way: str = PROBABILITIES
    ) -> None:
        if way not in WAYS:
            raise UsageError(f"unknown {argument('blend')} {way!r}", f"Choose {', '.join(WAYS)}")
        if not all(0 < weight < np.inf for weight in weights):
            raise UsageError("a weight of a blend is not positive", "Give numbers above zero")
        first = parts[0]
        for part in parts:
            part.require_causal()
            same = part.as_bytes == first.as_bytes
            if not same or part.checkpoint.items != first.checkpoint.items:
                raise KindError(
                    f"{part.name} and {first.name} cannot be blended: one is of bytes, lines or "
                    "documents",
                    "Blend models of the same",
                )
        self.parts, self.way = parts, way
        self.weights = [weight / sum(weights) for weight in weights]
        labelled = next((part for part in parts if part.labels), first)
        saved = replace(
            labelled.checkpoint,
            vocabulary=together([part.checkpoint.vocabulary for part in parts], self.weights),
            settings=first.checkpoint.settings | {"valid_fraction": self._held_out()},
            figures={},
            seen=self._seen(),
        )
        super().__init__(first.path, saved)

    def _held_out(self) -> float:
        """Return the largest share of examples that a model has held out."""
        shares = [part.checkpoint.settings.get("valid_fraction") for part in self.parts]
        return max(share if isinstance(share, float) else 0.0 for share in shares)

    def _seen(self) -> Prints | None:
        """Return the fingerprints of the examples that any model has learned from."""
        found = [part.checkpoint.seen for part in self.parts]
        known = [prints for prints in found if prints is not None]
        return reduce(np.union1d, known) if len(known) == len(found) else None

    @property
    def name(self) -> str:
        """The names of its models, with their weights."""
        return " + ".join(
            f"{part.name}:{weight:.3g}"
            for part, weight in zip(self.parts, self.weights, strict=True)
        )

    @property
    def network(self) -> str:
        """What it is, in words."""
        return f"a blend of {len(self.parts)} models by {self.way}"

    @property
    def alone(self) -> bool:
        """No: it has no network and no file of its own."""
        return False

    def engine_for(self, label: str | None, *, writing: bool = False) -> LanguageModel:
        """Return the blend of the networks; the label is for those models that have labels."""
        self.label_id(label)
        parts = [
            (
                part.engine_for(label if part.labels else None, writing=writing),
                part.checkpoint.vocabulary,
                weight,
            )
            for part, weight in zip(self.parts, self.weights, strict=True)
        ]
        return Blend(parts, self.checkpoint.vocabulary, self.way)

    @cached_property
    def grams(self) -> Grams:
        """What is known of the corpora of all its models."""
        return Several.of_all([part.grams for part in self.parts])


def blend(
    models: Mapping[str, float] | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    way: str = PROBABILITIES,
) -> Model:
    """Load several models to use them as one: their probabilities are averaged.

    Args:
        models: names or paths; with weights, or all alike.
        out: the folder of runs, see `chargen.load`.
        way: ``probabilities``, or ``logits`` for the geometric mean.

    Raises:
        CheckpointError: there is no such model, or its file is not sound.
        KindError: a model does not continue texts, or the models do not fit together.
        UsageError: a weight is not positive, or the way is unknown.

    Example:
        >>> blend({"plays": 1, "recipes": 2}).sample(5, seed=1)  # doctest: +SKIP
    """
    named = dict(models) if isinstance(models, Mapping) else dict.fromkeys(map(str, models), 1.0)
    return Blended([load(name, out) for name in named], list(named.values()), way)
