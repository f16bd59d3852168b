"""Trainings as several processes run them: each is started by the tests with its rank.

``python -m tests.training.together FOLDER KIND…`` trains a tiny network of each kind; rank 0 leaves
its runs in FOLDER. A kind with ``+`` behind it is gone on with, one with ``!`` is interrupted.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from chargen.ranks import place
from chargen.training.follow import follow
from chargen.training.reports import Report
from tests.conftest import STORY, write
from tests.training.test_loop import FAMILY, trainer

SETTINGS: dict[str, dict[str, Any]] = {
    name: sizes
    | {"batch": 5, "dropout": 0.2, "layers": 2, "steps": 50, "evaluations": 3, "lr": 0.003}
    for name, sizes in FAMILY.items()
}
"""Lanes that no number of processes divides, and everything that is drawn at random."""

TUNED = "tuned"
SETTINGS[TUNED] = SETTINGS["n-grams"] | {"hidden": None, "embed": None, "features": None}
"""A model that starts from another one, on a text with other characters."""

SHARD = bool(os.environ.get("SHARD"))
"""Whether the processes divide the weights among them, and compute layers twice."""

STOPPED = 17
"""The step after which a training is interrupted."""

PATIENCE = timedelta(seconds=60)


def named(kind: str) -> str:
    """Return the name of a kind's run."""
    return kind.strip("+!").replace(" ", "-")


def trained(kind: str, story: Path) -> None:
    """Train a network of a kind, in as many processes as there are."""
    _, size = place()
    # Of four processes, each computes its rows in two pieces.
    pieces = {"accumulate": 1 + (size == 4), "shard": SHARD, "recompute": SHARD}
    chosen = {"resume": True} if "+" in kind else SETTINGS[kind.strip("!")]
    if kind == TUNED:
        chosen, story = tuned(Path(os.environ["BASE"]), story)
    made = trainer(story, **chosen, **pieces, name=named(kind))

    def show(report: Report) -> None:
        if "!" in kind and report.event == "step" and report.data["step"] == STOPPED:
            made.stop()

    follow(made, show)


def tuned(base: Path, story: Path) -> tuple[dict[str, Any], Path]:
    """Return how to start from a model, and on what."""
    other = write(story.parent / "other.txt", STORY.replace("heron", "gö¡and"))
    return SETTINGS[TUNED] | {"base": str(base)}, other


def processes(folder: Path, size: int, *kinds: str) -> None:
    """Run `main` in so many processes, and wait until they end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training.together", str(folder), *kinds],
            env=os.environ | address | {"RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for rank in range(size)
    ]
    try:
        said = [each.communicate(timeout=120)[0].decode() for each in running]
    finally:
        for each in running:
            each.kill()
    assert not any(each.returncode for each in running), "\n".join(said)


def main() -> None:
    """Train each kind; the processes meet once."""
    rank, _ = place()
    folder = Path(sys.argv[1])
    if rank:
        # Each has files of its own, as on machines that share none.
        folder = folder / f"rank{rank}"
        folder.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", timeout=PATIENCE)
    for kind in sys.argv[2:]:
        trained(kind, write(folder / "story.txt", STORY))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
