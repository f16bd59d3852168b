"""Held-out loss against seconds of waiting: chargen's defaults beside nanoGPT's and a plain LSTM.

Run by ``python -m tests.benchmarks.race TEXT RESULTS [FIGURE]``. Each competitor is a command of
its own; a second counts from the command's start, so imports, evaluations and saving count. First
comes `nanogpt` (see `tests.benchmarks.plain`), which takes as long as it takes; then chargen and
`lstm` get the same time. All hold out the same last tenth. The points are added to RESULTS as JSON
lines, the last one of each over all of the held-out text. FIGURE, an SVG or PNG, is drawn from
every line there is, which needs ``pip install -e .[plots]``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.plain import EVALUATIONS

COLOURS = {"chargen": "#0b7285", "nanogpt": "#e67700", "lstm": "#adb5bd"}
NAMES = {
    "chargen": "chargen",
    "nanogpt": "nanoGPT's settings for a processor",
    "lstm": "LSTM 512 of torch.nn",
}


def points(command: Sequence[str]) -> list[tuple[float, float]]:
    """Run a command that writes JSON lines; return seconds and nats per character."""
    began, found = time.perf_counter(), []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told: dict[str, Any] = json.loads(line)
            if told.get("event", "eval") == "eval":
                found.append((time.perf_counter() - began, told["nats_per_char"]))
            elif told["event"] == "done":
                last = told["valid"]["nats_per_char"]
    seconds = time.perf_counter() - began
    if command[2] == "chargen":
        # The last line comes before the process ends, and that is waited for, too.
        found.append((seconds, last))
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return found


def race(path: str) -> dict[str, list[tuple[float, float]]]:
    """Run all competitors, one after the other."""
    results: dict[str, list[tuple[float, float]]] = {}
    plain = (sys.executable, "-m", "tests.benchmarks.plain")
    results["nanogpt"] = points([*plain, "nanogpt", path, "0"])
    minutes = f"{results['nanogpt'][-1][0] / 60:.3f}"
    with tempfile.TemporaryDirectory() as folder:
        options = ["--minutes", minutes, "--evaluations", str(EVALUATIONS), "--out", folder]
        command = [sys.executable, "-m", "chargen", "train", path, *options, "--json", "--quiet"]
        results["chargen"] = points(command)
    results["lstm"] = points([*plain, "lstm", path, minutes])
    return results


def draw(results: Path, figure: str) -> None:
    """Draw every line of the results."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.fonttype"] = "none"
    axes: Any
    drawing, axes = pyplot.subplots(figsize=(7, 4))
    for line in results.read_text(encoding="utf-8").splitlines():
        run = json.loads(line)
        label = f"{NAMES[run['who']]}: {run['points'][-1][1]:.3f}"
        style = {"color": COLOURS[run["who"]], "label": label, "marker": "."}
        axes.plot(*zip(*run["points"], strict=True), **style)
    axes.set_xlabel("seconds since the command was given, on two cores")
    axes.set_ylabel("held-out nats per character")
    axes.set_ylim(top=2.6)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    drawing.tight_layout()
    drawing.savefig(figure, metadata={"Date": None} if figure.endswith("svg") else None)


def main(path: str, results: str, figure: str | None = None) -> None:
    """Run the race once, and draw all races so far."""
    for who, found in race(path).items():
        print(f"{NAMES[who]}: {found[-1][1]:.4f} nats a character after {found[-1][0]:.0f} s")
        with open(results, "a", encoding="utf-8") as file:
            file.write(json.dumps({"who": who, "points": found}) + "\n")
    if figure:
        draw(Path(results), figure)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
