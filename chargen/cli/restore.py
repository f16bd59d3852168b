"""``chargen restore``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from chargen.cli.app import command
from chargen.cli.inputs import open_sources
from chargen.cli.options import OUT, EncodingOption, ModelOption, OutOption
from chargen.errors import UsageError, argument
from chargen.terminal.console import Console


@command('chargen restore "To be, or [...] to be" -n 5')
def restore(
    console: Console,
    damaged: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT]",
            help="The text, or a file, or -: with [...] for a gap, [?] for one character, [5] for "
            "five, \\[ for a bracket.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    count: Annotated[
        int, typer.Option("-n", "--count", help="Show this many ways, the likeliest first.")
    ] = 1,
    beam: Annotated[int, typer.Option(help="Hypotheses followed side by side.")] = 20,
    evaluate: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Instead: measure on gaps made in this held-out text."),
    ] = None,
    gaps: Annotated[int, typer.Option(help="With --evaluate: how many gaps to make.")] = 300,
    unknown_length: Annotated[
        bool, typer.Option("--unknown-length", help="With --evaluate: do not tell their length.")
    ] = False,
    seed: Annotated[int, typer.Option(help="With --evaluate: seed of the gaps' places.")] = 0,
    encoding: EncodingOption = "utf-8",
    out: OutOption = OUT,
) -> None:
    """Fill the gaps of a damaged text."""
    from chargen.model import load
    from chargen.terminal import tables

    if (damaged is None) == (evaluate is None):
        raise UsageError(
            f"give a text with gaps, or {argument('evaluate')} FILE", "See --help for how"
        )
    loaded = load(model, out)
    console.note(f"model {loaded.name} ({loaded.checkpoint.architecture})")
    if evaluate is not None:
        held_out = open_sources(console, [evaluate], encoding, loaded.as_bytes)
        with console.progress("filling gaps", in_bytes=False) as progress:
            judged = loaded.judge(
                held_out.span(),
                gaps=gaps, seed=seed, unknown=unknown_length, beam=beam, progress=progress,
            )  # fmt: skip
        rows = [quality.json() for quality in judged]
        if console.json:
            console.emit({"lengths": rows[:-1], "total": rows[-1], "model": loaded.name})
        else:
            tables.gaps(console, rows)
        return
    text = damaged_text(console, damaged or "", encoding, loaded.as_bytes)
    with console.progress("restoring", in_bytes=False) as progress:
        ways = loaded.restore(text, count, beam=beam, progress=progress)
    if console.json:
        console.emit({"restorations": [way.json() for way in ways], "model": loaded.name})
        return
    tables.restorations(ways)


def damaged_text(console: Console, source: str, encoding: str, as_bytes: bool) -> str:
    """Return what is to be restored: a file's text if there is such a file, or what was given."""
    from chargen.tasks.restoring import MARK
    from chargen.text.labelled import as_text
    from chargen.text.sources import STDIN

    if source == STDIN or os.path.isfile(source):
        text = open_sources(console, [source], encoding, as_bytes)
        return as_text(text, 0, text.characters)
    if not MARK.search(source):
        raise UsageError(
            f"{source!r} is neither a file nor a text with a gap",
            "Write [...] where the gap is, or [?], or [5] for five",
        )
    return source
