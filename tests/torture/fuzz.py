"""Hostile files found by coverage: what reaches new code of chargen's is kept and changed further.

    pip install atheris
    python -m tests.torture.fuzz models FOLDER -runs=1000000
    python -m tests.torture.fuzz texts FOLDER -runs=1000000

FOLDER keeps the inputs that reached new code, and the next run continues from them. The options are
libFuzzer's.
The files and the bounds are those of `tests.torture.test_hostile`, which needs no atheris and runs
in the suite. What breaks them is written to ``crash-*`` in the working folder.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["chargen"]):
    from chargen import checkpoint
    from chargen.tasks.restoring import parse
    from tests.torture import test_hostile as hostile

LARGEST = 1 << 16
"""Bytes of a file."""


def changed(sound: list[bytes], data: bytes, most: int, seed: int) -> bytes:
    """Return a model file with something else wrong in it; libFuzzer gives the seed."""
    source = random.Random(seed)
    try:
        made = hostile.bent_model(data, source)
    except Exception:  # noqa: BLE001
        # What has been changed before may be no model any more.
        made = hostile.bent_model(source.choice(sound), source)
    return made[:most]


def read_model(path: Path, data: bytes) -> None:
    """Read a file as a model, and sometimes use it."""
    path.write_bytes(data)
    work = partial(hostile.read_and_used, path, use=sum(data) % hostile.USED == 0)
    hostile.outcome(work, len(data))


def read_text(path: Path, data: bytes) -> None:
    """Read a file as a text; its last byte says in which way."""
    way, data = data[-1] if data else 0, data[:-1]
    if data.startswith(b"\x1f\x8b"):
        path = path.with_suffix(".gz")
    path.write_bytes(data)
    encoding = hostile.ENCODINGS[way // 3 % 3]
    hostile.outcome(partial(hostile.text_read, path, way % 3, encoding), len(data))
    hostile.outcome(partial(parse, data.decode("latin-1")), len(data))


def sound_models(path: Path) -> list[bytes]:
    """Return a model file of each kind."""
    files = []
    for model in hostile.models():
        checkpoint.write(path, model)
        files.append(path.read_bytes())
    return files


def main(what: str, folder: Path, options: list[str]) -> None:
    """Set libFuzzer going; it ends the process."""
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="chargen-fuzz-")) / "file"
    source = random.Random(1)
    read: Callable[[Path, bytes], None]
    if what == "models":
        begin, read = sound_models(path), read_model
        mutator = {"custom_mutator": partial(changed, begin)}
    else:
        begin, read = [hostile.bent_text(source) for _ in range(300)], read_text
        mutator = {}
    for number, data in enumerate(begin):
        (folder / f"begin-{number}").write_bytes(data)
    arguments = [sys.argv[0], str(folder), f"-max_len={LARGEST}", *options]
    atheris.Setup(arguments, partial(read, path), **mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
