"""``chargen novelty``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chargen.cli.app import command
from chargen.cli.inputs import given, open_sources
from chargen.cli.options import EncodingOption, ErrorsOption
from chargen.declared import LARGEST_NUMBER, check
from chargen.terminal.console import Console

if TYPE_CHECKING:
    from chargen.tasks.novelty import Novelty

SHOWN = 10
"""Copies that are listed."""


@command("chargen novelty written.txt --corpus novel.txt", table=True)
def novelty(
    console: Console,
    text: Annotated[
        str,
        typer.Argument(metavar="TEXT", help="A file, - for standard input, or a text in quotes."),
    ],
    corpus: Annotated[
        list[str],
        typer.Option(metavar="CORPUS", help="What it may have been copied from; may be repeated."),
    ],
    shortest: Annotated[int, typer.Option(help="Characters of a copy that counts, at least.")] = 20,
    encoding: EncodingOption = "utf-8",
    errors: ErrorsOption = "strict",
) -> None:
    """Show what of a text is copied.

    Copies are marked, and listed with their places.
    """
    from chargen.tasks import novelty as task
    from chargen.text.labelled import as_text

    check("shortest", shortest, 1, LARGEST_NUMBER)
    if given(text):
        written = text
    else:
        opened = open_sources(console, [text], encoding, False, errors)
        written = as_text(opened, 0, opened.characters)
    source = open_sources(console, corpus, encoding, False, errors)
    with console.progress("comparing", in_bytes=False) as progress:
        found = task.novelty(written, source, shortest, progress)
    if console.json:
        console.emit(found.json())
    elif console.csv:
        console.rows([copy.json() for copy in found.copies])
    else:
        show(console, found, shortest)


def show(console: Console, found: Novelty, shortest: int) -> None:
    """Show the text with its copies marked, and the longest ones."""
    from chargen.terminal import marked

    marked.show(found.text, found.copied)
    rows = sorted(found.copies, key=lambda copy: copy.start - copy.stop)[:SHOWN]
    console.show("")
    if rows:
        console.table(
            [
                (
                    f"{copy.stop - copy.start:,}",
                    f"{copy.start:,}",
                    f"{copy.source}:{copy.line}",
                    shown(copy.text),
                )
                for copy in rows
            ],
            ("copied", "at", "corpus", "text"),
            left=(2, 3),
        )
    about = found.json()
    console.show(
        f"{about['new']:.1%} of {about['characters']:,} characters are new; {len(found.copies):,} "
        f"copies of {shortest} characters or more, the longest of {about['longest']:,}"
    )


LONGEST = 50


def shown(text: str) -> str:
    """Return the beginning of a copy, on one line."""
    line = text.replace("\n", "⏎")
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
