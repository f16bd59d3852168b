"""Training runs as folders: where they are, what they are called, which one is meant."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chargen import files
from chargen.errors import CheckpointError, RunError, argument
from chargen.locks import HeldError, Lock
from chargen.names import STARTER as STARTER_NAME
from chargen.names import check_name, named_after, numbered
from chargen.options import DEFAULT_OUT, OUT_VARIABLE

STARTER = files.BUNDLED / "checkpoints" / STARTER_NAME


@dataclass(frozen=True)
class Run:
    """One training run's folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The run's name: its folder's."""
        return self.folder.name

    @property
    def best(self) -> Path:
        """The model that was best on held-out text."""
        return self.folder / "best.safetensors"

    @property
    def last(self) -> Path:
        """All that resuming needs."""
        return self.folder / "last.safetensors"

    @property
    def metrics(self) -> Path:
        """The history, a JSON object a line."""
        return self.folder / "metrics.jsonl"

    @property
    def sources(self) -> Path:
        """Where the run's texts were; not in a model file, because those are given away."""
        return self.folder / "sources.json"

    @property
    def fingerprints(self) -> Path:
        """What is known of the corpus; see `chargen.text.grams`."""
        return self.folder / "fingerprints.safetensors"

    @property
    def model(self) -> Path:
        """The model to use: the best, or the last where there is no best yet."""
        return self.best if self.best.exists() else self.last

    def touched(self) -> float:
        """When the run last wrote a model, in seconds since the epoch; 0 if never."""
        return max((p.stat().st_mtime for p in (self.best, self.last) if p.exists()), default=0.0)

    @property
    def lock_file(self) -> Path:
        """The file to lock; a killed trainer leaves the file behind, but no lock on it."""
        return self.folder / ".lock"

    def lock(self) -> Lock:
        """Lock the run against other trainers, and delete the half-written files of a killed one.

        Raises:
            RunError: another process is training it.
            PermissionError: its folder cannot be written.
        """
        try:
            lock = Lock(self.lock_file)
        except HeldError:
            raise RunError(
                f"the run {self.name} is being trained by another process",
                "Wait until it ends, or start a run of another name",
            ) from None
        for path in self.files:
            files.temporary(path).unlink(missing_ok=True)
        return lock

    def locked(self) -> bool:
        """Return whether a process is training it now."""
        if not self.lock_file.exists():
            return False
        try:
            Lock(self.lock_file).release()
        except (HeldError, OSError):
            return True
        return False

    def remember(self, sources: dict[str, Any]) -> None:
        """Keep where the texts are, to go on without being told."""
        with suppress(OSError):
            files.write_whole(self.sources, json.dumps(sources).encode())

    def remembered(self) -> dict[str, Any]:
        """Return where the texts were; nothing if that is not known."""
        try:
            found = json.loads(self.sources.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def begun(self) -> bool:
        """Return whether the folder holds more than the leftovers of a failed start."""
        history = self.metrics.is_file() and self.metrics.stat().st_size > 0
        leftovers = {self.metrics, self.lock_file, self.sources, self.fingerprints}
        return history or not leftovers.issuperset(self.folder.iterdir())

    def record(self, entry: dict[str, Any]) -> None:
        """Append one line to the history.

        Raises:
            RunError: it cannot be written.
        """
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(files.finite(entry)) + "\n")
        except OSError as error:
            raise unwritable(self.metrics, error) from error

    def abandon(self, lock: Lock) -> None:
        """Give up the lock, and the folder of a run in which nothing has been saved."""
        if self.model.exists():
            lock.release()
            return
        for path in (self.metrics, self.sources, self.fingerprints):
            path.unlink(missing_ok=True)
        lock.release()
        # If another trainer has started in the folder meanwhile, the folder must stay.
        with suppress(OSError):
            self.folder.rmdir()

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that a run consists of, but the lock."""
        return (self.best, self.last, self.metrics, self.sources, self.fingerprints)

    def clear(self) -> None:
        """Delete all but the best model, which a new run in this folder will replace."""
        for path in set(self.files) - {self.best}:
            path.unlink(missing_ok=True)

    def rewind(self, step: int) -> None:
        """Drop the history after ``step``: a resumed run will do these steps again."""
        if not self.metrics.exists():
            return
        kept = [line for line in self.metrics.read_bytes().splitlines() if _step(line) <= step]
        files.write_whole(self.metrics, b"".join(line + b"\n" for line in kept))


def _step(line: bytes) -> float:
    """Return the step of a line of history; infinity for half a line, which a kill can leave."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return float("inf")


def default_out() -> Path:
    """Return the folder of runs: what the environment says, or ``checkpoints`` here."""
    return Path(os.environ.get(OUT_VARIABLE) or DEFAULT_OUT)


def runs(out: Path) -> list[Run]:
    """Return the runs in a folder, newest first, without the starter model."""
    if not out.is_dir():
        return []
    found = [Run(path) for path in out.iterdir() if path.is_dir()]
    # The starter model is not a run of the user's, even in a clone, whose folder of runs has it.
    found = [run for run in found if run.model.exists() and run.name != STARTER.name]
    return sorted(found, key=lambda run: (-run.touched(), run.name))


