"""``chargen corpus``: list, get, stats."""

from __future__ import annotations

from typing import Annotated

import typer

from chargen.cli.app import app, command
from chargen.cli.inputs import open_sources
from chargen.cli.options import ColumnOption, EncodingOption, ErrorsOption
from chargen.terminal.console import Console
from chargen.text.formats import COLUMN

corpus = typer.Typer(
    help="List, fetch or look at texts.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(corpus, name="corpus")


@command("chargen corpus list", name="list", group=corpus, table=True)
def list_corpora(console: Console) -> None:
    """List the texts known by name."""
    from chargen.text import catalog

    known = list(catalog.entries().values())
    lines = [
        (
            entry.name,
            "yes" if entry.here else "no",
            f"{entry.size:,}" if entry.size else "",
            entry.about,
        )
        for entry in known
    ]
    rows = [entry.json() for entry in known]
    console.result(
        rows,
        lambda: rows,
        lambda: console.table(lines, ("name", "here", "size", "about"), left=(0, 1, 3)),
    )


@command("chargen corpus get tinyshakespeare", name="get", group=corpus)
def get_corpus(
    console: Console,
    name: Annotated[str, typer.Argument(help="A name from `chargen corpus list`.")],
) -> None:
    """Fetch a text by its name.

    Its sha256 is checked, and the place of the file is printed.
    """
    from chargen.text import catalog

    wanted = catalog.entry(name)
    with console.progress(f"fetching {name}") as progress:
        path = catalog.fetch(wanted, progress)
    if console.json:
        console.emit(wanted.json())
    else:
        typer.echo(name if wanted.made else path)


@command("chargen corpus stats corpus.txt", name="stats", group=corpus, table=True)
def show_statistics(
    console: Console,
    text: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...",
            help="Files, folders, archives, tables, addresses, names of corpora, or -.",
        ),
    ],
    encoding: EncodingOption = "utf-8",
    errors: ErrorsOption = "strict",
    as_bytes: Annotated[
        bool, typer.Option("--bytes", help="Count bytes instead of characters.")
    ] = False,
    column: ColumnOption = COLUMN,
) -> None:
    """Show what a text looks like to the trainer."""
    from chargen.terminal import tables
    from chargen.text.remarks import by_code, remarks

    opened = open_sources(console, text, encoding, as_bytes, errors, column)
    about = opened.statistics()
    counts = {chr(point): count for point, count in opened.ranking()}
    noted = remarks(opened)
    order = "".join(by_code(character) for character in counts)
    console.result(
        about | {"remarks": noted, "counts": counts},
        lambda: [
            {"character": one, "code_point": f"U+{ord(one):04X}", "count": count}
            for one, count in counts.items()
        ],
        lambda: tables.statistics(console, about, order, noted),
    )
