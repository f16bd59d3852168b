"""Documents in tables: a text in each row of JSON lines or of a Parquet file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from chargen.errors import CorpusError, argument
from chargen.text.packed import ending, missing

JSON_LINES, PARQUET = (".jsonl", ".ndjson"), ".parquet"
TABLES = (*JSON_LINES, PARQUET)

ROWS = 1024
"""Rows of a Parquet file that are in memory."""

SHOWN = 8


def rows(name: str, file: BinaryIO, column: str) -> Iterator[str]:
    """Yield the text of each row, with a line end behind it; rows without a text are left out.

    Args:
        name: of the table.
        file: its stream, unpacked; of a Parquet file, one that can be seeked.
        column: that has the text.

    Raises:
        CorpusError: it is no such table, or there is no such column.
        UsageError: the library for it is not installed.
    """
    found = _parquet if ending(name)[0] == PARQUET else _json_lines
    for text in found(name, file, column):
        if text:
            yield text if text.endswith("\n") else text + "\n"


def _json_lines(name: str, file: BinaryIO, column: str) -> Iterator[str | None]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        where = f"{name}: line {number:,}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise CorpusError(f"{where} is no JSON object", "Write one JSON object on each line")
        if column not in row:
            raise _without(where, column, list(row))
        text = row[column]
        if not isinstance(text, str | None):
            raise _no_text(where, column)
        # A lone half of a pair of surrogates is no character.
        yield text and text.encode("utf-8", "replace").decode()


def _parquet(name: str, file: BinaryIO, column: str) -> Iterator[str | None]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise missing(name, "pyarrow", "parquet") from None
    try:
        # Buffering ahead keeps what was read until the end: the whole file.
        table = parquet.ParquetFile(file, pre_buffer=False)
        names = table.schema_arrow.names
        if column not in names:
            raise _without(name, column, names)
        kind = table.schema_arrow.field(column).type
        if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
            raise _no_text(name, column)
        for batch in table.iter_batches(ROWS, columns=[column]):
            yield from batch.column(0).to_pylist()
    except pyarrow.ArrowException as error:
        why = str(error).splitlines()[0]
        raise CorpusError(f"{name} is no Parquet file: {why}", "Fetch it again") from error


def _without(where: str, column: str, names: Sequence[str]) -> CorpusError:
    return CorpusError(
        f"{where} has no column {column!r}, but {', '.join(names[:SHOWN]) or 'none at all'}",
        f"Name the column of the texts by {argument('column')}",
    )


def _no_text(where: str, column: str) -> CorpusError:
    return CorpusError(
        f"{where}: the column {column!r} has something else than text",
        f"Name the column of the texts by {argument('column')}",
    )
