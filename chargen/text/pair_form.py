"""How a pair is written on a line: its columns, its features, the symbols of its target.

A source is a string of characters. A target is a string of characters, or of symbols with spaces
between them, as phones are written. Features say what the target is to be: the parts of a word's
description, ``N;ACC;PL``, are three symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chargen.errors import CorpusError, UsageError, argument

SOURCE, FEATURES, TARGET, IGNORED = "source", "features", "target", "-"
DEFAULT_COLUMNS = f"{SOURCE},{TARGET}"
CHARACTERS, SPACE = SEPARATORS = ("characters", "space")
"""How target symbols are told apart."""

SKIP, CUT = TOO_LONG = ("skip", "cut")
"""What becomes of a pair that is too long."""

LONGEST = 2000


@dataclass(frozen=True)
class Pair:
    """One example.

    Attributes:
        source: characters.
        features: symbols that say what the target is to be; none for most tasks.
        target: symbols; None where it is to be found.
    """

    source: str
    features: tuple[str, ...] = ()
    target: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Form:
    """How pairs are written on lines.

    Attributes:
        columns: what each column is: source, features, target, or - for one to ignore.
        spaced: whether target symbols are separated by spaces.
        longest: symbols that a pair may have on either side.
        cut: whether a longer one is cut; if not, it is left out.

    Raises:
        UsageError: columns that are no pair.
    """

    columns: tuple[str, ...] = (SOURCE, TARGET)
    spaced: bool = False
    longest: int = LONGEST
    cut: bool = False

    def __post_init__(self) -> None:
        names = [name for name in self.columns if name != IGNORED]
        known = {SOURCE, FEATURES, TARGET}
        if set(names) - known or len(set(names)) < len(names) or not {SOURCE, TARGET} <= set(names):
            raise UsageError(
                f"{argument('columns')} is {','.join(self.columns)!r}",
                f"Name each column once: {SOURCE}, {FEATURES} if there are any, {TARGET}, and "
                f"{IGNORED} for a column to ignore",
            )

    @classmethod
    def of(cls, columns: str, symbols: str, longest: int = LONGEST, long: str = SKIP) -> Form:
        """Return the form that four options describe."""
        names = tuple(name.strip() for name in columns.split(","))
        return cls(names, symbols == SPACE, longest, long == CUT)

    @property
    def featured(self) -> bool:
        """Whether pairs have features."""
        return FEATURES in self.columns

    def pair(self, line: str, where: str) -> Pair:
        """Return the pair that a line has.

        Args:
            where: the name of the line, for an error message.

        Raises:
            CorpusError: a column is missing, or there is nothing in it.
        """
        parts = self._parts(line, self.columns, where)
        target = self.symbols(parts[TARGET])
        return Pair(parts[SOURCE], self.features(parts.get(FEATURES, "")), target)

    def question(self, line: str, where: str) -> Pair:
        """Return the pair without its target that a line has: the other columns in their order.

        Raises:
            CorpusError: see `pair`.
        """
        columns = tuple(name for name in self.columns if name in (SOURCE, FEATURES))
        parts = self._parts(line, columns, where)
        return Pair(parts[SOURCE], self.features(parts.get(FEATURES, "")))

    def _parts(self, line: str, columns: tuple[str, ...], where: str) -> dict[str, str]:
        """Return what each column holds."""
        found = line.split("\t") if len(columns) > 1 else [line]
        if len(found) < len(columns):
            tabs = "no tab" if len(found) == 1 else f"only {len(found)} columns"
            named = f", or name the columns that there are by {argument('columns')}"
            raise CorpusError(
                f"{where} has {tabs}",
                f"Write {', '.join(columns)}, with a tab between them"
                f"{named if TARGET in columns else ''}",
            )
        parts = dict(zip(columns, found, strict=False))
        for name in (SOURCE, TARGET):
            if not parts.get(name, name).strip():
                raise CorpusError(f"{where} has no {name}", "Write one, or take the line out")
        return parts

    def features(self, written: str) -> tuple[str, ...]:
        """Return the features of a description: what stands between semicolons."""
        told = (part.strip() for part in written.split(";"))
        return tuple(dict.fromkeys(part for part in told if part))

    def symbols(self, target: str) -> tuple[str, ...]:
        """Return the symbols of a target."""
        return tuple(target.split()) if self.spaced else tuple(target)

    def written(self, symbols: Sequence[str]) -> str:
        """Return symbols as a target is written."""
        return (" " if self.spaced else "").join(symbols)

    def fits(self, pair: Pair) -> bool:
        """Return whether a pair is short enough."""
        return len(pair.source) <= self.longest and len(pair.target or ()) <= self.longest

    def shortened(self, pair: Pair) -> Pair:
        """Return a pair with what is too long of it cut off."""
        target = None if pair.target is None else pair.target[: self.longest]
        return Pair(pair.source[: self.longest], pair.features, target)
