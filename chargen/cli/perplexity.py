"""``chargen perplexity``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Annotated

import typer

from chargen.cli.app import command, report
from chargen.cli.inputs import announce, load_all, open_sources
from chargen.cli.options import (
    OUT,
    BlendOption,
    ColumnOption,
    EncodingOption,
    ErrorsOption,
    LabelOption,
    ModelsOption,
    OutOption,
)
from chargen.errors import ChargenError, CorpusError, UsageError, argument
from chargen.terminal.console import Console
from chargen.text.formats import COLUMN

if TYPE_CHECKING:
    from chargen.model import Model
    from chargen.tasks.scoring import Score
    from chargen.text.corpus import Text

ADAPTED = ("nats_per_char", "perplexity", "perplexity_error", "bpc", "bits_per_byte", "accuracy")
"""Figures of the model that learns while it reads, beside those of the model as it was."""


@command("chargen perplexity held_out.txt --json", table=True)
def perplexity(
    console: Console,
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...",
            help="Files, folders, archives, tables, addresses, names of corpora, or -.",
        ),
    ],
    model: ModelsOption = None,
    blend: BlendOption = "probabilities",
    exact: Annotated[
        bool,
        typer.Option(
            "--exact", help="Score in one pass, without approximation; takes several times as long."
        ),
    ] = False,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="Score again with a model that learns from each stretch once it is scored; slow.",
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
    column: ColumnOption = COLUMN,
    out: OutOption = OUT,
) -> None:
    """Score how well a model predicts texts.

    The figures are perplexity, bits per character, bits per byte and accuracy.
    """
    from chargen.text.examples import DOCUMENTS, LINES, items_of

    loaded = load_all(model, out, blend)
    announce(console, loaded, model)
    asked = items_of(lines, documents)
    if adapt and asked:
        raise UsageError(
            f"{argument('adapt')} is for texts that run on, and {argument(asked)} reads each alone",
            "Leave one of the two out",
        )
    if adapt:
        loaded.require_running()
    items = asked or loaded.checkpoint.items
    if items and not asked:
        console.note(f"this is a model of {items}: each is scored alone")
    opened: list[tuple[str, Text]] = []
    failed: list[ChargenError] = []
    for source in texts:
        # What is wrong with one text is no reason to say nothing of the others.
        try:
            opened.append(
                (source, open_sources(console, [source], encoding, loaded.as_bytes, errors, column))
            )
        except CorpusError as error:
            if len(texts) == 1:
                raise
            failed.append(error)
    if opened and items in (LINES, DOCUMENTS):
        each(console, loaded, opened, items, label)
    elif opened:
        whole(console, loaded, opened, exact, adapt, label)
    for earlier in failed[:-1]:
        report(earlier, console)
    if failed:
        raise failed[-1]


def whole(
    console: Console,
    loaded: Model,
    opened: Sequence[tuple[str, Text]],
    exact: bool,
    adapt: bool,
    label: str | None,
) -> None:
    """Score running texts."""
    from chargen.terminal import tables
    from chargen.text.forms import advice

    scores: list[tuple[str, Score]] = []
    for source, text in opened:
        with console.progress(f"scoring {source}", in_bytes=False) as progress:
            scores.append((source, loaded.score(text, exact=exact, label=label, progress=progress)))
    adapted: list[tuple[str, Score]] = []
    for source, text in opened if adapt else ():
        with console.progress(f"scoring and learning {source}", in_bytes=False) as progress:
            adapted.append((source, loaded.adapt(text, label=label, progress=progress)[0]))
    known = loaded.checkpoint.vocabulary.characters
    if not loaded.as_bytes:
        for source, text in opened:
            unknown = [chr(point) for point in text.counts if chr(point) not in known]
            form = advice(source, unknown, known)
            if form:
                console.warn(form)
    if len(opened) > 1:
        for found in filter(None, (scores, adapted)):
            found.append(("total", reduce(add, (score for _, score in found))))
    rows = [{"text": name} | score.json() for name, score in scores]
    for row, (_, score) in zip(rows, adapted, strict=False):
        row |= {f"adapted_{key}": getattr(score, key) for key in ADAPTED}
    rows = [row | {"model": loaded.name} for row in rows]
    *_, total = rows
    texts = rows[: len(opened)]
    together = {"texts": texts, "total": {key: total[key] for key in total if key != "text"}}
    console.result(
        texts[0] if len(texts) == 1 else together,
        lambda: texts,
        lambda: tables.scores(console, scores, adapted),
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
