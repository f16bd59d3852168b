"""What a language model is, to all that writes or scores text with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chargen.engine.writer import Writer

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

Carried = tuple["NDArray[Any]", ...]

State = list[Carried]
"""For each layer, the arrays it carries from character to character: a row for each text."""


class LanguageModel(Protocol):
    """Predicts each next character from those before it.

    A model with a label and a blend of several models are also language models: sampling and
    scoring use only this interface.
    """

    @property
    def bos(self) -> int:
        """V, the id that stands for "no character": before a text, and for an unknown character."""

    def start(self, batch: int) -> State:
        """Return the state of ``batch`` texts that have not begun."""

    def forward(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Return logits (B, T, V) for the character after each of ``ids`` (B, T), and the state.

        This call may overwrite the state that it gets, and its caller may overwrite the logits.
        """


@runtime_checkable
class Compiles(Protocol):
    """A language model that may be written by compiled code as well."""

    def writer(self, filters: Sequence[float], texts: int = 1) -> Writer | None:
        """Return code that writes texts, or None if there is none, or none that is faster.

        Args:
            filters: temperature, top-k, top-p and min-p; zero for no filter.
            texts: how many are written side by side.
        """


WINDOW = 256
"""Characters that are read in one call, at most: a transformer's attention grows with them."""

LOGITS = 1 << 21
"""Logits that are made in one call, at most, in numbers: 8 MiB."""


def read(model: LanguageModel, ids: Ids) -> tuple[Floats, State]:
    """Read "no character" and then ids (T,); return the last logits (1, V), and the state."""
    ids = np.concatenate(([model.bos], ids)).astype(np.int32)
    state = model.start(1)
    step = max(1, min(WINDOW, LOGITS // model.bos))
    for at in range(0, len(ids), step):
        logits, state = model.forward(ids[None, at : at + step], state)
    return logits[:, -1], state


def pick(state: State, rows: Any) -> State:
    """Return the state of some of the texts, by an index of rows; a row may be repeated."""
    return [tuple(part[rows] for part in parts) for parts in state]


def joined(one: State, other: State) -> State:
    """Return the state of the texts of both."""
    return [
        tuple(np.concatenate(parts) for parts in zip(*layer, strict=True))
        for layer in zip(one, other, strict=True)
    ]
