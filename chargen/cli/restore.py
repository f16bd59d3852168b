"""``chargen restore``."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from chargen.cli.app import command
from chargen.cli.inputs import announce, leave_out, open_sources, parallels_of, unescaped
from chargen.cli.options import OUT, EncodingOption, ErrorsOption, ModelOption, OutOption
from chargen.errors import UsageError, argument
from chargen.terminal.console import Console

SHOWN = 20
"""Gaps that are listed, at most."""


@command('chargen restore "To be, or [...] to be" -n 5', table=True)
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
    gap: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Take this as the mark of a gap of unknown length, instead of brackets.",
        ),
    ] = None,
    brackets: Annotated[
        str,
        typer.Option(metavar="PAIR", help="Put what was filled in between these, as in '[]'."),
    ] = "",
    beam: Annotated[
        int,
        typer.Option(
            help="Ways to fill a gap that are followed side by side; more find better ones, slower."
        ),
    ] = 20,
    evaluate: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Instead: measure on gaps made in this held-out text."),
    ] = None,
    gaps: Annotated[
        int, typer.Option(help="With --evaluate: make this many gaps; more measure more exactly.")
    ] = 300,
    unknown_length: Annotated[
        bool,
        typer.Option(
            "--unknown-length", help="With --evaluate: do not tell the model how long the gaps are."
        ),
    ] = False,
    like: Annotated[
        list[str] | None,
        typer.Option(
            "--parallels",
            metavar="CORPUS",
            help="Show the passages of this corpus that are most like the text, with their places.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="With --evaluate: seed of the places where the gaps are made.")
    ] = 0,
    encoding: EncodingOption = "utf-8",
    errors: ErrorsOption = "strict",
    out: OutOption = OUT,
) -> None:
    """Fill the gaps of a damaged text."""
    from chargen.model import load
    from chargen.tasks import restoring
    from chargen.tasks.quality import restoration_quality
    from chargen.terminal import tables

    if (damaged is None) == (evaluate is None):
        raise UsageError(
            f"give a text with gaps, or {argument('evaluate')} FILE", "See --help for how"
        )
    loaded = load(model, out)
    announce(console, loaded, model)
    if evaluate is not None:
        leave_out({"like": like}, "is for a text with gaps")
        held_out = open_sources(console, [evaluate], encoding, loaded.as_bytes, errors)
        with console.progress("filling gaps", in_bytes=False) as progress:
            judged = restoration_quality(
                loaded.reader,
                loaded.checkpoint.vocabulary,
                held_out.span(),
                gaps=gaps,
                seed=seed,
                unknown=unknown_length,
                beam=beam,
                progress=progress,
            )
        rows = [quality.json() for quality in judged]
        console.result(
            {"lengths": rows[:-1], "total": rows[-1], "model": loaded.name},
            lambda: rows,
            lambda: tables.gaps(console, rows),
        )
        return
    gap = None if gap is None else unescaped(gap)
    brackets = unescaped(brackets)
    if len(brackets) % 2:
        raise UsageError(
            f"{argument('brackets')} {brackets!r} has no middle", "Give two marks of equal length"
        )
    reader = loaded.reader
    text = damaged_text(console, damaged or "", gap, encoding, loaded.as_bytes, errors)
    pieces = restoring.parse(text, gap)
    found = [piece for piece in restoring.marked(text, gap) if isinstance(piece, restoring.Mark)]
    for mark in found[:SHOWN]:
        console.note(str(mark))
    if len(found) > SHOWN:
        console.note(f"and {len(found) - SHOWN:,} more gaps")
    with console.progress("restoring", in_bytes=False) as progress:
        ways = restoring.restore(
            reader, loaded.checkpoint.vocabulary, pieces, count, beam, progress
        )
    middle = len(brackets) // 2
    around = brackets[:middle], brackets[middle:]
    found_ways = [way.json() for way in ways]
    about: dict[str, Any] = {"restorations": found_ways, "model": loaded.name}
    known = [piece for piece in pieces if isinstance(piece, str)]
    alike = [] if like is None else parallels_of(console, known, like, encoding, errors)
    if like is not None:
        about["parallels"] = [vars(one) for one in alike]
    console.result(
        about,
        lambda: [{"text": way["text"], "probability": way["probability"]} for way in found_ways],
        lambda: tables.restorations(ways, around),
    )
    if like is not None and not (console.json or console.csv):
        tables.parallels(console, alike)


def damaged_text(
    console: Console, source: str, gap: str | None, encoding: str, as_bytes: bool, errors: str
) -> str:
    """Return what is to be restored: a file's text if there is such a file, or what was given."""
    from chargen.tasks.restoring import BRACKETED
    from chargen.text.labelled import as_text
    from chargen.text.sources import STDIN

    # Named pipes and what a shell puts for <(...) are files as well.
    if source == STDIN or (os.path.exists(source) and not os.path.isdir(source)):
        text = open_sources(console, [source], encoding, as_bytes, errors)
        return as_text(text, 0, text.characters)
    if not (BRACKETED.search(source) if gap is None else gap in source):
        raise UsageError(
            f"{source!r} is neither a file nor a text with a gap",
            "Write [...] where the gap is, or [?], or [5] for five",
        )
    return source
