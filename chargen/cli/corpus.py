"""``chargen corpus``: list, get, stats."""

from __future__ import annotations

from typing import Annotated

import typer

from chargen.cli.app import app, command
from chargen.cli.inputs import open_sources
from chargen.cli.options import EncodingOption, ErrorsOption
from chargen.terminal.console import Console

corpus = typer.Typer(
    help="Texts known by name: list them, fetch one, look at one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(corpus, name="corpus")


@command("chargen corpus list", name="list", group=corpus)
def list_corpora(console: Console) -> None:
    """List the texts known by name."""
    from chargen.text import catalog

    known = catalog.entries().values()
    if console.json:
        console.emit([entry.json() for entry in known])
        return
    rows = [
        (
            entry.name,
            "yes" if entry.here else "no",
            f"{entry.size:,}" if entry.size else "",
            entry.about,
        )
        for entry in known
    ]
    console.table(rows, ("name", "here", "size", "about"), left=(0, 3))


@command("chargen corpus get tinyshakespeare", name="get", group=corpus)
def get_corpus(
    console: Console,
    name: Annotated[str, typer.Argument(help="A name from `chargen corpus list`.")],
) -> None:
    """Fetch a text, check its sha256, and print where it is."""
    from chargen.text import catalog

    wanted = catalog.entry(name)
    with console.progress(f"fetching {name}") as progress:
        path = catalog.fetch(wanted, progress)
    if console.json:
        console.emit(wanted.json())
    else:
        typer.echo(name if wanted.made else path)


@command("chargen corpus stats corpus.txt", name="stats", group=corpus)
def show_statistics(
    console: Console,
    text: Annotated[list[str], typer.Argument(metavar="TEXT...", help="As for train.")],
    encoding: EncodingOption = "utf-8",
    errors: ErrorsOption = "strict",
    as_bytes: Annotated[bool, typer.Option("--bytes", help="Count bytes.")] = False,
) -> None:
    """Show what a text looks like to the trainer."""
    from chargen.terminal import tables
    from chargen.text.remarks import by_code, remarks

    opened = open_sources(console, text, encoding, as_bytes, errors)
    about = opened.statistics()
    if console.json:
        console.emit(
            about
            | {
                "remarks": remarks(opened),
                "counts": {chr(point): count for point, count in opened.ranking()},
            }
        )
        return
    order = "".join(by_code(chr(point)) for point, _ in opened.ranking())
    tables.statistics(console, about, order, remarks(opened))
