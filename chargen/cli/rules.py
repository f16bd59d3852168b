"""Options for the rules that each text keeps; see `chargen.tasks.rules`."""

from __future__ import annotations

from typing import Annotated

import typer

PANEL = "Rules that each text keeps"

MatchOption = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Match this regular expression, as a whole.",
        rich_help_panel=PANEL,
    ),
]
EachLineOption = Annotated[
    bool,
    typer.Option("--each-line", help="Let each line match, instead.", rich_help_panel=PANEL),
]
MustOption = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="Contain this text; may be repeated.", rich_help_panel=PANEL),
]
ForbidOption = Annotated[
    str,
    typer.Option(metavar="CHARS", help="Contain none of these characters.", rich_help_panel=PANEL),
]
StartOption = Annotated[
    str, typer.Option(metavar="TEXT", help="Begin with this text.", rich_help_panel=PANEL)
]
EndOption = Annotated[
    str, typer.Option(metavar="TEXT", help="End with this text.", rich_help_panel=PANEL)
]
MinLengthOption = Annotated[
    int, typer.Option(help="Have so many characters at least.", rich_help_panel=PANEL)
]
MaxLengthOption = Annotated[
    int | None,
    typer.Option(help="Have so many characters at most; default: --length.", rich_help_panel=PANEL),
]
MaxCopyOption = Annotated[
    int | None,
    typer.Option(
        help="Share no run of more characters with the corpus that the model learned from.",
        rich_help_panel=PANEL,
    ),
]
FaithfulOption = Annotated[
    bool,
    typer.Option(
        "--faithful",
        help="Draw as the model would, given that the rules are kept: exact, but slower. Without, "
        "each character is drawn from those that the rules allow, which favours what is rare.",
        rich_help_panel=PANEL,
    ),
]
