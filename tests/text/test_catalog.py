"""Texts known by name, and fetching them over a network that fails in every way."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chargen.errors import CatalogError
from chargen.files import cache
from chargen.text import catalog
from chargen.text.catalog import Entry
from chargen.text.corpus import open_text, read_all
from chargen.text.sources import Part
from tests.conftest import STORY

DATA = STORY.encode() * 200


class Server(ThreadingHTTPServer):
    """Serves DATA from loopback; breaks off after ``limit`` bytes if there is one."""

    limit: int | None = None
    ranges = True
    data = DATA
    seen: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.seen.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        body = self.server.data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.limit])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("CHARGEN_CACHE", str(tmp_path / "cache"))
    with Server(("127.0.0.1", 0), Handler) as made:
        made.seen = []
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def entry(server: Server, data: bytes = DATA, name: str = "text.txt") -> Entry:
    address = f"http://127.0.0.1:{server.server_port}/{name}"
    digest = hashlib.sha256(data).hexdigest()
    return Entry("tale", "about", "licence", "source", url=address, size=len(data), sha256=digest)


def test_a_text_is_fetched_once(server: Server) -> None:
    """It is verified, kept in the cache, and not asked for again."""
    progress: list[tuple[int, int]] = []
    path = catalog.fetch(entry(server), lambda done, total: progress.append((done, total)))
    assert path.read_bytes() == DATA
    assert catalog.fetch(entry(server)) == path
    assert len(server.seen) == 1
    assert progress[-1] == (len(DATA), len(DATA))
    assert [file.name for file in path.parent.iterdir()] == ["tale.txt"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_transfer_goes_on_where_it_stopped(server: Server, ranges: bool) -> None:
    """What arrived is kept; the next try asks for the rest, or starts over if it must."""
    server.limit = 70_000
    with pytest.raises(CatalogError, match="goes on where it stopped"):
        catalog.fetch(entry(server))
    server.limit, server.ranges = None, ranges
    assert catalog.fetch(entry(server)).read_bytes() == DATA
    assert server.seen == [None, "bytes=70000-"]


def test_wrong_bytes_are_thrown_away(server: Server) -> None:
    """A text with another hash is not kept, and the error names both hashes."""
    server.data = DATA.replace(b"tide", b"tidy")
    with pytest.raises(CatalogError, match=r"its sha256 is [0-9a-f]{12}…, not [0-9a-f]{12}…"):
        catalog.fetch(entry(server))
    assert not list(cache().iterdir())


def test_a_longer_file_than_promised_is_cut_short(server: Server) -> None:
    """A server cannot fill the disk."""
    server.data = DATA * 50
    with pytest.raises(CatalogError, match="sha256"):
        catalog.fetch(entry(server))


def test_no_network_is_a_clear_error(server: Server) -> None:
    """Nobody listens at the address: the error names it and says to try again."""
    nobody = entry(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(CatalogError, match=r"tale could not be fetched from http://127\.0\.0\.1"):
        catalog.fetch(nobody)


def test_an_archive_is_unpacked(server: Server) -> None:
    """A .zip is verified as it came, and its text is kept."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("../../text8", DATA)
    server.data = packed.getvalue()
    path = catalog.fetch(entry(server, server.data, "text.zip"))
    assert path.read_bytes() == DATA
    assert [file.name for file in path.parent.iterdir()] == ["tale.txt"]


def test_only_https_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An address without https is refused, because anyone on the way could answer it."""
    monkeypatch.setenv("CHARGEN_CACHE", str(tmp_path))
    for url in ("http://example.org/a.txt", "file:///etc/passwd", "ftp://example.org/a"):
        with pytest.raises(CatalogError, match="is not an https address"):
            catalog.fetch(Entry("x", "", "", "", url=url, size=1, sha256="0"))


def test_an_unwritable_cache_is_named(server: Server, tmp_path: Path) -> None:
    """The error names the folder and the variable that moves it."""
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(CatalogError, match=r"cannot be written.*CHARGEN_CACHE"):
        catalog.fetch(entry(server))


def test_the_catalog_is_complete() -> None:
    """Every text says what it is, and what is fetched has an https address, a size and a hash."""
    known = catalog.entries()
    assert next(iter(known)) == catalog.DEFAULT
    for one in known.values():
        assert one.about
        assert one.licence
        assert one.source
        assert bool(one.made) + bool(one.file) + bool(one.url) == 1
        if not one.made:
            assert one.size > 0
            assert re.fullmatch("[0-9a-f]{64}", one.sha256)
        if one.url:
            assert one.url.startswith("https://")
    assert known["tinyshakespeare"].sha256.startswith("86c4e6aa")


def test_the_bundled_story_is_the_one_described() -> None:
    """The file in corpora/ has the size and the hash that the catalog states."""
    one = catalog.entry("harbour")
    data = one.cached().read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (one.size, one.sha256)


def test_the_default_corpus_needs_no_network() -> None:
    """It is made of the Python reference: hundreds of thousands of characters, none repeated."""
    source = catalog.resolve(catalog.DEFAULT)
    assert isinstance(source, Part)
    text = open_text([source])
    assert text.characters > 200_000
    paragraphs = read_all(text.span().blocks()).split("\n\n")
    assert len(set(paragraphs)) > 0.99 * len(paragraphs)


def test_names_become_texts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file comes before a name; a text not here yet says how to get it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHARGEN_CACHE", str(tmp_path / "cache"))
    assert catalog.resolve("harbour") == catalog.entry("harbour").cached()
    with pytest.raises(CatalogError, match="Run: chargen corpus get text8"):
        catalog.resolve("text8")
    (tmp_path / "text8").write_text("mine")
    assert catalog.resolve("text8") == "text8"
    assert catalog.resolve("no such thing") == "no such thing"
    with pytest.raises(CatalogError, match="There are: pydoc"):
        catalog.entry("no such thing")


def test_a_user_can_add_a_catalog(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """CHARGEN_CATALOG names a file of more texts; a broken one is an error."""
    own = tmp_path / "own.toml"
    monkeypatch.setenv("CHARGEN_CATALOG", str(own))
    described = '[mine]\nabout = "a"\nlicence = "b"\nsource = "c"\n'
    own.write_text(described + 'file = "mine.txt"\n')
    (tmp_path / "mine.txt").write_text("my text")
    assert catalog.resolve("mine") == tmp_path / "mine.txt"
    wrong = ("surprise = 1", "url = 3", 'made = "gold"', 'file = "a"\nurl = "b"', "")
    up = described.replace("mine", '"../up"') + 'file = "a"'
    for broken in ("[", up, *(described + line for line in wrong)):
        own.write_text(broken)
        with pytest.raises(CatalogError):
            catalog.entries()
