"""Files made small by a model: what a text costs is how large it becomes.

A model's probabilities become whole numbers of 24 bits, and an entropy coder of the library
constriction (Bamler 2022, arXiv:2201.01741) writes each character with them: range coding (Martin
1979). Reading it back needs the same numbers, so all arithmetic up to them is in a fixed order (see
`chargen.kernels`): they do not depend on threads, or on the library that multiplies matrices.

Every file can be compressed. A character that the model lacks is written as the escape, and then as
a code point; bytes that are no UTF-8 are code points as well (PEP 383).

A compressed file begins with `HEADER`. Then come, as numbers of variable length (LEB128), its
bytes, its characters, how many pieces it has, and the words of each; and then the words of all. A
long text is cut into pieces, which are independent, so that they can be read side by side. A file
that would become larger has no pieces, and is there as it was.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal
from chargen.errors import CheckpointError, CorpusError, KindError, UsageError, argument
from chargen.processes import processors
from chargen.text.corpus import CODE_POINTS
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chargen.engine.writer import Frequencies

    Ids = NDArray[np.int32]

MAGIC, PLAIN, LEARNED = b"cgz", 5, 6
HEADER = struct.Struct("<3sB8s8s")
"""`MAGIC`, `PLAIN` or `LEARNED`, the fingerprint of the model, and the checksum of the file. A file
of an earlier version has other probabilities; it is not read any more."""

WORD = 4
"""Bytes of a word."""

MOST_COUNTED = 256
"""Characters of a vocabulary up to which a text's n-grams are counted while it is read: a count for
each of them after every context."""

LONGEST_NUMBER = 56
"""Bits of a number before its last seven."""

BITS = 24
PIECE, LEARNED_PIECE = 1 << 17, 1 << 19
"""Characters of a piece, about; fewer would cost more than a thousandth. A longer one has more to
learn from."""

BLOCK = 256
"""Characters whose probabilities are made in one call."""

DIGEST = 8
"""Bytes of a fingerprint and of a checksum."""

T = TypeVar("T")


@dataclass(frozen=True)
class Coder:
    """What compresses with one model.

    Attributes:
        name: of the model, for errors.
        engine: the model.
        vocabulary: its characters.
        fingerprint: of the model, see `fingerprint`.
    """

    name: str
    engine: Causal
    vocabulary: Vocabulary
    fingerprint: bytes

    def compress(
        self,
        data: bytes,
        progress: Callable[[int, int], None] | None = None,
        *,
        adapt: bool = False,
    ) -> bytes:
        """Return a file's bytes, compressed.

        Args:
            adapt: count the file's n-grams, each character after it was written.
            progress: called with characters done and characters in all.

        Raises:
            KindError: the model is no recurrent network.
            UsageError: it has too many characters to learn.
        """
        if adapt and len(self.vocabulary) > MOST_COUNTED:
            raise UsageError(
                f"{argument('adapt')} is for models of at most {MOST_COUNTED} characters, and "
                f"{self.name} has {len(self.vocabulary):,}",
                "Leave it out",
            )
        text = data.decode("utf-8", "surrogateescape")
        ids, points = self.vocabulary.encode(text), _points(text)
        piece = LEARNED_PIECE if adapt else PIECE
        sizes = _sizes(len(ids), max(1, round(len(ids) / piece)) if data else 0)
        cuts, count = np.cumsum(sizes)[:-1], _Count(len(ids), progress)
        pieces = _side_by_side(
            lambda part, marks: self._encode(part, marks, count, adapt),
            np.split(ids, cuts) if data else [],
            np.split(points, cuts) if data else [],
        )
        words = b"".join(piece.astype("<u4").tobytes() for piece in pieces)
        if len(words) >= len(data):
            pieces, words = [], data
        head = HEADER.pack(MAGIC, LEARNED if adapt else PLAIN, self.fingerprint, checksum(data))
        numbers = [len(data), len(ids), len(pieces), *map(len, pieces)]
        return head + b"".join(map(_number, numbers)) + words

    def decompress(
        self, packed: bytes, progress: Callable[[int, int], None] | None = None
    ) -> bytes:
        """Return the file that was compressed.

        Raises:
            CorpusError: it is no compressed file, or is damaged.
            CheckpointError: it was compressed with another model.
            KindError: the model is no recurrent network.
        """
        about = Packed.read(packed)
        if about.fingerprint != self.fingerprint:
            raise CheckpointError(
                f"the file was compressed with another model than {self.name}: one with the "
                f"fingerprint {about.fingerprint.hex()}",
                "Name the model that it was compressed with",
            )
        if not about.pieces:
            return about.checked(about.rest)
        count = _Count(about.characters, progress)
        texts = _side_by_side(
            lambda words, size: self._decode(words, size, count, about.learned),
            about.pieces,
            _sizes(about.characters, len(about.pieces)),
        )
        encoding = "latin-1" if self.vocabulary.as_bytes else "utf-8"
        try:
            data = "".join(texts).encode(encoding, "surrogateescape")
        except UnicodeEncodeError:
            raise damaged() from None
        return about.checked(data)

    def _begin(self, learns: int) -> Frequencies:
        """Return the model at the beginning of a text, of whose characters so many are learned.

        Raises:
            KindError: it is no recurrent network.
        """
        from chargen.engine.writer import Frequencies  # It loads the compiler, which takes a while.

        writer = self.engine.writer((1, 0, 0, 0), steady=True)
        if writer is None:
            raise KindError(
                f"{self.name} is no recurrent network, whose arithmetic is the same everywhere",
                "Use a model of --arch lstm, gru or elman",
            )
        escape = 0.0 if self.vocabulary.as_bytes else self.vocabulary.escape
        return Frequencies(writer, self.engine.start(1), escape, BITS, learns)

    def _encode(
        self, ids: Ids, points: NDArray[np.uint32], count: _Count, adapt: bool
    ) -> NDArray[np.uint32]:
        """Return the words of one piece."""
        from constriction import stream

        model = self._begin(len(ids) if adapt else 0)
        encoder = stream.queue.RangeEncoder()
        family, uniform = stream.model.Categorical(perfect=False), stream.model.Uniform(CODE_POINTS)
        read = np.append(np.int32(self.vocabulary.bos), ids[:-1]).astype(np.int32)
        for at in range(0, len(ids), BLOCK):
            block, shares = ids[at : at + BLOCK], model.after(read[at : at + BLOCK])
            begin = 0
            for place in np.flatnonzero(block == self.vocabulary.bos).tolist():
                encoder.encode(block[begin : place + 1], family, shares[begin : place + 1])
                encoder.encode(int(points[at + place]), uniform)
                begin = place + 1
            if begin < len(block):
                encoder.encode(block[begin:], family, shares[begin:])
            count.add(len(block))
        words: NDArray[np.uint32] = encoder.get_compressed()
        return words

    def _decode(self, words: NDArray[np.uint32], size: int, count: _Count, adapt: bool) -> str:
        """Return the text of one piece.

        Raises:
            CorpusError: it is damaged.
        """
        from constriction import stream

        model = self._begin(size if adapt else 0)
        decoder = stream.queue.RangeDecoder(words.astype(np.uint32))
        likely, uniform = stream.model.Categorical, stream.model.Uniform(CODE_POINTS)
        last = np.array([self.vocabulary.bos], np.int32)
        found: list[str] = []
        characters, bos = self.vocabulary.characters, self.vocabulary.bos
        for number in range(size):
            shares = model.after(last)[0]
            try:
                index = int(decoder.decode(likely(shares, perfect=False)))
                point = int(decoder.decode(uniform)) if index == bos else None
            except AssertionError:
                raise damaged() from None
            found.append(characters[index] if point is None else chr(point))
            last[0] = index
            if number % BLOCK == BLOCK - 1:
                count.add(BLOCK)
        count.add(size % BLOCK)
        return "".join(found)


@dataclass(frozen=True)
class Packed:
    """A compressed file, taken apart.

    Attributes:
        fingerprint: of the model.
        checksum: of the file as it was.
        size, characters: of it, in bytes and in characters.
        pieces: the words of each piece; none for a file that is there as it was.
        rest: such a file.
        learned: whether its n-grams were counted.
    """

    fingerprint: bytes
    checksum: bytes
    size: int
    characters: int
    pieces: Sequence[NDArray[np.uint32]]
    rest: bytes
    learned: bool

    @classmethod
    def read(cls, packed: bytes) -> Packed:
        """Take a compressed file apart.

        Raises:
            CorpusError: it is none, or is damaged.
        """
        if not packed.startswith(MAGIC) or len(packed) < HEADER.size:
            raise CorpusError(
                "the file was not compressed by chargen", "Compress one by `chargen compress`"
            )
        _, version, model, check = HEADER.unpack_from(packed)
        if version not in (PLAIN, LEARNED):
            raise CorpusError(
                f"the file was compressed by another chargen: its version is {version}",
                "Install the one that compressed it",
            )
        numbers = _numbers(packed, HEADER.size)
        first = list(itertools.islice(numbers, 3))
        if len(first) < 3:
            raise damaged()
        (size, _), (characters, _), (count, at) = first
        if count > len(packed):
            raise damaged()
        each = list(itertools.islice(numbers, count))
        if len(each) < count:
            raise damaged()
        sizes = [words for words, _ in each]
        at = each[-1][1] if each else at
        rest = packed[at:]
        if characters > size or (count and len(rest) != WORD * sum(sizes)):
            raise damaged()
        words = np.frombuffer(rest if count else b"", "<u4")
        pieces = np.split(words, np.cumsum(sizes)[:-1]) if count else []
        return cls(model, check, size, characters, pieces, rest, version == LEARNED)

    def checked(self, data: bytes) -> bytes:
        """Return the file that was compressed, if this is it.

        Raises:
            CorpusError: it is not.
        """
        if len(data) != self.size or checksum(data) != self.checksum:
            raise damaged()
        return data


def _number(value: int) -> bytes:
    """Return a number as bytes: seven bits in each, the lowest first; the last has no high bit."""
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _numbers(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Yield numbers and where each ends; see `_number`."""
    value = shift = 0
    for place in range(at, len(data)):
        if shift > LONGEST_NUMBER:
            raise damaged()
        value |= (data[place] & 0x7F) << shift
        shift += 7
        if data[place] < 0x80:
            yield value, place + 1
            value = shift = 0


