"""Tagged texts: spans of characters with a label, from tables of tokens or from lines.

Two forms are read; the first line that says something decides which:

- a token a line (CoNLL): the token and its tag, with an empty line between sentences. Where a line
  begins with the token's number in its sentence, the token and its tag are the second and the third
  column; else the first and the last. Tags are IOB (``B-PER``, ``I-PER``, ``O``). A comment
  ``# text = …`` has the sentence with its blanks; without one, a blank is put between tokens;
- an example a line: ``text<TAB>start-end:label,start-end:label``, where the offsets are those of
  characters and ``end`` is the first one after the span.

The second is also how examples are kept while a network learns (see `chargen.text.examples`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from chargen.errors import CorpusError
from chargen.text.corpus import Text
from chargen.text.examples import (
    Found,
    Lines,
    documents,
    fingerprint,
    held_out,
    joined,
    lines,
    named_files,
)
from chargen.text.marking import BEGIN, INSIDE, OUTSIDE
from chargen.text.scratch import Scratch
from chargen.text.sources import Part

SPANS = re.compile(r"(\d+-\d+:[^\t,]+(,\d+-\d+:[^\t,]+)*)?")
WORD = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")
"""A word, or a sign; the marks that stand on a letter are signs here, see `in_words`."""

COMMENT, SENTENCE = "#", "# text = "


@dataclass(frozen=True)
class Tagged:
    """A text with spans.

    Attributes:
        text: characters, without an end of line.
        spans: ``(start, end, label)``, in order, none of them empty, none over another.
    """

    text: str
    spans: tuple[tuple[int, int, str], ...] = ()

    def line(self) -> str:
        """Return text and spans as one line."""
        return self.text + "\t" + ",".join(f"{s}-{e}:{label}" for s, e, label in self.spans)

    def cut(self, longest: int) -> Tagged:
        """Return the text up to a length, and the spans that are whole in it."""
        kept = tuple(span for span in self.spans if span[1] <= longest)
        return Tagged(self.text[:longest], kept)


def parsed(line: str, where: str) -> Tagged:
    """Return what a line of text, tab and spans says.

    Raises:
        CorpusError: it has no tab, or spans that cannot be.
    """
    text, tab, told = line.rpartition("\t")
    if not tab or not SPANS.fullmatch(told):
        raise CorpusError(
            f"{where} has no tab with spans behind it",
            "Write the text, a tab, and start-end:label for each span, with commas between them",
        )
    spans = []
    for one in filter(None, told.split(",")):
        ends, _, label = one.partition(":")
        start, _, end = ends.partition("-")
        spans.append((int(start), int(end), label.strip()))
    spans.sort()
    last = 0
    for begin, stop, _ in spans:
        if not last <= begin < stop <= len(text):
            raise CorpusError(
                f"{where} has a span {begin}-{stop} outside the text or over another span",
                "Count characters from 0; spans must not overlap",
            )
        last = stop
    return Tagged(text.replace("\t", " "), tuple(spans))


def tagged(text: Text) -> Iterator[tuple[str, Tagged]]:
    """Yield each example of a text, and how to name the line where it begins.

    Raises:
        CorpusError: a line is neither a token with its tag nor a text with its spans.
    """
    for name, (first, last) in zip(named_files(text), documents(text), strict=True):
        numbered = ((number, line) for number, (_, line) in enumerate(lines(text, first, last), 1))
        yield from _of_file(name, numbered)


def _of_file(name: str, numbered: Iterator[tuple[int, str]]) -> Iterator[tuple[str, Tagged]]:
    in_lines: bool | None = None
    sentence: list[tuple[str, str]] = []
    written, begun = None, 0
    for number, line in numbered:
        where = f"line {number:,} of {name}"
        told = line.strip() and not _is_comment(line)
        if in_lines is None and told:
            in_lines = "\t" in line and bool(SPANS.fullmatch(line.rpartition("\t")[2]))
        if in_lines:
            if line.strip():
                yield where, parsed(line, where)
        elif told:
            begun = begun or number
            sentence.append(_token(line, where, len(sentence) + 1))
        elif line.startswith(SENTENCE):
            written = line.removeprefix(SENTENCE)
        elif not line.strip() and sentence:
            yield f"line {begun:,} of {name}", _sentence(sentence, written)
            sentence, written, begun = [], None, 0
    if sentence:
        yield f"line {begun:,} of {name}", _sentence(sentence, written)


def _is_comment(line: str) -> bool:
    """Tell whether a line says something about the table, and is no ``#Vesle B-LOC``."""
    if not line.startswith(COMMENT):
        return False
    if "\t" in line:
        last = line.rpartition("\t")[2]
        return not (_is_tag(last) or SPANS.fullmatch(last))
    columns = line.split()
    return not (len(columns) == 2 and _is_tag(columns[1]))


