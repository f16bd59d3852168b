"""What the commands show of their results, a function for each; to standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chargen.tasks.each import Each, together
from chargen.terminal.console import Console
from chargen.terminal.curve import curve, points_of
from chargen.terminal.figures import LARGE
from chargen.terminal.streams import visible

if TYPE_CHECKING:
    from chargen.checkpoint import Checkpoint
    from chargen.tasks.calibration import Verdict
    from chargen.tasks.restoring import Restoration
    from chargen.tasks.scoring import Score

ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\t", b"\\t"), (b"\r", b"\\r"))
"""How the characters that would break a table are written in one."""

RANKED = 3
"""Labels of a text that are shown."""


def figure(value: Any, form: str | None = None, unit: str = "") -> str:
    """Return a number as it is shown; a dash if the header has no number there."""
    if not isinstance(value, int | float):
        return "—"
    if form is None:
        form = "," if isinstance(value, int) else ".4f" if abs(value) < LARGE else ".3g"
    return f"{value:{form}}{unit}"


def large(value: float) -> str:
    """Return a perplexity, which may be too large for its digits to mean anything."""
    return f"{value:.4f}" if value < LARGE else f"{value:.3g}"


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
            large(score.perplexity),
            large(score.perplexity_error),
            f"{score.bpc:.4f}",
            f"{score.bits_per_byte:.4f}",
            f"{score.accuracy:.1%}",
        )
        for name, score in found
    ]
    head = ("text", "characters", "unknown", "perplexity", "±", "bpc", "bits/byte", "accuracy")
    console.table(rows, head)


def each(console: Console, found: Sequence[Each]) -> None:
    """Show what texts cost, each alone, and both averages."""
    rows = [
        (score.name, f"{score.characters:,}", f"{-score.nats:.4f}", f"{per_char(score):.4f}")
        for score in found
    ]
    console.table(rows, ("text", "characters", "log-probability", "nats/character"))
    mean = together(found)
    error = f" ± {mean['nats_per_text_error']:.3f}" if mean["texts"] > 1 else ""
    console.show(
        f"{mean['texts']:,} texts: {mean['nats_per_text']:.4f}{error} nats a text, "
        f"{mean['nats_per_char']:.4f} nats a character (perplexity {mean['perplexity']:.4f})"
    )


def per_char(score: Each) -> float:
    """Return the mean cost of a text's characters in nats."""
    return score.nats / score.characters


def restorations(ways: Sequence[Restoration], around: tuple[str, str]) -> None:
    """Write restored texts, byte for byte; several as a table with a way on each line.

    Args:
        around: what to write before and after what was put in; on a terminal it stands out anyway.
    """
    several = len(ways) > 1
    for way in ways:
        data = way.within(*around)
        if sys.stdout.isatty():
            _highlight(way, f"{way.probability:.4f}\t" if several else "")
        elif several:
            # A text of several lines, or with tabs, must not break the table.
            for character, escape in ESCAPES:
                data = data.replace(character, escape)
            sys.stdout.buffer.write(f"{way.probability:.4f}\t".encode() + data + b"\n")
        else:
            sys.stdout.buffer.write(data + (b"" if data.endswith(b"\n") else b"\n"))


def _highlight(way: Restoration, begin: str) -> None:
    from rich.console import Console
    from rich.text import Text

    shown = Text(begin)
    for piece, new in zip(way.pieces, way.filled, strict=True):
        piece_shown = piece.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        shown.append(visible(piece_shown), style="bold green" if new else "")
    end = "" if way.text.endswith("\n") else "\n"
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


def statistics(
    console: Console, about: Mapping[str, Any], order: str, remarks: Sequence[str]
) -> None:
    """Show what a text looks like to the trainer, and what is odd about it."""
    rows = [(named(key), figure(value)) for key, value in about.items() if key != "sha256"]
    rows += [("sha256", about["sha256"]), ("by frequency", order)]
    console.table([*rows, *(("note", line) for line in remarks)], left=(0, 1))
