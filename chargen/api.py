"""`chargen.train`: the whole of ``chargen train`` as one function call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chargen import runs
from chargen.model import Model, load
from chargen.options import Options

if TYPE_CHECKING:
    from chargen.training.reports import Report


def train(
    corpus: str | Path | Sequence[str | Path] = (),
    *,
    out: str | Path | None = None,
    name: str | None = None,
    valid: str | Path | None = None,
    labels: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    base: str | Path | None = None,
    keep: str | Path | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
    column: str = "text",
    as_bytes: bool = False,
    fingerprints: bool = True,
    progress: bool | None = None,
    on_report: Callable[[Report], None] | None = None,
    **options: Any,
) -> Model:
    """Train a model and return the best one on held-out text.

    Args:
        corpus: files, folders, or a name from the catalog; none for the default corpus.
        out: the folder of runs (see `chargen.load`); the model is saved in ``out/name``.
        valid: a text of its own to hold out, instead of the corpus's last tenth.
        labels: instead of a corpus, labelled texts; see `chargen.text.labelled`.
        resume: go on with the run.
        overwrite: replace a run of this name; its best model stays until the new run has one.
        encoding, errors, column: of the texts, see `chargen.text.corpus.open_text`.
        base: a model to start from.
        keep: a text that it has learned: it is read again beside the corpus, and scored before and
            after; see `chargen.training.keep`.
        fingerprints: leave fingerprints of the corpus beside the model, which tell later what it
            copies; see `chargen.text.grams`.
        progress: whether to show it on standard error; None for yes on terminals and in notebooks.
        on_report: called with each `chargen.training.reports.Report`.
        **options: fields of `chargen.options.Options`, such as ``minutes=2`` or ``hidden=256``.

    Raises:
        ChargenError: see `chargen.errors`.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; the run is saved, and ``resume`` goes on.

    Example:
        >>> model = chargen.train("corpus.txt", minutes=2)  # doctest: +SKIP
    """
    from chargen.terminal.console import Console
    from chargen.terminal.screen import view_on
    from chargen.terminal.streams import interactive
    from chargen.training.follow import follow
    from chargen.training.prepare import prepare
    from chargen.training.request import Request
    from chargen.training.texts import Sources

    named = [corpus] if isinstance(corpus, str | Path) else corpus
    sources = Sources(
        corpus=[str(name) for name in named],
        valid=None if valid is None else str(valid),
        labels=None if labels is None else str(labels),
        keep=None if keep is None else str(keep),
        encoding=encoding,
        errors=errors,
        column=column,
    )
    # A notebook is no terminal, but somebody is watching.
    watched = interactive() or "ipykernel" in sys.modules
    shown = watched if progress is None else progress
    console = Console(quiet=not shown)
    trainer = prepare(
        Request(
            sources=sources,
            options=Options(**options),
            out=runs.default_out() if out is None else Path(out),
            name=name,
            resume=resume,
            overwrite=overwrite,
            base=None if base is None else str(base),
            as_bytes=as_bytes,
            fingerprints=fingerprints,
        ),
        note=console.note,
    )
    run = trainer.ranks.given(lambda: trainer.run)
    assert run is not None
    with view_on(console) as view:

        def show(report: Report) -> None:
            view.show(report)
            if on_report is not None:
                on_report(report)

        done = follow(trainer, show)
    if done.stopped == "interrupted":
        raise KeyboardInterrupt
    return load(run.model)
