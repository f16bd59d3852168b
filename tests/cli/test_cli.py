"""The command line as a process: streams, exit codes, and one line for every mistake."""

from __future__ import annotations

import gzip
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from chargen import checkpoint
from tests.conftest import (
    STORY,
    Chargen,
    command,
    on_terminal,
    one_line_error,
    posix_only,
    tiny_checkpoint,
    write,
)

QUICK = ["--steps", "12", "--hidden", "16", "--evaluations", "2", "--precision", "fp32"]


@pytest.mark.parametrize(
    "name",
    [
        [], ["train"], ["sample"], ["perplexity"], ["restore"], ["classify"], ["compare"],
        ["translate"], ["tag"],
        ["runs"], ["info"], ["rename"], ["delete"],
        ["corpus"], ["corpus", "list"], ["corpus", "get"], ["corpus", "stats"],
    ],
)  # fmt: skip
def test_every_command_explains_itself(chargen: Chargen, name: list[str]) -> None:
    """-h and --help print the same to stdout, with an example."""
    short, long = chargen(*name, "-h"), chargen(*name, "--help")
    assert short.returncode == long.returncode == 0
    assert short.stdout == long.stdout
    assert short.stderr == b""
    if name != ["corpus"]:
        assert b"chargen " in short.stdout
        assert b"Example: chargen" in short.stdout or b"Try: chargen" in short.stdout


def test_the_main_job(chargen: Chargen, story: Path) -> None:
    """Train, list, look, write, score: each command finds what the one before it made."""
    trained = chargen("train", story, *QUICK)
    assert trained.returncode == 0
    assert trained.stdout == b""
    said = trained.stderr.decode()
    assert "run story" in said
    assert "held-out perplexity" in said
    assert "\x1b" not in said
    assert "chargen sample -m story" in said
    assert "story" in chargen("runs").stdout.decode()
    about = chargen("info").stdout.decode()
    assert "lstm 1 × 16" in about
    assert "held-out nats per character" in about
    sampled = chargen("sample", "--length", "40", "--temp", "0.8")
    assert len(sampled.stdout.decode()) == 40
    assert sampled.stderr.decode().startswith("model story (lstm 1 × 16")
    scored = chargen("perplexity", story)
    assert f"{len(STORY):,}" in scored.stdout.decode()


def test_json_is_all_there_is(chargen: Chargen, story: Path) -> None:
    """With --json standard output holds JSON with the contract's keys, standard error nothing."""
    trained = chargen("train", story, *QUICK, "--json")
    events = [json.loads(line) for line in trained.stdout.splitlines()]
    assert trained.stderr == b""
    assert {event["event"] for event in events} == {"start", "step", "eval", "sample", "done"}
    done = events[-1]
    assert done["event"] == "done"
    assert {"best", "last", "valid", "seconds", "characters_seen", "stopped"} <= done.keys()
    keys = {"characters", "unknown", "nats_per_char", "perplexity", "bpc", "bits_per_byte", "model"}
    one = json.loads(chargen("perplexity", story, "--json").stdout)
    assert keys <= one.keys()
    assert one["model"] == "story"
    two = json.loads(chargen("perplexity", story, story, "--json").stdout)
    assert two["total"]["characters"] == 2 * one["characters"]
    assert [row["perplexity"] for row in two["texts"]] == [one["perplexity"]] * 2
    samples = chargen("sample", "-n", "3", "--seed", "5", "--length", "9", "--json").stdout
    rows = [json.loads(line) for line in samples.splitlines()]
    assert [row.keys() for row in rows] == [
        {"prime", "text", "temp", "seed", "nats_per_char", "finish"}
    ] * 3
    assert [row["seed"] for row in rows] == [5, 6, 7]
    assert json.loads(chargen("info", "--json").stdout)["figures"]["perplexity"] > 1
    assert json.loads(chargen("runs", "--json").stdout)[0]["model"] == "story"
    known = json.loads(chargen("corpus", "list", "--json").stdout)
    assert known[0]["name"] == "pydoc"
    stats = json.loads(chargen("corpus", "stats", story, "--json").stdout)
    assert stats["characters"] == len(STORY)
    assert stats["counts"]["“"] == STORY.count("“")


def test_a_seed_repeats_a_text(chargen: Chargen, model_file: Path) -> None:
    """The same seed gives the same bytes; a chosen seed is printed, so any text can be repeated."""
    one = chargen("sample", "--length", "60")
    seed = one.stderr.decode().split("seed ")[1].strip()
    assert chargen("sample", "--length", "60", "--seed", seed).stdout == one.stdout
    assert chargen("sample", "--length", "60").stdout != one.stdout


