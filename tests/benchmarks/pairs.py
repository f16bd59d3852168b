"""Word error rates of words to sounds and of inflection, each model trained in equal time.

``python -m tests.benchmarks.pairs FOLDER MINUTES OUT [NAME...]``

FOLDER has ``g2p/NAME_{train,dev,test}.tsv`` (SIGMORPHON 2021, task 1: word, tab, phones) and
``inflection/NAME.{trn,dev,tst}`` (SIGMORPHON 2023: lemma, features, form). Each model chooses by
the pairs for development and is measured once on those for testing. Nothing else should run
meanwhile.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SOUNDS = ["--target-symbols", "space"]
FORMS = ["--columns", "source,features,target"]


def tasks(folder: Path) -> dict[str, tuple[list[Path], list[str]]]:
    """Return for each name the files to learn from, to choose by and to measure on; and options."""
    found: dict[str, tuple[list[Path], list[str]]] = {}
    for train in sorted((folder / "g2p").glob("*_train.tsv")):
        name = train.name.removesuffix("_train.tsv")
        files = [train.with_name(f"{name}_{part}.tsv") for part in ("train", "dev", "test")]
        found[name] = files, SOUNDS
    for train in sorted((folder / "inflection").glob("*.trn")):
        files = [train.with_suffix(f".{part}") for part in ("trn", "dev", "tst")]
        found[train.stem] = files, FORMS
    return found


def chargen(*arguments: str | Path) -> str:
    """Run a command, and return what it prints."""
    command = [sys.executable, "-m", "chargen", *map(str, arguments), "--quiet"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def measured(name: str, out: Path, file: Path) -> dict[str, Any]:
    """Return the figures of a model on a file."""
    arguments = "translate", "--evaluate", file, "-m", name, "--out", out, "--json"
    found: dict[str, Any] = json.loads(chargen(*arguments))
    return found


def main() -> None:
    """Train and measure all, a line each."""
    folder, minutes, out = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    print("name  seconds  dev WER %  test WER %     ±  test CER %")
    for name, ((train, dev, test), options) in tasks(folder).items():
        if sys.argv[4:] and name not in sys.argv[4:]:
            continue
        began = time.perf_counter()
        chargen(
            "train", "--pairs", train, "--valid", dev, *options, "--minutes", minutes,
            "--name", name, "--out", out, "--overwrite",
        )  # fmt: skip
        seconds = time.perf_counter() - began
        chosen, final = (measured(name, out, file) for file in (dev, test))
        print(
            f"{name:8} {seconds:6.1f} {100 * chosen['wer']:9.2f} {100 * final['wer']:11.2f} "
            f"{100 * final['exact_error']:5.2f} {100 * final['cer']:11.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
