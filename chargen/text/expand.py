"""Names that stand for several sources: patterns, lists, and sources with a weight."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from chargen.errors import CorpusError
from chargen.text.packed import REMOTE
from chargen.text.sources import STDIN, bad_byte, unreadable

LIST = "@"
WEIGHTED = re.compile(r"(.+):([1-9][0-9]?)")


def expanded(names: Iterable[str]) -> Iterator[str]:
    """Yield the sources that some names stand for.

    ``@list`` is a file with a name on each line, ``*.txt`` each file of such a name, and
    ``a.txt:2`` the file twice: in a pass it is read so often. What exists under its whole name is
    that.

    Raises:
        CorpusError: a list cannot be read, or no file has such a name.
    """
    for name in names:
        weighted = WEIGHTED.fullmatch(name)
        remote = REMOTE in name and not weighted
        if name == STDIN or remote or os.path.exists(name):
            yield name
        elif weighted:
            base, times = weighted[1], int(weighted[2])
            for one in list(expanded([base])):
                yield from [one] * times
        elif name.startswith(LIST) and len(name) > 1:
            yield from expanded(_listed(name[1:]))
        elif glob.has_magic(name):
            found = sorted(glob.glob(name, recursive=True))
            if not found:
                raise CorpusError(f"no file is called {name}", "Check the path")
            yield from found
        else:
            yield name


def _listed(name: str) -> list[str]:
    """Return the names in a file, one on each line; a line that begins with # is none.

    Raises:
        CorpusError: it cannot be read.
    """
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise unreadable(name, error) from error
    except UnicodeDecodeError as error:
        raise bad_byte(name, error.start, error.object, error) from None
    found = [line.strip() for line in lines]
    # A list in a list could be a list of itself.
    return [line for line in found if line and not line.startswith(("#", LIST))]
