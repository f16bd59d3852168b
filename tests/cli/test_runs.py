"""Runs on the command line: their states, and what is renamed, deleted and replaced."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from chargen import checkpoint
from chargen.errors import UsageError
from tests.cli.test_cli import QUICK
from tests.conftest import (
    Chargen,
    on_terminal,
    one_line_error,
    posix_only,
    prepared,
    tiny_checkpoint,
    write,
)  # fmt: skip


def test_each_run_has_a_state(chargen: Chargen, story: Path) -> None:
    """Finished or not, evaluated or not, and the command that goes on with it; it works."""
    assert chargen("train", story, *QUICK, "--name", "whole").returncode == 0
    assert chargen("train", story, *QUICK, "--name", "half").returncode == 0
    half = story.parent / "runs" / "half"
    saved = checkpoint.read(half / "last.safetensors", resume=True)
    # As a kill before the end leaves it.
    saved.training.update(step=4, concluded=False, evaluated=0, evaluated_at=-1)
    checkpoint.write(half / "last.safetensors", saved)
    (half / "best.safetensors").unlink()
    lone = story.parent / "runs" / "gift"
    lone.mkdir()
    checkpoint.write(lone / "best.safetensors", tiny_checkpoint())
    rows = {row["model"]: row for row in json.loads(chargen("runs", "--json").stdout)}
    assert {name: row["state"] for name, row in rows.items() if name != "starter"} == {
        "whole": "finished", "half": "interrupted", "gift": "model"
    }  # fmt: skip
    assert not rows["half"]["evaluated"]
    assert rows["whole"]["evaluated"]
    shown = chargen("runs")
    assert "interrupted, not evaluated" in shown.stdout.decode()
    assert f"-m {rows['half']['next']}" in shown.stderr.decode()
    assert chargen(*rows["half"]["next"].split()[1:]).returncode == 0
    assert json.loads(chargen("runs", "--json").stdout)[0]["state"] == "finished"


@posix_only
def test_a_run_that_is_trained_now_is_running(chargen: Chargen, model_file: Path) -> None:
    """Its lock is held by a process."""
    import fcntl

    with (model_file.parent / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        row = json.loads(chargen("runs", "--json").stdout)[0]
        assert (row["model"], row["state"]) == ("tiny", "running")
        assert "is being trained" in one_line_error(chargen("delete", "tiny", "--yes"))
        assert "is being trained" in one_line_error(chargen("rename", "tiny", "other"))


def test_a_run_gets_another_name(chargen: Chargen, model_file: Path) -> None:
    """All of it moves, and the old name is free."""
    assert chargen("rename", "tiny", "small").returncode == 0
    assert json.loads(chargen("runs", "--json").stdout)[0]["model"] == "small"
    assert not model_file.parent.exists()
    assert (model_file.parent.parent / "small" / "best.safetensors").exists()


def test_a_run_is_deleted_and_nothing_else(chargen: Chargen, model_file: Path) -> None:
    """What is not chargen's stays, with its folder; without --yes, nothing goes."""
    write(model_file.parent / "notes.txt", "mine")
    assert chargen("delete", "tiny").returncode == 2
    assert model_file.exists()
    result = chargen("delete", "tiny", "-y")
    assert result.returncode == 0
    assert b"notes.txt: it is not chargen's" in result.stderr
    assert [path.name for path in model_file.parent.iterdir()] == ["notes.txt"]
    assert chargen("rename", "starter", "mine").returncode == 1


def test_a_nightly_run_works_on_the_second_night(chargen: Chargen, story: Path) -> None:
    """--overwrite replaces the run; until the new one has a model, the old one answers."""
    nightly = ["train", story, *QUICK, "--name", "nightly", "--overwrite", "--quiet"]
    best = story.parent / "runs" / "nightly" / "best.safetensors"
    assert chargen(*nightly, "--seed", "1").returncode == 0
    first = best.read_bytes()
    assert chargen(*nightly, "--seed", "2").returncode == 0
    second = checkpoint.read(best)
    assert second.settings["seed"] == 2
    assert best.read_bytes() != first
    lines = (best.parent / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines if "eval" in line] == [6, 12]
    # What is wrong with the text is found before anything is touched.
    before = sorted(best.parent.iterdir()), best.read_bytes()
    assert chargen("train", "missing.txt", "--name", "nightly", "--overwrite").returncode == 1
    assert (sorted(best.parent.iterdir()), best.read_bytes()) == before
    # A night on top of the last: from the model that is replaced.
    tuned = chargen("train", story, "--from", "nightly", *nightly[2:-1], "--steps", "3")
    assert tuned.returncode == 0, tuned.stderr


