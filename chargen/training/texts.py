"""The texts of a training: opened, split, and described."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chargen.errors import CorpusError
from chargen.options import Options
from chargen.text import catalog
from chargen.text.corpus import Span, Text, open_text
from chargen.text.labelled import read_labelled

NAMES = 20
"""Names of files that a checkpoint keeps, at most."""

Note = Callable[[str], None]
"""Called with each line that the user should read."""

Progress = Callable[[int, int], None]
"""Called with bytes of the corpus surveyed and bytes in all."""


@dataclass(frozen=True)
class Sources:
    """Where the texts are.

    Attributes:
        corpus: paths, ``-``, or names from the catalog; none for the default corpus.
        valid: a text of its own to hold out, instead of the corpus's end.
        labels: labelled texts, instead of a corpus; see `chargen.text.labelled`.
        encoding: of all files.
    """

    corpus: Sequence[str] = ()
    valid: str | None = None
    labels: str | None = None
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Texts:
    """What a network learns from, and what is held out.

    Attributes:
        train: what to learn from.
        valid: the part of the held-out text that is scored; None if nothing is held out.
        corpus: what a checkpoint says of the texts: names, sizes, fingerprints; never the text.
        labels: names of the labels of a labelled text, in the order of their ids.
    """

    train: Span
    valid: Span | None
    corpus: dict[str, Any]
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the first text."""
        return self.train.text.names[0]


def open_texts(
    sources: Sources,
    options: Options,
    as_bytes: bool,
    note: Note,
    progress: Progress | None = None,
) -> Texts:
    """Open the texts of a training, and divide them into what is trained on and what is held out.

    Raises:
        CorpusError: a text cannot be read, or nothing can be learned from it.
        CatalogError: a name of the catalog whose text is not here.
    """
    texts = _labelled if sources.labels is not None else _running
    opened = texts(sources, options, as_bytes, note, progress)
    text = opened.train.text
    if text.characters < 2:
        raise CorpusError(f"{text.names[0]} has one character", "Give at least two")
    if len(text.counts) == 1:
        note("the corpus is one character over and over: there is nothing to learn but that")
    if opened.valid is None:
        note("no text is held out, so the best model is simply the latest")
    return opened


def _labelled(
    sources: Sources, options: Options, as_bytes: bool, note: Note, progress: Progress | None
) -> Texts:
    """Return labelled texts, of which a share of each label's examples is held out."""
    found = read_labelled(
        sources.labels or "",
        options.usual("valid_fraction"),
        encoding=sources.encoding,
        as_bytes=as_bytes,
        progress=progress,
        skipped=_skipped(note),
    )
    most = options.usual("valid_chars")
    valid = None if found.valid is None else _beginning(found.valid, most)
    about = described(found.train, found.valid) | {"labels": found.sha256}
    return Texts(found.train.span(), valid, about, found.names)


def _running(
    sources: Sources, options: Options, as_bytes: bool, note: Note, progress: Progress | None
) -> Texts:
    """Return a corpus whose end is held out, or a corpus and a text of its own to hold out."""

    def opened(names: Sequence[str]) -> Text:
        return open_text(
            [catalog.resolve(name) for name in names],
            encoding=sources.encoding,
            as_bytes=as_bytes,
            progress=progress,
            skipped=_skipped(note),
        )

    text = opened(sources.corpus or [catalog.DEFAULT])
    most = options.usual("valid_chars")
    if sources.valid is not None:
        own = opened([sources.valid])
        return Texts(text.span(), _beginning(own, most), described(text, own))
    train = int(text.characters * (1 - options.usual("valid_fraction")))
    if not 0 < train < text.characters:
        return Texts(text.span(), None, described(text))
    valid = text.span(train, min(train + most, text.characters))
    return Texts(text.span(0, train), valid, described(text))


def _beginning(text: Text, most: int) -> Span:
    """Return the first characters of a text, as many as are scored; no example is cut."""
    if text.marks is None or most >= text.characters:
        return text.span(0, min(most, text.characters))
    first, *others = text.marks.starts[1:].tolist() or [text.characters]
    return text.span(0, max([first, *(start for start in others if start <= most)]))


def _skipped(note: Note) -> Note:
    return lambda name: note(f"skipped {name}: not text")


def described(text: Text, valid: Text | None = None) -> dict[str, Any]:
    """Return what a checkpoint says of a text, and of a text of its own that is held out."""
    about: dict[str, Any] = {
        "names": text.names[:NAMES],
        "files": len(text.names),
        "characters": text.characters,
        "bytes": text.size,
        "sha256": text.sha256,
    }
    if valid is not None:
        about["valid"] = described(valid)
    return about
