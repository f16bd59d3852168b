"""Which network for what: every kind trained on one text for the same time, and put to its jobs.

    python -m tests.benchmarks.family TEXT MINUTES FOLDER [KIND...]

writes the runs, the held-out tenth of the text, ``memory.svg`` and ``family.jsonl`` to FOLDER. It
prints the results of each kind, or of each KIND that is given: perplexity, what it remembers, and
how well gaps are filled. Two networks fill gaps: the one that sees both sides, and the best of
those that read from left to right.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chargen import train
from chargen.model import Model, load
from chargen.tasks import comparing
from chargen.tasks.quality import restoration_quality
from chargen.terminal import plots
from chargen.text import catalog
from chargen.text.corpus import open_text, read_all
from chargen.training.memory import measure

WRITERS = ("elman", "gru", "lstm", "transformer")
GAPS = 300


def main(text: str, minutes: float, folder: Path, kinds: Sequence[str]) -> None:
    """Train, measure, print; what has been trained already is not trained again."""
    folder.mkdir(parents=True, exist_ok=True)
    opened = open_text([catalog.resolve(text)])
    held_out = folder / "held_out.txt"
    held_out.write_bytes(
        read_all(opened.blocks(int(opened.characters * 0.9), opened.characters)).encode()
    )
    models = {name: trained(text, minutes, folder, name) for name in kinds}
    writers = [name for name in kinds if name in WRITERS]
    for name in writers:
        record(
            folder, {"job": "perplexity", "model": name} | models[name].perplexity(held_out).json()
        )
    span = open_text([held_out]).span()
    stretches = comparing.places(span, 512)
    memories = [(name, measure(models[name].checkpoint, stretches)) for name in writers]
    for name, memory in memories:
        record(folder, {"job": "compare", "model": name} | memory.json())
    plots.memories(folder / "memory.svg", memories)
    for name in [kind for kind in ("bidirectional", "lstm") if kind in kinds]:
        for unknown in (False, True):
            for quality in restoration_quality(
                models[name].reader,
                models[name].checkpoint.vocabulary,
                span,
                gaps=GAPS,
                unknown=unknown,
            ):
                job = "restore, length unknown" if unknown else "restore"
                record(folder, {"job": job, "model": name} | quality.json())


def trained(text: str, minutes: float, folder: Path, name: str) -> Model:
    """Return a model of the kind, trained with chargen's defaults."""
    if not (folder / name / "best.safetensors").exists():
        kind: dict[str, Any] = {"arch": name}
        if name == "bidirectional":
            kind = {"bidirectional": True}
        train(text, out=folder, name=name, minutes=minutes, **kind)
    return load(name, folder)


def record(folder: Path, row: dict[str, Any]) -> None:
    """Print a figure and add it to the file of results."""
    line = json.dumps(row)
    print(line, flush=True)
    with (folder / "family.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


if __name__ == "__main__":
    named = sys.argv[4:] or (*WRITERS, "bidirectional")
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]), named)
