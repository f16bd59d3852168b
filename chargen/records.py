"""What a header says, turned into records whose types are checked.

A record is a dataclass of plain fields. Its module does not postpone annotations: so each field's
type is a real type, and nothing has to be evaluated while an untrusted file is read.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from chargen.architecture import Architecture
from chargen.declared import LARGEST_COUNT
from chargen.kinds import MENDER, PAIRS, TAGGER, Kind, kind_of
from chargen.text.marking import Marking, of_labels
from chargen.text.pair_form import CHARACTERS, DEFAULT_COLUMNS, LONGEST, SEPARATORS, Form
from chargen.text.pairs import Symbols
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

KINDRED = ("bidirectional", "kind")
"""What only tells which kind a model is of."""

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
    kind: str = ""
    targets: int = 0
    features: int = 0
    attention: str = ""
    ngrams: int = 0
    followers: int = 0
    common: int = 0

    def architecture(self) -> Architecture:
        """Return the architecture.

        Raises:
            UsageError, ValueError: sizes that cannot be.
        """
        sizes = {name: one for name, one in vars(self).items() if name not in KINDRED}
        return Architecture(**sizes, kind=kind_of(self.bidirectional, self.labels, self.kind))


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


@dataclass(frozen=True)
class Written:
    """How the pairs of a model are written, as format 3 has it."""

    columns: str = DEFAULT_COLUMNS
    target_symbols: str = CHARACTERS
    longest: int = LONGEST

    def form(self) -> Form:
        """Return the form.

        Raises:
            UsageError, ValueError: columns that are no pair, or no such symbols.
        """
        if self.target_symbols not in SEPARATORS or not 1 <= self.longest <= LARGEST_COUNT:
            raise ValueError("no such pairs")
        return Form.of(self.columns, self.target_symbols, self.longest)


@dataclass(frozen=True)
class Marks:
    """What the marks of a model are for, as format 3 has it."""

    undo: str = ""
    longest: int = LONGEST


def symbols(described: Mapping[str, Any]) -> Symbols:
    """Return the symbols that a header of format 3 describes.

    Raises:
        TypeError, ValueError, UsageError: what it says is no list of symbols, or no pairs.
    """
    rest = dict(described)
    lists = [rest.pop(name, []) for name in ("targets", "features")]
    for one in lists:
        if not isinstance(one, list) or not all(
            isinstance(symbol, str) and symbol for symbol in one
        ):
            raise TypeError("a list of symbols")
    return Symbols(typed(Written, rest).form(), *map(tuple, lists))


def marking(described: Mapping[str, Any]) -> Marking:
    """Return the marks that a header of format 3 describes.

    Raises:
        TypeError, ValueError: what it says is no list of marks.
    """
    rest = dict(described)
    marks = rest.pop("marks", None)
    if not isinstance(marks, list) or not all(type(each) is str for each in marks):
        raise TypeError("a list of marks")
    told = typed(Marks, rest)
    if not 1 <= told.longest <= LARGEST_COUNT:
        raise ValueError("no such length")
    return Marking(tuple(marks), told.undo, told.longest)


def suits(kind: Kind, vocabulary: Vocabulary) -> bool:
    """Return whether what a model knows beside characters goes with its kind."""
    marking = vocabulary.marking
    if marking is None:
        return (vocabulary.symbols is not None) == (kind is PAIRS)
    if kind is MENDER:
        return bool(marking.undo)
    return kind is TAGGER and not marking.undo and marking.marks == of_labels(marking.labels)
