"""Every error there is, as docs/errors.md shows it: provoked, one line, nothing touched."""

from __future__ import annotations

import ast
import errno
import gzip
import importlib
import itertools
import json
import os
import re
import shlex
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import chargen
from chargen import checkpoint, errors
from chargen.architecture import Architecture
from chargen.cli.options import flag
from chargen.kinds import GAPS
from chargen.runs import Run
from chargen.text.corpus import open_text
from chargen.text.grams import Grams
from chargen.text.labelled import read_labelled
from chargen.training.group import Group
from chargen.writing.manuscript import Manuscript
from tests.conftest import STORY, posix_only, prepared, tiny_checkpoint, write

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
ANYTHING = "…"
ELSEWHERE = "elsewhere"
"""Where a command of the page may write."""

CRASHED = 99


@dataclass(frozen=True)
class Example:
    """A command of the page, what it says, and the circumstances in a comment behind it."""

    kind: str
    command: str
    circumstance: str
    says: str


def examples() -> Iterator[Example]:
    """Yield what the page shows, in its order."""
    kind = command = circumstance = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            kind = line.split()[1]
        elif line.startswith("$ "):
            command, _, circumstance = line.removeprefix("$ ").partition("  # ")
        elif line.startswith("error: "):
            yield Example(kind, command, circumstance, line)


EXAMPLES = list(examples())


def pattern(shown: str) -> re.Pattern[str]:
    """Return what a line of the page matches; … stands for what differs between machines."""
    return re.compile(".*".join(map(re.escape, shown.split(ANYTHING))), re.DOTALL)


# What is wrong with the files that the page's commands name.


def crooked(whole: bytes, **changes: Any) -> bytes:
    """Return a model file with other values in the header within its header."""
    size = int.from_bytes(whole[:8], "little")
    outer = json.loads(whole[8 : 8 + size])
    header = json.loads(outer["__metadata__"]["chargen"])
    for name, value in changes.items():
        header[name] = header[name] | value if isinstance(value, dict) else value
    outer["__metadata__"]["chargen"] = json.dumps(header)
    made = json.dumps(outer).encode()
    return len(made).to_bytes(8, "little") + made + whole[8 + size :]


def trained(folder: Path, name: str, **given: Any) -> Path:
    """Train a run for two steps, and return its folder."""
    torch.set_num_threads(1)
    sizes = {"hidden": 8, "embed": 4, "batch": 2, "bptt": 8, "steps": 2, "evaluations": 1}
    labels = given.pop("labels", None)
    story = None if labels else given.pop("source", folder / "story.txt")
    as_bytes = given.pop("as_bytes", False)
    options = sizes | {"precision": "fp32", "device": "cpu"} | given
    out = folder / "checkpoints"
    for report in prepared(story, out, options, name=name, labels=labels, as_bytes=as_bytes):
        assert report.event
    return out / name