def test_every_table_is_there_as_csv(chargen: Chargen, model_file: Path, story: Path) -> None:
    """A head and rows, and nothing else; plain tables end no line with blanks."""
    long = str(write(story.parent / "long.txt", story.read_text(encoding="utf-8") * 3))
    for arguments in (
        ["runs"],
        ["info", "tiny"],
        ["perplexity", "story.txt", "story.txt"],
        ["perplexity", "story.txt", "--lines"],
        ["compare", "tiny", "--text", long, "--places", "2"],
        ["classify", "some words", "-m", "tiny", "-m", "starter"],
        ["corpus", "list"],
        ["corpus", "stats", "story.txt"],
        ["restore", "to [1] be", "-n", "2", "-m", "tiny"],
    ):
        result = chargen(*arguments, "--csv")
        assert result.returncode == 0, result.stderr
        rows = list(csv.DictReader(io.StringIO(result.stdout.decode())))
        assert rows
        assert None not in rows[0]
        plain = chargen(*arguments).stdout.decode()
        assert not [line for line in plain.splitlines() if line != line.rstrip()]


def test_errors_are_json_where_that_is_asked_for(chargen: Chargen) -> None:
    """One object on standard error, also for what cannot be parsed; standard output is empty."""
    for arguments, code, kind in (
        (["sample", "-m", "nobody"], 1, "CheckpointError"),
        (["sample", "--temp", "hot"], 2, "UsageError"),
        (["sample", "--wild"], 2, "UsageError"),
        (["nonsense"], 2, "UsageError"),
        (["perplexity"], 2, "UsageError"),
    ):
        result = chargen(*arguments, "--json")
        error = json.loads(result.stderr)["error"]
        assert result.returncode == error["exit_code"] == code
        assert error["type"] == kind
        assert error["message"]
        assert error["hint"]
        assert result.stdout == b""


@posix_only
def test_tables_fit_a_terminal_of_eighty_columns(
    environment: dict[str, str], chargen: Chargen, story: Path
) -> None:
    """No line is longer, and every name and path is on one line."""
    name = "a-run-with-a-rather-long-name-of-forty-letters-and-more"
    assert chargen("train", story, *QUICK, "--name", name).returncode == 0
    path = story.parent / "runs" / name / "best.safetensors"
    for arguments, whole in (
        (["runs"], name),
        (["info", name], str(path)),
        (["perplexity", str(story), "-m", name], str(story)),
        (["corpus", "stats", str(story)], "characters"),
    ):
        sized = environment | {"COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
        data = on_terminal([*arguments, "-q"], sized)
        lines = data.decode().replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
        assert any(whole in line for line in lines)
        assert all(len(line) <= 80 or line.strip() == whole for line in lines), lines


def test_a_run_to_be_replaced_stays_until_training_begins(
    story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure before the first step leaves all of it, and the starter's name is refused."""
    options = {"steps": 2, "hidden": 8, "evaluations": 1}
    out = story.parent / "runs"
    list(prepared(story, out, options, name="tale"))
    before = {path: path.read_bytes() for path in (out / "tale").iterdir()}

    def broken(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("chargen.training.loop.Trainer.__init__", broken)
    with pytest.raises(MemoryError):
        prepared(story, out, options, name="tale", overwrite=True)
    assert {path: path.read_bytes() for path in (out / "tale").iterdir()} == before
    starter = write(story.parent / "starter.txt", story.read_text(encoding="utf-8"))
    with pytest.raises(UsageError, match="comes with chargen"):
        prepared(starter, out, options, overwrite=True)
