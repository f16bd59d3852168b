"""What a training run is asked to do, and the choices made where nothing was asked."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar

from chargen.architecture import KINDS, Architecture
from chargen.errors import CorpusError, UsageError

DEFAULT_OUT = "checkpoints"
OUT_VARIABLE = "CHARGEN_CHECKPOINTS"
"""The folder of runs, and the variable of the environment that moves it."""

DEFAULT_MINUTES = 2.0
MOST_HELD_OUT = 0.9
MOST = (1 << 63) - 1
"""No option is a larger whole number."""

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class Defaults:
    """What is chosen where nothing was asked for: see docs/experiments.md for what it rests on.

    Attributes:
        layers: how many.
        batch, bptt, lr: see `Settings`.
        width_by_seen: characters trained on in the whole budget, by a network of ``pace_width``; at
            most so wide. A table of pairs (at most, then), as the next one.
        width_by_length: characters in the text; at most so wide.
        pace_width: of the network whose pace is tried.
        pace: characters a second that it is trained on, where nobody has measured.
        slowdown: a network k times as wide is so slow as k to this power.
    """

    layers: int
    batch: int
    bptt: int
    lr: float
    width_by_seen: tuple[tuple[float, int], ...]
    width_by_length: tuple[tuple[float, int], ...]
    pace_width: int
    pace: float
    slowdown: float


RECURRENT = Defaults(
    layers=1,
    batch=32,
    bptt=64,
    lr=0.008,
    width_by_seen=((2_000_000, 384), (40_000_000, 512), (math.inf, 768)),
    width_by_length=((20_000, 128), (100_000, 256), (400_000, 512), (math.inf, 768)),
    pace_width=512,
    pace=60_000,
    slowdown=1.5,
)
ELMAN = replace(RECURRENT, lr=0.002)
"""Without gates, faster learning ends in gradients that explode."""

BIDIRECTIONAL = replace(
    RECURRENT,
    bptt=128,
    width_by_seen=((10_000_000, 384), (40_000_000, 512), (math.inf, 768)),
    pace_width=384,
    pace=30_000,
)
TRANSFORMER = Defaults(
    layers=4,
    batch=32,
    bptt=64,
    lr=0.004,
    width_by_seen=((20_000_000, 128), (math.inf, 256)),
    width_by_length=((math.inf, 256),),
    pace_width=128,
    pace=30_000,
    slowdown=1.5,
)
HEAD = 64
"""Units of each of a transformer's heads, where the width allows."""

DROPOUT_BY_PASSES = (
    (1.5, 0.0), (4, 0.1), (8, 0.15), (15, 0.25), (30, 0.3), (50, 0.4), (math.inf, 0.5)
)  # fmt: skip
"""Times that the text is read."""


def defaults(settings: Settings) -> Defaults:
    """Return what is chosen for a kind of network."""
    if settings.bidirectional:
        return BIDIRECTIONAL
    return {"transformer": TRANSFORMER, "elman": ELMAN}.get(settings.arch, RECURRENT)


def check(
    option: str, value: float | None, low: float, high: float, *, open_low: bool = False
) -> None:
    """Refuse a value outside [low, high], or (low, high] with ``open_low``; None passes.

    Raises:
        UsageError: the value is outside, or not a number.
    """
    if value is None:
        return
    if not (low <= value <= high) or (open_low and value == low) or value == math.inf:
        bracket = "(" if open_low else "["
        upper = f"{high:.10g}]" if math.isfinite(high) else "∞)"
        # A whole number may be too large for the form that others have.
        given = f"{value:g}" if -(10**15) < value < 10**15 else str(value)[:40]
        raise UsageError(f"{option} is {given}", f"Give a number in {bracket}{low:g}, {upper}")


