"""The experiments that the defaults of `chargen.options` rest on.

Run by ``python -m tests.benchmarks.experiments RESULTS [TRIAL ...]``: each trial of
``experiments.toml`` (or those named) is trained and its last held-out figures are added to RESULTS
as a JSON line. ``CHARGEN_TEXTS`` names a folder for the texts that cannot be made from what every
Python brings along.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import chargen

TRIALS = Path(__file__).with_name("experiments.toml")
CODE_CHARACTERS = 1_000_000
SMALL_CHARACTERS = 50_000


def source(name: str, folder: Path) -> str:
    """Return what ``chargen.train`` takes for a text by this name, made if need be."""
    if name == "pydoc":
        return name
    if name in ("code", "small"):
        path = folder / f"{name}.txt"
        path.write_text(code() if name == "code" else small(), encoding="utf-8")
        return str(path)
    texts = os.environ.get("CHARGEN_TEXTS")
    path = Path(texts or ".") / f"{name}.txt"
    if not path.exists():
        raise SystemExit(f"there is no {path}: set CHARGEN_TEXTS to a folder with {name}.txt")
    return str(path)


def code() -> str:
    """Return whole modules of Python's standard library, in the order of their names."""
    made = ""
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        module = path.read_text(encoding="utf-8", errors="replace")
        if len(made) + len(module) > CODE_CHARACTERS:
            break
        made += module
    return made


def small() -> str:
    """Return the beginning of the default corpus."""
    from chargen.text import catalog
    from chargen.text.corpus import open_text

    text = open_text([catalog.resolve("pydoc")])
    points = b"".join(
        block.astype("<u4").tobytes() for block in text.span(0, SMALL_CHARACTERS).blocks()
    )
    return points.decode("utf-32-le")


def run(trial: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train as the trial says and return its figures."""
    options = {key: value for key, value in trial.items() if key not in ("name", "text")}
    events: dict[str, dict[str, Any]] = {}
    corpus = source(trial["text"], folder)
    chargen.train(
        corpus,
        out=folder / "runs",
        on_report=lambda report: events.__setitem__(report.event, report.data),
        **options,
    )
    last = events["eval"]
    return trial | {
        "nats_per_char": last["nats_per_char"],
        "best_nats_per_char": events["done"]["valid"]["nats_per_char"],
        "train_nats_per_char": last["train_nats_per_char"],
        "seconds": last["seconds"],
        "passes": last["epoch"],
        "characters_a_second": last["characters_seen"] / last["seconds"],
        "settings": events["start"]["settings"],
    }


def main(results: str, *names: str) -> None:
    """Run the trials and add their figures to the file ``results``."""
    with TRIALS.open("rb") as file:
        trials = tomllib.load(file)["trial"]
    for trial in trials:
        if names and trial["name"] not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            figures = run(trial, Path(folder))
        with open(results, "a", encoding="utf-8") as file:
            file.write(json.dumps(figures) + "\n")
        print(
            f"{figures['name']:<24} {figures['nats_per_char']:.4f} nats a character "
            f"(training {figures['train_nats_per_char']:.4f}) after {figures['seconds']:.0f} s, "
            f"{figures['passes']:.1f} passes, {figures['characters_a_second']:,.0f} characters/s",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
