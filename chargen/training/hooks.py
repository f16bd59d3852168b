"""What a training does with its models beside learning: what it shows of them and fits to them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chargen.checkpoint import Checkpoint
from chargen.kinds import Kind, load
from chargen.text.corpus import Span
from chargen.training.texts import Texts

BRIEFLY = 0.5
"""Seconds for what is fitted to a text without labels, at most."""


@dataclass(frozen=True)
class Hooks:
    """Functions that the trainer calls on a model, besides training it; none by default.

    Attributes:
        preview: ``(model, span, number) -> text``, what to show of it after evaluation ``number``.
        finish: ``(model, held-out span, seconds) -> figures``, what to add to the best model at the
            end, in about so many seconds.
        fitted: keys without which a run has not ended.
        most: seconds that fitting may take, at most.
    """

    preview: Callable[[Checkpoint, Span, int], str] | None = None
    finish: Callable[[Checkpoint, Span, float], dict[str, Any]] | None = None
    fitted: tuple[str, ...] = ()
    most: float = math.inf

    @classmethod
    def of(cls, kind: Kind, texts: Texts) -> Hooks:
        """Return what a kind of model is given."""
        preview = None if kind.preview is None else load(kind.preview)
        if kind.finish is None:
            return cls(preview)
        if texts.labels:
            return cls(preview, load(kind.finish), kind.fitted)
        return cls(preview, load(kind.finish), most=BRIEFLY)