class _Count:
    """Characters that are done, in all threads."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def add(self, count: int) -> None:
        self.done += count
        if self.progress is not None:
            self.progress(min(self.done, self.total), self.total)


def _sizes(characters: int, pieces: int) -> list[int]:
    """Return how many characters each piece has: all nearly alike."""
    return [(characters * (n + 1)) // pieces - characters * n // pieces for n in range(pieces)]


def _side_by_side(task: Callable[..., T], *arguments: Sequence[Any]) -> list[T]:
    """Do a task with each of the arguments, in threads: compiled code runs beside other threads."""
    with ThreadPoolExecutor(processors()) as threads:
        return list(threads.map(task, *arguments))


def _points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def checksum(data: bytes) -> bytes:
    """Return what tells whether a file is what it was."""
    return hashlib.blake2b(data, digest_size=DIGEST).digest()


def fingerprint(saved: Checkpoint, label: str | None) -> bytes:
    """Return what tells a model from all others: of its weights, its characters and the label."""
    digest = hashlib.blake2b(digest_size=DIGEST)
    about = [saved.architecture.json(), saved.vocabulary.characters, saved.vocabulary.escape, label]
    digest.update(json.dumps(about, sort_keys=True).encode())
    for name in sorted(saved.weights):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(saved.weights[name], "<f4").tobytes())
    return digest.digest()


def damaged() -> CorpusError:
    """Return the error for a compressed file that cannot be read back."""
    return CorpusError("the compressed file is damaged", "Take it from a copy")
