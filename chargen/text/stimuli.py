"""Stimuli of an experiment: a table with a text in each row, and what is known about it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import regex

from chargen.errors import CorpusError

DELIMITERS = "\t;,"
PLACE = regex.compile(r"(\d+):(\d+)")


@dataclass(frozen=True)
class Stimulus:
    """One text of an experiment.

    Attributes:
        text: what is read.
        group: its condition or item, as the table has it; None where no such column was named.
        region: start and stop of the critical region, in characters; None likewise.
    """

    text: str
    group: str | None = None
    region: tuple[int, int] | None = None


def stimuli(
    name: str, table: str, column: str, group: str | None = None, region: str | None = None
) -> list[Stimulus]:
    """Read a table: the first line names the columns; tabs, commas or semicolons are between them.

    Args:
        name: of the table, for errors.
        table: its text.
        column: the column with the texts.
        group: a column to repeat in the results.
        region: the column with the critical region: as it stands in the text, where it must be
            found once as a whole word or words; or its places, as in ``12:17``.

    Raises:
        CorpusError: a column is missing, a text is empty, or a region is not found once.
    """
    head = table.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=head.count)
    try:
        rows = csv.DictReader(io.StringIO(table, newline=""), delimiter=delimiter)
        there, every = rows.fieldnames or [], [(rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise CorpusError(
            f"{name} is no table: {error}", "Look for a quotation mark that is not closed"
        ) from None
    for wanted in (column, group, region):
        if wanted is not None and wanted not in there:
            raise CorpusError(
                f"{name} has no column {wanted!r}", f"Its columns are {', '.join(there) or 'none'}"
            )
    found = []
    for line, row in every:
        where, text = f"line {line:,} of {name}", row[column]
        if not text:
            raise CorpusError(f"{where} has no text", f"Fill its column {column!r}")
        part = None if region is None else place(text, row[region] or "", where)
        found.append(Stimulus(text, None if group is None else row[group] or "", part))
    if not found:
        raise CorpusError(f"{name} has no rows", "Give a text in each line after the first")
    return found


def place(text: str, region: str, where: str) -> tuple[int, int]:
    """Return where a critical region starts and stops in a text.

    Raises:
        CorpusError: it is not there, or more than once.

    Example:
        >>> place("The cat sat on the catalogue.", "cat", "row 1")
        (4, 7)
    """
    numbers = PLACE.fullmatch(region)
    if numbers and region not in text:
        start, stop = int(numbers[1]), int(numbers[2])
        if start < stop <= len(text):
            return start, stop
    whole = regex.compile(rf"(?<!\w){regex.escape(region)}(?!\w)")
    spans = [found.span() for found in whole.finditer(text)] if region else []
    if len(spans) != 1:
        times = f"{len(spans)} times" if spans else "not"
        raise CorpusError(
            f"the region {region!r} of {where} is {times} in its text",
            "Give words that are there once, or places such as 12:17",
        )
    return spans[0]
