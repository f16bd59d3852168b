"""What the commands show of their results, a function for each; to standard output."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chargen.metrics import METRICS
from chargen.tasks.comparing import conclusion
from chargen.tasks.each import Each, together
from chargen.terminal.console import Console
from chargen.terminal.curve import curve, points_of
from chargen.terminal.figures import LARGE, duration, headline
from chargen.terminal.streams import visible

if TYPE_CHECKING:
    from chargen.checkpoint import Checkpoint
    from chargen.tasks.calibration import Verdict
    from chargen.tasks.comparing import Memory
    from chargen.tasks.guessing import Guess
    from chargen.tasks.parallels import Parallel
    from chargen.tasks.restoring import Restoration
    from chargen.tasks.scoring import Score

ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\t", b"\\t"), (b"\r", b"\\r"))
"""How the characters that would break a table are written in one."""

RANKED = 3
"""Labels of a text that are shown."""

NONE = "none of these"


TOGETHER = 16
"""Characters of a vocabulary that are shown without a blank between them."""


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


def scores(
    console: Console,
    found: Sequence[tuple[str, Score]],
    adapted: Sequence[tuple[str, Score]] = (),
) -> None:
    """Show what texts cost, and below what they cost a model that learns while it reads."""
    learned = [(f"{name} (adapted)", score) for name, score in adapted]
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
        for name, score in (*found, *learned)
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


def labels(console: Console, found: Sequence[Guess]) -> None:
    """Show the likeliest labels of each text, or that none of them fits."""
    most = min(RANKED, len(found[0].labels))
    weighed = found[0].labels[0].nats_per_char is not None
    names = ["label", "sure", *(["bits/char"] if weighed else [])]
    head = ["text", *names, *(["next", *names[1:]] * (most - 1))]
    lines = []
    for guess in found:
        cells = []
        for number, one in enumerate(guess.labels[:most]):
            fits = guess.fits or number > 0
            cells += [one.label if fits else f"{NONE}; nearest {one.label}"]
            cells += [f"{one.probability:.1%}" if guess.fits else "—"]
            if one.nats_per_char is not None:
                cells.append(f"{one.nats_per_char / math.log(2):.2f}")
        lines.append((guess.text, *cells))
    left = (0, *range(1, len(head), len(names)))
    console.table(lines, head, left=left)


def parallels(console: Console, found: Sequence[Parallel]) -> None:
    """Show passages of a corpus that are like a text."""
    console.show("")
    if not found:
        console.show("no passage of the corpus shares anything with the text")
        return
    rows = [
        (f"{one.likeness:.0%}", f"{one.source}:{one.line}", " ".join(one.text.split()))
        for one in found
    ]
    console.table(rows, ("alike", "passage", "text"), left=(1, 2))


BAR = 24
"""Columns of a bar."""


def rolling(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Show the label along a text, with a bar for how sure it is."""
    console.table(
        [
            (
                f"{row['start']:,}",
                row["label"] or NONE,
                f"{row['probability']:.0%}" if row["fits"] else "—",
                "█" * round(BAR * row["probability"]) if row["fits"] else "",
            )
            for row in rows
        ],
        ("from", "label", "sure", ""),
        left=(1, 3),
    )


def verdicts(console: Console, ways: Sequence[Verdict], names: Sequence[str]) -> None:
    """Show how well each way told the labels, and which labels the first way confused."""
    rows = [
        (
            one.name,
            f"{one.accuracy:.1%}",
            f"{one.log_loss:.3f}",
            f"{one.calibration_error:.1%}",
            f"{one.inverse_temperature:.2f}",
            f"{one.brier:.3f}",
            f"{one.c_at_1:.1%}",
        )
        for one in ways
    ]
    confusion = ways[0].confusion
    console.show(f"{confusion.sum():,} held-out examples of {len(names)} labels")
    console.table(
        rows, ("by", "accuracy", "nats", "calibration error", "sharpness", "Brier", "c@1")
    )
    if len({group.longest for group in ways[0].by_length}) > 1:
        console.show(f"\nby the length of the text, by {ways[0].name}")
        console.table(
            [
                (
                    f"{group.shortest:,} to {group.longest:,}",
                    f"{group.examples:,}",
                    f"{group.accuracy:.1%}",
                )
                for group in ways[0].by_length
            ],
            ("characters", "examples", "accuracy"),
        )
    console.show(f"\nwhat each was taken for by {ways[0].name}")
    lines = []
    for at, (label, row) in enumerate(zip(names, confusion, strict=True)):
        others = sorted(
            (other for other in range(len(names)) if other != at), key=lambda k: -row[k]
        )
        wrong = ", ".join(f"{names[k]} {row[k]:,}" for k in others[:RANKED] if row[k])
        lines.append((label, f"{row.sum():,}", f"{row[at] / max(1, row.sum()):.0%}", wrong or "—"))
    console.table(lines, ("label", "examples", "right", "else taken for"), left=(0, 3))


