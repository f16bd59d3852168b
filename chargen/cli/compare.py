"""``chargen compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chargen.cli import completion
from chargen.cli.app import command
from chargen.cli.inputs import open_sources
from chargen.cli.options import OUT, EncodingOption, ErrorsOption, LabelOption, OutOption
from chargen.errors import KindError
from chargen.terminal.console import Console


@command("chargen compare gru lstm --text held_out.txt --plot memory.svg", table=True)
def compare(
    console: Console,
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Names of runs, or paths of model files.",
            show_default=False,
            autocompletion=completion.models,
        ),
    ],
    text: Annotated[
        str,
        typer.Option(metavar="FILE", help="Measure on this text, which no model has learned from."),
    ],
    places: Annotated[
        int,
        typer.Option(
            help="Measure at this many places of the text; more are more exact, and slower."
        ),
    ] = 512,
    seed: Annotated[int, typer.Option(help="Seed of the places, to measure at others.")] = 0,
    label: LabelOption = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the figures as well: a .png, .svg or .pdf."),
    ] = None,
    encoding: EncodingOption = "utf-8",
    errors: ErrorsOption = "strict",
    out: OutOption = OUT,
) -> None:
    """Show what each model remembers.

    Bits per character by length of context, and how far back a gradient reaches.
    """
    from chargen.model import load
    from chargen.tasks import comparing
    from chargen.terminal import plots, tables

    loaded = [load(model, out) for model in models]
    if len({model.as_bytes for model in loaded}) > 1:
        raise KindError("some of the models are of bytes, some of characters", "Compare like ones")
    for model in loaded:
        model.require_causal()
    numbers = [model.label_id(label) for model in loaded]
    opened = open_sources(console, [text], encoding, loaded[0].as_bytes, errors)
    if plot is not None:
        plots.drawable(plot)
    stretches = comparing.places(opened.span(), places, seed)
    # PyTorch takes seconds to import, so everything that can be wrong is checked first.
    from chargen.training.memory import measure

    measured = []
    for model, number in zip(loaded, numbers, strict=True):
        with console.progress(f"measuring {model.name}", in_bytes=False) as progress:
            measured.append(measure(model.checkpoint, stretches, number, progress))
    found = [(model.name, memory) for model, memory in zip(loaded, measured, strict=True)]
    differ = comparing.differences([(model.name, model.checkpoint) for model in loaded])
    rows = [memory.json() | {"model": name} for name, memory in found]
    console.result(
        {"text": text, "places": places, "models": rows, "differ": differ},
        lambda: [{"model": name} | row for name, memory in found for row in memory.rows()],
        lambda: tables.memories(console, found, places),
    )
    if differ:
        console.note(f"note: the models differ {' and '.join(differ)}: compare with care")
    if plot is not None:
        plots.memories(plot, found)
