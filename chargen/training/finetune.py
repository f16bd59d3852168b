"""Starting from another model: its sizes and its labels; `chargen.training.growth` has the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chargen import checkpoint, runs
from chargen.checkpoint import Checkpoint
from chargen.errors import RunError, argument
from chargen.options import DECLARED, Options
from chargen.text.pair_form import CHARACTERS, CUT, SKIP, SPACE

SHOWN = 8


@dataclass(frozen=True)
class Base:
    """A model to start from."""

    saved: Checkpoint

    @classmethod
    def find(cls, model: str, out: Path) -> Base:
        """Return a model by the name of its run, or by its path.

        Raises:
            CheckpointError: there is no such model, or its file is not sound.
        """
        return cls(checkpoint.read(runs.find(model, out)))

    def options(self, asked: Options) -> Options:
        """Return the options with the task of the model and the sizes of its network.

        Raises:
            RunError: another size is asked for.
        """
        architecture = self.saved.architecture
        asked = self._task(asked)
        if asked.pairs and not architecture.paired:
            raise RunError(
                f"the model to start from was not trained with {argument('pairs')}",
                "Name one that was, or train a new model",
            )
        # The rest follows from the texts.
        sizes = {name: one for name, one in architecture.json().items() if name in DECLARED}
        if asked.task() and not asked.pairs:
            # Another kind of network can begin with the stacks of this one.
            del sizes["bidirectional"], sizes["tied"]
            sizes.pop("attention", None)
        if not architecture.family.attends:
            del sizes["heads"], sizes["context"]
        # Those of pairs are a number of symbols, and no choice.
        sizes.pop("features", None)
        for name, value in sizes.items():
            wish = getattr(asked, name)
            if wish not in (None, "auto", value):
                raise RunError(
                    f"the model to start from has {argument(name)} {value}, not {wish}",
                    "Leave the option out",
                )
        return replace(asked, **sizes)

    def _task(self, asked: Options) -> Options:
        """Return the options with what the model is for, unless another task is asked for."""
        vocabulary = self.saved.vocabulary
        symbols, marking = vocabulary.symbols, vocabulary.marking
        task = asked.task()
        if symbols is not None and task in ("", self.saved.architecture.kind.name):
            form = symbols.form
            had: dict[str, Any] = {
                "pairs": True,
                "columns": ",".join(form.columns),
                "target_symbols": SPACE if form.spaced else CHARACTERS,
                "longest": form.longest,
                "too_long": CUT if form.cut else SKIP,
            }
            return replace(asked, **(had | asked.given()))
        if marking is not None and not task:
            return replace(asked, undo=marking.undo or None, tags=not marking.undo or None)
        return asked

    def check_labels(self, labels: tuple[str, ...]) -> None:
        """Make sure that the text has the labels of the model.

        Raises:
            RunError: it has others.
        """
        same_labels(self.saved, labels)


def same_labels(saved: Checkpoint, labels: tuple[str, ...]) -> None:
    """Make sure that a text has the labels of a model.

    Raises:
        RunError: it has others.
    """
    if saved.labels != labels:
        known = ", ".join(saved.labels[:SHOWN]) or "none"
        raise RunError(
            f"the model to go on from has other labels than this text: {known}",
            f"Give the same {argument('labels')} as for it, or none if it has none",
        )