@pytest.fixture(scope="module")
def mess(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of everything that can be wrong."""
    folder = tmp_path_factory.mktemp("mess")
    write(folder / "story.txt", STORY)
    write(folder / "other.txt", STORY.upper())
    write(folder / "empty.txt", "")
    write(folder / "one.txt", "x")
    write(folder / "blank.txt", "\n \n")
    write(folder / "short.txt", "short")
    write(folder / "long.txt", STORY * 3)
    write(folder / "many.txt", "tide\n" * 1001)
    (folder / "picture.png").write_bytes(bytes(range(256)))
    (folder / "latin.txt").write_bytes("café au lait".encode("latin-1"))
    with zipfile.ZipFile(folder / "numbers.zip", "w") as archive:
        archive.writestr("numbers.bin", b"\0\0\0\0")
    write(folder / "rows.jsonl", '{"text": "the tide", "id": 1}\n[]\n')
    write(folder / "rows.parquet", "no table")
    (folder / "half.txt.gz").write_bytes(gzip.compress(STORY.encode())[:50])
    (folder / "hollow").mkdir()
    (folder / "short.txt.history").mkdir()
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "spoiled").mkdir()
    (folder / "two").mkdir()
    for number, name in enumerate(("one.txt", "two.txt")):
        (folder / "spoiled" / name).write_bytes("café".encode("latin-1"))
        write(folder / "two" / name, STORY + str(number))
    (folder / "wide.txt").write_bytes(STORY.encode("utf-16-le"))
    (folder / "notes.docx").write_bytes(b"PK\x03\x04" + bytes(99))
    lines = [f"{label}\t{line}\n" for label in ("en", "de") for line in STORY.splitlines()]
    write(folder / "kinds.tsv", "".join(lines))
    write(folder / "other.tsv", "".join(lines).replace("de\t", "fr\t"))
    swapped = [line.replace("en\t", "?\t").replace("de\t", "en\t") for line in lines]
    write(folder / "swapped.tsv", "".join(swapped).replace("?\t", "de\t"))
    write(folder / "pairs.tsv", "".join(f"tide{n}\tTIDE{n}\n" for n in range(30)))
    write(folder / "tags.iob", "".join(f"tide\tO\nVesle\tB-LOC\n{n}\tO\n\n" for n in range(30)))
    write(folder / "early.tsv", "tide\t2-9:X\n")
    write(folder / "late.tsv", "tide\t0-1:X\nsand\t0-1\n")
    write(folder / "lone.tsv", "tide\t0-4:X\n")
    write(folder / "bare.tsv", "tide\t\nsand\t\n")
    write(folder / "letters.json", '"abc"')
    write(folder / "twice.json", '["a", "b", "a"]')
    write(folder / "stimuli.csv", "sentence,target\nthe tide and the sea,the\n")
    write(folder / "open.csv", 'sentence\n"' + "the tide " * 20_000)
    write(folder / "hollow.csv", "sentence,target\n")
    write(folder / "unfilled.csv", "sentence,target\n,the\n")
    write(folder / "low.txt", "the tide went out and came back\n" * 9)
    write(folder / "gap.tsv", "tide\tTIDE\nsand\t\n")
    write(folder / "alike.tsv", "tide\tx\nsand\tx\n")
    write(folder / "few.tsv", "en\ttide\nde\tEbbe\n")
    write(folder / "single.tsv", "en\ttide\nen\tsand\n")
    write(folder / "wordy.tsv", "e" * 300 + "\ttide\nde\tEbbe\n")
    write(folder / "many.tsv", "".join(f"{number}\ttide\n" for number in range(5000)))
    entry = 'about = "a"\nlicence = "b"\nsource = "c"\nsize = 9\nsha256 = "0"\n'
    write(folder / "broken.toml", "[tale\n")
    write(folder / "odd.toml", f'["a/b"]\n{entry}file = "story.txt"\n')
    write(folder / "plain.toml", f'[tale]\n{entry}url = "http://example.org/tale.txt"\n')
    write(folder / "nobody.toml", f'[tale]\n{entry}url = "http://127.0.0.1:9/tale.txt"\n')
    runs = folder / "checkpoints"
    trained(folder, "done")
    trained(folder, "letters", as_bytes=True)
    trained(folder, "verses", lines=True)
    trained(folder, "several", source=folder / "two")
    trained(folder, "kinds", labels=str(folder / "kinds.tsv"))
    pairs = {"pairs": True, "source": folder / "pairs.tsv"}
    trained(folder, "words", **pairs)
    trained(folder, "phones", target_symbols="space", **pairs)
    trained(folder, "blind", attention="none", **pairs)
    trained(folder, "who", tags=True, source=folder / "tags.iob")
    trained(folder, "mend", undo="case")
    # As if they had been interrupted, then spoiled.
    greek = "".join(chr(ord("α") + number) for number in range(len(set(STORY))))
    spoiled: dict[str, dict[str, Any]] = {
        "open": {"settings": {"steps": 9}},
        "crooked": {"settings": {"hidden": 9}},
        "foreign": {"vocabulary": {"characters": greek}},
        "lacking": {"settings": {"steps": 9}, "training": {"step": "two"}},
        "piped": {"settings": {"steps": 9}},
        "early": {"settings": {"steps": 9}, "corpus": {"held_out": None}},
    }
    for name, changes in spoiled.items():
        run = runs / name
        run.mkdir()
        kind = "several" if name == "early" else "done"
        whole = (runs / kind / "last.safetensors").read_bytes()
        (run / "last.safetensors").write_bytes(crooked(whole, **changes))
    Run(runs / "piped").remember({"corpus": ["-"]})
    marks = read_labelled(str(folder / "kinds.tsv"), 0).train.marks
    assert marks is not None
    kinds = checkpoint.read(runs / "kinds" / "best.safetensors")
    checkpoint.write(folder / "greedy.safetensors", replace(kinds, seen=np.sort(marks.prints)))
    tiny = tiny_checkpoint()
    two = replace(tiny, architecture=Architecture("gru", 1, 12, 5, kind=GAPS))
    shapes = two.architecture.shapes(len(two.vocabulary))
    two = replace(two, weights={n: np.zeros(s, np.float32) for n, s in shapes.items()})
    wide = tiny_checkpoint("".join(map(chr, range(0x4E00, 0x4E00 + 300))))
    made_runs = {"tiny": tiny, "gaps": two, "unsure": tiny, "hollow": tiny, "wide": wide}
    for name, made in made_runs.items():
        (runs / name).mkdir()
        checkpoint.write(runs / name / "best.safetensors", made)
    (runs / "attentive").mkdir()
    attentive = tiny_checkpoint(arch="transformer")
    checkpoint.write(runs / "attentive" / "best.safetensors", attentive)
    packed = chargen.load(runs / "tiny").compress(STORY.encode())
    for name, data in (
        ("packed", packed),
        ("torn", packed[:-9]),
        ("later", packed[:3] + b"\x09" + packed[4:]),
    ):
        (folder / f"{name}.cgz").write_bytes(data)
    story = open_text([folder / "story.txt"]).span()
    Grams.of(story).write(Run(runs / "tiny").fingerprints)
    write(Run(runs / "unsure").fingerprints, STORY)
    Grams({}).write(Run(runs / "hollow").fingerprints)
    whole = (runs / "tiny" / "best.safetensors").read_bytes()
    (folder / "torn.safetensors").write_bytes(whole[: len(whole) // 2])
    newer = whole.replace(b'"version":"1"', b'"version":"9"')
    (folder / "newer.safetensors").write_bytes(newer)
    (runs / "folder" / "best.safetensors").mkdir(parents=True)
    # The newest run is what is meant where none is named.
    os.utime(runs / "tiny" / "best.safetensors", (2**31, 2**31))
    return folder


# Circumstances that no file can bring about: what is done in the command's process before it.


def _replaced(place: str, value: Any) -> None:
    module, name = place.rsplit(".", 1)
    setattr(importlib.import_module(module), name, value)


def _full_disk() -> None:
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (99, 99))


def _another_trainer() -> None:
    HELD.append(Run(Path("checkpoints/open")).lock())


def _at_terminal() -> None:
    _replaced("chargen.cli.write.at_terminal", lambda: True)


def _another_writer() -> None:
    _at_terminal()
    Path(ELSEWHERE).mkdir(exist_ok=True)
    HELD.append(Manuscript(Path(ELSEWHERE) / "a.txt"))


def _protected() -> None:
    _at_terminal()
    _replaced("os.access", lambda _, mode: mode != os.W_OK)


def _unreadable_text() -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    _at_terminal()
    Path.read_bytes = refuse  # type: ignore[assignment,method-assign]  # in its own process


def _guarded_folder() -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    _at_terminal()
    _replaced("chargen.writing.manuscript.Lock", refuse)


def _trouble_to_the_end() -> None:
    def run(screen: Any) -> None:
        screen.desk.manuscript.trouble = "no space left on device"

    _at_terminal()
    Path(ELSEWHERE).mkdir(exist_ok=True)
    importlib.import_module("chargen.writing.screen").Screen.run = run


def _edited() -> None:
    times = itertools.count()
    _replaced("zlib.crc32", lambda _: next(times))


def _edited_later() -> None:
    from chargen.training.state import Learner

    step = Learner.step

    def learned(self: Learner, *given: Any) -> tuple[float, float]:
        if self.counters.step == 5:
            _edited()
        return step(self, *given)

    Learner.step = learned  # type: ignore[assignment,method-assign]  # in its own process


def _no_room() -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    _replaced("tempfile.TemporaryFile", full)


def _no_home() -> None:
    del os.environ["CHARGEN_CACHE"]
    _replaced("chargen.text.catalog.homeless", lambda: True)


def _full_output() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def _cut() -> None:
    def shorter(self: Any, offset: int, size: int) -> bytes:
        return b""

    importlib.import_module("chargen.text.sources").Part.read = shorter


def _unreadable() -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    _replaced("chargen.checkpoint.safe_open", refuse)
    Path.open = refuse  # type: ignore[method-assign, assignment]


def _wrong_bytes() -> None:
    def transfer(wanted: Any, partial: Path, progress: object) -> None:
        partial.write_bytes(b"something")

    _replaced("chargen.text.catalog._transfer", transfer)


def _no_cards() -> None:
    _replaced("torch.cuda.is_available", lambda: False)


class _Beside(Group):
    """The first of three processes, of which one does not answer."""

    def __init__(self, error: str = "", other: Any = None) -> None:
        self.rank, self.size, self.error, self.other = 0, 3, error, other
        self._roll_call, self._ours = None, False

    def told(self, number: float) -> float:
        return number

    def given(self, make: Callable[[], Any]) -> Any:
        made = make()
        return made if self.other is None or not isinstance(made, dict) else self.other

    def summed(self, numbers: Any) -> Any:
        with self.heard():
            if self.error:
                raise RuntimeError(self.error)
        return numbers

    def joined(self, rows: Any) -> Any:
        return rows


def _beside(error: str = "", other: Any = None) -> Callable[[], None]:
    def silent(*_: object, **__: object) -> None:
        raise RuntimeError("[Rank 0]: Ranks 1 failed to pass monitoredBarrier in 3000 ms")

    def begin() -> None:
        _replaced("torch.distributed.monitored_barrier", silent)
        _replaced("chargen.training.group.Group", lambda: _Beside(error, other))
        _replaced("chargen.training.cost.DistributedDataParallel", _Divided)

    return begin


class _Divided:
    _set_params_and_buffers_to_ignore_for_model = staticmethod(lambda *_: None)

    def __init__(self, cost: Any, **_: object) -> None:
        self.cost = cost

    def __call__(self, *given: Any) -> Any:
        return self.cost(*given)


def _too_little() -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    importlib.import_module("chargen.training.cost").Cost.forward = full


def _no_weights() -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    _replaced("chargen.training.state.build", full)


def _divergence() -> None:
    _replaced("chargen.training.state.clip_grad_norm_", lambda *_: float("nan"))


def _without(module: str) -> Callable[[], None]:
    def hide() -> None:
        # What has imported it in another test imports it anew.
        for name in list(sys.modules):
            if name.startswith(("chargen.export", "chargen.serving")):
                del sys.modules[name]
        sys.modules[module] = None  # type: ignore[assignment]

    return hide


def _broken(error: Exception) -> Callable[[], None]:
    def raises(*_: object) -> None:
        raise error

    return lambda: _replaced("chargen.runs.runs", raises)


HELD: list[Any] = []


def _latin() -> None:
    sys.stdin = open("latin.txt", encoding="utf-8")  # noqa: SIM115


CIRCUMSTANCES: dict[str, Callable[[], None]] = {
    "as one of three processes": _beside(),
    "when another of three processes ends": _beside("gloo: Connection closed by peer"),
    "when another of three processes hangs": _beside("gloo: Timed out waiting 1000ms"),
    "when another machine has other files": _beside(other={}),
    "": lambda: None,
    "on a full disk": _full_disk,
    "while another process trains it": _another_trainer,
    "while somebody edits it": _edited,
    "while somebody cuts it": _cut,
    "while somebody edits it later": _edited_later,
    "without the right to read it": _unreadable,
    "without room for a copy": _no_room,
    "without a home folder": _no_home,
    "with its output on a full disk": _full_output,
    "when something else is sent": _wrong_bytes,
    "without a card": _no_cards,
    "with latin.txt on standard input": _latin,
    "with a loss that stays infinite": _divergence,
    "with too little memory for a step": _too_little,
    "with too little memory for the weights": _no_weights,
    "without matplotlib": _without("matplotlib"),
    "without tensorboardX": _without("tensorboardX"),
    "without fsspec": _without("fsspec"),
    "without uvicorn": _without("uvicorn"),
    "without onnx": _without("onnx"),
    "with a graph that is wrong": lambda: _replaced(
        "chargen.export.onnx.difference", lambda *_: 0.5
    ),
    "without prompt_toolkit": _without("prompt_toolkit"),
    "on a terminal": _at_terminal,
    "on a terminal, while another process writes it": _another_writer,
    "on a terminal, without the right to write the folder": _guarded_folder,
    "on a terminal, when it is protected": _protected,
    "on a terminal, when it cannot be read": _unreadable_text,
    "on a terminal, with a full disk to the end": _trouble_to_the_end,
    "without pydoc_data": _without("pydoc_data.topics"),
    "without memory": _broken(MemoryError()),
    "with a defect": _broken(RuntimeError("two\nlines")),
}


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Check that a folder holds the same files in the end, of the same size and time."""

    def held() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in folder.rglob("*")
            # The lock of a trainer that was killed, as a fork of this process is.
            if path.is_file() and ELSEWHERE not in path.parts and path.name != ".lock"
        }

    before = held()
    yield
    assert held() == before


