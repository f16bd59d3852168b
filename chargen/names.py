"""What a run may be called: a name that every file system can hold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from chargen.errors import UsageError

STARTER = "starter"
"""The name of the model that comes with chargen."""

LONGEST_NAME = 100
LONGEST_BYTES = 200
"""Characters of a name, and its bytes: file systems allow 255, and a temporary file has more."""

USUAL_LENGTH = 40
"""Characters of a name that is made of a corpus's."""

RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that stand for devices on Windows."""


def check_name(name: str) -> None:
    """Make sure that a run can have a name.

    Raises:
        UsageError: it cannot be a folder's, or belongs to the starter model.
    """
    if not is_name(name):
        raise UsageError(
            f"a run cannot be called {name!r}",
            "Use letters, digits, dots, - and _, 100 at most, with no dot at an end; names of "
            "devices, such as con, cannot be used either",
        )
    if name == STARTER:
        raise UsageError(
            f"{name} is the name of the model that comes with chargen",
            "Choose another",
        )


def is_name(name: str) -> bool:
    """Return whether a name can be a run's: letters of any script, safe on every file system."""
    safe = all(_letter(one) or one in "._-" for one in name)
    long = len(name) > LONGEST_NAME or len(name.encode("utf-8", "replace")) > LONGEST_BYTES
    edges = name[:1] in ("", ".", "-") or name.endswith(".")
    composed = unicodedata.is_normalized("NFC", name)
    return safe and composed and not long and not edges and not RESERVED.fullmatch(name)


def named_after(corpus: str) -> str:
    """Return the name of a run on a corpus.

    Examples:
        >>> named_after("Éluard.txt"), named_after("two words.txt"), named_after("!?.txt")
        ('Éluard', 'two-words', 'run')
    """
    plain = unicodedata.normalize("NFC", corpus.split(".")[0])
    letters = "".join(one if _letter(one) or one in "_-" else " " for one in plain)
    stem = "-".join(letters.split()).strip("-")[:USUAL_LENGTH]
    while len(stem.encode("utf-8", "replace")) > LONGEST_BYTES // 2:
        stem = stem[:-1]
    return stem if is_name(stem) else "run"


def _letter(character: str) -> bool:
    """Return whether a character is a letter, a digit, or a mark on one, in any script."""
    return character == "_" or unicodedata.category(character)[0] in "LNM"


def numbered(stem: str) -> Iterator[str]:
    """Yield a name, and then the same with numbers from 2 on."""
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1