def test_the_same_command_gives_the_same_model(chargen: Chargen, story: Path) -> None:
    """Two processes, one seed: the same weights and the same text, byte for byte."""
    texts, weights = [], []
    for name in ("one", "two"):
        assert chargen("train", story, *QUICK, "--seed", "5", "--name", name).returncode == 0
        sampled = chargen("sample", "-m", name, "--seed", "3", "--length", "200")
        path = story.parent / "runs" / name / "best.safetensors"
        texts.append(sampled.stdout)
        weights.append(checkpoint.read(path).weights)
    assert texts[0] == texts[1]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_samples_go_to_a_file_byte_for_byte(
    chargen: Chargen, model_file: Path, tmp_path: Path
) -> None:
    """-o writes what standard output would get, and standard output stays empty."""
    plain = chargen("sample", "--length", "60", "--seed", "1").stdout
    result = chargen("sample", "--length", "60", "--seed", "1", "-o", "a.txt")
    assert result.stdout == b""
    assert (tmp_path / "a.txt").read_bytes() == plain


def test_primes_come_from_anywhere(chargen: Chargen, model_file: Path, story: Path) -> None:
    """An option, a file and standard input prime alike."""
    write(story.parent / "prime.txt", "The tide")
    options = ["sample", "--seed", "1", "--length", "20"]
    outputs = {
        chargen(*options, "--prime", "The tide").stdout,
        chargen(*options, "--prime-file", "prime.txt").stdout,
        chargen(*options, "--prime-file", "-", stdin=b"The tide").stdout,
    }
    assert len(outputs) == 1
    assert chargen(*options).stdout not in outputs


def test_several_samples_are_lines(chargen: Chargen, model_file: Path) -> None:
    """With -n each sample ends with a line break, and --stop at one makes each a line."""
    result = chargen("sample", "-n", "4", "--stop", r"\n", "--length", "30", "--seed", "1")
    assert len(result.stdout.decode().splitlines()) == 4


def test_text_comes_from_standard_input_and_gzip(
    chargen: Chargen, model_file: Path, story: Path
) -> None:
    """- and .gz give the same figures as the file; train reads them too."""
    (story.parent / "story.txt.gz").write_bytes(gzip.compress(STORY.encode()))
    figures = [
        json.loads(chargen("perplexity", name, "--json", stdin=STORY.encode()).stdout)[
            "nats_per_char"
        ]
        for name in ("story.txt", "-", "story.txt.gz")
    ]
    assert figures[0] == figures[1] == figures[2]
    assert chargen("train", "-", *QUICK, stdin=STORY.encode()).returncode == 0