VARIANTS = {
    f"chargen perplexity {'x' * 300}": "cannot be read: file name too long",
    "chargen perplexity story.txt -m " + "x" * 300: "no model or run",
    "chargen perplexity missing.txt": "missing.txt does not exist",
    "chargen perplexity empty.txt": "empty.txt is empty",
    "chargen perplexity latin.txt": "byte 0xe9 at offset 3",
    "chargen corpus stats missing.txt": "missing.txt does not exist",
    "chargen sample --prime-file missing.txt": "missing.txt does not exist",
    "chargen restore --evaluate missing.txt": "missing.txt does not exist",
    "chargen restore latin.txt": "latin.txt is not utf-8 text",
    "chargen restore «hidden»": "'«hidden»' is neither a file",
    "chargen restore ''": "'' is neither a file nor a text with a gap",
    "chargen restore --evaluate long.txt -m gaps --seed -1": "--seed is -1",
    "chargen compare tiny --text long.txt --seed -1": "--seed is -1",
    "chargen compare tiny --text long.txt --plot no/memory.png": "there is no such folder",
    "chargen compare kinds --text long.txt": "kinds has labels: de, en",
    f"chargen sample --length {'9' * 400}": "--length is 9999",
    f"chargen sample --seed {'9' * 400}": "--seed is 9999",
    f"chargen train story.txt --steps {'9' * 400}": "--steps is 9999",
    "chargen sample -m gaps -o story.txt": "gaps sees both sides",
    "chargen sample -m kinds -o story.txt": "kinds has labels: de, en",
    "chargen classify no/file -m tiny -m starter": "'no/file' is neither a file nor a text",
    "chargen sample --temp 0.3,,1": "--temp is '0.3,,1'",
    "chargen delete nobody --yes": "no run 'nobody'",
    "chargen rename done ../up": "a run cannot be called '../up'",
    "chargen classify --evaluate story.txt -m tiny -m starter": "line 1 of story.txt has no tab",
    "chargen train --labels missing.tsv": "missing.tsv does not exist",
    "chargen train --labels hollow": "hollow has fewer than two labels",
    "chargen train story.txt --from nobody": "no model or run 'nobody'",
    "chargen train story.txt --arch transformer --embed 8 --hidden 16": "needs equal sizes",
    "chargen train story.txt --arch transformer --bidirectional": "does not go with --arch",
    "chargen info nobody": "no model or run 'nobody'",
    "chargen compare nobody --text story.txt": "no model or run 'nobody'",
    "chargen compare tiny --text long.txt --places 0": "--places is 0",
    "chargen perplexity story.txt -m kinds": "kinds has labels: de, en",
    "chargen perplexity story.txt -m gaps": "gaps sees both sides",
    "chargen sample --temp nan": "--temp is nan",
    "chargen sample --top-p 1.5": "--top-p is 1.5",
    "chargen sample --top-p 0": "--top-p is 0",
    "chargen sample --length -5": "--length is -5",
    "chargen sample --prime \x1b[2J": "never seen: '\\x1b' (U+001B)",
}
"""Other ways to the same errors."""


