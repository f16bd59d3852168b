"""Word error rates of words to sounds and of inflection, each model trained in equal time.

``python -m tests.benchmarks.pairs FOLDER MINUTES OUT [NAME...] [--peer BIN]``

FOLDER has ``g2p/NAME_{train,dev,test}.tsv`` (SIGMORPHON 2021, task 1: word, tab, phones) and
``inflection/NAME.{trn,dev,tst}`` (SIGMORPHON 2023: lemma, features, form). Each model chooses by
the pairs for development and is measured once on those for testing. Nothing else should run
meanwhile.

With ``--peer``, yoyodyne (https://github.com/CUNY-CL/yoyodyne), installed in BIN, learns from the
same pairs in the same minutes: an LSTM with attention of 256 units, chosen by its accuracy. It
writes the likeliest symbol at each step, which is its default; chargen has a beam of 5, which is
its. Each of the two then has one processor core. The peer's time counts from its first step, that
of chargen from the start of the command.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PEER = """
seed_everything: 1
trainer:
  accelerator: cpu
  enable_progress_bar: false
  gradient_clip_val: 3
  max_epochs: 1000000
  log_every_n_steps: 20
  logger:
  - {class_path: lightning.pytorch.loggers.CSVLogger, init_args: {save_dir: .}}
model:
  class_path: yoyodyne.models.SoftAttentionLSTMModel
  init_args:
    source_encoder:
      class_path: yoyodyne.models.modules.LSTMEncoder
      init_args: {dropout: 0.3, embedding_size: 128, hidden_size: 256}
    decoder_dropout: 0.3
    decoder_hidden_size: 256
    embedding_size: 128
    label_smoothing: 0.1
    optimizer: {class_path: torch.optim.Adam, init_args: {lr: 0.001}}
data: {batch_size: BATCH}
checkpoint: {filename: best, monitor: val_accuracy, mode: max}
"""
PEER_BATCH = 64
WITH_FEATURES = """
    features_encoder:
      class_path: yoyodyne.models.modules.LinearEncoder
      init_args: {dropout: 0.3, embedding_size: 128, output_size: 512}
"""


@dataclass(frozen=True)
class Task:
    """Pairs to learn from, to choose by and to measure on.

    Attributes:
        options: of chargen.
        peer: options of the peer.
        features: whether the pairs have features.
    """

    name: str
    train: Path
    dev: Path
    test: Path
    options: tuple[str, ...]
    peer: tuple[str, ...]
    features: bool = False


def tasks(folder: Path) -> list[Task]:
    """Return what there is in a folder."""
    found = []
    for train in sorted((folder / "g2p").glob("*_train.tsv")):
        name = train.name.removesuffix("_train.tsv")
        dev, test = (train.with_name(f"{name}_{part}.tsv") for part in ("dev", "test"))
        spaced = ("--target-symbols", "space"), ("--data.target_sep", " ")
        found.append(Task(name, train, dev, test, *spaced))
    for train in sorted((folder / "inflection").glob("*.trn")):
        dev, test = (train.with_suffix(f".{part}") for part in ("dev", "tst"))
        columns = ("--columns", "source,features,target")
        peer_columns = ("--data.features_col", "2", "--data.target_col", "3")
        found.append(Task(train.stem, train, dev, test, columns, peer_columns, features=True))
    return found


def start(arguments: Sequence[object], core: int | None, log: Path) -> subprocess.Popen[bytes]:
    """Start a command, on one core if one is given."""
    command = [] if core is None else ["taskset", "--cpu-list", str(core)]
    surroundings = os.environ | ({} if core is None else {"OMP_NUM_THREADS": "1"})
    with log.open("ab") as file:
        return subprocess.Popen(
            [*command, *map(str, arguments)], stdout=file, stderr=file, env=surroundings
        )


def done(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a command, and stop here if it failed."""
    if process.wait():
        raise SystemExit(f"a command failed, see {log}")


def ours(task: Task, minutes: float, out: Path, core: int | None) -> subprocess.Popen[bytes]:
    """Start to train a model of chargen."""
    return start(
        [
            sys.executable, "-m", "chargen", "train", "--pairs", task.train, "--valid", task.dev,
            *task.options, "--minutes", str(minutes), "--name", task.name, "--out", out,
            "--overwrite", "--quiet",
        ],
        core,
        out / "log",
    )  # fmt: skip


