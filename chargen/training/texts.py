"""The texts of a training: opened, split, and described."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.errors import CorpusError, UsageError, argument
from chargen.options import TASKS, Options
from chargen.ranks import ALONE, Ranks
from chargen.text import catalog
from chargen.text.corpus import Span, Text, open_text, read_all
from chargen.text.damage import kinds_of
from chargen.text.examples import DOCUMENTS, LINES, divided, documents, is_list, items_of, shuffled
from chargen.text.expand import expanded
from chargen.text.formats import COLUMN
from chargen.text.labelled import read_labelled
from chargen.text.remarks import remarks
from chargen.text.sources import STRICT
from chargen.text.vocabulary import Vocabulary
from chargen.training import symbols
from chargen.training.choices import Known, common
from chargen.training.symbols import Counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHORTEST = 200
"""Characters of the shortest file of several of which a part is held out."""

SEARCHED = 1 << 22
STRETCHES, STRETCH = 8, 60
"""Characters of the training text in which stretches of held-out text are looked for, and how many
these are, of how many characters."""

TAILS = "the end of each file"
"""What is held out of several files; earlier versions held out the end of them all."""

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
        keep: what the model to start from has learned, so that it is not forgotten.
        encoding, errors, column: of all files, see `chargen.text.corpus.open_text`.
    """

    corpus: Sequence[str] = ()
    valid: str | None = None
    labels: str | None = None
    keep: str | None = None
    encoding: str = "utf-8"
    errors: str = STRICT
    column: str = COLUMN

    @classmethod
    def remembered(cls, kept: dict[str, Any]) -> Sources:
        """Return what `kept` gave, read back from a file; what makes no sense is left out."""
        corpus = kept.get("corpus")
        texts = (
            [name for name in corpus if isinstance(name, str)] if isinstance(corpus, list) else []
        )
        others = {
            name: kept[name]
            for name in ("valid", "labels", "keep", "encoding", "errors", "column")
            if isinstance(kept.get(name), str)
        }
        return cls(texts, **others)

    def kept(self) -> dict[str, Any]:
        """Return where the texts are, seen from any folder; see `chargen.runs.Run.remember`."""

        def absolute(name: str) -> str:
            return os.path.abspath(name) if os.path.exists(name) else name

        return {
            "corpus": [absolute(name) for name in expanded(self.corpus)],
            "valid": self.valid and absolute(self.valid),
            "labels": self.labels and absolute(self.labels),
            "keep": self.keep and absolute(self.keep),
            "encoding": self.encoding,
            "errors": self.errors,
            "column": self.column,
        }


@dataclass(frozen=True)
class Texts:
    """What a network learns from, and what is held out.

    Attributes:
        train: what to learn from.
        valid: the part of the held-out text that is scored; None if nothing is held out.
        corpus: what a checkpoint says of the texts: names, sizes, fingerprints; never the text.
        labels: names of the labels of a labelled text, in the order of their ids.
        items: what the text is made of, lines or documents; nothing for running text.
        folder: the name of the folder that the text is from, if it is one.
        counted: what was counted, if the model knows symbols beside characters.
        kept: the text that the model to start from has learned, if it is not to be forgotten.
    """

    train: Span
    valid: Span | None
    corpus: dict[str, Any]
    labels: tuple[str, ...] = ()
    items: str = ""
    folder: str = ""
    counted: Counted | None = None
    kept: Texts | None = None

    @property
    def seen(self) -> NDArray[np.uint64] | None:
        """The fingerprints of the examples to learn from, sorted; None for running text."""
        marks = self.train.marks
        return None if marks is None else np.unique(marks.prints)

    @property
    def characters(self) -> int:
        """How many characters, or target symbols, a pass trains on."""
        return len(self.train) if self.counted is None else self.counted.learned

    def known(self, vocabulary: Vocabulary) -> Known:
        """Return what the network's sizes depend on, beside the vocabulary's own size."""
        if self.counted is None:
            return Known(
                len(self.labels),
                characters=len(vocabulary),
                common=common(vocabulary, self.train.text),
                keeps=self.kept is not None,
            )
        pairs, marking = vocabulary.symbols, vocabulary.marking
        return Known(
            targets=len(marking.marks if marking else pairs.targets if pairs else ()),
            features=len(pairs.features) if pairs else 0,
            usual=self.counted.usual,
            longest=self.counted.longest,
        )

    def vocabulary(self, known: Vocabulary | None = None) -> Vocabulary:
        """Return the vocabulary of the texts: the ``known`` characters, then the others."""
        if self.counted is None:
            known = known if self.kept is None else self.kept.vocabulary(known)
            return Vocabulary.of(self.train.text, known.characters if known else "")
        return self.counted.vocabulary(known)

    @property
    def name(self) -> str:
        """The name of the folder or of the first text."""
        return self.folder or self.train.text.names[0]


