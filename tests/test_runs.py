"""Which model is meant, and which run is new."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given

from chargen import checkpoint, files, names, runs
from chargen.errors import CheckpointError, RunError, UsageError
from chargen.runs import Run
from tests.conftest import any_text, posix_only, tiny_checkpoint


def made(out: Path, name: str, when: float, last: bool = False) -> Run:
    run = Run(out / name)
    run.folder.mkdir(parents=True)
    checkpoint.write(run.last if last else run.best, tiny_checkpoint())
    os.utime(run.last if last else run.best, (when, when))
    return run


def test_the_newest_run_is_the_default(tmp_path: Path) -> None:
    """Without a name the newest run is meant that was evaluated; any other, if there is none."""
    new = made(tmp_path, "new", 2000, last=True)
    assert runs.find(None, tmp_path) == new.last
    old = made(tmp_path, "old", 1000)
    assert runs.find(None, tmp_path) == old.best
    checkpoint.write(new.best, tiny_checkpoint())
    assert runs.find(None, tmp_path) == new.best
    assert [run.name for run in runs.runs(tmp_path)] == ["new", "old"]


def test_the_starter_model_is_there_before_any_training(tmp_path: Path) -> None:
    """In an empty folder, or none at all, the model that comes with chargen is meant."""
    assert runs.find(None, tmp_path / "nowhere") == Run(runs.STARTER).best
    assert runs.find("starter", tmp_path) == Run(runs.STARTER).best
    made(tmp_path, "mine", 1)
    assert runs.find(None, tmp_path) != Run(runs.STARTER).best


def test_a_model_is_found_by_name_folder_or_file(tmp_path: Path) -> None:
    """A run's name, its folder and its file mean the same."""
    run = made(tmp_path, "mine", 1)
    assert runs.find("mine", tmp_path) == run.best
    assert runs.find(str(run.folder), tmp_path / "elsewhere") == run.best
    assert runs.find(str(run.best), tmp_path) == run.best
    assert runs.label(run.best) == "mine"
    assert runs.label(Path("shared/bard.safetensors")) == "bard.safetensors"


def test_an_unknown_name_lists_the_known(tmp_path: Path) -> None:
    """The error for an unknown name lists the known names."""
    made(tmp_path, "mine", 1)
    with pytest.raises(CheckpointError, match="There are: mine, starter"):
        runs.find("yours", tmp_path)


def test_a_new_run_is_named_after_its_corpus(tmp_path: Path) -> None:
    """A run has the name of the file; if that name is taken, a number is added."""
    first, held = runs.create(tmp_path / "deep" / "out", None, "my novel (2).txt.gz")
    second, also = runs.create(tmp_path / "deep" / "out", None, "my novel (2).txt.gz")
    assert (first.name, second.name) == ("my-novel-2", "my-novel-2-2")
    held.release()
    also.release()


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    """A name is taken as soon as it is given out, before anything has been saved in it."""
    (first, held), (second, also) = (runs.create(tmp_path, None, "x.txt") for _ in range(2))
    assert (first.name, second.name) == ("x", "x-2")
    with pytest.raises(RunError, match="exists already"):
        runs.create(tmp_path, "x", "x.txt")
    first.abandon(held)
    also.release()
    assert runs.create(tmp_path, "x", "x.txt")[0].name == "x"


@posix_only
def test_a_start_that_was_killed_leaves_its_name_free(tmp_path: Path) -> None:
    """A folder with an empty history, or half a first checkpoint, and no trainer is taken over."""
    run, lock = runs.create(tmp_path, "x", "x.txt")
    files.temporary(run.last).write_text("half")
    lock.release()
    again, lock = runs.create(tmp_path, "x", "x.txt")
    assert again == run
    assert {path.name for path in run.folder.iterdir()} == {"metrics.jsonl", ".lock"}
    run.remember({"names": ["x.txt"]})
    lock.release()
    again, lock = runs.create(tmp_path, "x", "x.txt")
    assert again == run
    run.record({"event": "step", "step": 1})
    lock.release()
    with pytest.raises(RunError, match="exists already"):
        runs.create(tmp_path, "x", "x.txt")


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    """A name that is taken is an error that says how to go on."""
    made(tmp_path, "mine", 1)
    with pytest.raises(RunError, match="by `resume`"):
        runs.create(tmp_path, "mine", "x")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "a\\b", ".hidden", "x" * 101, "a\n"]
)
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    """A run's name is a plain folder name."""
    with pytest.raises(UsageError, match="a run cannot be called"):
        runs.create(tmp_path, name, "x")