def measured(task: Task, out: Path, file: Path) -> dict[str, Any]:
    """Return the figures of a model of chargen."""
    arguments = "translate", "--evaluate", file, "-m", task.name, "--out", out, "--json", "--quiet"
    command = [sys.executable, "-m", "chargen", *map(str, arguments)]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, capture_output=True).stdout
    )
    return found


def peer(task: Task, minutes: float, out: Path, program: Path) -> subprocess.Popen[bytes]:
    """Start to train a model of the peer on the second core."""
    folder = out / f"{task.name}.peer"
    folder.mkdir(parents=True, exist_ok=True)
    parts = PEER.partition("    decoder_dropout")
    middle = WITH_FEATURES.strip("\n") + "\n" if task.features else ""
    (folder / "config.yaml").write_text(
        (parts[0] + middle + parts[1] + parts[2]).replace("BATCH", str(PEER_BATCH))
    )
    whole, seconds = int(minutes), round(60 * (minutes % 1))
    return start(
        [
            program, "fit", "--config", folder / "config.yaml", "--data.model_dir", folder,
            "--data.train", task.train, "--data.val", task.dev, *task.peer,
            "--trainer.max_time", f"00:00:{whole:02}:{seconds:02}",
        ],
        1,
        folder / "log",
    )  # fmt: skip


def peer_wer(task: Task, out: Path, file: Path, program: Path) -> float:
    """Return the word error rate of the peer's best model."""
    folder = out / f"{task.name}.peer"
    best = max(folder.rglob("best*.ckpt"), key=lambda path: path.stat().st_mtime)
    written = folder / f"{file.name}.txt"
    arguments = [
        program, "predict", "--config", folder / "config.yaml", "--data.model_dir", folder,
        "--data.train", task.train, "--data.predict", file, *task.peer, "--ckpt_path", best,
        "--prediction.path", written,
    ]  # fmt: skip
    done(start(arguments, None, folder / "log"), folder / "log")
    lines = file.read_text(encoding="utf-8").splitlines()
    right = [line.split("\t")[-1] for line in lines if line.strip()]
    found = written.read_text(encoding="utf-8").splitlines()
    return sum(a != b for a, b in zip(right, found, strict=True)) / len(right)


def pace(task: Task, out: Path) -> float:
    """Return the pairs a second that chargen learned from, evaluations included."""
    lines = (out / task.name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    last = [event for event in map(json.loads, lines) if event["event"] == "eval"][-1]
    return float(last["epoch"] * pairs_in(task) / last["seconds"])


def peer_pace(task: Task, minutes: float, out: Path) -> float:
    """Return the pairs a second that the peer learned from, evaluations included."""
    table = max(
        (out / f"{task.name}.peer").rglob("metrics.csv"), key=lambda path: path.stat().st_mtime
    )
    with table.open(encoding="utf-8", newline="") as file:
        steps = max(int(row["step"]) for row in csv.DictReader(file))
    return steps * PEER_BATCH / (60 * minutes)


def pairs_in(task: Task) -> int:
    """Return how many pairs there are to learn from."""
    with task.train.open(encoding="utf-8") as file:
        return sum(bool(line.strip()) for line in file)


def main() -> None:
    """Train and measure all, a line each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("minutes", type=float)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--peer", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    program: Path | None = given.peer / "yoyodyne" if given.peer else None
    print(
        "name       seconds  pairs/s  dev WER %  test WER %     ±  test CER %"
        + ("  peer pairs/s  dev WER %  test WER %" if program else "")
    )
    for task in tasks(given.folder):
        if given.names and task.name not in given.names:
            continue
        began = time.perf_counter()
        mine = ours(task, given.minutes, given.out, 0 if program else None)
        other = peer(task, given.minutes, given.out, program) if program else None
        done(mine, given.out / "log")
        seconds = time.perf_counter() - began
        if other:
            done(other, given.out / f"{task.name}.peer" / "log")
        chosen, final = (measured(task, given.out, file) for file in (task.dev, task.test))
        row = (
            f"{task.name:10} {seconds:7.1f} {pace(task, given.out):8.0f} "
            f"{100 * chosen['wer']:10.2f} "
            f"{100 * final['wer']:11.2f} {100 * final['exact_error']:5.2f} "
            f"{100 * final['cer']:11.2f}"
        )
        if program:
            rates = (peer_wer(task, given.out, file, program) for file in (task.dev, task.test))
            row += f"{peer_pace(task, given.minutes, given.out):14.0f}"
            row += "{:11.2f}{:12.2f}".format(*(100 * rate for rate in rates))
        print(row, flush=True)


if __name__ == "__main__":
    main()
