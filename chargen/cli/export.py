"""``chargen export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chargen.cli import completion
from chargen.cli.app import command
from chargen.cli.inputs import keep
from chargen.cli.options import OUT, OutOption
from chargen.errors import UsageError, argument
from chargen.terminal.console import Console

ONNX, HF = FORMS = ("onnx", "hf")


@command("chargen export shakespeare --to onnx shakespeare.onnx")
def export(
    console: Console,
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A run or a file.", autocompletion=completion.models),
    ],
    output: Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="Where to write it.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORM",
            help="onnx: a graph for other runtimes; hf: a folder with a card for the Hugging Face "
            "hub.",
        ),
    ],
    licence: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With hf: the model's licence, such as mit."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With onnx: replace the file if it is there.")
    ] = False,
    out: OutOption = OUT,
) -> None:
    """Write a model for other programs."""
    from chargen.model import load

    if to not in FORMS:
        raise UsageError(f"unknown {argument('to')} {to!r}", f"Choose {', '.join(FORMS)}")
    loaded = load(model, out)
    if to == HF:
        from chargen.export import hub

        hub.write(loaded.checkpoint, loaded.name, output, licence)
        console.note(f"{output} has the model, its description and a card")
        tell(console, {"form": to, "path": str(output), "model": loaded.name})
        return
    if licence is not None:
        raise UsageError(f"{argument('licence')} is for hf", "Leave it out")
    keep(output, force, None)
    try:
        from chargen.export import onnx
    except ImportError as error:
        raise UsageError(
            f"exporting needs {error.name}", "Install it: pip install 'chargen[export]'"
        ) from error
    apart = onnx.write(loaded.checkpoint, loaded.name, output)
    console.note(f"{output} gives the figures of {loaded.name}, to {apart:.1g}")
    found = {"form": to, "path": str(output), "model": loaded.name}
    tell(console, found | {"largest_difference": apart})


def tell(console: Console, found: dict[str, Any]) -> None:
    """Print what was written, for programs."""
    if console.json:
        console.emit(found)


@command("chargen import rnn.safetensors --characters characters.json --name mine", name="import")
def take(
    console: Console,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A state dict of torch.nn, as safetensors.")
    ],
    characters: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="JSON: the characters in the order of their ids, as a text or a list; or an "
            "object from characters to ids.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The run's name; default: the file's.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run of this name.")
    ] = False,
    out: OutOption = OUT,
) -> None:
    """Make a model of torch.nn's layers.

    It needs one stack of RNN, GRU or LSTM layers, an embedding (or characters as one-hot vectors),
    and one linear output.
    """
    from chargen import checkpoint, runs
    from chargen.export import foreign

    saved = foreign.read(file, characters)
    run, lock = runs.create(out, name, file.name, overwrite=overwrite)
    try:
        run.clear()
        checkpoint.write(run.best, saved)
    finally:
        lock.release()
    if console.json:
        console.emit({"model": run.name, "path": str(run.best)})
    console.note(f"{saved.architecture} is now {run.name}")
    console.note(f"now try: chargen sample -m {run.name} --temp 0.8")
