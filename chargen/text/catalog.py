"""Texts known by name: what there is, where it comes from, and fetching it safely."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tomllib
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from chargen.errors import CatalogError
from chargen.files import BUNDLED, cache, homeless, reason
from chargen.text.expand import expanded
from chargen.text.sources import STDIN, Part, Source, spool

DEFAULT = "pydoc"
CHUNK = 1 << 16
PATIENCE = 30.0
"""Seconds without a byte after which a transfer counts as broken."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PARAGRAPH_BREAK = re.compile(r"\n[ \t]*\n")
RULE = re.compile(r"[*=~^-]{4,}")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Entry:
    """One text of the catalog; see ``corpora/catalog.toml`` for what the fields mean."""

    name: str
    about: str
    licence: str
    source: str
    made: str = ""
    file: str = ""
    url: str = ""
    size: int = 0
    sha256: str = ""
    folder: Path = Path()

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, {"size": int, "folder": Path}.get(name, str)):
                raise TypeError(f"{name} of {self.name} has the wrong type")
        if bool(self.made) + bool(self.file) + bool(self.url) != 1 or self.made not in (
            "",
            DEFAULT,
        ):
            raise TypeError(f"{self.name} needs one of file and url")

    def cached(self) -> Path:
        """Return where the text is, or will be once it has been fetched."""
        return self.folder / self.file if self.file else cache() / f"{self.name}.txt"

    def json(self) -> dict[str, Any]:
        """Return what the catalog says, and whether and where the text is here."""
        known = {key: value for key, value in asdict(self).items() if key != "folder"}
        return known | {"here": self.here, "path": None if self.made else str(self.cached())}

    @property
    def here(self) -> bool:
        """Whether the text can be used without a network."""
        return bool(self.made) or self.cached().exists()


def entries() -> dict[str, Entry]:
    """Return the catalog, with the user's own (the file that ``CHARGEN_CATALOG`` names) added.

    Raises:
        CatalogError: the user's catalog cannot be read.
    """
    known = _load(BUNDLED / "corpora" / "catalog.toml")
    own = os.environ.get("CHARGEN_CATALOG")
    return known | _load(Path(own)) if own else known


def _load(path: Path) -> dict[str, Entry]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        loaded = {name: Entry(name, **table, folder=path.parent) for name, table in tables.items()}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise CatalogError(f"the catalog {path} cannot be used: {error}", "Correct it") from error
    for name in loaded:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            raise CatalogError(f"{name!r} in {path} is no name", "Use letters, digits, - and _")
    return loaded


def entry(name: str) -> Entry:
    """Return one text of the catalog.

    Raises:
        CatalogError: there is none of that name.
    """
    known = entries()
    if name not in known:
        raise CatalogError(f"no corpus {name!r}", f"There are: {', '.join(known)}")
    return known[name]


def resolved(names: Iterable[str]) -> list[Source]:
    """Return what to open for some names; see `chargen.text.expand.expanded` and `resolve`.

    Raises:
        CatalogError, CorpusError: see there.
    """
    return [resolve(name) for name in expanded(names)]


def resolve(source: str) -> Source:
    """Return what to open for a source: a path stays as it is, a name becomes its text.

    Raises:
        CatalogError: the name is known, but the text has not been fetched.
    """
    if source == STDIN or os.path.exists(source) or source not in entries():
        return source
    found = entry(source)
    if found.made:
        return _make_pydoc(source)
    if not found.here:
        raise CatalogError(
            f"the corpus {source} is not on this machine yet", f"Run: chargen corpus get {source}"
        )
    return found.cached()


def _make_pydoc(name: str) -> Part:
    """Return the language reference that ``help()`` shows, each paragraph only once.

    Its topics repeat long parts of one another. If the copies were kept, the held-out end would be
    full of paragraphs that training has seen.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise CatalogError(
            "this Python came without pydoc_data, of which the default corpus is made",
            "Name a text of your own: chargen train FILE",
        ) from None
    seen: set[str] = set()
    kept: list[str] = []
    for topic in sorted(topics):
        heading: list[str] = []
        for paragraph in PARAGRAPH_BREAK.split(topics[topic]):
            content = paragraph.strip()
            if not content or content in seen:
                continue
            seen.add(content)
            if RULE.fullmatch(content.splitlines()[-1]):
                # A heading is kept only if a new paragraph follows it.
                heading = [paragraph.strip("\n")]
                continue
            kept += [*heading, paragraph.strip("\n").rstrip()]
            heading = []
    text = "\n\n".join(kept) + "\n"
    return spool(name, io.BytesIO(text.encode()))


def fetch(wanted: Entry, progress: Progress | None = None) -> Path:
    """Download a text to the cache, check it, and return its path; a broken transfer goes on.

    Args:
        progress: called with bytes here and bytes in all.

    Raises:
        CatalogError: no network, a broken transfer, or bytes that are not those expected.
    """
    target = wanted.cached()
    if wanted.made or target.exists():
        return target
    _check_address(wanted.url)
    if not os.environ.get("CHARGEN_CACHE") and homeless():
        raise CatalogError(
            "there is no home folder to keep texts in", "Name a folder by CHARGEN_CACHE"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{wanted.name}.part")
        _transfer(wanted, partial, progress)
        _verify(wanted, partial)
        if wanted.url.endswith(".zip"):
            _unzip(wanted, partial, target)
            partial.unlink()
        else:
            partial.replace(target)
    except (
        urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, zipfile.BadZipFile
    ) as error:  # fmt: skip
        why = getattr(error, "reason", error)
        raise CatalogError(
            f"{wanted.name} could not be fetched from {wanted.url}: {why}",
            "Check the network and run the command again; it goes on where it stopped",
        ) from error
    except OSError as error:
        raise CatalogError(
            f"{target.parent} cannot be written: {reason(error)}",
            "Name another folder by CHARGEN_CACHE",
        ) from error
    return target


def _check_address(url: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        safe = parts.scheme == "https" or parts.hostname in LOOPBACK
    except ValueError:
        safe = False
    if not safe:
        raise CatalogError(f"{url} is not an https address", "Correct the catalog")


def _transfer(wanted: Entry, partial: Path, progress: Progress | None) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    if have >= wanted.size:
        # The file is complete, or it is another file: the check of its hash will show which.
        return
    request = urllib.request.Request(wanted.url, headers={"User-Agent": "chargen"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        _check_address(response.geturl())
        if response.status != 206:
            have = 0
        with partial.open("ab" if have else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                if have > wanted.size:
                    break
                if progress is not None:
                    progress(have, wanted.size)
    if have < wanted.size:
        raise ConnectionError(f"the transfer broke off after {have:,} of {wanted.size:,} bytes")


def _verify(wanted: Entry, partial: Path) -> None:
    with partial.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted.sha256:
        partial.unlink()
        raise CatalogError(
            f"what {wanted.url} sent is not {wanted.name}: its sha256 is {found[:12]}…, "
            f"not {wanted.sha256[:12]}…",
            "Nothing was kept; try again later, or report it if it stays so",
        )


def _unzip(wanted: Entry, archive: Path, target: Path) -> None:
    whole = target.with_name(f"{wanted.name}.unpacking")
    with (
        zipfile.ZipFile(archive) as file,
        file.open(file.namelist()[0]) as packed,
        whole.open("wb") as unpacked,
    ):
        shutil.copyfileobj(packed, unpacked, CHUNK)
    whole.replace(target)
