"""``chargen write``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from chargen.cli.app import command
from chargen.cli.inputs import announce, load_all
from chargen.cli.options import (
    OUT,
    BlendOption,
    LabelOption,
    MinPOption,
    ModelsOption,
    OutOption,
    TopKOption,
    TopPOption,
)
from chargen.errors import RunError, UsageError
from chargen.terminal.console import Console
from chargen.terminal.streams import interactive

DRAFT = Path("draft.txt")


@command("chargen write story.txt --temp 0.8")
def write(
    console: Console,
    file: Annotated[
        Path,
        typer.Argument(metavar="[FILE]", help="The text to write; it is made if it is not there."),
    ] = DRAFT,
    model: ModelsOption = None,
    blend: BlendOption = "probabilities",
    temp: Annotated[
        float, typer.Option(help="Temperature at the beginning; two keys change it.")
    ] = 0.8,
    top_k: TopKOption = None,
    top_p: TopPOption = None,
    min_p: MinPOption = None,
    length: Annotated[
        int, typer.Option(help="Characters of a proposal; it ends with a whole word.")
    ] = 100,
    label: LabelOption = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of the first proposal; default: a new one each time."),
    ] = None,
    out: OutOption = OUT,
) -> None:
    """Write a text together with a model.

    Type freely; Tab proposes three ways to go on, to take whole, by word or by character. Every
    change is saved at once, with all versions beside it in FILE.history. Ctrl-G shows the keys.
    """
    try:
        from chargen.writing.screen import Screen
    except ImportError as error:
        raise UsageError(
            f"writing needs {error.name}", "Install it: pip install 'chargen[write]'"
        ) from error
    import secrets

    from chargen.tasks.drawing import Sampling
    from chargen.writing.assistant import Assistant
    from chargen.writing.desk import Desk
    from chargen.writing.manuscript import Manuscript

    if not at_terminal():
        raise UsageError("writing needs a terminal", "Use chargen sample in a script")
    begin = secrets.randbelow(1 << 31) if seed is None else seed
    sampling = Sampling(length=length, temp=temp, top_k=top_k, top_p=top_p, min_p=min_p, seed=begin)
    loaded = load_all(model, out, blend)
    announce(console, loaded, model)
    engine = loaded.engine_for(label, writing=True)
    manuscript = Manuscript(file)
    assistant = Assistant(engine, loaded.checkpoint.vocabulary, loaded.checkpoint.end)
    desk = Desk(manuscript, assistant, sampling)
    try:
        Screen(desk, loaded.name).run()
    finally:
        desk.close()
    if console.json:
        console.emit({"file": str(file), **desk.json()})
    if manuscript.trouble:
        raise RunError(f"the last changes are not saved: {manuscript.trouble}", "Free some space")
    if manuscript.path.exists():
        console.note(f"{file} has {len(desk.text):,} characters")


def at_terminal() -> bool:
    """Return whether a writer sits at a terminal that can be drawn over."""
    return sys.stdin.isatty() and interactive()
