"""Compressed files and archives, and files from elsewhere: what is in them, as streams."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from chargen.errors import ChargenError, CorpusError, UsageError

GZIP, XZ, BZIP2, ZSTANDARD = COMPRESSED = (".gz", ".xz", ".bz2", ".zst")
SHORT = {".tgz": ".tar.gz", ".txz": ".tar.xz", ".tbz2": ".tar.bz2", ".tzst": ".tar.zst"}
"""Endings that stand for two."""

ZIP, TAR = ARCHIVES = (".zip", ".tar")
REMOTE = "://"

HIDDEN = "."


def ending(name: str) -> tuple[str, str]:
    """Return the last ending of a file's name, without that of a compression, and that.

    Examples:
        >>> ending("Lines.JSONL.gz"), ending("a.tgz"), ending("story.txt")
        (('.jsonl', '.gz'), ('.tar', '.gz'), ('.txt', ''))
    """
    path = PurePosixPath(name.lower())
    for short, whole in SHORT.items():
        if path.suffix == short:
            path = path.with_suffix(whole)
    last = path.suffix if path.suffix in COMPRESSED else ""
    return (path.with_suffix("") if last else path).suffix, last


def unpacked(name: str, file: BinaryIO) -> BinaryIO:
    """Return a stream of what is compressed in another, or that one if nothing is.

    Raises:
        UsageError: the library for it is not installed.
    """
    _, last = ending(name)
    if last == GZIP:
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if last == XZ:
        return cast("BinaryIO", lzma.LZMAFile(file))
    if last == BZIP2:
        return cast("BinaryIO", bz2.BZ2File(file))
    return _zstandard(name, file) if last == ZSTANDARD else file


def _zstandard(name: str, file: BinaryIO) -> BinaryIO:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        try:
            from backports import zstd
        except ImportError:
            raise missing(name, "backports.zstd", "zstd") from None
    return cast("BinaryIO", zstd.ZstdFile(file))


def missing(name: str, library: str, extra: str) -> UsageError:
    """Say that a library is not installed that a source needs."""
    return UsageError(f"{name} needs {library}", f"Install it: pip install 'chargen[{extra}]'")


def members(name: str, file: BinaryIO) -> Iterator[tuple[str, BufferedReader]]:
    """Yield the files in an archive, each with its name, in their order; hidden ones are left out.

    Args:
        name: of the archive.
        file: its stream, unpacked.
    """
    if ending(name)[0] == ZIP:
        with zipfile.ZipFile(file) as archive:
            for about in archive.infolist():
                if not about.is_dir() and not hidden(about.filename):
                    with archive.open(about) as inner:
                        yield f"{name}/{about.filename}", cast("BufferedReader", inner)
        return
    # Read once from the start to the end: what is compressed cannot be seeked at a low cost.
    with tarfile.open(fileobj=file, mode="r|") as archive:
        for entry in archive:
            if entry.isfile() and not hidden(entry.name):
                yield f"{name}/{entry.name}", cast("BufferedReader", archive.extractfile(entry))


def hidden(name: str) -> bool:
    """Return whether a file in an archive, or a folder above it, is hidden."""
    return any(part.startswith(HIDDEN) for part in PurePosixPath(name).parts)


def broken(error: Exception) -> bool:
    """Return whether an error says that a compressed file or an archive is not whole."""
    # `NotImplementedError` is how zip says that it does not know a compression.
    known = (
        EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile,
        tarfile.TarError, NotImplementedError,
    )  # fmt: skip
    if isinstance(error, known) or type(error).__name__ == "ZstdError":
        return True
    # bzip2 says so without a number; zip says that a file needs a password.
    return type(error) in (OSError, RuntimeError) and getattr(error, "errno", None) is None


@contextmanager
def fetched(address: str) -> Iterator[BinaryIO]:
    """Yield the stream of an address, such as ``https://…`` or ``s3://…``, by fsspec.

    Raises:
        UsageError: fsspec is not installed, or what it needs for this kind of address.
        CorpusError: there is nothing there, or it cannot be read.
    """
    try:
        import fsspec
    except ImportError:
        raise missing(address, "fsspec", "remote") from None
    try:
        with fsspec.open(address, "rb") as file:
            yield file
    except ImportError as error:
        raise UsageError(
            f"{address} needs another library: {error}",
            "Install what it names; for https:// that is pip install 'chargen[remote]'",
        ) from None
    except ChargenError:
        raise
    except Exception as error:
        # Each file system raises what its own library raises.
        if broken(error):
            raise
        why = " ".join(str(error).split()) or type(error).__name__
        raise CorpusError(
            f"{address} cannot be read: {why}", "Check the address and the network"
        ) from error
