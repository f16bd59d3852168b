"""Memory while training does not grow with the corpus.

Run by ``python -m pytest -m benchmark -s tests/benchmarks``; writes 10 GB and removes them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import STORY

MB = 1_000_000
ALLOWED = 50 * MB

MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak(corpus: Path, environment: dict[str, str]) -> int:
    """Train a few steps in a process of its own, and return its peak memory in bytes."""
    train = [sys.executable, "-m", "chargen", "train", str(corpus), "--steps", "30", "-q"]
    sizes = ["--hidden", "128", "--batch", "32", "--bptt", "128", "--valid-chars", "100000"]
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, *train, *sizes],
        capture_output=True,
        check=True,
        env=environment,
    )
    unit = 1 if sys.platform == "darwin" else 1024
    return int(result.stdout) * unit


@pytest.mark.benchmark
@pytest.mark.skipif(os.name != "posix", reason="needs getrusage")
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path, environment: dict[str, str]) -> None:
    """Training on 10 GB takes the memory of training on 1 MB, within 50 MB."""
    sizes = {}
    for name, size in (("small", MB), ("large", 10_000 * MB)):
        corpus = tmp_path / f"{name}.txt"
        piece = STORY.encode() * (MB // len(STORY.encode()))
        with corpus.open("wb") as file:
            for _ in range(size // MB):
                file.write(piece)
        sizes[name] = peak(corpus, environment)
        corpus.unlink()
        print(f"\n{name}: {size // MB:,} MB of text, {sizes[name] / MB:,.0f} MB at the peak")
    assert abs(sizes["large"] - sizes["small"]) < ALLOWED