@posix_only
def test_a_closed_pipe_ends_quietly(environment: dict[str, str], model_file: Path) -> None:
    """`chargen sample | head` leaves no complaint."""
    process = subprocess.Popen(
        command(["sample", "--length", "1000000", "-q"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


@posix_only
def test_text_is_streamed(environment: dict[str, str], model_file: Path) -> None:
    """The first characters arrive while the rest is still being written."""
    process = subprocess.Popen(
        command(["sample", "--length", "100000000", "-q"]), stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.read(1)
    assert process.poll() is None
    process.kill()
    process.wait()
    process.stdout.close()


@posix_only
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interruption_saves(
    environment: dict[str, str], chargen: Chargen, story: Path, name: str
) -> None:
    """Ctrl-C, SIGTERM and a closed terminal end training with exit code 130, all saved."""
    arguments = [
        "train",
        str(story),
        *QUICK,
        "--steps",
        "100000",
        "--evaluations",
        "100000",
        "--json",
    ]
    process = subprocess.Popen(
        command(arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=story.parent,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "eval":
            break
    process.send_signal(getattr(signal, name))
    rest, said = process.communicate(timeout=60)
    done = json.loads(rest.splitlines()[-1])
    assert process.returncode == 130
    assert said == b""
    assert done["stopped"] == "interrupted"
    steps = str(done["step"] + 5)
    again = chargen("train", story, "--resume", "--steps", steps, "--json")
    assert json.loads(again.stdout.splitlines()[0])["step"] == done["step"]


@posix_only
def test_a_killed_run_resumes_to_the_same_weights(
    environment: dict[str, str], chargen: Chargen, story: Path
) -> None:
    """After SIGKILL at random moments, --resume ends at the same weights, bit for bit."""
    moments = random.Random()
    arguments = ["train", str(story), *QUICK, "--dropout", "0.2"]
    arguments += ["--steps", "300", "--evaluations", "60"]
    process = subprocess.Popen(
        command([*arguments, "--name", "killed", "--json"]),
        stdout=subprocess.PIPE,
        env=environment,
        cwd=story.parent,
    )
    assert process.stdout is not None
    for _ in range(moments.randrange(1, 40)):
        process.stdout.readline()
    time.sleep(moments.random() / 50)
    process.kill()
    process.communicate()
    resumed = chargen("train", story, "--resume", "--name", "killed")
    assert resumed.returncode == 0, resumed.stderr.decode()
    assert chargen(*arguments, "--name", "whole").returncode == 0
    folder = story.parent / "runs"
    for name in ("best", "last"):
        one = checkpoint.read(folder / "killed" / f"{name}.safetensors", resume=True)
        two = checkpoint.read(folder / "whole" / f"{name}.safetensors", resume=True)
        for ours, theirs in ((one.weights, two.weights), (one.tensors, two.tensors)):
            assert ours.keys() == theirs.keys()
            assert all((ours[key] == theirs[key]).all() for key in ours)
    lines = (folder / "killed" / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(steps)
    left = {path.name for path in (folder / "killed").iterdir()}
    assert left == {
        "best.safetensors", "fingerprints.safetensors", "last.safetensors", "metrics.jsonl",
        "sources.json",
    }  # fmt: skip


@posix_only
def test_a_run_has_one_trainer(environment: dict[str, str], chargen: Chargen, story: Path) -> None:
    """A second trainer of a run is refused until the first has ended, even by a kill."""
    process = subprocess.Popen(
        command(["train", str(story), *QUICK, "--steps", "1000000", "--name", "one", "--json"]),
        stdout=subprocess.PIPE,
        env=environment,
        cwd=story.parent,
    )
    assert process.stdout is not None
    for _ in range(2):
        process.stdout.readline()
    again = ["train", story, "--resume", "--name", "one", "--steps", "2000000"]
    assert "the run one is being trained by another process" in one_line_error(chargen(*again))
    process.kill()
    process.communicate()
    again[-1] = "1"
    assert chargen(*again).returncode == 0


@posix_only
def test_a_reader_who_leaves_ends_training_saved(environment: dict[str, str], story: Path) -> None:
    """`chargen train --json | head` saves and ends."""
    process = subprocess.Popen(
        command(["train", str(story), *QUICK, "--steps", "1000000", "--json"]),
        stdout=subprocess.PIPE,
        env=environment,
        cwd=story.parent,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 130
    saved = checkpoint.read(story.parent / "runs" / "story" / "last.safetensors", resume=True)
    assert saved.training["step"] > 0


def test_fine_tuning_and_resuming_it(chargen: Chargen, story: Path) -> None:
    """--from starts a new run, and that run can be resumed."""
    assert chargen("train", story, *QUICK, "--name", "base").returncode == 0
    tuned = chargen("train", story, "--from", "base", "--steps", "4", "--name", "tuned", "--json")
    assert json.loads(tuned.stdout.splitlines()[0])["network"].startswith("lstm 1 × 16")
    on = chargen("train", story, "--resume", "--name", "tuned", "--steps", "8", "--json")
    assert json.loads(on.stdout.splitlines()[-1])["step"] == 8


@pytest.mark.parametrize(
    ("mistake", "code"),
    [("train missing.txt", 1), ("sample -m nobody", 1), ("train story.txt --arch perceptron", 2)],
)
def test_a_mistake_gets_one_line(chargen: Chargen, mistake: str, code: int) -> None:
    """A line on standard error and an exit code; all of them are in test_errors."""
    result = chargen(*mistake.split())
    one_line_error(result, code)
    assert result.stdout == b""


def test_a_mistake_spoils_no_file(chargen: Chargen, story: Path) -> None:
    """An output file is not touched before the command is known to make sense."""
    assert chargen("sample", "--prime", "Ω", "-o", story).returncode == 1
    assert story.read_text(encoding="utf-8") == STORY


def test_names_that_look_like_markup_are_shown(chargen: Chargen, story: Path) -> None:
    """Square brackets in a file's name are part of the name."""
    odd = write(story.parent / "[b]odd.txt", STORY)
    assert chargen("train", odd, *QUICK, "--name", "odd").returncode == 0
    assert "[b]odd.txt" in chargen("runs").stdout.decode()
    assert "[b]odd.txt" in chargen("perplexity", odd).stdout.decode()


def test_no_animation_off_a_terminal(chargen: Chargen, story: Path) -> None:
    """Off a terminal nothing is animated, even if the environment asks for colours."""
    forced = chargen("train", story, *QUICK, extra={"FORCE_COLOR": "1"})
    assert b"\x1b" not in forced.stderr


@posix_only
def test_a_lost_reader_of_progress_does_not_stop_training(
    environment: dict[str, str], story: Path
) -> None:
    """What is written for people may go nowhere; the run goes on to its end."""
    process = subprocess.Popen(
        command(["train", str(story), *QUICK, "--steps", "60", "--evaluations", "60"]),
        stderr=subprocess.PIPE,
        env=environment,
        cwd=story.parent,
    )
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    last = checkpoint.read(story.parent / "runs" / "story" / "last.safetensors", resume=True)
    assert last.training["step"] == 60


@posix_only
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_service_without_streams_trains(
    environment: dict[str, str], story: Path, closed: str
) -> None:
    """Closed descriptors are as good as /dev/null."""
    line = shlex.join(command(["train", str(story), *QUICK, "--steps", "4"]))
    process = subprocess.run(
        f"{line} {closed}", shell=True, env=environment, cwd=story.parent, check=False, timeout=60
    )
    assert process.returncode == 0
    assert (story.parent / "runs" / "story" / "last.safetensors").exists()


@posix_only
def test_a_terminal_gets_the_screen(environment: dict[str, str], story: Path) -> None:
    """On a terminal training draws its screen, and Ctrl-C leaves it in order."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(["train", str(story), *QUICK, "--steps", "1000000", "--evaluations", "100000"]),
        stderr=theirs,
        env=environment | {"TERM": "xterm-256color"},
        cwd=story.parent,
    )
    os.close(theirs)
    seen = b""
    while b"sample at step" not in seen or b"held-out nats per character" not in seen:
        seen += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:
        pass  # what a terminal answers once nobody is on the other side
    os.close(ours)
    assert process.wait(timeout=60) == 130
    for part in ("perplexity", "gradient", "held-out nats per character", "interrupted"):
        assert part in seen.decode()
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l")


def test_a_transformer_does_the_main_job(chargen: Chargen, story: Path) -> None:
    """The same commands and figures serve a network that is not recurrent."""
    sizes = ["--arch", "transformer", "--hidden", "16", "--heads", "2", "--context", "20"]
    trained = chargen("train", story, "--steps", "12", *sizes, "--layers", "2", "--json")
    assert trained.returncode == 0, trained.stderr.decode()
    assert b"2 heads, context 20" in chargen("info").stdout
    assert len(chargen("sample", "--length", "50", "-q").stdout.decode()) == 50
    exact = json.loads(chargen("perplexity", story, "--json", "--exact").stdout)
    assert exact["characters"] == len(STORY)


def test_gaps_are_restored(chargen: Chargen, story: Path) -> None:
    """A bidirectional model fills marked gaps of an argument, a file and standard input alike."""
    trained = chargen("train", story, *QUICK, "--bidirectional", "--name", "two", "--json")
    valid = json.loads(trained.stdout.splitlines()[-1])["valid"]
    assert "pseudo_perplexity" in valid
    assert "perplexity" not in valid
    damaged = "The tide [3] out and the [...] lay"
    write(story.parent / "damaged.txt", damaged)
    outputs = {
        chargen("restore", damaged).stdout,
        chargen("restore", "damaged.txt").stdout,
        chargen("restore", "-", stdin=damaged.encode()).stdout,
    }
    assert len(outputs) == 1
    found = json.loads(chargen("restore", damaged, "-n", "3", "--json").stdout)
    assert found["model"] == "two"
    assert [row.keys() for row in found["restorations"]] == [{"text", "fills", "probability"}] * 3
    best = found["restorations"][0]
    assert outputs.pop().decode() == best["text"] + "\n"
    assert len(best["fills"][0]) == 3
    assert best["text"].startswith("The tide ")
    assert best["probability"] >= found["restorations"][1]["probability"]
    ranked = chargen("restore", damaged, "-n", "3").stdout.decode().splitlines()
    assert [line.partition("\t")[2] for line in ranked] == [
        row["text"] for row in found["restorations"]
    ]
    judged = chargen("restore", "--evaluate", story, "--gaps", "10", "--json").stdout
    assert json.loads(judged)["total"].keys() == {
        "length", "gaps", "character_error_rate", "top_1", "top_20",
    }  # fmt: skip
    for command_line in (["sample"], ["perplexity", story], ["compare", "two", "--text", story]):
        assert "Use `chargen restore` with it" in one_line_error(chargen(*command_line))
    assert "pseudo-perplexity" in chargen("info", "two").stdout.decode()


LINES = "".join(
    f"{'ship' if n % 2 else 'rail'}\t{'the boat rows' if n % 2 else 'a train runs'} {n}\n"
    for n in range(60)
)


def test_labels_are_told_and_written(chargen: Chargen, tmp_path: Path) -> None:
    """A model trained with labels writes each kind, scores it, and tells which one a text is."""
    write(tmp_path / "lines.tsv", LINES)
    budget = ["--steps", "150", "--hidden", "24", "--lr", "0.02", "--precision", "fp32"]
    trained = chargen("train", "--labels", "lines.tsv", *budget, "--name", "both")
    assert trained.returncode == 0, trained.stderr.decode()
    assert b" -m chargen sample -m both --temp 0.8 --label rail\n" in trained.stderr
    for label, word in (("ship", b"boat"), ("rail", b"train")):
        options = ["--label", label, "--temp", "0", "--length", "30", "-q"]
        assert word in chargen("sample", *options).stdout
    write(tmp_path / "new.txt", "the boat rows 99\na train runs 98\n")
    rows = chargen("classify", "new.txt", "--lines", "--json").stdout.splitlines()
    told = [json.loads(row) for row in rows]
    assert [row["text"] for row in told] == ["new.txt:1", "new.txt:2"]
    assert [row["labels"][0]["label"] for row in told] == ["ship", "rail"]
    assert all(sum(one["probability"] for one in row["labels"]) == pytest.approx(1) for row in told)
    found = json.loads(chargen("classify", "--evaluate", "lines.tsv", "--json").stdout)
    assert [way["name"] for way in found["ways"]] == ["both", "5-grams"]
    assert found["ways"][0]["accuracy"] == 1
    assert sum(map(sum, found["ways"][0]["confusion"])) == found["examples"] == found["unseen"]
    shown = chargen("classify", "--evaluate", "lines.tsv").stdout.decode()
    assert "what each was taken for by both" in shown
    ship, rail = (
        json.loads(chargen("perplexity", "new.txt", "--label", label, "--json").stdout)[
            "nats_per_char"
        ]
        for label in ("ship", "rail")
    )
    assert ship != rail
    assert "has labels: rail, ship. Name one of them by --label" in one_line_error(
        chargen("sample"), 2
    )
    assert "has no label 'sea'" in one_line_error(chargen("sample", "--label", "sea"), 2)
    assert "cannot restore" in one_line_error(chargen("restore", "the [3]"))
    resumed = chargen("train", "--resume", "--labels", "lines.tsv", "--steps", "160")
    assert resumed.returncode == 0, resumed.stderr.decode()


def test_a_classifier_classifies_and_nothing_else(chargen: Chargen, tmp_path: Path) -> None:
    """A bidirectional network with labels says which command it is for."""
    write(tmp_path / "lines.tsv", LINES)
    trained = chargen("train", "--labels", "lines.tsv", "--bidirectional", *QUICK, "--json")
    assert "label_accuracy" in json.loads(trained.stdout.splitlines()[-1])["valid"]
    again = chargen("train", "--labels", "lines.tsv", "--bidirectional", *QUICK)
    assert b" -m chargen classify -m lines-2 FILE\n" in again.stderr
    assert b"held-out accuracy" in again.stderr
    assert b"perplexity" not in again.stderr
    write(tmp_path / "new.txt", "the boat rows 99\n")
    table = chargen("classify", "new.txt").stdout.decode()
    assert table.split()[0] == "text"
    assert "%" in table
    for command_line in (["sample"], ["perplexity", "new.txt"]):
        assert "Use `chargen classify` with it" in one_line_error(chargen(*command_line))


def test_one_model_for_each_kind(chargen: Chargen, story: Path) -> None:
    """Several models classify a text by how likely each of them finds it."""
    write(story.parent / "other.txt", "zebra quagga " * 80)
    for name in ("story", "other"):
        chargen("train", f"{name}.txt", "--steps", "40", "--hidden", "16", "--name", name, "-q")
    models = ["-m", "story", "-m", "other"]
    told = chargen("classify", "other.txt", "story.txt", *models, "--json").stdout.splitlines()
    assert [json.loads(row)["labels"][0]["label"] for row in told] == ["other", "story"]
    assert "has no labels to tell apart" in one_line_error(
        chargen("classify", "other.txt", "-m", "story")
    )
    assert "one name" in one_line_error(
        chargen("classify", "other.txt", "-m", "story", "-m", "story"), 2
    )


def test_memories_are_compared(chargen: Chargen, model_file: Path, story: Path) -> None:
    """Bits by context and gradients by distance, as tables, as JSON, and as a picture."""
    write(story.parent / "long.txt", STORY * 3)
    options = ["compare", "tiny", "--text", "long.txt", "--places", "4"]
    table = chargen(*options, "--plot", "memory.svg").stdout.decode()
    assert "bits per character" in table
    assert "1,024" in table
    assert (story.parent / "memory.svg").read_bytes().startswith(b"<?xml")
    found = json.loads(chargen(*options, "--json").stdout)
    assert found["models"][0].keys() == {
        "contexts", "bpc", "error", "gradient", "loss", "loss_error", "used", "model"
    }  # fmt: skip
    assert len(found["models"][0]["bpc"]) == 11


def test_fetching_fails_clearly(chargen: Chargen, tmp_path: Path) -> None:
    """An address where nobody answers: one line, and nothing in the cache."""
    (tmp_path / "own.toml").write_text(
        '[tale]\nabout = "a"\nlicence = "b"\nsource = "c"\nsize = 9\nsha256 = "0"\n'
        'url = "http://127.0.0.1:9/tale.txt"\n'
    )
    result = chargen("corpus", "get", "tale", extra={"CHARGEN_CATALOG": "own.toml"})
    assert "could not be fetched from http://127.0.0.1:9/tale.txt" in one_line_error(result)
    assert result.stdout == b""


def test_debug_shows_where_an_error_arose(chargen: Chargen) -> None:
    """With --debug the traceback is printed."""
    result = chargen("perplexity", "missing.txt", "--debug")
    assert b"Traceback" in result.stderr
    assert result.stderr.decode().splitlines()[-1].startswith("error: missing.txt does not exist")


def test_a_defect_asks_for_a_report(tmp_path: Path, environment: dict[str, str]) -> None:
    """An unexpected error is one line too, with the versions to report."""
    code = (
        "import sys; sys.argv = ['chargen', 'runs']; import chargen.runs, chargen.cli.app\n"
        "def broken(*_): raise RuntimeError('two\\nlines')\n"
        "chargen.runs.runs = broken\nchargen.cli.main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    line = one_line_error(result)
    assert "a defect of chargen: RuntimeError: two lines" in line
    assert "Python 3." in line


def test_wrong_usage_exits_with_two(chargen: Chargen) -> None:
    """An unknown option, a word for a number, a missing text."""
    for arguments in (
        ["sample", "--wild"],
        ["sample", "--temp", "hot"],
        ["perplexity"],
        ["nonsense"],
    ):
        result = chargen(*arguments)
        assert result.returncode == 2
        assert b"Traceback" not in result.stderr


def test_a_text_of_one_character_is_remarked_upon(chargen: Chargen, tmp_path: Path) -> None:
    """It trains, and the user is told that there is nothing to learn."""
    result = chargen("train", write(tmp_path / "a.txt", "a" * 300), *QUICK)
    assert result.returncode == 0
    assert b"one character over and over" in result.stderr


def test_shares_of_one_process_are_remarked_upon(chargen: Chargen, story: Path) -> None:
    """There is nobody to divide the weights with: it trains, and the user is told."""
    result = chargen("train", story, "--shard", *QUICK)
    assert result.returncode == 0
    assert b"--shard changes nothing in one process" in result.stderr


def test_quiet_says_nothing(chargen: Chargen, model_file: Path, story: Path) -> None:
    """With -q standard error stays empty."""
    assert chargen("sample", "--length", "5", "-q").stderr == b""
    assert chargen("perplexity", story, "-q").stderr == b""
    assert chargen("train", story, *QUICK, "-q").stderr == b""


def test_any_console_encoding_will_do(chargen: Chargen, model_file: Path) -> None:
    """An ASCII terminal gets UTF-8, not a traceback."""
    plain = chargen("sample", "--length", "200", "--seed", "1").stdout
    ascii_only = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    assert chargen("sample", "--length", "200", "--seed", "1", extra=ascii_only).stdout == plain
    assert "—" in plain.decode()


@posix_only
def test_control_characters_do_not_reach_a_terminal(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """On a terminal they are shown as pictures; with --raw they are what they are."""
    folder = tmp_path / "runs" / "wild"
    folder.mkdir(parents=True)
    checkpoint.write(folder / "best.safetensors", tiny_checkpoint("\x1b[]\x07\x9b"))

    def seen(*options: str) -> bytes:
        arguments = ["sample", "--length", "80", "--seed", "1", "-q", *options]
        return on_terminal(arguments, environment)

    assert b"\x1b" not in seen()
    assert "␛" in seen().decode()
    assert b"\x1b" in seen("--raw")


def test_the_shell_completes_commands(tmp_path: Path, environment: dict[str, str]) -> None:
    """The shell asks chargen itself, as what --install-completion puts into it does."""
    asked = {"_CHARGEN_COMPLETE": "complete_bash", "COMP_WORDS": "chargen per", "COMP_CWORD": "1"}
    code = "import sys; sys.argv[0] = 'chargen'; from chargen.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | asked,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert result.stdout.split() == [b"perplexity"]


def test_the_help_groups_commands(chargen: Chargen) -> None:
    """What trains and uses models, what looks into them, and texts, each under a heading."""
    text = chargen("--help").stdout.decode()
    headings = ["Train and use:", "Look into:", "Texts:"]
    places = [text.index(heading) for heading in headings]
    assert places == sorted(places)
    assert places[0] < text.index("  classify") < places[1] < text.index("  compare") < places[2]
    assert "--install-completion" in text


def test_one_bad_text_of_several_is_named_and_the_rest_scored(
    chargen: Chargen, story: Path
) -> None:
    """What can be scored is shown; each text at fault has a line; the exit code is 1."""
    write(story.parent / "empty.txt", "")
    result = chargen("perplexity", story, "empty.txt", "missing.txt", story, "--json")
    assert result.returncode == 1
    rows = json.loads(result.stdout)["texts"]
    assert [row["text"] for row in rows] == [str(story)] * 2
    said = [json.loads(line) for line in result.stderr.splitlines()]
    errors = [one["error"] for one in said if "error" in one]
    assert [one["message"] for one in errors] == [
        "empty.txt is empty",
        "missing.txt does not exist",
    ]
    assert {one["type"] for one in errors} == {"CorpusError"}
    plain = chargen("perplexity", story, "empty.txt").stderr.decode()
    assert "error: empty.txt is empty" in plain


def test_a_model_that_nobody_named_is_announced(chargen: Chargen, tmp_path: Path) -> None:
    """Where there is no run, the model that comes along answers, and says so even if quiet."""
    result = chargen("sample", "--length", "5", "-q")
    assert result.stderr.startswith(b"no run here: this is the model that comes with chargen")
    named = chargen("sample", "--length", "5", "-q", "-m", "starter")
    assert named.stderr == b""


def test_texts_of_options_have_one_rule(chargen: Chargen) -> None:
    """A new line, a tab and a backslash are written alike in a prime and in a stop text."""
    seeded = ["sample", "-m", "starter", "--seed", "3", "-q", "--length", "500"]
    one = chargen(*seeded, "--prime", "\\nThe ").stdout
    assert one == chargen(*seeded, "--prime", "\nThe ").stdout
    whole = chargen(*seeded).stdout.decode()
    assert "\n" in whole
    stopped = chargen(*seeded, "--stop", "\\n").stdout.decode()
    assert stopped == whole[: whole.index("\n")]


def test_hints_can_be_pasted(chargen: Chargen, story: Path, environment: dict[str, str]) -> None:
    """What to try next names the folder of runs where it must, and the command works."""
    trained = chargen("train", story, *QUICK, "--steps", "3", "--name", "Éluard", "--out", "else")
    hint = trained.stderr.decode().splitlines()[-1]
    called, _, rest = hint.partition(" -m chargen ")
    assert called.removeprefix("now try: ") in (sys.executable, Path(sys.executable).name)
    assert rest.startswith("sample -m 'Éluard' ")
    words = shlex.split(rest)
    assert len(chargen(*words, "-q").stdout.decode()) >= 1000


def test_a_short_text_is_remarked_on(chargen: Chargen, story: Path) -> None:
    """Before training, and by the statistics, which show invisible characters by their codes."""
    odd = write(story.parent / "odd.txt", STORY + "\u200b\xad")
    trained = chargen("train", odd, *QUICK, "--steps", "2")
    assert "note: invisible characters: 1 × U+00AD SOFT HYPHEN" in trained.stderr.decode()
    assert "note: much of the held-out text stands in the training text" in trained.stderr.decode()
    shown = chargen("corpus", "stats", odd).stdout.decode()
    assert "<U+200B>" in shown
    assert "are few" in shown
    assert len(json.loads(chargen("corpus", "stats", odd, "--json").stdout)["remarks"]) == 2


def test_a_damaged_text_of_bytes_comes_back_byte_for_byte(chargen: Chargen, story: Path) -> None:
    """What is no UTF-8 is neither replaced nor lost, and another mark leaves brackets alone."""
    chargen("train", story, *QUICK, "--bidirectional", "--bytes", "--name", "two")
    (story.parent / "damaged.bin").write_bytes(b"caf\xe9 [12] ___ down\n")
    given = ["restore", "damaged.bin", "-m", "two", "--gap", "___", "--brackets", "<>"]
    result = chargen(*given)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(b"caf\xe9 [12] <")
    assert result.stdout.endswith(b"> down\n")
    assert b"line 1, column 11: ___, a gap of unknown length" in result.stderr
    several = chargen(*given, "-n", "3").stdout
    assert several.count(b"\n") == 3
    assert all(line.endswith(b"> down\\n") for line in several.splitlines())


@posix_only
def test_a_damaged_text_comes_from_a_pipe(chargen: Chargen, story: Path) -> None:
    """A named pipe is a file to read from."""
    fifo = story.parent / "pipe"
    os.mkfifo(fifo)
    writer = subprocess.Popen(["sh", "-c", f"printf 'to be [3] be' > {shlex.quote(str(fifo))}"])
    result = chargen("restore", fifo, "-m", "starter")
    assert writer.wait() == 0
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(b"to be ")


def test_another_form_of_accents_is_told(chargen: Chargen, tmp_path: Path) -> None:
    """A prime, and a text to score, in decomposed letters, for a model of composed ones."""
    write(tmp_path / "cafe.txt", "café déjà vu ici ou là, né à l'été passé\n" * 30)
    chargen("train", "cafe.txt", *QUICK, "--steps", "2")
    write(tmp_path / "other.txt", "cafe\u0301 " * 20)
    error = one_line_error(chargen("sample", "--prime", "cafe\u0301"))
    assert "has decomposed accents where the model's text has composed ones" in error
    said = chargen("perplexity", "other.txt").stderr.decode()
    assert "other.txt has decomposed accents" in said


def test_items_are_new_and_differ(chargen: Chargen, tmp_path: Path) -> None:
    """None is of the list, held out or not; the likeliest may come first."""
    old = [a + b + c for a in "bdglmnr" for b in "aeiou" for c in "klmnrst"]
    path = write(tmp_path / "names.txt", "\n".join(old) + "\n")
    small = ("--steps", "60", "--hidden", "32", "--evaluations", "1")
    assert chargen("train", path, "--lines", "--name", "names", *small).returncode == 0
    given = ("sample", "-m", "names", "--items", "-n", "40", "--seed", "1")
    found = chargen(*given).stdout.decode().splitlines()
    assert len(found) == len(set(found)) == 40
    assert not set(found) & set(old)
    rows = [json.loads(line) for line in chargen(*given, "--rank", "--json").stdout.splitlines()]
    assert {row["text"] for row in rows} == set(found)
    costs = [row["nats_per_char"] * (len(row["text"]) + 1) for row in rows]
    assert costs == sorted(costs)


def test_a_label_is_told_along_a_text(chargen: Chargen, tmp_path: Path) -> None:
    """Window after window, as a table, as figures and as a picture."""
    for name, text in (("low", STORY.lower()), ("high", STORY.upper())):
        path = write(tmp_path / f"{name}.txt", text * 4)
        small = ("--steps", "30", "--hidden", "16", "--evaluations", "1", "--name", name)
        assert chargen("train", path, *small).returncode == 0
    path = write(tmp_path / "both.txt", STORY[:600].lower() + STORY[:600].upper())
    given = ("classify", path, "--rolling", "-m", "low", "-m", "high", "--window", "200")
    drawn = chargen(*given, "--json", "--plot", tmp_path / "hands.svg")
    windows = json.loads(drawn.stdout)["windows"]
    assert [window["start"] for window in windows[:3]] == [0, 50, 100]
    assert windows[-1]["end"] == 1200
    told = [max(one["labels"], key=lambda row: row["probability"])["label"] for one in windows]
    assert told[0] == "low"
    assert told[-1] == "high"
    assert "<svg" in (tmp_path / "hands.svg").read_text()
    shown = chargen(*given).stdout.decode()
    assert shown.splitlines()[0].split() == ["from", "label", "sure"]


def test_parallels_are_shown_with_their_places(
    chargen: Chargen, tmp_path: Path, model_file: Path
) -> None:
    """Below what a text costs, or as the rows of a table."""
    corpus = write(tmp_path / "corpus.txt", "Nothing is here.\n" * 20 + STORY)
    given = ("surprise", "the boats lay down", "-m", model_file, "--parallels", corpus)
    shown = chargen(*given).stdout.decode()
    assert "corpus.txt:2" in shown
    first = json.loads(chargen(*given, "--json").stdout.splitlines()[0])
    assert first["source"] == "corpus.txt"
    assert "boats lay down" in first["text"]
    assert chargen(*given, "--csv").stdout.startswith(b"source,line,likeness,text")
