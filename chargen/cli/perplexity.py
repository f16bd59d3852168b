"""``chargen perplexity``."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Annotated

import typer

from chargen.cli.app import command
from chargen.cli.inputs import described, open_sources
from chargen.cli.options import OUT, EncodingOption, LabelOption, ModelOption, OutOption
from chargen.terminal.console import Console

if TYPE_CHECKING:
    from chargen.tasks.scoring import Score


@command("chargen perplexity held_out.txt --json")
def perplexity(
    console: Console,
    texts: Annotated[
        list[str],
        typer.Argument(metavar="TEXT...", help="Files, folders, .gz, a corpus's name, or -."),
    ],
    model: ModelOption = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="One pass, no lanes: slower, no approximation.")
    ] = False,
    label: LabelOption = None,
    encoding: EncodingOption = "utf-8",
    out: OutOption = OUT,
) -> None:
    """Score texts: perplexity, bits per character, bits per byte."""
    from chargen.model import load
    from chargen.terminal import tables

    loaded = load(model, out)
    console.note(f"model {described(loaded)}")
    scores: list[tuple[str, Score]] = []
    for source in texts:
        text = open_sources(console, [source], encoding, loaded.as_bytes)
        with console.progress(f"scoring {source}", in_bytes=False) as progress:
            scores.append((source, loaded.score(text, exact=exact, label=label, progress=progress)))
    total = reduce(add, (score for _, score in scores))
    if console.json:
        rows = [{"text": name} | score.json() | {"model": loaded.name} for name, score in scores]
        whole = total.json() | {"model": loaded.name}
        console.emit(rows[0] if len(rows) == 1 else {"texts": rows, "total": whole})
        return
    tables.scores(console, scores + ([("total", total)] if len(scores) > 1 else []))
