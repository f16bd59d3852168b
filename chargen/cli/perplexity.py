"""``chargen perplexity``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Annotated

import typer

from chargen.cli.app import command, report
from chargen.cli.inputs import announce, open_sources
from chargen.cli.options import (
    OUT,
    EncodingOption,
    ErrorsOption,
    LabelOption,
    ModelOption,
    OutOption,
)
from chargen.errors import ChargenError, CorpusError
from chargen.terminal.console import Console

if TYPE_CHECKING:
    from chargen.model import Model
    from chargen.tasks.scoring import Score
    from chargen.text.corpus import Text


@command("chargen perplexity held_out.txt --json", table=True)
def perplexity(
    console: Console,
    texts: Annotated[
        list[str],
        typer.Argument(metavar="TEXT...", help="Files, folders, .gz, a corpus's name, or -."),
    ],
    model: ModelOption = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact", help="Score in one pass, without approximation; takes several times as long."
        ),
    ] = False,
    lines: Annotated[
        bool, typer.Option("--lines", help="Score each line alone, from its beginning to its end.")
    ] = False,
    documents: Annotated[
        bool, typer.Option("--documents", help="Score each file alone, from its beginning.")
    ] = False,
    label: LabelOption = None,
    encoding: EncodingOption = "utf-8",
    errors: ErrorsOption = "strict",
    out: OutOption = OUT,
) -> None:
    """Score how well a model predicts texts.

    The figures are perplexity, bits per character, bits per byte and accuracy.
    """
    from chargen.model import load
    from chargen.text.examples import DOCUMENTS, LINES, items_of

    loaded = load(model, out)
    announce(console, loaded, model)
    items = items_of(lines, documents) or loaded.checkpoint.items
    if items and not lines and not documents:
        console.note(f"this is a model of {items}: each is scored alone")
    opened: list[tuple[str, Text]] = []
    failed: list[ChargenError] = []
    for source in texts:
        # What is wrong with one text is no reason to say nothing of the others.
        try:
            opened.append(
                (source, open_sources(console, [source], encoding, loaded.as_bytes, errors))
            )
        except CorpusError as error:
            if len(texts) == 1:
                raise
            failed.append(error)
    if opened and items in (LINES, DOCUMENTS):
        each(console, loaded, opened, items, label)
    elif opened:
        whole(console, loaded, opened, exact, label)
    for earlier in failed[:-1]:
        report(earlier, console)
    if failed:
        raise failed[-1]


def whole(
    console: Console,
    loaded: Model,
    opened: Sequence[tuple[str, Text]],
    exact: bool,
    label: str | None,
) -> None:
    """Score running texts."""
    from chargen.terminal import tables
    from chargen.text.forms import advice

    scores: list[tuple[str, Score]] = []
    for source, text in opened:
        with console.progress(f"scoring {source}", in_bytes=False) as progress:
            scores.append((source, loaded.score(text, exact=exact, label=label, progress=progress)))
    known = loaded.checkpoint.vocabulary.characters
    if not loaded.as_bytes:
        for source, text in opened:
            unknown = [chr(point) for point in text.counts if chr(point) not in known]
            form = advice(source, unknown, known)
            if form:
                console.warn(form)
    total = reduce(add, (score for _, score in scores))
    rows = [{"text": name} | score.json() | {"model": loaded.name} for name, score in scores]
    together = {"texts": rows, "total": total.json() | {"model": loaded.name}}
    shown = scores + ([("total", total)] if len(scores) > 1 else [])
    console.result(
        rows[0] if len(rows) == 1 else together, lambda: rows, lambda: tables.scores(console, shown)
    )


def each(
    console: Console,
    loaded: Model,
    opened: Sequence[tuple[str, Text]],
    items: str,
    label: str | None,
) -> None:
    """Score lines or documents, each alone."""
    from chargen.tasks.each import together
    from chargen.terminal import tables

    with console.progress(f"scoring {items}", in_bytes=False) as progress:
        scores = loaded.score_each([text for _, text in opened], items, label, progress)
    rows = [score.json() for score in scores]
    total = together(scores) | {"model": loaded.name}
    console.result(
        {"texts": rows, "total": total}, lambda: rows, lambda: tables.each(console, scores)
    )
