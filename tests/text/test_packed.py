"""Compressed files, archives and addresses: what is in them is read as if it lay there."""

from __future__ import annotations

import bz2
import functools
import gzip
import http.server
import io
import lzma
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chargen.errors import CorpusError, UsageError
from chargen.text.corpus import open_text, read_all
from chargen.text.examples import documents
from chargen.text.packed import ending
from chargen.text.scratch import Scratch, no_room
from tests.conftest import STORY, write

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WAYS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstd.compress,
}
FILES = {"a.txt": "first\n", "deep/b.txt": STORY, "z.bin": "\0\0\0\0", ".hidden": "no"}


def whole(*sources: str | Path) -> str:
    return read_all(open_text(list(sources)).span().blocks())


def zipped() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.mkdir("deep")
        for name, text in FILES.items():
            archive.writestr(name, text)
    return held.getvalue()


def tarred() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, text in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return held.getvalue()


@pytest.mark.parametrize("last", WAYS)
def test_a_compressed_file_is_its_content(tmp_path: Path, last: str) -> None:
    """Under the name of its form, in small and capital letters; alone and in a folder."""
    (tmp_path / f"A.TXT{last.upper()}").write_bytes(WAYS[last](STORY.encode()))
    assert whole(tmp_path / f"A.TXT{last.upper()}") == STORY
    assert whole(tmp_path) == STORY


@pytest.mark.parametrize("last", WAYS)
@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"junk" + data], ids="ab")
def test_a_file_that_is_not_whole_is_named(
    tmp_path: Path, last: str, damage: Callable[[bytes], bytes]
) -> None:
    """A file that breaks off, or is something else, is an error; in a folder it is passed over."""
    path = tmp_path / f"a.txt{last}"
    path.write_bytes(damage(WAYS[last](STORY.encode())))
    with pytest.raises(CorpusError, match=r"a\.txt\S+ is not a whole \w+ file"):
        open_text([path])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", zipped()),
        ("a.tar", tarred()),
        ("a.tgz", gzip.compress(tarred())),
        ("a.tar.xz", lzma.compress(tarred())),
        ("a.tar.zst", zstd.compress(tarred())),
    ],
)
def test_an_archive_is_the_texts_in_it(tmp_path: Path, name: str, data: bytes) -> None:
    """Each is a document; what is hidden, no text, or a link is left out."""
    (tmp_path / name).write_bytes(data)
    skipped: list[str] = []
    opened = open_text([tmp_path / name], skipped=skipped.append)
    assert read_all(opened.span().blocks()) == "first\n" + STORY
    assert opened.names == ["a.txt", "b.txt"]
    assert list(documents(opened)) == [(0, 6), (6, 6 + len(STORY))]
    assert len(skipped) == 1
    assert "z.bin" in skipped[0]


def test_an_archive_without_texts_is_refused(tmp_path: Path) -> None:
    """So is one that is not whole, or that is compressed in a way nobody knows."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("z.bin", "\0\0\0")
    with pytest.raises(CorpusError, match="holds no texts"):
        open_text([tmp_path / "a.zip"])
    (tmp_path / "b.zip").write_bytes(zipped()[:-30])
    with pytest.raises(CorpusError, match="not a whole zip archive"):
        open_text([tmp_path / "b.zip"])
    (tmp_path / "c.tar").write_bytes(b"no archive" * 99)
    with pytest.raises(CorpusError, match="not a whole tar archive"):
        open_text([tmp_path / "c.tar"])


def test_an_archive_in_an_archive_is_opened_too(tmp_path: Path) -> None:
    """As deep as they go."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inner.tar.gz", gzip.compress(tarred()))
    assert whole(tmp_path / "a.zip") == "first\n" + STORY


def test_a_bad_table_in_an_archive_is_left_out_whole(tmp_path: Path) -> None:
    """No row of it stays behind; what follows it is read as it is."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.jsonl", '{"text": "the tide"}\n[]\n')
        archive.writestr("b.txt", STORY)
    assert whole(tmp_path / "a.zip") == STORY


def test_a_full_disk_is_not_the_archives_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the command, instead of leaving files out."""
    (tmp_path / "a.zip").write_bytes(zipped())

    def full(*_: object) -> None:
        raise no_room(OSError(28, "No space left on device")) from OSError(28, "")

    monkeypatch.setattr(Scratch, "write", full)
    with pytest.raises(CorpusError, match="a temporary copy of the text cannot be made"):
        open_text([tmp_path / "a.zip"])


@pytest.mark.parametrize(
    ("name", "found"),
    [("a.txt", (".txt", "")), ("A.TAR.GZ", (".tar", ".gz")), ("a.tbz2", (".tar", ".bz2")),
     (".gz", ("", "")), ("a", ("", "")), ("a.jsonl.zst", (".jsonl", ".zst"))],
)  # fmt: skip
def test_the_name_says_what_a_file_is(name: str, found: tuple[str, str]) -> None:
    """By its last ending, and the one before a compression's."""
    assert ending(name) == found


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and its address on this machine."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_an_address_is_fetched(served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain, compressed, and archives; what cannot be read is an error that names it."""
    folder, address = served
    write(folder / "a.txt", STORY)
    (folder / "b.txt.xz").write_bytes(lzma.compress(STORY.encode()))
    (folder / "c.tar").write_bytes(tarred())
    assert whole(f"{address}/a.txt", f"{address}/b.txt.xz") == STORY * 2
    assert whole(f"{address}/c.tar") == "first\n" + STORY
    with pytest.raises(CorpusError, match=r"nowhere\.txt cannot be read"):
        open_text([f"{address}/nowhere.txt"])
    write(folder / "b.parquet", "")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"b\.parquet needs pyarrow"):
        open_text([f"{address}/b.parquet"])
    with pytest.raises((CorpusError, UsageError), match="gopher://x"):
        open_text(["gopher://x/a.txt"])