def open_texts(
    sources: Sources,
    options: Options,
    as_bytes: bool,
    note: Note,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> Texts:
    """Open the texts of a training, and divide them into what is trained on and what is held out.

    Raises:
        CorpusError: a text cannot be read, or nothing can be learned from it.
        CatalogError: a name of the catalog whose text is not here.
    """
    task = options.task()
    if options.pairs:
        symbols.form_of(options)
    if options.undo:
        kinds_of(options.undo)
    for name in TASKS if task else ():
        other = "as_bytes" if as_bytes else "labels"
        if getattr(options, name) and (as_bytes or sources.labels is not None):
            raise UsageError(
                f"{argument(name)} and {argument(other)} exclude each other", "Give one of them"
            )
    if sources.labels is not None:
        opened = _labelled(sources, options, as_bytes, note, progress)
    else:
        opened = _running(sources, options, as_bytes, note, progress, ranks)
    if options.shuffle == DOCUMENTS and len(opened.train.ranges) == 1:
        note("there are no documents to read in another order")
    text = opened.train.text
    if text.characters < 2:
        raise CorpusError(f"{text.names[0]} has one character", "Give at least two")
    if len(text.counts) == 1:
        note("the corpus is one character over and over: there is nothing to learn but that")
    for line in remarks(text) if opened.counted is None else ():
        note(f"note: {line}")
    if opened.valid is not None and copied(opened.train, opened.valid):
        note(
            "note: much of the held-out text stands in the training text, too: the figures will be "
            "too good"
        )
    first = sources.labels or next(iter(sources.corpus), "")
    if os.path.isdir(first):
        opened = replace(opened, folder=os.path.basename(os.path.abspath(first)))
    if opened.valid is None:
        note("no text is held out, so the best model is simply the latest")
    if sources.keep is None:
        return opened
    if task or opened.labels:
        raise UsageError(
            f"{argument('keep')} is for models that are scored by perplexity", "Leave it out"
        )
    old = replace(sources, corpus=[sources.keep], valid=None, keep=None)
    made = replace(options, lines=opened.items == LINES, documents=opened.items == DOCUMENTS)
    kept = _running(old, made, as_bytes, note, progress, ranks)
    return replace(opened, kept=kept, corpus=opened.corpus | {"kept": described(kept.train.text)})


def _labelled(
    sources: Sources, options: Options, as_bytes: bool, note: Note, progress: Progress | None
) -> Texts:
    """Return labelled texts, of which a share of each label's examples is held out."""
    items = items_of(options.lines or False, options.documents or False)
    if items:
        raise UsageError(
            f"{argument(items)} and {argument('labels')} exclude each other", "Give one of them"
        )
    found = read_labelled(
        sources.labels or "",
        options.usual("valid_fraction"),
        encoding=sources.encoding,
        as_bytes=as_bytes,
        errors=sources.errors,
        progress=progress,
        skipped=_skipped(note),
    )
    valid = None if found.valid is None else _beginning(found.valid, options.usual("valid_chars"))
    about = described(found.train, found.valid) | {"labels": found.sha256}
    return Texts(found.train.span(), valid, about, found.names)


def _running(
    sources: Sources,
    options: Options,
    as_bytes: bool,
    note: Note,
    progress: Progress | None,
    ranks: Ranks,
) -> Texts:
    """Return a corpus and what is held out: of it, or a text of its own."""

    def opened(names: Sequence[str]) -> Text:
        return open_text(
            catalog.resolved(names),
            encoding=sources.encoding,
            as_bytes=as_bytes,
            errors=sources.errors,
            progress=progress,
            skipped=_skipped(note),
            column=sources.column,
            ranks=ranks,
        )

    text = opened(sources.corpus or [catalog.DEFAULT])
    own = None if sources.valid is None else opened([sources.valid])
    most = options.usual("valid_chars")
    if options.pairs or options.tags:
        divide = symbols.pairs if options.pairs else symbols.tags
        train, held, counted = divide(text, own, options, note)
        valid = None if held is None else _beginning(held, most)
        return Texts(train.span(), valid, described(text, own), counted=counted)
    items = made_of(text, options)
    if items:
        if options.lines is None:
            note("each line is learned as a text of its own; for running text add --no-lines")
        train, held = divided(text, items, 0 if own else options.usual("valid_fraction"))
        if own:
            held, _ = divided(own, items, 0)
        valid = None if held is None else _beginning(held, most)
        return Texts(train.span(), valid, described(text, own), items=items)
    if own:
        train_span, valid = text.span(), _beginning(own, most)
    else:
        train_span, valid = _tails(text, options.usual("valid_fraction"), most)
    if options.shuffle == DOCUMENTS:
        train_span = shuffled(train_span, options.usual("seed"))
    damage = symbols.damage(train_span, options) if options.undo else None
    if own:
        return Texts(train_span, valid, described(text, own), counted=damage)
    about = described(text)
    if len(text.names) > 1 and valid is not None:
        about["held_out"] = TAILS
        note(f"held out: the end of each of {len(text.names):,} files")
    return Texts(train_span, valid, about, counted=damage)


def made_of(text: Text, options: Options) -> str:
    """Return what a text is made of, lines or documents; nothing for running text.

    Raises:
        UsageError: two wishes that exclude each other.
    """
    items = items_of(options.lines or False, options.documents or False)
    if options.task():
        return ""
    if items and options.bidirectional:
        raise UsageError(
            f"{argument(items)} and {argument('bidirectional')} exclude each other",
            "Give one of them",
        )
    if items:
        return items
    detect = options.lines is None and not options.bidirectional
    return LINES if detect and is_list(text) else ""


def _tails(text: Text, fraction: float, most: int) -> tuple[Span, Span | None]:
    """Hold out the end of each file; return the rest, and ``most`` characters of the ends.

    If all files are too short for that, hold out the end of the whole text.
    """
    files = list(documents(text)) if len(text.names) > 1 else []
    cut = []
    for start, stop in files:
        kept = int((stop - start) * (1 - fraction))
        cut.append((start, stop if stop - start < SHORTEST else start + kept, stop))
    # One text, or files too short to be cut.
    if sum(stop - edge for _, edge, stop in cut) < fraction * text.characters / 2:
        edge = int(text.characters * (1 - fraction))
        cut = [(0, edge, text.characters)]
    train = tuple((start, edge) for start, edge, _ in cut if start < edge)
    ends = [(edge, stop) for _, edge, stop in cut if edge < stop]
    if not train or not ends:
        return text.span(), None
    # Of each end the same share, if all are too long to be scored.
    share = min(1.0, most / sum(stop - edge for edge, stop in ends))
    valid = tuple((edge, edge + max(1, int((stop - edge) * share))) for edge, stop in ends)
    return Span(text, train), Span(text, valid)


def _beginning(text: Text, most: int) -> Span:
    """Return the first characters of a text, as many as are scored; no example is cut."""
    if text.marks is None or most >= text.characters:
        return text.span(0, min(most, text.characters))
    first, *others = text.marks.starts[1:].tolist() or [text.characters]
    return text.span(0, max([first, *(start for start in others if start <= most)]))


def copied(train: Span, valid: Span) -> bool:
    """Return whether most stretches of the held-out text stand in the training text as well."""
    head = read_all(train.blocks(0, min(SEARCHED, len(train))))
    places = [
        at * (len(valid) - STRETCH) // (STRETCHES - 1)
        for at in range(STRETCHES)
        if len(valid) >= STRETCH
    ]
    found = [read_all(valid.blocks(at, at + STRETCH)) in head for at in places]
    return sum(found) > len(found) / 2


def _skipped(note: Note) -> Note:
    return lambda name: note(f"skipped {name}")


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
