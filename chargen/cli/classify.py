"""``chargen classify``."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chargen.cli import completion
from chargen.cli.app import command
from chargen.cli.inputs import given, leave_out, open_sources
from chargen.cli.options import OUT, EncodingOption, ErrorsOption, OutOption
from chargen.declared import LARGEST_NUMBER, check
from chargen.errors import UsageError, argument
from chargen.options import Options
from chargen.terminal.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chargen.checkpoint import Checkpoint
    from chargen.model import Model
    from chargen.tasks.classifying import Judge

SHOWN = 40
"""Characters of a text that stand for it in a table."""


@command("chargen classify letter.txt -m austen -m dickens", table=True)
def classify(
    console: Console,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="Files, texts in quotes, or -; at most 10,000 characters of each text or line "
            "are read.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="NAME|PATH",
            autocompletion=completion.models,
            help="One model for each label, or one trained with --labels; default: the newest run.",
            show_default=False,
        ),
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Classify each line of the texts by itself.")
    ] = False,
    rolling: Annotated[
        bool,
        typer.Option(
            "--rolling", help="Tell the label along each text: of one window after another."
        ),
    ] = False,
    window: Annotated[int, typer.Option(help="With --rolling: characters of a window.")] = 1000,
    every: Annotated[
        int | None,
        typer.Option(
            help="With --rolling: characters from one window to the next.",
            show_default="a quarter of the window",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --rolling: draw it as well: a .png, .svg or .pdf."),
    ] = None,
    evaluate: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Instead: measure on the held-out part of these labelled texts; n-grams learn the "
            "rest.",
        ),
    ] = None,
    examples: Annotated[
        int, typer.Option(help="With --evaluate: measure on this many examples, at most.")
    ] = 2000,
    sharpness: Annotated[
        float | None,
        typer.Option(
            help="Inverse temperature: higher is surer; use the one that --evaluate found.",
            show_default="the model's",
        ),
    ] = None,
    encoding: EncodingOption = "utf-8",
    errors: ErrorsOption = "strict",
    out: OutOption = OUT,
) -> None:
    """Tell a text's author, language or label.

    Where no label fits the text, that is said.
    """
    from chargen.model import load
    from chargen.tasks import classifying, guessing
    from chargen.terminal import plots, tables
    from chargen.text.labelled import as_text

    check("sharpness", sharpness, 0, math.inf)
    check("window", window, 1, classifying.LONGEST_READ)
    check("every", every, 1, LARGEST_NUMBER)
    if not rolling:
        leave_out({"plot": plot, "every": every}, "is for --rolling")
    elif lines or evaluate is not None or len(texts or []) != 1:
        raise UsageError(
            f"{argument('rolling')} is for one long text, read as it is", "Name one text, or file"
        )
    if plot is not None:
        plots.drawable(plot)
    if bool(texts) == (evaluate is not None):
        raise UsageError(f"give texts, or {argument('evaluate')} FILE", "See --help for how")
    loaded = [load(model, out) for model in models] if models else [load(None, out)]
    named = [(model.name, model.checkpoint) for model in loaded]
    judge, _ = guessing.judge_of(named)
    name = ", ".join(model.name for model in loaded)
    console.note(
        f"labels: {', '.join(judge.names)}"
        + (f" (model {name})" if len(loaded) == 1 else ", a model for each")
    )
    if evaluate is not None:
        evaluate_on(console, evaluate, judge, loaded, name, examples, encoding, errors)
        return
    if rolling:
        (source,) = texts or []
        text = source
        if not given(source):
            opened = open_sources(console, [source], encoding, loaded[0].as_bytes, errors)
            text = as_text(opened, 0, opened.characters)
        along(console, named, name, text, (window, every or max(1, window // 4)), sharpness, plot)
        return
    found: list[tuple[str, str]] = []
    texts_given: list[str] = []
    for source in texts or []:
        if given(source):
            parts = [line for line in source.splitlines() if line.strip()] if lines else [source]
            texts_given += parts
            found += [(part, part[: classifying.LONGEST_READ]) for part in parts]
            continue
        opened = open_sources(console, [source], encoding, loaded[0].as_bytes, errors)
        found += classifying.to_tell(source, opened, lines)
    with console.progress("telling", in_bytes=False) as progress:
        guesses = guessing.guesses(
            named, [text for _, text in found], progress, sharpness, [one for one, _ in found]
        )
    rows = [guess.json() | {"model": name} for guess in guesses]
    if console.json:
        for row in rows:
            console.emit(row)
        return
    console.result(
        rows,
        lambda: [
            {"text": guess.text, "guess": guess.label} | vars(told)
            for guess in guesses
            for told in guess.labels
        ],
        lambda: tables.labels(
            console,
            [
                replace(guess, text=shortened(guess.text)) if guess.text in texts_given else guess
                for guess in guesses
            ],
        ),
    )


def along(
    console: Console,
    named: Sequence[tuple[str, Checkpoint]],
    name: str,
    text: str,
    steps: tuple[int, int],
    sharpness: float | None,
    plot: Path | None,
) -> None:
    """Tell the label of one window of a text after another.

    Args:
        steps: characters of a window, and from one to the next.
    """
    from chargen.tasks import guessing
    from chargen.terminal import pictures, tables

    size, every = steps
    starts = range(0, max(1, min(len(text), len(text) - size + every)), every)
    parts = [text[start : start + size] for start in starts]
    with console.progress("telling", in_bytes=False) as progress:
        guesses = guessing.guesses(named, parts, progress, sharpness)
    labels = sorted(told.label for told in guesses[0].labels)
    shares = {
        label: [
            next(told.probability for told in guess.labels if told.label == label)
            for guess in guesses
        ]
        for label in labels
    }
    rows: list[dict[str, Any]] = [
        {
            "start": start,
            "end": start + len(part),
            "label": guess.label,
            "probability": guess.labels[0].probability,
            "fits": guess.fits,
        }
        for start, part, guess in zip(starts, parts, guesses, strict=True)
    ]
    each = [{label: shares[label][at] for label in labels} for at in range(len(rows))]
    console.result(
        {
            "characters": len(text),
            "model": name,
            "windows": [
                row | {"labels": [{"label": k, "probability": p} for k, p in one.items()]}
                for row, one in zip(rows, each, strict=True)
            ],
        },
        lambda: [row | one for row, one in zip(rows, each, strict=True)],
        lambda: tables.rolling(console, rows),
    )
    if plot is not None:
        pictures.rolling(plot, [(row["start"] + row["end"]) / 2 for row in rows], shares)


def shortened(text: str) -> str:
    """Return the beginning of a text, to name it by."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def evaluate_on(
    console: Console,
    source: str,
    judge: Judge,
    loaded: list[Model],
    name: str,
    examples: int,
    encoding: str,
    errors: str,
) -> None:
    """Show how well a judge tells the held-out examples of labelled texts."""
    from chargen.tasks import calibration
    from chargen.terminal import tables
    from chargen.text.labelled import read_labelled

    seen = loaded[0].checkpoint.seen if len(loaded) == 1 else None
    with console.progress(f"reading {source}") as progress:
        labelled = read_labelled(
            source,
            Options().usual("valid_fraction") if seen is None else 0,
            encoding=encoding,
            as_bytes=loaded[0].as_bytes,
            errors=errors,
            progress=progress,
            skipped=lambda one: console.note(f"skipped {one}"),
        )
    split = calibration.Split.of(labelled, seen)
    learned, others = len(split.learned), len(split.others)
    if seen is not None:
        console.note(f"{learned + others:,} examples: {learned:,} were seen in training")
    elif loaded[0].labels:
        console.warn(
            f"{name} does not say which examples it has learned from: some of these may be among "
            "them"
        )
    with console.progress("telling", in_bytes=False) as progress:
        ways = calibration.verdicts(name, judge, labelled.names, split, examples, progress)
    rows = [way.json() for way in ways]
    about = {"examples": int(ways[0].confusion.sum()), "labels": list(judge.names)}
    about |= {"seen": None if seen is None else learned, "unseen": others}
    console.result(
        about | {"ways": rows, "model": name},
        lambda: [{key: one for key, one in row.items() if key != "confusion"} for row in rows],
        lambda: tables.verdicts(console, ways, judge.names),
    )