def _is_tag(column: str) -> bool:
    return column == OUTSIDE or (column.startswith((BEGIN, INSIDE)) and len(column) > 2)


def _token(line: str, where: str, number: int) -> tuple[str, str]:
    """Return the token of a line and its tag; it is the sentence's token of this number."""
    columns = line.split("\t") if "\t" in line else line.split()
    at = (1, 2) if columns[0] == str(number) and len(columns) > 2 else (0, -1)
    if len(columns) < 2 or not columns[at[0]].strip():
        raise CorpusError(
            f"{where} has no tag",
            "Write a token, a tab and its tag on each line, and an empty line between sentences",
        )
    token, tag = (columns[place].strip() for place in at)
    if not _is_tag(tag):
        raise CorpusError(f"{where} has the tag {tag[:40]!r}", "Use O, B-LABEL and I-LABEL")
    return token, tag


def _sentence(tokens: Sequence[tuple[str, str]], written: str | None) -> Tagged:
    """Return a sentence of tokens as characters; by its own blanks where they are known."""
    text, starts = "", []
    at = 0
    for token, _ in tokens:
        at = -1 if written is None or at < 0 else written.find(token, at)
        starts.append(at)
        at += len(token) if at >= 0 else 0
    if written is None or -1 in starts:
        starts = []
        for token, _ in tokens:
            text += " " if text else ""
            starts.append(len(text))
            text += token
    else:
        text = written
    spans: list[tuple[int, int, str]] = []
    before = OUTSIDE
    for (token, tag), start in zip(tokens, starts, strict=True):
        if tag != OUTSIDE:
            label, end = tag[2:], start + len(token)
            # A span that begins inside one of another label, or nowhere, begins anew.
            if tag.startswith(INSIDE) and before[2:] == label:
                spans[-1] = (spans[-1][0], end, label)
            else:
                spans.append((start, end, label))
        before = tag
    return Tagged(text.replace("\t", " "), tuple(spans))


def of_marks(text: str, marks: Sequence[str]) -> Tagged:
    """Return the spans that marks of characters say."""
    spans: list[list[int | str]] = []
    before = OUTSIDE
    for at, mark in enumerate(marks):
        if mark != OUTSIDE:
            if mark.startswith(INSIDE) and before[2:] == mark[2:]:
                spans[-1][1] = at + 1
            else:
                spans.append([at, at + 1, mark[2:]])
        before = mark
    return Tagged(text, tuple((int(s), int(e), str(label)) for s, e, label in spans))


def in_words(text: str, spans: Sequence[tuple[int, int, str]]) -> list[tuple[str, str]]:
    """Return the words of a text, punctuation apart, each with its tag.

    A word is in a span if its first character is.

    Example:
        >>> in_words("to New Vesle.", [(3, 12, "LOC")])
        [('to', 'O'), ('New', 'B-LOC'), ('Vesle', 'I-LOC'), ('.', 'O')]
    """
    marks = marks_of(Tagged(text, tuple(spans)))
    told = []
    last = -1
    for start, stop in _words(text):
        mark = marks[start]
        inside = next((n for n, (s, e, _) in enumerate(spans) if s <= start < e), -1)
        if mark != OUTSIDE:
            mark = (INSIDE if inside == last else BEGIN) + mark[2:]
        told.append((text[start:stop], mark))
        last = inside
    return told


