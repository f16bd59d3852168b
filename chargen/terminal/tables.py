"""What the commands show of their results, a function for each; to standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chargen.terminal.console import Console
from chargen.terminal.curve import curve, points_of
from chargen.terminal.streams import visible

if TYPE_CHECKING:
    from chargen.checkpoint import Checkpoint
    from chargen.tasks.calibration import Verdict
    from chargen.tasks.restoring import Restoration
    from chargen.tasks.scoring import Score

RANKED = 3
"""Labels of a text that are shown."""


def figure(value: Any, form: str | None = None, unit: str = "") -> str:
    """Return a number as it is shown; a dash if the header has no number there."""
    if not isinstance(value, int | float):
        return "—"
    form = (".4f" if isinstance(value, float) else ",") if form is None else form
    return f"{value:{form}}{unit}"


def named(key: str) -> str:
    """Return what a key's figure is called."""
    return key.replace("pseudo_", "pseudo-").replace("_", " ")


def scores(console: Console, found: Sequence[tuple[str, Score]]) -> None:
    """Show what texts cost."""
    rows = [
        (
            name,
            f"{score.characters:,}",
            f"{score.unknown:,}",
            f"{score.perplexity:.4f}",
            f"{score.perplexity_error:.4f}",
            f"{score.bpc:.4f}",
            f"{score.bits_per_byte:.4f}",
            f"{score.accuracy:.1%}",
        )
        for name, score in found
    ]
    head = ("text", "characters", "unknown", "perplexity", "±", "bpc", "bits/byte", "accuracy")
    console.table(rows, head)


def restorations(ways: Sequence[Restoration]) -> None:
    """Write restored texts; on a terminal, what was put in stands out."""
    for way in ways:
        begin = f"{way.probability:.4f}\t" if len(ways) > 1 else ""
        end = "" if way.text.endswith("\n") else "\n"
        if sys.stdout.isatty():
            _highlight(way, begin, end)
        else:
            sys.stdout.buffer.write((begin + way.text + end).encode("utf-8", "replace"))


def _highlight(way: Restoration, begin: str, end: str) -> None:
    from rich.console import Console
    from rich.text import Text

    shown = Text(begin)
    for piece, new in zip(way.pieces, way.filled, strict=True):
        shown.append(visible(piece), style="bold green" if new else "")
    Console(highlight=False).print(shown, end=end, soft_wrap=True)