@dataclass(frozen=True)
class Settings:
    """Every choice that shapes a run; None stands for "choose for me".

    Attributes:
        arch, layers, hidden, embed, tied, heads, context, bidirectional: see
            `chargen.architecture.Architecture`.
        dropout: probability, in training, of zeroing a layer's output or a recurrent weight.
        minutes, epochs, steps: the budget, one of them; two minutes if none is given.
        batch: B, lanes read side by side.
        bptt: T, characters through which a gradient flows back.
        lr: the highest learning rate.
        clip: the highest global norm of a gradient.
        weight_decay: of the weight matrices (AdamW; Loshchilov & Hutter 2019, arXiv:1711.05101).
        valid_fraction: share of the corpus, at its end, that is held out.
        valid_chars: at most this many characters of it are scored at an evaluation.
        evaluations: how many, spread evenly over the budget.
        patience: stop after this many evaluations without a new best.
        precision: of the products; fp32, or bf16 with float32 weights.
        device: where to train.
        seed: of the initial weights and of dropout.

    Raises:
        UsageError: a value that can never work.
    """

    arch: str = "lstm"
    layers: int | None = None
    hidden: int | None = None
    embed: int | None = None
    tied: bool = False
    heads: int | None = None
    context: int | None = None
    bidirectional: bool = False
    dropout: float | None = None
    minutes: float | None = None
    epochs: float | None = None
    steps: int | None = None
    batch: int | None = None
    bptt: int | None = None
    lr: float | None = None
    clip: float = 1.0
    weight_decay: float = 0.05
    valid_fraction: float = 0.1
    valid_chars: int = 250_000
    evaluations: int = 20
    patience: int | None = None
    precision: str = "auto"
    device: str = "auto"
    seed: int = 1

    def __post_init__(self) -> None:
        if self.arch not in KINDS:
            raise UsageError(f"unknown --arch {self.arch!r}", f"Choose one of {', '.join(KINDS)}")
        budgets = [
            name for name in ("minutes", "epochs", "steps") if getattr(self, name) is not None
        ]
        if len(budgets) > 1:
            given = " and ".join(f"--{name}" for name in budgets)
            raise UsageError(f"{given} are two budgets", "Give one of them")
        for name in budgets:
            high = MOST if name == "steps" else math.inf
            check(f"--{name}", getattr(self, name), 0, high, open_low=True)
        for name in ("layers", "hidden", "embed", "heads", "context", "batch", "bptt"):
            check(f"--{name}", getattr(self, name), 1, 1 << 20)
        for name in ("patience", "evaluations"):
            check(f"--{name}", getattr(self, name), 1, 1 << 20)
        for name in ("heads", "context"):
            if getattr(self, name) is not None and self.arch != "transformer":
                raise UsageError(f"--{name} is for a transformer, not {self.arch}", "Leave it out")
        check("--valid-chars", self.valid_chars, 1, MOST)
        check("--dropout", self.dropout, 0, 0.95)
        check("--lr", self.lr, 0, 100, open_low=True)
        check("--clip", self.clip, 0, math.inf, open_low=True)
        check("--weight-decay", self.weight_decay, 0, 10)
        check("--valid-fraction", self.valid_fraction, 0, MOST_HELD_OUT)
        check("--seed", self.seed, 0, MOST)
        if self.device not in DEVICES:
            raise UsageError(f"unknown --device {self.device!r}", f"Choose {', '.join(DEVICES)}")
        if self.precision not in PRECISIONS:
            raise UsageError(
                f"unknown --precision {self.precision!r}", f"Choose {', '.join(PRECISIONS)}"
            )

    def budget(self) -> str:
        """Return the budget in words."""
        for name in ("minutes", "epochs", "steps"):
            value = getattr(self, name)
            if value is not None:
                amount = f"{value:,}" if isinstance(value, int) else f"{value:g}"
                return f"{amount} {name if value != 1 else name[:-1]}"
        return f"{DEFAULT_MINUTES:g} minutes"

    def architecture(self, labels: int = 0) -> Architecture:
        """Return the network asked for; all sizes must have been chosen."""
        assert self.layers is not None
        assert self.hidden is not None
        assert self.embed is not None
        sizes = (self.heads or 1, self.context or 1)
        return Architecture(
            self.arch,
            self.layers,
            self.hidden,
            self.embed,
            self.tied,
            *sizes,
            self.bidirectional,
            labels,
        )


def choose(settings: Settings, characters: int, pace: float | None = None) -> Settings:
    """Fill in what was not asked for, from the length of the training text and the budget.

    Args:
        characters: in the training text, held-out part excluded.
        pace: characters a second that this machine trains a network of ``pace_width`` on.

    Raises:
        CorpusError: the text is shorter than the window asked for.
    """
    usual = defaults(settings)
    pace = usual.pace if pace is None else pace
    if settings.bptt is not None and settings.bptt > characters:
        raise CorpusError(
            f"the training text has {characters} characters, less than one window of "
            f"{settings.bptt}",
            f"Give a longer text or --bptt {characters}",
        )
    if settings.minutes is None and settings.epochs is None and settings.steps is None:
        settings = replace(settings, minutes=DEFAULT_MINUTES)
    bptt = settings.bptt or max(1, min(usual.bptt, characters // 2))
    batch = settings.batch or max(1, min(usual.batch, characters // (4 * bptt)))
    seen = _seen(settings, characters, batch * bptt, pace)
    hidden = settings.hidden or min(
        _step(usual.width_by_seen, seen), _step(usual.width_by_length, characters)
    )
    pace *= (usual.pace_width / hidden) ** usual.slowdown
    passes = _seen(settings, characters, batch * bptt, pace) / characters
    chosen = replace(
        settings,
        layers=settings.layers or usual.layers,
        hidden=hidden,
        embed=settings.embed or (hidden if settings.tied else min(64, hidden)),
        # A text read many times over would be learned by heart without it.
        dropout=_step(DROPOUT_BY_PASSES, passes) if settings.dropout is None else settings.dropout,
        batch=batch,
        bptt=bptt,
        lr=settings.lr or usual.lr,
    )
    if settings.arch != "transformer":
        return chosen
    return replace(
        chosen,
        embed=settings.embed or hidden,
        heads=settings.heads or _heads(hidden),
        context=settings.context or bptt,
    )


def _heads(hidden: int) -> int:
    """Return how many heads of an even size a width divides into, of about `HEAD` units each."""
    most = max(1, hidden // HEAD)
    return next((heads for heads in range(most, 1, -1) if hidden % (2 * heads) == 0), 1)


def _seen(settings: Settings, characters: int, window: int, pace: float) -> float:
    """Return how many characters will be trained on, repetitions included."""
    if settings.minutes is not None:
        return 60 * settings.minutes * pace
    if settings.epochs is not None:
        return settings.epochs * characters
    assert settings.steps is not None
    return settings.steps * window


N = TypeVar("N", int, float)


def _step(table: tuple[tuple[float, N], ...], value: float) -> N:
    """Return what the table, of pairs (at most, then), has for a value."""
    return next(then for most, then in table if value <= most)