def find(model: str | None, out: Path) -> Path:
    """Return the model file that is meant by a name, a path, or nothing (the newest run).

    A name without a folder is a run's name first: a file that happens to have the same name, such
    as the corpus, is not meant. If nothing is named, runs that were never evaluated are passed over
    as long as there is another.

    Raises:
        CheckpointError: there is no such model; the message lists the existing ones.
    """
    here = runs(out)
    if model is None:
        evaluated = [run for run in here if run.best.exists()]
        return next(iter(evaluated or here), Run(STARTER)).model
    path = Path(model)
    bare = path.name == model
    if not bare and os.path.isfile(path):
        return path
    for place in (out / model, path):
        if os.path.isdir(place) and Run(place).model.exists():
            return Run(place).model
    if model == STARTER.name:
        return Run(STARTER).model
    if os.path.isfile(path):
        return path
    raise unknown(model, here, out)


def unknown(model: str, here: list[Run], out: Path) -> CheckpointError:
    """Return the error for an unknown model; its message lists the existing ones."""
    names = ", ".join([run.name for run in here[:10]] + [STARTER.name])
    return CheckpointError(f"no model or run {model!r} in {out}", f"There are: {names}")


def label(path: Path) -> str:
    """Return what to call a model file: its run's name, or the file's own."""
    return path.parent.name if path.stem in ("best", "last") and path.parent.name else path.name


def create(
    out: Path, name: str | None, corpus: str, *, overwrite: bool = False
) -> tuple[Run, Lock]:
    """Make and lock the folder of a new run, and make sure that it can be written.

    If an earlier start failed before it saved anything, its folder is used again.

    Args:
        name: as asked for, or None to name it after the corpus.
        overwrite: whether a run of this name may be replaced. Nothing of it is touched here; see
            `Run.clear`.

    Raises:
        UsageError: the name cannot be a folder's.
        RunError: the run exists, another process trains it, or the folder cannot be written.
    """
    if name is not None:
        check_name(name)
    if overwrite:
        name = name or named_after(corpus)
        check_name(name)
        with suppress(FileNotFoundError):
            return _replaced(Run(out / name))
    if name is None:
        candidates: Iterator[str] = numbered(named_after(corpus))
    else:
        candidates = iter((name,))
    try:
        out.mkdir(parents=True, exist_ok=True)
        for candidate in candidates:
            run = Run(out / candidate)
            if candidate == STARTER.name or (run.folder.exists() and not run.folder.is_dir()):
                continue
            run.folder.mkdir(exist_ok=True)
            with suppress(RunError, FileExistsError), ExitStack() as undo:
                lock = run.lock()
                undo.callback(lock.release)
                if not run.begun():
                    # Without locks, only one of several processes can create this file.
                    run.metrics.open("a" if lock.held else "x").close()
                    undo.pop_all()
                    return run, lock
    except OSError as error:
        raise unwritable(out, error) from error
    raise RunError(
        f"the run {name!r} exists already in {out}",
        f"Go on with it by {argument('resume')}, replace it by {argument('overwrite')}, or choose "
        f"another {argument('name')}",
    )


def _replaced(run: Run) -> tuple[Run, Lock]:
    """Lock a run that is to be replaced, and make sure that it can be written."""
    if not run.folder.is_dir():
        raise FileNotFoundError
    try:
        lock = run.lock()
        run.metrics.open("a").close()
    except OSError as error:
        raise unwritable(run.folder, error) from error
    return run, lock


def here(out: Path, name: str) -> Run:
    """Return a run by its name, to rename or to delete it.

    Raises:
        RunError: there is none.
    """
    if name == STARTER.name:
        raise RunError(f"{name} comes with chargen and stays as it is", "Name a run of your own")
    found = runs(out)
    for run in found:
        if run.name == name:
            return run
    names = ", ".join(run.name for run in found[:10]) or "none"
    raise RunError(f"no run {name!r} in {out}", f"There are: {names}")


def rename(run: Run, name: str) -> Run:
    """Give a run another name.

    Raises:
        UsageError: the name cannot be a run's.
        RunError: there is such a run already, or another process trains this one.
    """
    check_name(name)
    to = Run(run.folder.parent / name)
    if to.folder.exists():
        raise RunError(f"the run {name!r} exists already in {run.folder.parent}", "Choose another")
    try:
        # Windows renames no folder in which a file is open.
        run.lock().release()
        run.folder.rename(to.folder)
    except OSError as error:
        raise unwritable(run.folder, error) from error
    return to


def delete(run: Run) -> list[Path]:
    """Delete a run's files, and its folder if nothing else is in it; return what else is in it.

    Raises:
        RunError: another process trains it, or it cannot be deleted.
    """
    try:
        lock = run.lock()
        for path in run.files:
            path.unlink(missing_ok=True)
        lock.release()
        others = sorted(run.folder.iterdir())
        if not others:
            run.folder.rmdir()
    except OSError as error:
        raise unwritable(run.folder, error) from error
    return others


def unwritable(path: Path, error: OSError) -> RunError:
    """Say that a run cannot be written, and why."""
    return RunError(
        f"{path} cannot be written: {files.reason(error)}", f"Choose another {argument('out')}"
    )


def existing(out: Path, name: str | None) -> Run:
    """Return the run to resume: by name, or the newest that can be.

    Raises:
        RunError: there is none.
    """
    here = [run for run in runs(out) if run.last.exists()]
    if name is None and here:
        return here[0]
    for run in here:
        if run.name == name:
            return run
    names = ", ".join(run.name for run in here[:10]) or "none"
    wanted = f"no run {name!r}" if name else "no run"
    raise RunError(f"{wanted} to resume in {out}", f"Runs that can be resumed: {names}")
