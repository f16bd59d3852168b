"""``chargen classify``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from chargen.cli.app import command
from chargen.cli.inputs import open_sources
from chargen.cli.options import OUT, EncodingOption, ErrorsOption, OutOption
from chargen.errors import UsageError, argument
from chargen.options import Options, check
from chargen.terminal.console import Console

if TYPE_CHECKING:
    from chargen.model import Model
    from chargen.tasks.classifying import Judge


@command("chargen classify letter.txt -m austen -m dickens")
def classify(
    console: Console,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="Files, or -; at most 10,000 characters of each text or line are read.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="NAME|PATH",
            help="One model for each label, or one trained with --labels; default: the newest run.",
            show_default=False,
        ),
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Classify each line by itself.")] = False,
    evaluate: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Instead: measure on the held-out part of these labelled texts; n-grams learn the "
            "rest.",
        ),
    ] = None,
    examples: Annotated[int, typer.Option(help="With --evaluate: examples, at most.")] = 2000,
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
    """Tell which author, language or other label a text has."""
    from chargen.model import judge_of, load
    from chargen.tasks import calibration, classifying
    from chargen.terminal import tables

    check("sharpness", sharpness, 0, math.inf)
    if bool(texts) == (evaluate is not None):
        raise UsageError(f"give texts, or {argument('evaluate')} FILE", "See --help for how")
    loaded = [load(model, out) for model in models] if models else [load(None, out)]
    judge, fitted = judge_of(loaded)
    name = ", ".join(model.name for model in loaded)
    console.note(f"model {name}: {', '.join(judge.names)}")
    if evaluate is not None:
        evaluate_on(console, evaluate, judge, loaded, name, examples, encoding, errors)
        return
    found: list[tuple[str, str]] = []
    for source in texts or []:
        text = open_sources(console, [source], encoding, loaded[0].as_bytes, errors)
        found += classifying.to_tell(source, text, lines)
    with console.progress("telling", in_bytes=False) as progress:
        logs = classifying.weigh_all(judge, [text for _, text in found], progress)
    shares = calibration.probabilities(logs, fitted if sharpness is None else sharpness)
    ranked = [
        sorted(zip(judge.names, row.tolist(), strict=True), key=lambda pair: -pair[1])
        for row in shares
    ]
    if console.json:
        for (source, _), ranking in zip(found, ranked, strict=True):
            one = [{"label": label, "probability": share} for label, share in ranking]
            console.emit({"text": source, "labels": one, "model": name})
        return
    tables.labels(console, [(source, row) for (source, _), row in zip(found, ranked, strict=True)])


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
    if console.json:
        given = {"examples": int(ways[0].confusion.sum()), "labels": list(judge.names)}
        given |= {"seen": None if seen is None else learned, "unseen": others}
        console.emit(given | {"ways": [way.json() for way in ways], "model": name})
        return
    tables.verdicts(console, ways, judge.names)
