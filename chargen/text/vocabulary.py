"""Which characters a model knows, and what ids they have.

Ids 0 to V-1 are the characters. Id V, ``bos``, is an input only: "no character", fed at the
beginning of a text and in place of a character that the model does not know. It is no output.

A text to be scored may hold characters that the vocabulary lacks. They are charged as a compressor
would charge them: with probability ``escape`` the next character is a new one, and then any code
point left is as likely as another. ``escape`` is the Good-Turing estimate of that chance: the share
of characters that were seen exactly once (Good 1953, Biometrika 40, eq. 9). The known characters
share the remaining 1 - ``escape``. So the probabilities of all of Unicode sum to one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.text.corpus import CODE_POINTS, Text
from chargen.text.marking import Marking
from chargen.text.pairs import Paired, Symbols

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]
    CodePoints = NDArray[np.uint32]

SCALARS = CODE_POINTS - 0x800
"""Unicode scalar values: all code points but the 2,048 surrogates."""

MANY = 1000
"""From so many characters on, those of a text are in order of frequency."""

HIGHEST_ESCAPE = 0.5
ALL_BYTES = "".join(map(chr, range(256)))


@dataclass(frozen=True)
class Vocabulary:
    """The characters of a model, in the order of their ids.

    Attributes:
        characters: the characters; a character's id is its index.
        escape: probability that a character is none of them; 0 for bytes, where there is no other.
        as_bytes: whether a character stands for a byte (U+0000 to U+00FF) and not for itself.
        symbols: of a model of pairs, whose characters are those of sources: what its targets and
            its features are made of.
        marking: of a model that marks texts: its marks.

    Raises:
        ValueError: no characters, one twice, bytes missing, or an ``escape`` outside [0, 1).
    """

    characters: str
    escape: float = 0.0
    as_bytes: bool = False
    symbols: Symbols | None = None
    marking: Marking | None = None
    _table: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.characters or len(set(self.characters)) != len(self.characters):
            raise ValueError("the characters of a vocabulary must be there and differ")
        if self.as_bytes and self.characters != ALL_BYTES:
            raise ValueError("a vocabulary of bytes has all 256 of them, in order")
        if not 0 <= self.escape < 1:
            raise ValueError("the escape must be a probability below one")
        points = np.frombuffer(self.characters.encode("utf-32-le"), dtype=np.uint32)
        table = np.full(CODE_POINTS, len(points), dtype=np.int32)
        table[points] = np.arange(len(points), dtype=np.int32)
        object.__setattr__(self, "_table", table)

    @classmethod
    def of(cls, text: Text, known: str = "") -> Vocabulary:
        """Return the vocabulary of a text: the ``known`` characters, then the new."""
        if text.as_bytes:
            return cls(ALL_BYTES, as_bytes=True)
        return cls.counted({chr(point): count for point, count in text.counts.items()}, known)

    @classmethod
    def counted(cls, counts: Mapping[str, int], known: str = "") -> Vocabulary:
        """Return the vocabulary of characters that were counted: the ``known``, then the new.

        The new are in code order; if they are many, the most frequent are first, so that a network
        can treat rare characters differently.
        """
        new = sorted(set(counts) - set(known))
        if len(new) >= MANY:
            new.sort(key=lambda character: -counts[character])
        once = sum(count == 1 for count in counts.values())
        share = max(once, 1) / sum(counts.values())
        return cls(known + "".join(new), escape=min(share, HIGHEST_ESCAPE))

    @classmethod
    def of_pairs(cls, paired: Paired, known: Vocabulary | None = None) -> Vocabulary:
        """Return the vocabulary of pairs: what is ``known``, then the others."""
        counts = paired.counts
        made = cls.counted(counts.characters, known.characters if known else "")
        had = known.symbols if known else None
        targets, features = (
            (*mine, *sorted(set(found) - set(mine)))
            for mine, found in (
                (had.targets if had else (), counts.targets),
                (had.features if had else (), counts.features),
            )
        )
        symbols = Symbols(paired.form, targets, features)
        return replace(made, symbols=symbols)

    def covering(self, counts: Mapping[int, int], share: float) -> int:
        """Return how many of the first characters make up a share of the code points counted."""
        found = np.array([counts.get(ord(character), 0) for character in self.characters])
        return int(np.searchsorted(found.cumsum(), share * found.sum())) + 1

    def __len__(self) -> int:
        return len(self.characters)

    @property
    def bos(self) -> int:
        """The id of "no character"."""
        return len(self.characters)

    @property
    def known_nats(self) -> float:
        """Nats that each known character costs on top of the network's own charge."""
        return -math.log1p(-self.escape)

    @property
    def unknown_nats(self) -> float:
        """Nats that an unknown character costs."""
        left = SCALARS - len(self)
        return math.log(left) - math.log(self.escape) if self.escape else math.inf

    def lookup(self, points: CodePoints) -> Ids:
        """Map code points to ids, ``bos`` for the unknown; vectorised."""
        ids: Ids = self._table[points]
        return ids

    def encode(self, text: str) -> Ids:
        """Map a string to ids; with ``as_bytes``, its UTF-8 bytes.

        Example:
            >>> Vocabulary("abc").encode("cab!").tolist()
            [2, 0, 1, 3]
        """
        if self.as_bytes:
            return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8).astype(np.int32)
        return self.lookup(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32))

    def decode(self, ids: Ids, errors: str = "replace") -> str:
        """Map ids back to a string; ``errors`` is for bytes that are no UTF-8."""
        if self.as_bytes:
            return bytes(ids.astype(np.uint8)).decode("utf-8", errors)
        return "".join(self.characters[index] for index in ids)

    def unknown(self, text: str) -> list[str]:
        """Return the distinct characters of a string that the vocabulary lacks, in order."""
        if self.as_bytes:
            return []
        return [character for character in dict.fromkeys(text) if character not in self.characters]
