"""What commands read: texts to use a model on, and what they say about the model."""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from chargen.errors import CorpusError, RunError, UsageError, argument
from chargen.runs import STARTER, Run
from chargen.terminal.console import Console
from chargen.text.formats import COLUMN

if TYPE_CHECKING:
    import io

    from chargen.model import Model
    from chargen.tasks.parallels import Parallel
    from chargen.text.corpus import Text


def leave_out(given: Mapping[str, Any], why: str) -> None:
    """Refuse options that would do nothing.

    Args:
        given: each option, and whether it was given.
        why: they would do nothing, in words.

    Raises:
        UsageError: one was given.
    """
    for option, value in given.items():
        if value:
            raise UsageError(f"{argument(option)} {why}", "Leave it out")


def keep(path: Path | None, force: bool, name: str | None = "output") -> None:
    """Make sure that no file is lost.

    Args:
        path: to be written; None for standard output.
        force: whether a file that exists may be replaced.
        name: of the argument that has the path; None for one without a flag.

    Raises:
        RunError: it exists.
    """
    if path is not None and path.is_file() and not force:
        other = "file" if name is None else argument(name)
        raise RunError(
            f"{path} exists already",
            f"Replace it by {argument('force')}, or choose another {other}",
        )


def announce(console: Console, model: Model, named: str | Sequence[str] | None) -> None:
    """Say which model is used; even if all is quiet, when nobody has asked for this one.

    Args:
        named: the model as it was asked for; None for whichever there is.
    """
    if not named and model.path == Run(STARTER).best:
        console.say(f"no run here: this is the model that comes with chargen, {described(model)}")
        return
    console.note(f"model {described(model)}")


WEIGHTED = re.compile(r"(.+):(\d*\.?\d+)")
"""A model with its weight in a blend."""


def load_all(models: Sequence[str] | None, out: Path, way: str) -> Model:
    """Return the model that is meant, or several as one.

    Args:
        models: names or paths, each with a colon and a weight, or without; none for the newest run.
        way: of blending.

    Raises:
        UsageError: a weight is given to one model, or the way is unknown.
        KindError: the models do not fit together.
    """
    from chargen.blended import Blended
    from chargen.model import load

    found = [(one, WEIGHTED.fullmatch(one)) for one in models or ()]
    if len(found) == 1 and found[0][1] and not os.path.exists(found[0][0]):
        raise UsageError(
            f"{found[0][0]!r} has a weight, and is one model", "Leave the weight out, or name two"
        )
    if len(found) < 2:
        return load(found[0][0] if found else None, out)
    parts = [load(weighted[1] if weighted else one, out) for one, weighted in found]
    weights = [float(weighted[2]) if weighted else 1.0 for _, weighted in found]
    return Blended(parts, weights, way)


def described(model: Model) -> str:
    """Return a model's name, its network, and how good it is."""
    perplexity = model.checkpoint.figures.get("perplexity")
    quality = f", held-out perplexity {perplexity:.3f}" if isinstance(perplexity, float) else ""
    return f"{model.name} ({model.network}{quality})"


def open_sources(
    console: Console,
    sources: Sequence[str],
    encoding: str,
    as_bytes: bool,
    errors: str = "strict",
    column: str = COLUMN,
) -> Text:
    """Open files, folders, names from the catalog, or standard input, as one text."""
    from chargen.text import catalog
    from chargen.text.corpus import open_text

    with console.progress(f"reading {sources[0]}") as progress:
        return open_text(
            catalog.resolved(sources),
            encoding=encoding,
            as_bytes=as_bytes,
            errors=errors,
            progress=progress,
            skipped=lambda name: console.note(f"skipped {name}"),
            column=column,
        )


def parallels_of(
    console: Console, pieces: Sequence[str], corpus: Sequence[str], encoding: str, errors: str
) -> list[Parallel]:
    """Return the passages of a corpus that are most like a text; see `chargen.tasks.parallels`."""
    from chargen.tasks.parallels import parallels

    opened = open_sources(console, corpus, encoding, False, errors)
    with console.progress("looking for parallels", in_bytes=False) as progress:
        return parallels(pieces, opened, progress=progress)


