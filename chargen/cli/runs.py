"""``chargen runs``, ``info``, ``rename`` and ``delete``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from chargen.cli import completion
from chargen.cli.app import command, program
from chargen.cli.options import OUT, OutOption
from chargen.errors import UsageError
from chargen.terminal.console import Console


@command("chargen runs --json", table=True)
def runs(console: Console, out: OutOption = OUT) -> None:
    """List what has been trained here.

    The newest run comes first; each says whether it has finished, and how to go on with it.
    """
    from chargen.tasks.listing import INTERRUPTED, listing
    from chargen.terminal import tables

    rows = listing(out, lambda name, error: console.warn(f"{name}: {error}"))
    console.result(rows, lambda: rows, lambda: tables.runs(console, rows))
    for row in rows:
        if row["state"] == INTERRUPTED:
            console.note(f"to go on: {program()} {row['next'].removeprefix('chargen ')}")


@command("chargen info shakespeare", table=True)
def info(
    console: Console,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="A run or a file; default: the newest.",
            autocompletion=completion.models,
        ),
    ] = None,
    out: OutOption = OUT,
) -> None:
    """Tell all about one model."""
    from chargen.model import load
    from chargen.terminal import tables

    loaded = load(model, out)
    about = loaded.info()
    console.result(
        about,
        lambda: [{"key": key, "value": value} for key, value in flat(about)],
        lambda: tables.model(console, loaded.name, str(loaded.path), loaded.checkpoint),
    )


def flat(about: dict[str, object], above: str = "") -> list[tuple[str, object]]:
    """Return a document as keys with dots and values; lists are left out."""
    found: list[tuple[str, object]] = []
    for key, value in about.items():
        if isinstance(value, dict):
            found += flat(value, f"{above}{key}.")
        elif not isinstance(value, list):
            found.append((above + key, value))
    return found


RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's name.", autocompletion=completion.trained)
]


@command("chargen rename shakespeare first-try")
def rename(
    console: Console,
    run: RunArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new name.")],
    out: OutOption = OUT,
) -> None:
    """Give a run another name."""
    from chargen import runs as folder

    to = folder.rename(folder.here(out, run), name)
    if console.json:
        console.emit({"model": to.name, "path": str(to.model)})
    console.note(f"{run} is now {to.name}")


@command("chargen delete first-try second-try --yes")
def delete(
    console: Console,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="The runs' names.", autocompletion=completion.trained
        ),
    ],
    yes: Annotated[
        bool, typer.Option("-y", "--yes", help="Delete without asking; needed in scripts.")
    ] = False,
    out: OutOption = OUT,
) -> None:
    """Delete runs.

    Models, state and history go; files that are not chargen's stay.
    """
    from chargen import runs as folder

    found = [folder.here(out, name) for name in dict.fromkeys(names)]
    if not yes:
        listed = ", ".join(run.name for run in found)
        if console.json or not sys.stdin.isatty():
            raise UsageError(
                f"to delete {listed} needs a yes, and this is no terminal", "Add --yes"
            )
        if not typer.confirm(f"delete {listed} in {out}, for good?", err=True):
            console.say("nothing was deleted")
            raise typer.Exit(1)
    for run in found:
        for path in folder.delete(run):
            console.warn(f"kept {path}: it is not chargen's")
        console.note(f"deleted {run.name}")
    if console.json:
        console.emit({"deleted": [run.name for run in found]})
