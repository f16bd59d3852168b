"""How fast 1, 2 and 4 processes train one network on one machine.

Run by ``python -m tests.benchmarks.scaling TEXT``. Strong scaling: the same batch for all together.
Weak scaling: the same batch for each. A rate is that of the steps after the first `SKIPPED`; of
several rounds, in which all settings take their turns, the median counts.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile

STEPS, SKIPPED, ROUNDS = 60, 15, 5
LANES, HIDDEN, BPTT = 32, 512, 128

SETTINGS = {
    "1 process of 2 threads": (1, 2, LANES),
    "1 process of 1 thread": (1, 1, LANES),
    "2 processes, strong": (2, 1, LANES),
    "4 processes, strong": (4, 1, LANES),
    "2 processes, weak": (2, 1, 2 * LANES),
    "4 processes, weak": (4, 1, 4 * LANES),
}
"""Processes, threads of each, and lanes of all together."""


def rate(path: str, processes: int, threads: int, batch: int) -> float:
    """Return characters a second, those of all processes together."""
    torchrun = ["-m", "torch.distributed.run", "--standalone"]
    torchrun += ["--nproc-per-node", str(processes)]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *(torchrun if processes > 1 else []), "-m", "chargen", "train"]
        command += [path, "--steps", str(STEPS), "--hidden", str(HIDDEN), "--batch", str(batch)]
        command += ["--bptt", str(BPTT), "--evaluations", "1", "--valid-chars", "5000", "--json"]
        command += ["--no-fingerprints", "--out", folder]
        done = subprocess.run(
            command,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    steps = [one for one in told if one["event"] == "step" and one["step"] >= SKIPPED]
    first, last = steps[0], steps[-1]
    characters = last["characters_seen"] - first["characters_seen"]
    return float(characters / (last["seconds"] - first["seconds"]))


def main() -> None:
    """Print the rates."""
    rates: dict[str, list[float]] = {name: [] for name in SETTINGS}
    for _ in range(ROUNDS):
        for name, setting in SETTINGS.items():
            rates[name].append(rate(sys.argv[1], *setting))
    usual = statistics.median(rates["1 process of 1 thread"])
    for name, found in rates.items():
        middle = statistics.median(found)
        spread = f"{min(found):,.0f} to {max(found):,.0f}"
        print(f"{name:24}{middle:10,.0f} characters/s, {middle / usual:.2f} ({spread})")


if __name__ == "__main__":
    main()
