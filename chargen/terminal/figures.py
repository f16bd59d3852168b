"""Figures in words: how a kind's metric is written, on a line and in cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from chargen.metrics import Metric
from chargen.tasks.scoring import perplexity

Figures = Mapping[str, Any]

LARGE = 10_000
"""A figure from here on is written in powers of ten."""


def duration(seconds: float) -> str:
    """Return seconds as people write them: 42s, 3m05s, 2h10m."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def headline(metric: Metric, figures: Figures) -> str:
    """Return the figure that people are shown first, with its title and its standard error."""
    value = figures[metric.headline]
    error = figures.get(metric.error or "")
    if not metric.lower:
        return f"{metric.title} {value:.1%}" + ("" if error is None else f" ± {error:.1%}")
    # Large figures without digits that mean nothing.
    form = ".3f" if value < LARGE else ".3g"
    return f"{metric.title} {value:{form}}" + ("" if error is None else f" ± {error:{form}}")


def found(metric: Metric, figures: Figures) -> str:
    """Return what an evaluation found, on one line."""
    loss = figures[metric.loss]
    if metric.bits is None:
        return f"{headline(metric, figures)} ({loss:.4f} {metric.unit})"
    return f"{headline(metric, figures)} ({loss:.4f} nats, {loss / math.log(2):.3f} bits)"


def final(metric: Metric, figures: Figures) -> str:
    """Return what a training came to, on one line."""
    loss, first = figures[metric.loss], headline(metric, figures)
    if metric.examples is not None:
        return f"{first} of {figures[metric.examples]:,} examples ({loss:.4f} {metric.unit})"
    return f"{first} per character ({loss:.4f} nats, {loss / math.log(2):.3f} bits)"


def cells(metric: Metric, figures: Figures) -> tuple[str, ...]:
    """Return a score in the forms that its metric has, for the cells of a table."""
    loss = figures[metric.loss]
    if metric.bits is None:
        return headline(metric, figures), f"{loss:.4f} {metric.unit}"
    bits = f"{loss / math.log(2):.3f} {metric.bits}"
    return headline(metric, figures), bits, f"{loss:.4f} nats"


def training(metric: Metric, nats: float, dropout: float) -> str:
    """Return the training loss; as a perplexity only if it is the same quantity."""
    how = with_dropout(dropout)
    if not metric.same_in_training:
        return f"{nats:.4f} nats{how and f' ({how})'}"
    value = headline(metric, {metric.headline: perplexity(nats)})
    return f"{value} ({nats:.4f} nats{how and f', {how}'})"


def training_cells(metric: Metric, nats: float, dropout: float) -> tuple[str, ...]:
    """Return what training costs, for the cells of a table."""
    how = with_dropout(dropout)
    if not metric.same_in_training:
        return f"{nats:.4f} nats", how
    return *cells(metric, {metric.loss: nats, metric.headline: perplexity(nats)}), how


def with_dropout(dropout: float) -> str:
    """Say that a training loss was measured with dropout, which makes it higher."""
    return "with dropout" if dropout else ""
