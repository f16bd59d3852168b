"""``chargen train``."""

from __future__ import annotations

import shlex
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chargen.cli import completion
from chargen.cli.app import command, program
from chargen.cli.options import OUT, ColumnOption, EncodingOption, ErrorsOption, OutOption
from chargen.options import Options
from chargen.ranks import place
from chargen.runs import default_out
from chargen.terminal.board import Board, require_board
from chargen.terminal.console import Console, Throttle
from chargen.terminal.streams import closed, mute
from chargen.text.formats import COLUMN

if TYPE_CHECKING:
    from collections.abc import Callable

    from chargen.training.loop import Trainer
    from chargen.training.reports import Report

INTERRUPTED = 130

FEW = 100
"""Held-out examples below which a fitted probability means little."""

BEGAN = time.perf_counter()
"""When the command began, as nearly as it can know."""


@command("chargen train corpus.txt --minutes 5 --name mine")
def train(
    console: Console,
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CORPUS]...",
            help="Files, folders, archives, tables (.jsonl, .parquet), addresses, - for standard "
            "input, or a name from `chargen corpus list`; a.txt:2 counts twice, @LIST has names; "
            "default: the Python language reference.",
            show_default=False,
        ),
    ] = None,
    *,
    name: Annotated[
        str | None, typer.Option(help="The run's name; default: the corpus's, with a number.")
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace a run of this name; its best model stays until the new run has one.",
        ),
    ] = False,
    out: OutOption = OUT,
    options: Options,
    valid: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Hold out this text, instead of the end of each file."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Instead of a corpus: lines of label, tab, text; or a folder with one per label.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run of this --name, or with the newest run."),
    ] = False,
    base: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME|PATH",
            autocompletion=completion.models,
            help="Start from this model's weights, with its sizes, instead of from nothing.",
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="CORPUS",
            help="With --from: a text that the model has learned; a share of it is read again, so "
            "that it is not forgotten, and it is scored before and after.",
        ),
    ] = None,
    encoding: EncodingOption = "utf-8",
    errors: ErrorsOption = "strict",
    column: ColumnOption = COLUMN,
    as_bytes: Annotated[
        bool, typer.Option("--bytes", help="Model bytes instead of characters: any file will do.")
    ] = False,
    fingerprints: Annotated[
        bool,
        typer.Option(
            "--fingerprints/--no-fingerprints",
            help="Leave hashes of the corpus's stretches beside the model, never its text: they "
            "tell `chargen sample` what is copied.",
        ),
    ] = True,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the figures for TensorBoard into this folder."),
    ] = None,
) -> None:
    """Train a network on a text.

    The model that is best on held-out text is kept.
    """
    if tensorboard is not None:
        require_board(tensorboard)
    rank, _ = place()
    if rank:
        # The first of several processes speaks for all.
        console = replace(console, quiet=True)
    with console.progress("starting") as progress:
        from chargen.terminal.screen import view_on
        from chargen.training.prepare import prepare
        from chargen.training.request import Request
        from chargen.training.texts import Sources

        request = Request(
            sources=Sources(corpus or [], valid, labels, keep, encoding, errors, column),
            options=options,
            out=out,
            name=name,
            resume=resume,
            overwrite=overwrite,
            base=base,
            as_bytes=as_bytes,
            fingerprints=fingerprints,
            began=BEGAN,
        )
        trainer = prepare(request, note=console.note, progress=progress)
    from chargen.training.follow import follow

    second = Throttle()

    def emit(report: Report) -> None:
        if report.event != "step" or second.due():
            _emit_or_stop(console, report, trainer)

    with view_on(console) as view, ExitStack() as ends:
        show: Callable[[Report], None] = emit if console.json else view.show
        if tensorboard is not None and trainer.ranks.first:
            board = Board(tensorboard, trainer.run.name if trainer.run else "")
            ends.callback(board.close)
            show = board.beside(show)
        done = follow(trainer, show)
    name = trainer.run.name if trainer.run else ""
    if done.stopped == "interrupted":
        if not console.json and trainer.ranks.first:
            console.say(
                "interrupted and saved; to go on: "
                f"{program()} train --resume --name {shlex.quote(name)}{where(out)}"
            )
        raise typer.Exit(INTERRUPTED)
    console.note(f"now try: {program()} {first_use(trainer, name)}{where(out)}")
    few = trainer.learner.figures.get("fitted_on")
    if isinstance(few, int) and few < FEW:
        console.note(
            f"how sure to be is fitted to {few} held-out examples only: do not rely on the "
            "probabilities"
        )


def where(out: Path) -> str:
    """Return the option that names a folder of runs, if it is not the usual one."""
    return "" if out == default_out() else f" --out {shlex.quote(str(out))}"


def first_use(trainer: Trainer, name: str) -> str:
    """Return the command that shows what a new model is for."""
    kind, labels = trainer.plan.architecture.kind, trainer.texts.labels
    label = f" --label {shlex.quote(labels[0])}" if labels else ""
    return f"{kind.command} {kind.example.format(name=shlex.quote(name), label=label)}"


def _emit_or_stop(console: Console, report: Report, trainer: Trainer) -> None:
    """Print a report as JSON; if nobody reads any more, save and end."""
    try:
        console.emit({"event": report.event} | report.data)
    except OSError as error:
        if not closed(error):
            raise
        mute()
        trainer.stop()
