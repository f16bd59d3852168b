"""``chargen runs`` and ``chargen info``."""

from __future__ import annotations

from typing import Annotated

import typer

from chargen.cli.app import command
from chargen.cli.options import OUT, OutOption
from chargen.errors import CheckpointError
from chargen.terminal.console import Console


@command("chargen runs --json")
def runs(console: Console, out: OutOption = OUT) -> None:
    """List what has been trained here, newest first."""
    import datetime

    from chargen import checkpoint
    from chargen import runs as folder
    from chargen.terminal import tables

    starter = folder.Run(folder.STARTER)
    rows = []
    for run in folder.runs(out) + ([starter] if starter.model.exists() else []):
        try:
            saved = checkpoint.read(run.model, weights=False)
        except CheckpointError as error:
            console.warn(f"{run.name}: {error}")
            continue
        when = datetime.datetime.fromtimestamp(run.touched()).isoformat(" ", "minutes")
        rows.append(tables.summary(run.name, saved) | {"path": str(run.model), "when": when})
    if console.json:
        console.emit(rows)
        return
    tables.runs(console, rows)


@command("chargen info shakespeare")
def info(
    console: Console,
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="A run or a file; default: the newest.")
    ] = None,
    out: OutOption = OUT,
) -> None:
    """Tell all about one model."""
    from chargen.model import load
    from chargen.terminal import tables

    loaded = load(model, out)
    saved = loaded.checkpoint
    vocabulary = saved.vocabulary
    about = {
        "model": loaded.name,
        "path": str(loaded.path),
        "architecture": saved.architecture.json(),
        "parameters": saved.parameters,
        "vocabulary": {
            "size": len(vocabulary),
            "as_bytes": vocabulary.as_bytes,
            "escape": vocabulary.escape,
            "characters": vocabulary.characters,
        },
        "corpus": saved.corpus,
        "labels": list(saved.labels),
        "settings": saved.settings,
        "figures": saved.figures,
        "history": saved.history,
    }
    if console.json:
        console.emit(about)
        return
    tables.model(console, loaded.name, str(loaded.path), saved)
