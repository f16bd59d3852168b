"""Training on a CUDA device beside an LSTM of `torch.nn`, which is cuDNN's.

Run by ``python -m tests.benchmarks.cuda rates``, ``… race TEXT`` or ``… long TEXT``:

``rates`` prints characters a second of steps of one size: those of chargen, recorded and computed,
and those of `tests.benchmarks.plain`'s LSTM. All take turns, and the median counts.

``race`` prints held-out nats per character a minute after the command was given, start, evaluation
and saving counted: by chargen's defaults, and by the plain LSTM in three precisions.

``long`` makes a text of 100 MB out of the lines of another one, in random order, and trains on it
for a minute.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from chargen.options import Options
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import Window
from chargen.training.choices import decide
from chargen.training.feeds import Portion
from chargen.training.state import Learner
from tests.benchmarks.plain import Recurrent, adamw, allow_tf32, lstm_loss, updated
from tests.benchmarks.race import points

SIZES = ((32, 64, 512), (32, 64, 768), (128, 64, 1024))
"""B, T and H."""

CHARACTERS = 65
ROUNDS, STEPS = 5, 20
LONG = 100_000_000
MINUTE = "1"


def windows_of(batch: int, bptt: int) -> list[Window]:
    """Return windows of random characters."""
    drawn = np.random.default_rng(1).integers(0, CHARACTERS, (8, batch, bptt + 1), dtype=np.int32)
    return [Window(ids[:, :-1].copy(), ids[:, 1:].copy(), 0) for ids in drawn]


def ours(size: tuple[int, int, int], precision: str, *, recorded: bool) -> Callable[[int], None]:
    """Return what makes a number of steps of chargen's."""
    batch, bptt, hidden = size
    vocabulary = Vocabulary("".join(map(chr, range(48, 48 + CHARACTERS))), escape=0.01)
    options = Options(
        hidden=hidden, batch=batch, bptt=bptt, device="cuda", precision=precision, dropout=0.2
    )
    learner = Learner(decide(options, 1 << 20), vocabulary)
    if not recorded:
        learner.recorder = None
    portions = [Portion(one, 0, batch, batch * bptt) for one in windows_of(batch, bptt)]

    def steps(number: int) -> None:
        # As PyTorch has it if nobody says otherwise.
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = True, False
        for step in range(number):
            learner.step(portions[step % len(portions)], 0.001)

    return steps


def theirs(size: tuple[int, int, int], precision: str) -> Callable[[int], None]:
    """Return what makes a number of steps of the plain LSTM's."""
    batch, bptt, hidden = size
    network = Recurrent(CHARACTERS, precision, hidden)
    optimizer = adamw(network)
    read = windows_of(batch, bptt)

    def steps(number: int) -> None:
        allow_tf32(precision != "fp32")
        state = None
        for step in range(number):
            window = read[step % len(read)]
            loss, state = lstm_loss(network, window.inputs, window.targets, state)
            updated(network, optimizer, loss)

    return steps


def rates() -> None:
    """Print characters a second, in millions."""
    for size in SIZES:
        made = {
            "chargen, bf16": ours(size, "bf16", recorded=True),
            "chargen, bf16, not recorded": ours(size, "bf16", recorded=False),
            "chargen, fp32": ours(size, "fp32", recorded=True),
            "torch.nn, fp32": theirs(size, "fp32"),
            "torch.nn, TF32": theirs(size, "tf32"),
            "torch.nn, bf16": theirs(size, "bf16"),
        }
        found: dict[str, list[float]] = {name: [] for name in made}
        for steps in made.values():
            steps(4)
        for _ in range(ROUNDS):
            for name, steps in made.items():
                torch.cuda.synchronize()
                began = time.perf_counter()
                steps(STEPS)
                torch.cuda.synchronize()
                took = time.perf_counter() - began
                found[name].append(STEPS * size[0] * size[1] / took / 1e6)
        print("B {} T {} H {}".format(*size))
        for name, each in found.items():
            print(f"  {name:28} {statistics.median(each):7.2f}")


def minute(path: Path, folder: str) -> None:
    """Print how far chargen's defaults come in a minute from the command's start."""
    command = [sys.executable, "-m", "chargen", "train", str(path), "--minutes", MINUTE]
    command += ["--device", "cuda", "--json", "--quiet", "--no-fingerprints", "--out", folder]
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - began
    told = [json.loads(line) for line in done.stdout.splitlines()]
    first, *_, last = [one for one in told if one["event"] == "step"]
    read = last["characters_seen"] - first["characters_seen"]
    print(
        f"chargen, {path.stat().st_size:,} bytes, {told[0]['network']}: "
        f"{told[-1]['valid']['nats_per_char']:.4f} nats after {seconds:.1f} s; "
        f"first step after {first['seconds']:.1f} s, then with all evaluations "
        f"{read / (last['seconds'] - first['seconds']) / 1e6:.2f} million characters a second",
        flush=True,
    )


def race(path: str) -> None:
    """Print the nats a minute after the command was given."""
    with tempfile.TemporaryDirectory() as folder:
        minute(Path(path), folder)
    for precision in ("bf16", "tf32", "fp32"):
        plain = [sys.executable, "-m", "tests.benchmarks.plain", "lstm", path, MINUTE, precision]
        seconds, nats = points(plain)[-1]
        print(f"torch.nn, {precision}: {nats:.4f} nats after {seconds:.1f} s", flush=True)


def long(path: str) -> None:
    """Print how fast a long text is read and learned."""
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(path).read_text(encoding="utf-8").splitlines(keepends=True)
        made = Path(folder) / "long.txt"
        size, drawn = 0, random.Random(1)
        with made.open("w", encoding="utf-8") as file:
            while size < LONG:
                size += file.write("".join(drawn.choices(lines, k=10_000)))
        minute(made, folder)


if __name__ == "__main__":
    wish, *texts = sys.argv[1:]
    version = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]  # PyTorch's
    print(torch.cuda.get_device_name(), f"PyTorch {torch.__version__}, cuDNN {version}")
    wishes: dict[str, Callable[..., None]] = {"rates": rates, "race": race, "long": long}
    wishes[wish](*texts)
