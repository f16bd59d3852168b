"""`chargen.train`: the whole of ``chargen train`` as one function call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chargen import catalog
from chargen.errors import RunError
from chargen.model import Model, load

if TYPE_CHECKING:
    from chargen.training import Report


def train(
    corpus: str | Path | Sequence[str | Path] = catalog.DEFAULT,
    *,
    out: str | Path = "checkpoints",
    name: str | None = None,
    valid: str | Path | None = None,
    resume: bool = False,
    base: str | Path | None = None,
    as_bytes: bool = False,
    on_report: Callable[[Report], None] | None = None,
    **settings: Any,
) -> Model:
    """Train a model and return the best one on held-out text.

    Args:
        corpus: files, folders, or a name from the catalog.
        out: the folder of runs; the model is saved in ``out/name``.
        valid: a text of its own to hold out, instead of the corpus's last tenth.
        resume: go on with the run.
        base: a model to start from.
        on_report: called with each report of `chargen.training`.
        **settings: fields of `chargen.settings.Settings`, such as ``minutes=2`` or ``hidden=256``.

    Raises:
        ChargenError: see `chargen.errors`.

    Example:
        >>> model = chargen.train("corpus.txt", minutes=2)  # doctest: +SKIP
    """
    from chargen.launch import Request, launch

    sources = [corpus] if isinstance(corpus, str | Path) else corpus
    trainer = launch(
        Request(
            sources=[str(source) for source in sources],
            given=settings,
            out=Path(out),
            name=name,
            valid=None if valid is None else str(valid),
            resume=resume,
            base=None if base is None else str(base),
            as_bytes=as_bytes,
        )
    )
    for report in trainer:
        if on_report is not None:
            on_report(report)
    if trainer.run is None:
        raise RunError("the run was not saved", "Give a folder to save in")
    return load(trainer.run.model)