def _words(text: str) -> list[tuple[int, int]]:
    """Return where words and signs are; combining marks and what they join belong to a word."""
    found: list[tuple[int, int]] = []
    joins = False
    for word in WORD.finditer(text):
        combines = unicodedata.category(word[0][0]).startswith("M")
        touches = bool(found) and found[-1][1] == word.start()
        if touches and (combines or (joins and word[0][0].isalnum())):
            found[-1] = (found[-1][0], word.end())
        else:
            found.append(word.span())
        joins = combines
    return found


def marks_of(example: Tagged) -> list[str]:
    """Return the mark of each character."""
    marks = [OUTSIDE] * len(example.text)
    for start, end, label in example.spans:
        marks[start:end] = [BEGIN + label] + [INSIDE + label] * (end - start - 1)
    return marks


class TaggedTexts(Lines):
    """The examples of a span of a text with marks; they are read when they are asked for."""

    def read(self, start: int, stop: int) -> list[Tagged]:
        """Return the examples from one place to another."""
        return [parsed(line, "an example") for line in self.lines(start, stop)]


@dataclass(frozen=True)
class FoundTags:
    """Tagged texts to learn from, and held out.

    Attributes:
        train: those to learn from as one text, with marks.
        valid: those held out; None if there are none.
        characters: how often each occurs.
        labels: of spans, in alphabetical order.
        learned: characters to learn from.
        longest: characters of the longest text.
    """

    train: Text
    valid: Text | None
    characters: Counter[str]
    labels: tuple[str, ...]
    learned: int
    longest: int


def read_tagged(
    text: Text, fraction: float, longest: int, cut: bool, note: Callable[[str], None]
) -> FoundTags:
    """Read tagged texts and hold out a share of them, by the fingerprints of their texts.

    Args:
        fraction: of the texts to hold out.
        longest: characters that a text may have; a longer one is left out, or ``cut``.
        note: called with a line that the user should read.

    Raises:
        CorpusError: see `tagged`; there are no two texts, or no spans.
    """
    found, copy, counts = Found(), Scratch(), Counter[str]()
    labels: set[str] = set()
    lengths: list[int] = []
    at = long = 0
    first_long = ""
    for where, example in tagged(text):
        if len(example.text) > longest:
            long, first_long = long + 1, first_long or where
            if not cut:
                continue
            example = example.cut(longest)
        line = example.line()
        found.add(0, at, len(line), "", fingerprint([example.text]))
        copy.write(f"{line}\n".encode())
        at += len(line) + 1
        counts.update(example.text)
        labels |= {label for *_, label in example.spans}
        lengths.append(len(example.text))
    if long:
        note(
            f"{'cut' if cut else 'left out'}: {long:,} texts of more than {longest:,} characters, "
            f"the first at {first_long}"
        )
    if len(lengths) < 2:
        raise CorpusError(
            f"{text.names[0]} has fewer than two texts", "Give hundreds, better thousands"
        )
    if not labels:
        raise CorpusError(f"{text.names[0]} has no spans", "Give texts in which spans are marked")
    lines_of = Text([Part(text.names[0], copy.size, copy=copy)])
    ids = np.zeros(len(lengths), dtype=np.int64)
    held = held_out(found.prints, ids, fraction)
    train = joined([lines_of], found, ids, ~held)
    assert train is not None
    learned = int(np.array(lengths)[~held].sum())
    valid = joined([lines_of], found, ids, held)
    return FoundTags(train, valid, counts, tuple(sorted(labels)), learned, max(lengths))
