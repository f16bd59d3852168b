"""What a header says, turned into records whose types are checked.

A record is a dataclass of plain fields. Its module does not postpone annotations: so each field's
type is a real type, and nothing has to be evaluated while an untrusted file is read.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from chargen.architecture import Architecture
from chargen.kinds import kind_of
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


def typed(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """Return a record of a header's values, if each value has the type of its field.

    Args:
        kind: the dataclass; each field is an int, float, str or bool, or one of these or None.

    Raises:
        TypeError: a value has another type, a number is not finite, or there is no such field.
    """
    meant = {each.name: get_args(each.type) or (each.type,) for each in fields(kind)}
    for name, value in values.items():
        types = meant.get(name, ())
        if type(value) not in types and not (type(value) is int and float in types):
            raise TypeError(f"{name[:40]!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise TypeError(f"{name[:40]!r}, which is not finite")
    return kind(**values)


@dataclass(frozen=True)
class Sizes:
    """An architecture as format 1 has it."""

    arch: str
    layers: int
    hidden: int
    embed: int
    tied: bool = False
    heads: int = 1
    context: int = 1
    bidirectional: bool = False
    labels: int = 0

    def architecture(self) -> Architecture:
        """Return the architecture.

        Raises:
            UsageError: sizes that cannot be.
        """
        sizes = {name: value for name, value in vars(self).items() if name != "bidirectional"}
        return Architecture(**sizes, kind=kind_of(self.bidirectional, self.labels))


@dataclass(frozen=True)
class Characters:
    """A vocabulary as format 1 has it."""

    characters: str
    escape: float = 0.0
    as_bytes: bool = False

    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary.

        Raises:
            ValueError: characters that are no vocabulary.
        """
        return Vocabulary(self.characters, self.escape, self.as_bytes)
