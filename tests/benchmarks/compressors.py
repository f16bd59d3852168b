"""``chargen compress`` beside others: ``python -m tests.benchmarks.compressors MODEL FILE``.

Prints a row for each that this machine has: bytes, bits per byte, and the seconds of packing and
unpacking, as processes. The file should be one that the model has not learned from.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import chargen

CHARGEN = [sys.executable, "-m", "chargen"]
WAYS: dict[str, tuple[list[str], list[str]]] = {
    "gzip -9": (["gzip", "-9kf", "F"], ["gzip", "-dkf", "F.gz"]),
    "xz -9e": (["xz", "-9ekf", "F"], ["xz", "-dkf", "F.xz"]),
    "zstd -19": (["zstd", "-q", "-19", "-kf", "F"], ["zstd", "-q", "-dkf", "F.zst"]),
    "bzip3": (["bzip3", "-ekf", "F"], ["bzip3", "-dkf", "F.bz3"]),
    "zpaq -m5": (["zpaq", "a", "F.zpaq", "F", "-m5"], ["zpaq", "x", "F.zpaq", "-force"]),
}


def timed(command: list[str], path: Path) -> float:
    """Run a command on a file and return the seconds that it takes."""
    start = time.perf_counter()
    given = [part.replace("F", str(path)) if part.startswith("F") else part for part in command]
    subprocess.run(given, check=True, capture_output=True, cwd=path.parent)
    return time.perf_counter() - start


def row(name: str, pack: list[str], unpack: list[str], path: Path) -> None:
    """Print how small a file becomes, and how fast."""
    for old in path.parent.glob(path.name + ".*"):
        old.unlink()
    whole, size = path.read_bytes(), path.stat().st_size
    packing = timed(pack, path)
    (packed,) = path.parent.glob(path.name + ".*")
    path.unlink()
    unpacking = timed(unpack, path)
    assert path.read_bytes() == whole
    small = packed.stat().st_size
    print(f"| {name} | {small:,} | {8 * small / size:.3f} | {packing:.2f} | {unpacking:.2f} |")


def main(model: str, file: str) -> None:
    """Print the table."""
    size = Path(chargen.load(model).path).stat().st_size
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text"
        path.write_bytes(Path(file).read_bytes())
        print(f"{file}: {path.stat().st_size:,} bytes; the model's file has {size:,}\n")
        print("| | bytes | bits per byte | packing, s | unpacking, s |")
        print("| --- | --- | --- | --- | --- |")
        for name, (pack, unpack) in WAYS.items():
            if shutil.which(pack[0]):
                row(name, pack, unpack, path)
        # The commands run in another folder.
        found = str(Path(chargen.load(model).path).resolve())
        pack = [*CHARGEN, "compress", "F", "-m", found, "--no-check", "--quiet"]
        unpack = [*CHARGEN, "decompress", "F.cgz", "-m", found, "--force", "--quiet"]
        row("chargen", pack, unpack, path)
        row("chargen --adapt", [*pack, "--adapt"], unpack, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