def gaps(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Show how well gaps were filled, by their length."""
    keys = [key for key in rows[0] if key not in ("length", "gaps")]
    lines = [
        (
            str(row["length"] or "all"),
            f"{row['gaps']:,}",
            *(f"{row[key]:.1%}" for key in keys),
        )
        for row in rows
    ]
    console.table(lines, ("gap of", "gaps", *map(named, keys)))


def labels(console: Console, rows: Sequence[tuple[str, Sequence[tuple[str, float]]]]) -> None:
    """Show the likeliest labels of each text."""
    most = min(RANKED, len(rows[0][1]))
    lines = [
        (name, *(cell for label, share in ranking[:most] for cell in (label, f"{share:.1%}")))
        for name, ranking in rows
    ]
    head = ("text", "label", "", *(("next", "") * (most - 1)))
    console.table(lines, head, left=(0, *range(1, 2 * most, 2)))


def verdicts(console: Console, ways: Sequence[Verdict], names: Sequence[str]) -> None:
    """Show how well each way told the labels, and which labels the first way confused."""
    rows = [
        (
            one.name,
            f"{one.accuracy:.1%}",
            f"{one.log_loss:.3f}",
            f"{one.calibration_error:.1%}",
            f"{one.inverse_temperature:.2f}",
        )
        for one in ways
    ]
    confusion = ways[0].confusion
    console.show(f"{confusion.sum():,} held-out examples of {len(names)} labels")
    console.table(rows, ("by", "accuracy", "nats", "calibration error", "sharpness"))
    console.show(f"\nwhat each was taken for by {ways[0].name}")
    lines = [
        (label, *(f"{count:,}" for count in row), f"{row[at] / max(1, row.sum()):.0%}")
        for at, (label, row) in enumerate(zip(names, confusion, strict=True))
    ]
    console.table(lines, ("label", *names, "right"))


def memories(
    console: Console, names: Sequence[str], rows: Sequence[Mapping[str, Any]], places: int
) -> None:
    """Show what context is worth to each model, and how far back a gradient reaches."""
    given = rows[0]["contexts"]
    console.show(f"bits per character after so many characters of context, at {places:,} places")
    lines = [
        (f"{k:,}", *(f"{row['bpc'][at]:.3f} ± {row['error'][at]:.3f}" for row in rows))
        for at, k in enumerate(given)
    ]
    console.table(lines, ("context", *names))
    console.show("\nlength of the gradient that reaches so many characters back")
    lines = [
        (f"{k:,}", *(f"{row['gradient'][at]:.2e}" for row in rows))
        for at, k in enumerate((0, *given[:-1]))
    ]
    console.table(lines, ("back", *names))


def summary(name: str, saved: Checkpoint) -> dict[str, Any]:
    """Return what the list of runs says of one; a pseudo-perplexity is no perplexity."""
    figures = saved.figures
    names = saved.corpus_names or ["—"]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return {
        "model": name,
        "network": str(saved.architecture),
        "parameters": saved.parameters,
        "corpus": f"{names[0]}{more}",
        "perplexity": figures.get("perplexity"),
        "bpc": figures.get("bpc"),
        "seconds": figures.get("seconds"),
        "step": figures.get("step"),
    }


def runs(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Show the list of runs."""
    lines = [
        (
            row["model"],
            row["network"],
            row["corpus"],
            figure(row["perplexity"], ".3f"),
            figure(row["bpc"], ".3f"),
            figure(row["seconds"], ".0f", "s"),
            row["when"],
        )
        for row in rows
    ]
    head = ("run", "network", "corpus", "perplexity", "bpc", "trained", "when")
    console.table(lines, head, left=(0, 1, 2))


def model(console: Console, name: str, path: str, saved: Checkpoint) -> None:
    """Show all about one model, and how it learned."""
    corpus, vocabulary = saved.corpus, saved.vocabulary
    shown = "all bytes" if vocabulary.as_bytes else vocabulary.characters.replace("\n", "⏎")
    rows = [
        ("model", f"{name} ({path})"),
        ("network", f"{saved.architecture}, {saved.parameters:,} parameters"),
        ("vocabulary", f"{len(vocabulary)}: {shown}"),
        *([("labels", ", ".join(saved.labels))] if saved.labels else []),
        (
            "corpus",
            f"{', '.join(saved.corpus_names)}, {figure(corpus.get('characters'))} characters",
        ),
        ("sha256", str(corpus.get("sha256", "—"))),
        ("settings", ", ".join(f"{k} {v}" for k, v in saved.settings.items() if v is not None)),
        *((named(key), figure(value)) for key, value in saved.figures.items()),
    ]
    console.table(rows, left=(0, 1))
    _curve(console, saved)


def _curve(console: Console, saved: Checkpoint) -> None:
    metric = saved.architecture.kind.metric
    points = points_of(saved.history, metric.loss)
    if len(points) > 1:
        console.show(f"\nheld-out {metric.unit} over the time trained")
        console.show("\n".join(curve(points, 72, 10)))


def statistics(console: Console, about: Mapping[str, Any], order: str) -> None:
    """Show what a text looks like to the trainer."""
    rows = [(named(key), figure(value)) for key, value in about.items() if key != "sha256"]
    by_frequency = order.replace("\n", "⏎")
    console.table([*rows, ("sha256", about["sha256"]), ("by frequency", by_frequency)], left=(0, 1))