def provoke(example: Example, folder: Path) -> tuple[int, str, str]:
    """Run a command in a fork of this process; return exit code, standard output and error."""
    *variables, command = re.split(r" (?=chargen )", example.command)
    printed, said = os.pipe(), os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        code = CRASHED
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(printed[1], 1)
            os.dup2(said[1], 2)
            sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
            sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
            code = run(
                command,
                dict(one.split("=") for some in variables for one in some.split()),
                folder,
                example,
            )
        finally:
            os._exit(code)
    os.close(printed[1])
    os.close(said[1])
    with os.fdopen(printed[0]) as out, os.fdopen(said[0]) as err:
        texts = out.read(), err.read()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), *texts


def run(command: str, variables: dict[str, str], folder: Path, example: Example) -> int:
    """Run a command as `chargen.cli.app.main` would be, and return its exit code."""
    from chargen.cli.app import main

    os.chdir(folder)
    for name in [name for name in os.environ if name.startswith("CHARGEN_")]:
        del os.environ[name]
    os.environ |= {"CHARGEN_CACHE": "cache"} | variables
    torch.set_num_threads(1)
    CIRCUMSTANCES[example.circumstance]()
    sys.argv = shlex.split(command)
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


@posix_only
@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda example: f"{example.kind}: {example.command[:60]}"
)
def test_every_error_is_as_the_page_says(example: Example, mess: Path) -> None:
    """One line, word for word, with its exit code; no traceback, nothing printed, nothing lost."""
    with unchanged(mess):
        code, printed, said = provoke(example, mess)
    *before, last = said.splitlines()
    assert pattern(example.says).fullmatch(last), said
    assert code == getattr(errors, example.kind).exit_code
    assert printed == ""
    assert "Traceback" not in said
    assert not any(line.startswith("error") for line in before)


