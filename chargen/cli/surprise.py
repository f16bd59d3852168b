"""``chargen surprise``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chargen.cli.app import command
from chargen.cli.inputs import (
    announce,
    given,
    keep,
    leave_out,
    load_all,
    open_sources,
    parallels_of,
)
from chargen.cli.options import (
    OUT,
    BlendOption,
    EncodingOption,
    ErrorsOption,
    LabelOption,
    ModelsOption,
    OutOption,
)
from chargen.errors import UsageError, argument
from chargen.terminal.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chargen.model import Model
    from chargen.tasks.surprise import Surprise
    from chargen.text.stimuli import Stimulus

LIKELIEST = 5
"""A page tells of each character which so many others were expected in its place."""

MOST_EXPECTED = 300_000
"""Of a longer text, it does not, because the page would be too large."""

MOST_PAGES = 1000
"""Texts of a page, at most: it has a list of them."""

SHOWN = 5
"""The most surprising words that are listed."""


@command("chargen surprise story.txt --per word --csv", table=True)
def surprise(
    console: Console,
    texts: Annotated[
        list[str],
        typer.Argument(metavar="TEXT...", help="Texts in quotes, files, a corpus's name, or -."),
    ],
    model: ModelsOption = None,
    blend: BlendOption = "probabilities",
    per: Annotated[
        str | None,
        typer.Option(
            metavar="WORD",
            help="A table with a row for each char, word, sentence, line, document or region.",
            show_default="with --json or --csv: char",
        ),
    ] = None,
    space: Annotated[
        str,
        typer.Option(
            metavar="WORD",
            help="With --per word, blanks and signs between words belong to the word that they "
            "follow (after), to the word that they precede (before), or to no word (apart).",
        ),
    ] = "after",
    base: Annotated[
        str, typer.Option(metavar="NUMBER", help="Of the logarithm: 2 (bits), e (nats), 10 (bans).")
    ] = "2",
    tsv: Annotated[
        bool, typer.Option("--tsv", help="Print the table with tabs between columns.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write a page for a browser, with each character's bits and what was expected.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Let --html replace a file that exists.")
    ] = False,
    lines: Annotated[
        bool, typer.Option("--lines", help="Read each line alone, as a text of its own.")
    ] = False,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Read a long text in one pass; takes several times as long."),
    ] = False,
    column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Read tables (CSV): each row's text in this column is a text of its own.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Repeat this column of the table in the results."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="This column of the table has the critical region, as it stands in the text; "
            "see --per region.",
        ),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            "--parallels",
            metavar="CORPUS",
            help="Show the passages of this corpus that are most like the text, with their places.",
        ),
    ] = None,
    label: LabelOption = None,
    encoding: EncodingOption = "utf-8",
    errors: ErrorsOption = "strict",
    out: OutOption = OUT,
) -> None:
    """Show how surprising a text is.

    The terminal shows each character in a colour; --per makes a table, of words or lines for
    example.
    """
    from chargen.tasks.surprise import CHAR, OWNERS, PER, REGION, UNITS, table
    from chargen.terminal import tables

    for name, value, known in (("per", per, PER), ("space", space, OWNERS), ("base", base, UNITS)):
        if value is not None and value not in known:
            raise UsageError(f"unknown {argument(name)} {value!r}", f"Choose {', '.join(known)}")
    if tsv and (console.json or console.csv):
        other = "json" if console.json else "csv"
        raise UsageError(f"{argument('tsv')} and --{other} exclude each other", "Give one of them")
    keep(html, force, "html")
    if like is not None:
        leave_out({"html": html, "per": per}, f"does not go with {argument('like')}")
    loaded = load_all(model, out, blend)
    announce(console, loaded, model)
    stimuli: list[Stimulus] = []
    if column is None:
        for name, value in (("group", group), ("region", region)):
            if value is not None:
                raise UsageError(
                    f"{argument(name)} is a column of a table",
                    f"Name the column of its texts by {argument('column')}",
                )
        named = read(console, loaded, texts, lines, encoding, errors)
    else:
        leave_out({"lines": lines}, "is not for tables")
        stimuli = read_tables(console, texts, (column, group, region), encoding, errors)
        named = [(one.text, one.text + (loaded.checkpoint.end or "")) for one in stimuli]
    if per == REGION and region is None:
        raise UsageError(
            f"{argument('per')} region needs to know the regions",
            f"Name their column by {argument('region')}",
        )
    if html is not None and not 1 <= len(named) <= MOST_PAGES:
        raise UsageError(
            f"{argument('html')} is for 1 to {MOST_PAGES:,} texts, not {len(named):,}",
            "Give fewer",
        )
    if like is not None:
        alike = parallels_of(console, [text for _, text in named], like, encoding, errors)
        if console.json or console.csv or tsv:
            # The passages are the whole answer.
            print_table(console, (vars(one) for one in alike), tsv)
            return
    size = sum(len(text) for _, text in named)
    likeliest = LIKELIEST if html is not None and size <= MOST_EXPECTED else 0
    with console.progress("reading", in_bytes=False) as progress:
        found = loaded.surprises(
            named, exact=exact, likeliest=likeliest, label=label, progress=progress
        )
    if like is not None:
        show(console, found)
        tables.parallels(console, alike)
        return
    if html is not None:
        write_page(console, loaded, found, html)
    if per is not None or console.json or console.csv or tsv:
        print_table(console, table(found, per or CHAR, space, base, stimuli), tsv)
    elif html is None:
        show(console, found)


def read(
    console: Console,
    loaded: Model,
    texts: Sequence[str],
    lines: bool,
    encoding: str,
    errors: str,
) -> list[tuple[str, str]]:
    """Return a name for each text, and the text; a model of lines or documents reads each alone."""
    from chargen.tasks.each import with_ends
    from chargen.text.examples import LINES
    from chargen.text.labelled import as_text

    found: list[tuple[str, str]] = []
    items = LINES if lines else loaded.checkpoint.items
    for source in texts:
        if given(source):
            opened = loaded.opened(source)
        else:
            opened = open_sources(console, [source], encoding, loaded.as_bytes, errors)
        if items:
            found += with_ends(loaded.checkpoint.vocabulary, opened, items)
        else:
            found.append((source, as_text(opened, 0, opened.characters)))
    return found


def read_tables(
    console: Console,
    sources: Sequence[str],
    columns: tuple[str, str | None, str | None],
    encoding: str,
    errors: str,
) -> list[Stimulus]:
    """Return the rows of tables: of each the text, the group and the critical region."""
    from chargen.text.labelled import as_text
    from chargen.text.stimuli import stimuli

    found: list[Stimulus] = []
    for source in sources:
        opened = open_sources(console, [source], encoding, False, errors)
        found += stimuli(source, as_text(opened, 0, opened.characters), *columns)
    return found


def write_page(console: Console, loaded: Model, found: Sequence[Surprise], path: Path) -> None:
    """Write the page of the texts."""
    from chargen.terminal.streams import sink
    from chargen.terminal.web import page

    made = page(found, loaded.checkpoint.vocabulary.characters, loaded.name)
    with sink(path, force=True) as file:
        file.write(made.encode())
    console.note(f"{path} is ready: open it in a browser")


def show(console: Console, found: Sequence[Surprise]) -> None:
    """Show texts in colours, and their most surprising words."""
    import math

    from chargen.tasks.surprise import table
    from chargen.terminal import heat

    for one in found:
        if len(found) > 1:
            console.show(f"{one.name}:")
        heat.show(console, one.text, one.nats / math.log(2))
        bits = float(one.nats.sum()) / math.log(2)
        console.show(
            f"{len(one.text):,} characters, {bits:,.2f} bits, {bits / max(1, len(one.text)):.4f} "
            "bits per character"
        )
    rows = sorted(table(found, "word"), key=lambda row: -row["bits"])[:SHOWN]
    console.show("")
    console.table(
        [
            (row["word"], f"{row['bits']:.2f}", f"{row['entropy']:.2f}", f"{row['start']:,}")
            for row in rows
        ],
        ("most surprising words", "bits", "expected", "at"),
    )


def print_table(console: Console, rows: Iterator[dict[str, Any]], tsv: bool) -> None:
    """Print rows as they are made, in the form that was asked for."""
    if console.json:
        for row in rows:
            console.emit(row)
    elif console.csv or tsv:
        console.rows(list(rows), tabs=tsv)
    else:
        shown: list[dict[str, Any]] = list(rows)
        names = [name for name in (shown[0] if shown else {}) if name != "text_id"]
        console.table([[cell(row[name]) for name in names] for row in shown], names, left=(0, 2))


def cell(value: Any) -> str:
    """Return a figure as it stands in a table."""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
