"""Character-level language models: networks that learn to write a text, character by character.

    >>> import chargen
    >>> model = chargen.load()
    >>> len(model.sample(20, temp=0.8))
    20

Importing this package imports neither PyTorch nor NumPy; each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chargen.api import train
    from chargen.blended import blend
    from chargen.errors import ChargenError
    from chargen.model import Model, load
    from chargen.tasks.draft import Sample
    from chargen.tasks.drawing import Sampling
    from chargen.tasks.scoring import Score

__version__ = "0.1.0"

_HOMES = {
    "ChargenError": "chargen.errors",
    "Model": "chargen.model",
    "Sample": "chargen.tasks.draft",
    "Sampling": "chargen.tasks.drawing",
    "Score": "chargen.tasks.scoring",
    "blend": "chargen.blended",
    "load": "chargen.model",
    "train": "chargen.api",
}

__all__ = [
    "ChargenError",
    "Model",
    "Sample",
    "Sampling",
    "Score",
    "__version__",
    "blend",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'chargen' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
