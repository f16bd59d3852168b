"""Figures in words: how a kind's metric is written, on a line and in cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from chargen.kinds import Metric
from chargen.tasks.scoring import perplexity

Figures = Mapping[str, Any]


def duration(seconds: float) -> str:
    """Return seconds as people write them: 42s, 3m05s, 2h10m."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def headline(metric: Metric, figures: Figures) -> str:
    """Return the figure that people are shown first, with its title."""
    value = figures[metric.headline]
    return f"{metric.title} {value:.3f}" if metric.lower else f"{metric.title} {value:.1%}"


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
    error = f" ± {figures[metric.error]:.3f}" if metric.error is not None else ""
    return f"{first}{error} per character ({loss:.4f} nats, {loss / math.log(2):.3f} bits)"


def cells(metric: Metric, figures: Figures) -> tuple[str, ...]:
    """Return a score in the forms that its metric has, for the cells of a table."""
    loss = figures[metric.loss]
    if metric.bits is None:
        return headline(metric, figures), f"{loss:.4f} {metric.unit}"
    bits = f"{loss / math.log(2):.3f} {metric.bits}"
    return headline(metric, figures), bits, f"{loss:.4f} nats"


def training(metric: Metric, nats: float) -> str:
    """Return the training loss; as a perplexity only if it is the same quantity."""
    return f"{perplexity(nats):.3f}" if metric.same_in_training else f"{nats:.4f} nats"


def training_cells(metric: Metric, nats: float) -> tuple[str, ...]:
    """Return what training costs, for the cells of a table."""
    if not metric.same_in_training:
        return (f"{nats:.4f} nats",)
    return cells(metric, {metric.loss: nats, metric.headline: perplexity(nats)})
