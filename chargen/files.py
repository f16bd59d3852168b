"""Files that a crash cannot leave half written, and where the package's own data are."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from chargen.errors import CheckpointError, argument

PACKAGE = Path(__file__).parent
BUNDLED = next(
    folder for folder in (PACKAGE / "bundled", PACKAGE.parent) if (folder / "corpora").is_dir()
)
"""Where the catalog and the starter model are: in an installed package, or beside it in a clone."""

TAG = f"py{sys.version_info.major}{sys.version_info.minor}"
"""What Numba's files for this version of Python have in their names."""

TEMPORARY = ".tmp"
WINDOWS_TRIES = 20
WINDOWS_PAUSE = 0.1


def reason(error: OSError) -> str:
    """Return the system's reason for an error, to stand in the middle of a sentence."""
    return (error.strerror or str(error)).lower()


def write_whole(
    path: Path, data: bytes, *, half: Path | None = None, mode: int | None = None
) -> os.stat_result:
    """Replace a file's contents in one step that a crash cannot halve.

    Args:
        half: where it is written before it takes its place; see `temporary`.
        mode: its permissions; None for the usual ones.

    Returns:
        What the system told of the new file before it took its place. If another program writes the
        path a moment later, the path tells something else.

    Raises:
        CheckpointError: the file cannot be written; the old one is untouched.
    """
    half = half or temporary(path)
    try:
        with half.open("wb") as file:
            if mode is not None:
                half.chmod(mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        written = half.stat()
        _replace(half, path)
        _sync_folder(path.parent)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path} cannot be written: {reason(error)}",
            f"Free some space or choose another {argument('out')}",
        ) from error
    return written


def temporary(path: Path) -> Path:
    """Return where a file is written before it takes its place.

    The name is always the same: if a kill leaves such a file, the next write replaces it.
    """
    return path.with_name(path.name + TEMPORARY)


def free(path: Path) -> Path:
    """Return a path, or one with a number in its name, at which there is nothing yet."""
    numbered = (
        path.with_name(f"{path.stem}{number}{path.suffix}") for number in itertools.count(2)
    )
    return next(one for one in itertools.chain([path], numbered) if not one.exists())


def _replace(half: Path, path: Path) -> None:
    """Rename a file; on Windows, wait while another process reads the old one."""
    for _ in range(WINDOWS_TRIES if os.name == "nt" else 0):
        try:
            half.replace(path)
        except PermissionError:
            time.sleep(WINDOWS_PAUSE)
        else:
            return
    half.replace(path)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system has a way to; the file itself is whole already."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def cache() -> Path:
    """Return the folder for what can be made again (``CHARGEN_CACHE``, or the user's cache)."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("CHARGEN_CACHE") or user_cache_path("chargen"))


def can_hold(folder: Path) -> bool:
    """Return whether a folder is there to be written, or can be made."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK) and not str(folder).startswith("~")


def homeless() -> bool:
    """Return whether there is no home folder, so that ``~`` would be a folder of that name."""
    return os.path.expanduser("~") == "~"


def compiled_before(module: str, function: str) -> bool:
    """Return whether Numba has kept a function of a module of this package, of any version.

    To ask Numba itself would take half a second. Where it keeps its files in another folder, the
    answer is no.
    """
    return any((PACKAGE / "__pycache__").glob(f"{module}.{function}-*.{TAG}.nbi"))


def finite(value: Any) -> Any:
    """Return a value for JSON, with None for each number that JSON does not have."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
