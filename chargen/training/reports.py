"""What a training tells whoever iterates over it: one type for each event.

`Report.data` holds the figures under the keys that ``train --json`` prints. The fields have the
same names, and types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from chargen.metrics import Metric


@dataclass(frozen=True)
class Report:
    """Something that happened.

    Attributes:
        event: start, step, eval, sample, rollback, conclusion or done.
    """

    event: ClassVar[str]

    @property
    def data(self) -> dict[str, Any]:
        """The report's figures by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True)
class Start(Report):
    """Training begins: what will be trained, on what, and how.

    Attributes:
        metric: how the network is measured; not among ``data``.
        budget: in words.
        settings: every choice, by the names of `chargen.options.Options`.
        history: the evaluations of a run that goes on.
        kept: how well an old text is known, see `chargen.training.keep`; None without one.
    """

    event = "start"

    run: str | None
    corpus: str
    network: str
    parameters: int
    vocabulary: int
    labels: Sequence[str]
    train_characters: int
    valid_characters: int
    step: int
    seconds: float
    budget: str
    settings: Mapping[str, Any]
    device: str
    history: Sequence[Mapping[str, Any]]
    kept: Mapping[str, Any] | None
    metric: Metric

    @property
    def data(self) -> dict[str, Any]:
        """The report's figures by name, without the metric."""
        data = super().data
        del data["metric"]
        return data


@dataclass(frozen=True)
class Step(Report):
    """One step was taken.

    Attributes:
        progress: share of the budget that is spent.
        seconds: that somebody has waited so far, see `chargen.training.clock`.
        smooth_nats_per_char: the training loss, averaged over the last tenth of the steps, or over
            the last fifty if these are fewer.
    """

    event = "step"

    step: int
    epoch: int
    progress: float
    seconds: float
    characters_seen: int
    nats_per_char: float
    smooth_nats_per_char: float
    gradient_norm: float
    lr: float


@dataclass(frozen=True)
class Evaluation(Report):
    """The held-out text was scored, or a sample of it.

    Attributes:
        train_nats_per_char: the training loss, averaged as in `Step`; with dropout.
        figures: the score, by the names of the metric's figures; empty if no text is held out.
        best: whether this is the best model so far.
    """

    event = "eval"

    step: int
    epoch: float
    seconds: float
    characters_seen: int
    train_nats_per_char: float
    figures: Mapping[str, Any]
    best: bool

    @property
    def data(self) -> dict[str, Any]:
        """The report's figures by name, those of the score among them."""
        data = super().data
        del data["figures"], data["best"]
        return data | dict(self.figures) | {"best": self.best}


@dataclass(frozen=True)
class Preview(Report):
    """What the network makes of a text by now: a sample, or gaps that it filled."""

    event = "sample"

    step: int
    text: str


@dataclass(frozen=True)
class Rollback(Report):
    """A loss that is not finite was undone.

    Attributes:
        step: that gave it.
        to: the step that training goes on from.
        rate: factor on the learning rate from now on.
    """

    event = "rollback"

    step: int
    to: int
    rate: float


@dataclass(frozen=True)
class Conclusion(Report):
    """The last evaluation begins: the best model is scored on more than a sample.

    Attributes:
        step: of the best model.
        characters: that will be scored.
    """

    event = "conclusion"

    step: int
    characters: int


@dataclass(frozen=True)
class Done(Report):
    """Training has ended.

    Attributes:
        best, last: paths of the run's model files.
        valid: the best model's score, by the names of the metric's figures, and the model's name.
        kept: how well an old text is known, before and after; None without one.
        seconds: that somebody has waited, to the last line.
        stopped: why: ``budget``, ``patience`` or ``interrupted``.
    """

    event = "done"

    best: str | None
    last: str | None
    valid: Mapping[str, Any] | None
    kept: Mapping[str, Any] | None
    seconds: float
    step: int
    characters_seen: int
    stopped: str