def test_an_unwritable_folder_is_found_before_training(tmp_path: Path) -> None:
    """A file where the folder should be, for example."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="cannot be written"):
        runs.create(tmp_path / "file", None, "x")


def test_resuming_picks_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    """A run with only a best model cannot go on."""
    made(tmp_path, "shared", 3000)
    made(tmp_path, "first", 1000, last=True)
    made(tmp_path, "second", 2000, last=True)
    assert runs.existing(tmp_path, None).name == "second"
    assert runs.existing(tmp_path, "first").name == "first"
    with pytest.raises(RunError, match="can be resumed: second, first"):
        runs.existing(tmp_path, "shared")


def test_history_is_rewound_to_a_step(tmp_path: Path) -> None:
    """What a resumed run will do again, and half a line, are dropped."""
    run = Run(tmp_path)
    for step in (1, 2, 3):
        run.record({"step": step})
    with run.metrics.open("a") as file:
        file.write('{"step": 1, "hal')
    run.rewind(2)
    assert run.metrics.read_text() == '{"step": 1}\n{"step": 2}\n'


@posix_only
def test_one_trainer_at_a_time(tmp_path: Path) -> None:
    """A locked run is refused until its trainer releases the lock or ends."""
    run = made(tmp_path, "mine", 1000)
    first = run.lock()
    with pytest.raises(RunError, match="the run mine is being trained by another process"):
        run.lock()
    first.release()
    first.release()
    second = run.lock()
    del second
    run.lock().release()


def test_what_a_kill_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    """Only our own temporary files go; what else lies in the folder stays."""
    run = made(tmp_path, "mine", 1000)
    for name in ("best.safetensors.tmp", "last.safetensors.tmp", "notes.tmp"):
        (run.folder / name).write_text("half")
    run.lock().release()
    assert {path.name for path in run.folder.iterdir()} == {"best.safetensors", "notes.tmp"}


@pytest.mark.parametrize("name", ["Пушкин", "Éluard", "李白", "हिन्दी", "a.b-c_2"])
def test_names_are_letters_of_any_script(tmp_path: Path, name: str) -> None:
    """A run may be called what its text is called, and then it is found."""
    for asked, corpus in ((name, "story.txt"), (None, f"{name}.txt")):
        run, lock = runs.create(tmp_path / str(asked), asked, corpus)
        lock.release()
        assert run.name == (name if asked else names.named_after(f"{name}.txt"))
        assert names.is_name(run.name)


@pytest.mark.parametrize(
    "name",
    ["con", "LPT1.txt", "a/b", "..", ".a", "-a", "a.", "a b", "e\u0301", "x" * 101, "好" * 80],
)
def test_names_are_safe_on_every_file_system(tmp_path: Path, name: str) -> None:
    """Devices' names, hidden files, two spellings of one name, and names too long are refused."""
    with pytest.raises(UsageError, match="a run cannot be called"):
        runs.create(tmp_path, name, "story.txt")


@given(any_text())
def test_every_corpus_gives_a_name(corpus: str) -> None:
    """A run's name can always be made of the corpus's."""
    assert names.is_name(names.named_after(corpus))


def test_a_bare_name_is_a_run_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus in this folder does not hide the run that was named after it."""
    monkeypatch.chdir(tmp_path)
    run = made(tmp_path / "checkpoints", "text8", 1)
    (tmp_path / "text8").write_text("the corpus")
    assert runs.find("text8", tmp_path / "checkpoints") == run.best
    assert runs.find("./text8", tmp_path / "checkpoints") == Path("./text8")
