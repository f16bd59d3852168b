"""What a model can be asked for: each check raises the error that says what it is for instead."""

from __future__ import annotations

from collections.abc import Sequence

from chargen.checkpoint import Checkpoint
from chargen.errors import KindError, UsageError, argument
from chargen.kinds import load
from chargen.tasks.beam import Reader

LISTED = 12
"""Labels that are listed, at most."""


def label_id(name: str, labels: Sequence[str], label: str | None) -> int | None:
    """Return a label's id among those of a model, or None if there are none and none is given.

    Raises:
        UsageError: the model has labels and this is not one of them, or the model has no labels and
            one is given.
    """
    known = ", ".join(labels[:LISTED]) + (", …" if len(labels) > LISTED else "")
    if label is None and not labels:
        return None
    if not labels:
        raise UsageError(f"{name} has no labels", f"Leave {argument('label')} out")
    if label is None:
        raise UsageError(f"{name} has labels: {known}", f"Name one of them by {argument('label')}")
    if label not in labels:
        raise UsageError(f"{name} has no label {label!r}", f"Its labels are: {known}")
    return list(labels).index(label)


def require_causal(name: str, saved: Checkpoint) -> None:
    """Make sure that a model reads from left to right, and can continue and score texts.

    Raises:
        KindError: it is bidirectional.
    """
    kind = saved.architecture.kind
    if not kind.continues:
        raise KindError(
            f"{name} {kind.does} and can neither continue nor score one",
            f"Use `chargen {kind.command}` with it, or a model of running text",
        )


def require_running(name: str, saved: Checkpoint) -> None:
    """Make sure that a model can score a text as it runs on, and learn along it.

    Raises:
        KindError: it is bidirectional, or a model of lines or documents.
    """
    require_causal(name, saved)
    if saved.items:
        raise KindError(
            f"{name} is a model of {saved.items}, and each is read alone: it cannot learn from one "
            "for the next",
            f"Leave {argument('adapt')} out",
        )


def reader(name: str, saved: Checkpoint) -> Reader:
    """Return what fills gaps with a model.

    Raises:
        KindError: the model has labels.
    """
    kind = saved.architecture.kind
    if kind.reader is None and not saved.labels:
        raise KindError(
            f"{name} {kind.does} and cannot restore", f"Use `chargen {kind.command}` with it"
        )
    if saved.labels or kind.reader is None:
        raise KindError(
            f"{name} was trained with labels and cannot restore",
            f"Use a model that was trained without {argument('labels')}",
        )
    made: Reader = load(kind.reader)(saved)
    return made
