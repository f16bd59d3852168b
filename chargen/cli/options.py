"""Options that several commands have, and options made from the fields of `Options`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from chargen.cli import completion
from chargen.options import DECLARED, DEFAULT_OUT, OUT_VARIABLE, Options

FLAGS = {"as_bytes": "--bytes", "base": "--from", "output": "-o", "like": "--parallels"}
"""The flags of those arguments whose flag is not simply their name after two dashes."""

OUT = Path(DEFAULT_OUT)

ModelOption = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="NAME|PATH",
        help="The model; default: the newest run.",
        autocompletion=completion.models,
    ),
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "-m",
        "--model",
        metavar="NAME|PATH[:WEIGHT]",
        help="The model; default: the newest run. Several, as in -m A:0.7 -m B:0.3, are blended.",
        autocompletion=completion.models,
    ),
]
BlendOption = Annotated[
    str,
    typer.Option(
        metavar="WORD",
        help="Blend several models by probabilities (the mean), or by logits (the geometric mean, "
        "which needs all to agree).",
    ),
]
TopKOption = Annotated[
    int | None, typer.Option(help="Draw from the k likeliest characters only; default: all.")
]
TopPOption = Annotated[
    float | None,
    typer.Option(
        help="Draw from the fewest characters whose probabilities sum to p; default: all."
    ),
]
MinPOption = Annotated[
    float | None,
    typer.Option(
        help="Draw only from characters at least p times as likely as the likeliest; default: all."
    ),
]
OutOption = Annotated[
    Path,
    typer.Option(
        "--out", metavar="DIR", envvar=OUT_VARIABLE, help="The folder that holds the runs."
    ),
]
LabelOption = Annotated[
    str | None,
    typer.Option(
        help="The label of the text; needed for a model trained with --labels, and only there."
    ),
]
EncodingOption = Annotated[
    str, typer.Option(help="The encoding of text files, such as utf-8, utf-16 or latin-1.")
]
ColumnOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="Of tables (.jsonl, .parquet): where the text is."),
]
ErrorsOption = Annotated[
    str,
    typer.Option(
        metavar="WORD",
        help="For bytes that are no text: strict refuses the file, skip passes it over (in a "
        "folder), replace puts U+FFFD.",
    ),
]


def flag(argument: str) -> str:
    """Return how an argument is written on the command line.

    Examples:
        >>> flag("valid_fraction"), flag("as_bytes")
        ('--valid-fraction', '--bytes')
    """
    return FLAGS.get(argument, "--" + argument.replace("_", "-"))


def expanded(parameters: Sequence[inspect.Parameter]) -> list[inspect.Parameter]:
    """Return parameters, one of the type `Options` as one for each of its fields."""
    found: list[inspect.Parameter] = []
    for parameter in parameters:
        if parameter.annotation is Options:
            found += declared_options()
        else:
            found.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    return found


def declared_options() -> list[inspect.Parameter]:
    """Return a parameter for each field of `Options`, as it is declared there."""
    types = get_type_hints(Options)
    made = []
    for each in fields(Options):
        declared = DECLARED[each.name]
        usual = declared.chosen
        if declared.usual not in (None, False):
            number = type(declared.usual) is int
            usual = f"{declared.usual:,}" if number else str(declared.usual)
        option = typer.Option(flag(each.name), help=declared.help, show_default=usual or False)
        made.append(
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[types[each.name], option],
            )
        )
    return made


def rebuilt(parameters: Sequence[inspect.Parameter], given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a function with such parameters, from those of its command.

    Raises:
        UsageError: an option has a value that can never work.
    """
    names = {parameter.name for parameter in parameters}
    rest = {name: value for name, value in given.items() if name not in names}
    made = {name: value for name, value in given.items() if name in names}
    for parameter in parameters:
        if parameter.annotation is Options:
            made[parameter.name] = Options(**rest)
    return made
