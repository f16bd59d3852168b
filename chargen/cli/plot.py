"""``chargen plot``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chargen.cli import completion
from chargen.cli.app import command
from chargen.cli.inputs import announce, given, keep, leave_out, read_text
from chargen.cli.options import OUT, LabelOption, OutOption
from chargen.errors import RunError, UsageError, argument
from chargen.terminal.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chargen.model import Model

LONGEST = 2000
"""Characters of a text along which units are drawn, at most."""

LONGEST_ATTENDED = 200
"""Characters of a text along which attention is drawn, at most: a square of them for each head."""


@command("chargen plot lstm gru -o curves.svg", table=True)
def plot(
    console: Console,
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Names of runs, or paths.",
            show_default=False,
            autocompletion=completion.models,
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", metavar="FILE", help="The picture: a .png, .svg or .pdf.")
    ],
    by: Annotated[
        str,
        typer.Option(metavar="WORD", help="Draw curves along seconds, steps or characters."),
    ] = "seconds",
    text: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Draw units of one model along this text, in quotes or a file, instead of curves.",
        ),
    ] = None,
    inside: Annotated[
        str | None,
        typer.Option(
            metavar="CHARS",
            help="With --text: the units that tell best whether they are between these two signs, "
            'such as "()"; default: those that change least.',
        ),
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(
            metavar="L:N,...",
            help="With --text: these units, each by layer and number, such as 0:17,0:203.",
        ),
    ] = None,
    attention: Annotated[
        bool,
        typer.Option(
            "--attention",
            help="With --text: what each head of a transformer attends to, instead of units.",
        ),
    ] = False,
    count: Annotated[
        int, typer.Option("-n", "--count", help="With --text: draw so many units.")
    ] = 6,
    force: Annotated[
        bool, typer.Option("--force", help="Let -o replace a file that exists.")
    ] = False,
    label: LabelOption = None,
    out: OutOption = OUT,
) -> None:
    """Draw curves of runs, or a network at work."""
    from chargen.declared import check
    from chargen.model import load
    from chargen.terminal import plots

    keep(output, force)
    plots.drawable(output)
    check("count", count, 1, 100)
    loaded = [load(model, out) for model in models]
    if text is None:
        told = {"inside": inside, "units": units, "attention": attention or None}
        leave_out(told, "is about a network along a --text")
        rows = curves(loaded, output, by)
    elif len(loaded) > 1:
        raise UsageError(f"{argument('text')} is for one model", "Name one model")
    elif attention:
        leave_out({"inside": inside, "units": units}, "is not for --attention")
        announce(console, loaded[0], models[0])
        rows = attended(loaded[0], output, text, label)
    else:
        announce(console, loaded[0], models[0])
        rows = along(loaded[0], output, text, inside, units, count, label)
    if console.json:
        console.emit(rows)
    elif console.csv:
        console.rows(rows)
    else:
        console.note(f"{output} is ready")


def curves(loaded: Sequence[Model], output: Path, by: str) -> list[dict[str, Any]]:
    """Draw the histories of runs, and return them as rows.

    Raises:
        UsageError: they are measured in different ways, or the word is unknown.
        RunError: a model has no history.
    """
    from chargen.terminal.pictures import BY
    from chargen.terminal.pictures import curves as draw

    if by not in BY:
        raise UsageError(f"unknown {argument('by')} {by!r}", f"Choose {', '.join(BY)}")
    metrics = {model.checkpoint.architecture.kind.metric for model in loaded}
    if len(metrics) > 1:
        raise UsageError("these models are measured in different ways", "Draw them apart")
    (metric,) = metrics
    for model in loaded:
        if not any(metric.loss in row for row in model.checkpoint.history):
            raise RunError(f"{model.name} has no held-out figures", "Name a run that was evaluated")
    found = [(model.name, model.checkpoint.history) for model in loaded]
    draw(output, metric, found, by)
    return [
        {"model": name, "seconds": row.get("seconds"), "step": row.get("step")}
        | {metric.loss: row[metric.loss]}
        for name, history in found
        for row in history
        if metric.loss in row
    ]


def along(
    model: Model,
    output: Path,
    source: str,
    inside: str | None,
    units: str | None,
    count: int,
    label: str | None,
) -> list[dict[str, Any]]:
    """Draw units along a text, and return which they are.

    Raises:
        UsageError: the text is too long, or there are no such units.
    """
    from chargen.tasks import units as task
    from chargen.terminal.pictures import units as draw

    text = drawn_text(source, LONGEST)
    marks = None if inside is None else task.inside(text, inside)
    states = model.states(text, label=label)
    if states.shape[1] != len(text):
        raise UsageError(f"{model.name} reads bytes, not characters", "Use a model of characters")
    found = (
        task.best(states, marks, count)
        if units is None
        else task.named(states, marks, places(units))
    )
    told = "itself a character before" if inside is None else f"being inside {inside}"
    draw(output, text, found, f"correlation with {told}")
    return [
        {"layer": one.layer, "unit": one.number, "correlation": one.correlation} for one in found
    ]


def attended(model: Model, output: Path, source: str, label: str | None) -> list[dict[str, Any]]:
    """Draw what each head of a transformer attends to, and return how far back that is.

    Raises:
        UsageError: the text is too long.
        KindError: the model is no transformer.
    """
    from chargen.tasks.units import reach
    from chargen.terminal.pictures import attention as draw

    text = drawn_text(source, LONGEST_ATTENDED)
    shares = model.attention(text, label=label)
    if shares.shape[-1] != len(text) + 1:
        raise UsageError(f"{model.name} reads bytes, not characters", "Use a model of characters")
    draw(output, text, shares)
    return [
        {"layer": layer, "head": head, "characters_back": back}
        for layer, heads in enumerate(reach(shares).tolist())
        for head, back in enumerate(heads)
    ]


def drawn_text(source: str, most: int) -> str:
    """Return the text of an option, in quotes or a file.

    Raises:
        UsageError: it is too long to be drawn, or too short.
    """
    text = source if given(source) else read_text(source, "text")
    if not 2 <= len(text) <= most:
        raise UsageError(
            f"the text has {len(text):,} characters, which is no number to draw",
            f"Give 2 to {most:,}",
        )
    return text


def places(units: str) -> list[tuple[int, int]]:
    """Return layers and numbers.

    Raises:
        UsageError: something else is given.

    Example:
        >>> places("0:17,1:3")
        [(0, 17), (1, 3)]
    """
    try:
        found = [tuple(map(int, one.split(":"))) for one in units.split(",")]
        return [(layer, number) for layer, number in found]
    except ValueError:
        raise UsageError(
            f"{argument('units')} is {units!r}", "Give layers and numbers, as in 0:17,0:203"
        ) from None