def memories(console: Console, found: Sequence[tuple[str, Memory]], places: int) -> None:
    """Show what context is worth to each model, and how far back a gradient reaches."""
    given = found[0][1].contexts
    shown = [at for at, k in enumerate(given) if at % 2 == 0]
    console.show(f"bits per character after so many characters of context, at {places:,} places")
    lines = [
        (name, *(f"{memory.bpc[at]:.2f}" for at in shown), f"{max(memory.error):.2f}")
        for name, memory in found
    ]
    console.table(lines, ("model", *(f"{given[at]:,}" for at in shown), "±"))
    console.show("\nlength of the gradient that reaches so many characters back")
    lines = [
        (name, *(f"{memory.back[given[at]]:.1e}" for at in shown if given[at] in memory.back))
        for name, memory in found
    ]
    reached = [f"{given[at]:,}" for at in shown if given[at] in found[0][1].back]
    console.table(lines, ("model", *reached))
    console.show(f"\n{conclusion(found)}")


def runs(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Show the list of runs."""
    lines = [
        (
            row["model"],
            row["state"] if row["evaluated"] else f"{row['state']}, not evaluated",
            held_out(row),
            duration(row["seconds"]) if isinstance(row["seconds"], int | float) else "—",
            row["when"],
            row["network"],
            row["corpus"] or "—",
        )
        for row in rows
    ]
    head = ("run", "state", "held out", "trained", "when", "network", "corpus")
    console.table(lines, head, left=(0, 1, 2, 4, 5, 6), spare=2)


def held_out(row: Mapping[str, Any]) -> str:
    """Return a run's score in words."""
    if not isinstance(row["value"], int | float):
        return "—"
    return headline(METRICS[row["metric"]], {row["metric"]: row["value"]})


def model(console: Console, name: str, path: str, saved: Checkpoint) -> None:
    """Show all about one model, and how it learned."""
    corpus, vocabulary = saved.corpus, saved.vocabulary
    shown = "all bytes" if vocabulary.as_bytes else grouped(vocabulary.characters)
    rows = [
        ("model", name),
        ("file", path),
        ("network", f"{saved.architecture}, {saved.parameters:,} parameters"),
        ("vocabulary", f"{len(vocabulary)}: {shown}"),
        *([("labels", ", ".join(saved.labels))] if saved.labels else []),
        *(
            (what, f"{len(known)}: {' '.join(map(visible, known))}")
            for what, known in beside(saved)
        ),
        (
            "corpus",
            f"{', '.join(saved.corpus_names)}, {figure(corpus.get('characters'))} characters",
        ),
        ("sha256", str(corpus.get("sha256", "—"))),
        ("settings", ", ".join(f"{k} {v}" for k, v in saved.settings.items() if v is not None)),
        *((named(key), figure(value)) for key, value in saved.figures.items()),
    ]
    console.list(rows)
    _curve(console, saved)


def beside(saved: Checkpoint) -> list[tuple[str, str]]:
    """Return what a model knows beside characters, with how many and which these are."""
    symbols, marking = saved.vocabulary.symbols, saved.vocabulary.marking
    found: dict[str, Sequence[str]] = {}
    if symbols is not None:
        found = {"targets": symbols.targets, "features": symbols.features}
    elif marking is not None:
        found = {"tags": marking.labels}
    return [
        (what, f"{len(known)}: {' '.join(map(visible, known))}")
        for what, known in found.items()
        if known
    ]


def grouped(characters: str) -> str:
    """Return characters in groups, between which a line may be broken."""
    shown = visible(characters).replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")
    return " ".join(shown[at : at + TOGETHER] for at in range(0, len(shown), TOGETHER))


def _curve(console: Console, saved: Checkpoint) -> None:
    metric = saved.architecture.kind.metric
    points = points_of(saved.history, metric.loss)
    if len(points) > 1:
        console.show(f"\nheld-out {metric.unit} over the time trained")
        console.show("\n".join(curve(points, 72, 11)))


def statistics(
    console: Console, about: Mapping[str, Any], order: str, remarks: Sequence[str]
) -> None:
    """Show what a text looks like to the trainer, and what is odd about it."""
    rows = [(named(key), figure(value)) for key, value in about.items() if key != "sha256"]
    rows += [("sha256", about["sha256"]), ("by frequency", grouped(order))]
    console.list([*rows, *(("note", line) for line in remarks)])
