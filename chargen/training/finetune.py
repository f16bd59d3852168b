"""Starting from another model: its sizes, its characters and its weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from chargen import checkpoint, runs
from chargen.checkpoint import Checkpoint
from chargen.errors import RunError, argument
from chargen.options import Options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chargen.training.state import Learner

    Floats = NDArray[np.float32]

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
        """Return the options with the sizes of the model's network.

        Raises:
            RunError: another size is asked for.
        """
        architecture = self.saved.architecture
        sizes = architecture.json()
        del sizes["labels"]
        if not architecture.family.attends:
            del sizes["heads"], sizes["context"]
        for name, value in sizes.items():
            wish = getattr(asked, name)
            if wish not in (None, value):
                raise RunError(
                    f"the model to start from has {argument(name)} {value}, not {wish}",
                    "Leave the option out",
                )
        return replace(asked, **sizes)

    def check_labels(self, labels: tuple[str, ...]) -> None:
        """Make sure that the text has the labels of the model.

        Raises:
            RunError: it has others.
        """
        same_labels(self.saved, labels)

    def give_weights(self, learner: Learner) -> None:
        """Set a new network's weights to the model's."""
        old, new = len(self.saved.vocabulary), len(learner.vocabulary)
        fresh = learner.network.arrays()
        learner.network.assign(
            {
                name: extended(name, had, fresh[name], old, new)
                for name, had in self.saved.weights.items()
            }
        )


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


def extended(name: str, had: Floats, fresh: Floats, old: int, new: int) -> Floats:
    """Return a weight with rows for the characters that only the new text has.

    A new character gets the embedding of a fresh network. In an output its weights are zero, and
    its bias is the lowest of the old characters' biases. So the model's first predictions stay
    nearly the same.

    Args:
        name: of the tensor.
        had: the model's tensor, with ``old`` rows of characters.
        fresh: a new network's tensor, with ``new`` rows; it is overwritten.
    """
    if fresh.shape == had.shape:
        return had
    fresh[:old] = had[:old]
    if len(had) > old:
        # No character's: the input "no character", or the output that ends a gap.
        fresh[-1] = had[-1]
    if name.endswith("bias"):
        fresh[old:new] = had[:old].min()
    elif not name.startswith("embedding"):
        fresh[old:new] = 0
    return fresh