@posix_only
@pytest.mark.parametrize("command", VARIANTS, ids=lambda command: command[:60])
def test_other_ways_to_an_error(command: str, mess: Path) -> None:
    """Each command that reads a text or a model refuses what the others refuse."""
    with unchanged(mess):
        code, printed, said = provoke(Example("", command, "", ""), mess)
    *before, last = said.splitlines()
    assert VARIANTS[command] in last
    assert last.startswith("error: ")
    assert code in (1, 2)
    assert printed == ""
    assert not any(line.startswith("error") for line in before)


def raised() -> Iterator[tuple[str, str, str]]:
    """Yield where each error is raised, its class, and what it says, … for what varies."""
    for path in sorted(Path(chargen.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id.endswith("Error") and hasattr(errors, node.func.id):
                problem, hint = map(_words, node.args)
                place = f"{path.name}:{node.lineno}"
                yield place, node.func.id, f"error: {problem}. {hint}."


def _words(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.JoinedStr), (
        f"line {node.lineno}: write the words where it is raised"
    )
    return "".join(map(_part, node.values))


def _part(node: ast.expr) -> str:
    """Return a part of an f-string as the command line shows it, … for what varies."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.FormattedValue)
    value = node.value
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "argument":
        (name,) = value.args
        return flag(name.value) if isinstance(name, ast.Constant) else f"--{ANYTHING}"  # type: ignore[arg-type]
    return ANYTHING


def test_the_page_has_every_error() -> None:
    """No error is raised that the page does not show, under its class."""
    shown = [(example.kind, example.says) for example in EXAMPLES]
    lacking = [
        (place, kind, says)
        for place, kind, says in raised()
        if not any(kind == k and pattern(says).fullmatch(line) for k, line in shown)
    ]
    assert not lacking
    kinds = {name for name in vars(errors) if name.endswith("Error")}
    assert kinds == {kind for kind, _ in shown}
