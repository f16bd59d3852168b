"""The models that a server offers: found by name, loaded when they are first asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from chargen.model import Model, load
from chargen.runs import STARTER, Run, runs

TWICE = 2
"""A model that writes takes about twice the memory of its weights: they are rounded, and kept."""


Stamp = tuple[int, int]
"""Size of a file and when it was changed: which version was read."""


class Shelf:
    """Models by name. No other file can be reached through it.

    Args:
        out: the folder of runs.
        chosen: names and files of the models to offer; None for all runs, and the starter model.
        memory: bytes that loaded models may take; the one that was not used for the longest time
            goes first. One is always there.
    """

    def __init__(self, out: Path, chosen: Mapping[str, Path] | None, memory: float) -> None:
        self.out, self.chosen, self.memory = out, chosen, memory
        self.lock = threading.Lock()
        self.loaded: OrderedDict[str, tuple[Stamp, Model]] = OrderedDict()

    def files(self) -> dict[str, Path]:
        """Return all models, by name; the newest run first."""
        if self.chosen is not None:
            return dict(self.chosen)
        found = {run.name: run.model for run in runs(self.out)}
        starter = Run(STARTER).model
        return found | ({STARTER.name: starter} if starter.exists() else {})

    def get(self, name: str) -> Model:
        """Return a model, read anew if its file has changed.

        Raises:
            KeyError: there is none of that name.
            CheckpointError: its file is not sound.
        """
        path = self.files()[name]
        with self.lock:
            stamp = _stamp(path)
            held = self.loaded.get(name)
            if held is None or held[0] != stamp:
                held = stamp, load(path)
                self.loaded[name] = held
            self.loaded.move_to_end(name)
            while len(self.loaded) > 1 and self.taken() > self.memory:
                self.loaded.popitem(last=False)
            return held[1]

    def taken(self) -> int:
        """Return the bytes that the loaded models take, about."""
        weights = (
            array.nbytes
            for _, model in self.loaded.values()
            for array in model.checkpoint.weights.values()
        )
        return TWICE * sum(weights)


def _stamp(path: Path) -> Stamp:
    try:
        there = path.stat()
    except OSError:
        # To read it will say what is wrong.
        return 0, 0
    return there.st_size, there.st_mtime_ns