FILE_LIKE = re.compile(r"^(?=.*[^\W\d])\S*([/\\]|\.[^\W\d]\w{0,4}$)\S*$")
"""What looks like a file's name: letters, no blanks, a slash or a suffix. A date is none."""


def given(source: str) -> bool:
    """Return whether an argument is a text itself, and no file's name.

    Raises:
        CorpusError: it is neither a file nor what anybody would write as a text.
    """
    from chargen.text import catalog
    from chargen.text.sources import STDIN

    if source == STDIN or os.path.exists(source) or source in catalog.entries():
        return False
    if source.strip() and not FILE_LIKE.search(source):
        return True
    raise CorpusError(
        f"{source!r} is neither a file nor a text",
        f"Give a file's name, a text in quotes, or {STDIN} for standard input",
    )


TOGETHER = 1024
"""Lines that are handled side by side, at most."""


def grouped(
    console: Console, source: str, encoding: str, errors: str
) -> Iterator[list[tuple[int, str]]]:
    """Yield the lines of a file with their numbers, some together.

    Of standard input, those are together that have come by now: so another program can ask and
    answer in turn.

    Raises:
        CorpusError: the file cannot be read, or is no text.
    """
    from chargen.text.examples import lines
    from chargen.text.sources import REPLACE, STDIN, STRICT

    as_it_comes = errors in (STRICT, REPLACE) and encoding.lower().replace("-", "") == "utf8"
    if source == STDIN and as_it_comes:
        yield from arriving(errors)
        return
    text = open_sources(console, [source], encoding, False, errors)
    numbered = enumerate((line for _, line in lines(text)), 1)
    while group := list(itertools.islice(numbered, TOGETHER)):
        yield group


def arriving(errors: str) -> Iterator[list[tuple[int, str]]]:
    """Yield the lines of standard input with their numbers, as they come.

    Args:
        errors: ``strict`` or ``replace``, for bytes that are no UTF-8.
    """
    kept, count = b"", 0
    pipe = cast("io.BufferedReader", sys.stdin.buffer)
    while data := pipe.read1(1 << 16):
        *whole, kept = (kept + data).split(b"\n")
        if whole:
            yield _decoded(whole, count, errors)
            count += len(whole)
    if kept:
        yield _decoded([kept], count, errors)


def _decoded(whole: Sequence[bytes], count: int, errors: str) -> list[tuple[int, str]]:
    """Return lines as text, numbered on from a count.

    Raises:
        CorpusError: a line is no UTF-8.
    """
    group = []
    for number, line in enumerate(whole, count + 1):
        try:
            group.append((number, line.decode("utf-8-sig", errors).removesuffix("\r")))
        except UnicodeDecodeError:
            raise CorpusError(
                f"line {number:,} of - is not utf-8 text",
                f"Name its encoding by {argument('encoding')}",
            ) from None
    return group


ESCAPE = re.compile(r"\\([nrt\\])")
ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


def unescaped(text: str) -> str:
    r"""Return what the text of an option means: \n is a new line, \t a tab, \\ a backslash.

    The same for all options that are texts; what stands behind another backslash stays.

    Examples:
        >>> unescaped(r"a\nb"), unescaped(r"\\noindent"), unescaped(r"\d")
        ('a\nb', '\\noindent', '\\d')
    """
    return ESCAPE.sub(lambda found: ESCAPED[found[1]], text)


def read_text(source: str, what: str) -> str:
    """Return a file's text, or what standard input has.

    Args:
        what: the text is, in words.

    Raises:
        CorpusError: it cannot be read, or is not UTF-8.
    """
    from chargen.text.sources import utf8

    return utf8(read_bytes(source), source, what).removeprefix("\ufeff")


def read_bytes(source: str) -> bytes:
    """Return a file's bytes, or what standard input has.

    Raises:
        CorpusError: it cannot be read.
    """
    from chargen.text.sources import STDIN, unreadable

    try:
        return sys.stdin.buffer.read() if source == STDIN else Path(source).read_bytes()
    except OSError as error:
        raise unreadable(source, error) from error
