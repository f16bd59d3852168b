"""Trainings as several processes run them: `main` forks into as many as there are ranks.

Its arguments are FOLDER SIZE KIND…: a tiny network of each kind is trained; rank 0 leaves its runs
in FOLDER. A kind with ``+`` behind it is gone on with, one with ``!`` is interrupted.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from chargen.ranks import place
from chargen.training.follow import follow
from chargen.training.reports import Report
from tests.conftest import STORY, write
from tests.forked import Forks
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

SHARD = "SHARD"
"""The variable that says that the processes divide the weights, and compute layers twice."""

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
    divided = SHARD in os.environ
    pieces = {"accumulate": 1 + (size == 4), "shard": divided, "recompute": divided}
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


def processes(forks: Forks, folder: Path, size: int, *kinds: str) -> None:
    """Train in so many processes, and wait until they end."""
    done = forks.run(
        [str(folder), str(size), *kinds],
        Path.cwd(),
        os.environ | {"OMP_NUM_THREADS": "1"},
        module="tests.training.together",
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def main() -> None:
    """Be all ranks, each a fork of this process."""
    folder, size, *kinds = sys.argv[1:]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": size}
    running = set()
    for rank in range(int(size)):
        process = os.fork()
        if process == 0:
            os.environ["RANK"] = str(rank)
            be(Path(folder), rank, kinds)
        running.add(process)
    failed = 0
    while running:
        process, status = os.wait()
        running.discard(process)
        failed |= status
        if status:
            # The others would wait for it.
            for other in running:
                os.kill(other, signal.SIGKILL)
    sys.exit(bool(failed))


def be(folder: Path, rank: int, kinds: Sequence[str]) -> None:
    """Train each kind as one of the ranks; the processes meet once."""
    failed = 1
    try:
        if rank:
            # Each has files of its own, as on machines that share none.
            folder = folder / f"rank{rank}"
            folder.mkdir(exist_ok=True)
        torch.set_num_threads(1)
        distributed.init_process_group("gloo", timeout=PATIENCE)
        for kind in kinds:
            trained(kind, write(folder / "story.txt", STORY))
        distributed.destroy_process_group()
        failed = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it is told, and ends the process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(failed)
