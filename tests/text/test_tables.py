"""Documents in tables: each row's text is one."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from chargen.errors import CorpusError
from chargen.text.corpus import open_text, read_all
from chargen.text.examples import documents
from tests.conftest import write

ROWS = ["the tide", "went\nout\n", None, "", "🦩 a heron", "Ωmega"]
TEXT = "the tide\nwent\nout\n🦩 a heron\nΩmega\n"


def lines(rows: Sequence[object], column: str = "text") -> str:
    return "\n".join(json.dumps({column: row, "id": n}) for n, row in enumerate(rows)) + "\n\n"


def test_json_lines_are_documents(tmp_path: Path) -> None:
    """Each text ends with a line end; what has no text is left out; compressed or not."""
    write(tmp_path / "a.jsonl", lines(ROWS))
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(lines(ROWS).encode()))
    for name in ("a.jsonl", "b.ndjson.gz"):
        opened = open_text([tmp_path / name])
        assert read_all(opened.span().blocks()) == TEXT
        assert [stop - start for start, stop in documents(opened)] == [9, 9, 10, 6]
    assert read_all(open_text([tmp_path]).span().blocks()) == TEXT * 2


def test_parquet_is_documents(tmp_path: Path) -> None:
    """In groups of rows, from the column that is named."""
    table = pyarrow.table({"body": ROWS, "id": range(len(ROWS))})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    opened = open_text([tmp_path / "a.parquet"], column="body")
    assert read_all(opened.span().blocks()) == TEXT
    with pytest.raises(CorpusError, match="has no column 'text', but body, id"):
        open_text([tmp_path / "a.parquet"])
    with pytest.raises(CorpusError, match="the column 'id' has something else than text"):
        open_text([tmp_path / "a.parquet"], column="id")
    write(tmp_path / "b.parquet", "no table")
    with pytest.raises(CorpusError, match=r"b\.parquet is no Parquet file"):
        open_text([tmp_path / "b.parquet"])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2 is no JSON object"), ("[1]", "line 2 is no JSON object"),
        ('{"body": "x"}', "line 2 has no column 'text', but body"),
        ("{}", "line 2 has no column 'text', but none at all"),
        ('{"text": 7}', "line 2: the column 'text' has something else than text"),
        ("[" * 100_000, "line 2 is no JSON object"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    """With its number, and what to do."""
    path = write(tmp_path / "a.jsonl", lines(["x"]).rstrip() + "\n" + line + "\n")
    with pytest.raises(CorpusError, match=says):
        open_text([path])


@given(st.lists(st.text(), min_size=1, max_size=9))
def test_every_text_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> None:
    """Whatever is in it, with the line end that it may lack."""
    path = write(tmp_path_factory.mktemp("t") / "a.jsonl", lines([*rows, "x"]))
    expected = "".join(row if row.endswith("\n") else row + "\n" for row in [*rows, "x"] if row)
    assert read_all(open_text([path]).span().blocks()) == expected.removeprefix("\ufeff")
