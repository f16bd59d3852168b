"""A kilobyte of text, tiny models, and the command line as a process."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several workers of several threads each would wait for one another most of the time.
    os.environ["OMP_NUM_THREADS"] = "1"

import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from chargen import checkpoint
from chargen.architecture import FAMILIES, Architecture
from chargen.checkpoint import Checkpoint
from chargen.kinds import MENDER, PAIRS, TAGGER
from chargen.options import Options
from chargen.text.contexts import LONGEST, WORD, keys
from chargen.text.marking import Marking, of_labels
from chargen.text.ngrams import CASES
from chargen.text.pair_form import Form
from chargen.text.pairs import Symbols
from chargen.text.vocabulary import Vocabulary
from tests.forked import Forks

if TYPE_CHECKING:
    from chargen.training.loop import Trainer

# A script's background job ignores Ctrl-C, and so would every process that the tests start.
with suppress(ValueError):
    signal.signal(signal.SIGINT, signal.default_int_handler)

STORY = (
    "The tide went out and the boats lay down on the sand.\n"
    "“Wait,” said the heron — “it comes back.”\n"
    "It came back; it went out; nobody counted.\n"
) * 8

# How long an example takes says more about the machine than about the code.
settings.register_profile("chargen", deadline=None)
settings.load_profile("chargen")

ODD = "\0\a\x1b[\x7f\x9b\r\t\n\u0301\u200d\u05d0\u0627\u202e\u2028\ufeff\ufffd\uffff𝄞😀\U0010ffff"
"""Ends of lines, escape sequences, combining and joining marks, letters from right to left, marks
of direction and byte order, characters of other planes."""


def any_text(min_size: int = 0, max_size: int = 200) -> st.SearchStrategy[str]:
    """Return texts of all of Unicode, the odd characters more often than chance would have them."""
    characters = st.characters(codec="utf-8") | st.sampled_from(ODD)
    return st.text(characters, min_size=min_size, max_size=max_size)


POWERS = np.linspace((0.9, 0.2), (0.4, 0.6), CASES).astype(np.float32)
"""Of n-grams, see `chargen.text.ngrams`: others for each case."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and locks")

Chargen = Callable[..., "subprocess.CompletedProcess[bytes]"]


def write(path: Path, text: str) -> Path:
    """Write a text as UTF-8, line ends as they are, and return its path."""
    path.write_bytes(text.encode())
    return path


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A file with about a kilobyte of prose."""
    return write(tmp_path / "story.txt", STORY)


def random_weights(
    architecture: Architecture, characters: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Weights large enough that every gate does something."""
    random = np.random.default_rng(seed)
    network = replace(architecture, ngrams=0, followers=0)
    weights = {
        name: random.normal(0, 0.4, shape).astype(np.float32)
        for name, shape in network.shapes(characters).items()
    }
    weights["embedding.weight"][characters] = 0
    if architecture.ngrams:
        # Of few characters, so that long contexts come more than once.
        ids = random.integers(0, min(3, characters), 10 * architecture.ngrams).tolist()
        weights |= {f"ngrams.{name}": one for name, one in counted(ids, characters).items()}
    return weights


def counted(
    ids: list[int], characters: int, longest: int = LONGEST, least: int = 1
) -> dict[str, np.ndarray]:
    """Count the n-grams of a text in the plainest way; see `chargen.text.ngrams`.

    Args:
        longest: characters of the longest context.
        least: how often a context of more than four characters came, at least.
    """
    read = np.array([[characters, *ids[:-1]]])
    every = keys(read, np.full((1, LONGEST - 1), characters), characters)[0, :, : longest + 1]
    table: dict[int, Counter[int]] = defaultdict(Counter)
    for row, target in zip(every.tolist(), ids, strict=True):
        for key in row:
            table[key][target] += 1
    kept = [key for key in sorted(table) if key >> WORD <= 4 or table[key].total() >= least]
    pairs = [pair for key in kept for pair in sorted(table[key].items())]
    lengths = Counter(key >> WORD for key in kept)
    return {
        "lengths": np.array([lengths[length] for length in range(LONGEST + 1)], np.int32),
        "key": np.array([key & ((1 << WORD) - 1) for key in kept], np.uint32),
        "followers": np.array([len(table[key]) for key in kept], np.uint16),
        "character": np.array([character for character, _ in pairs], np.uint16),
        "count": np.array([count for _, count in pairs], np.uint16),
        "powers": POWERS,
    }


def sized(architecture: Architecture, weights: Mapping[str, np.ndarray]) -> Architecture:
    """Return an architecture with the numbers of what was counted."""
    if not architecture.ngrams:
        return architecture
    key, followers = (len(weights[f"ngrams.{name}"]) for name in ("key", "character"))
    return replace(architecture, ngrams=key, followers=followers)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, straight from its definition."""
    powers = np.exp(logits.astype(np.float64))
    total: np.ndarray = powers / powers.sum(-1, keepdims=True)
    return total


RECURRENT = sorted(name for name, family in FAMILIES.items() if family.gates)


def small(arch: str) -> Architecture:
    """Two small layers of a family."""
    if arch == "transformer":
        return Architecture(arch, layers=2, hidden=12, embed=12, heads=3, context=8)
    return Architecture(arch, layers=2, hidden=11, embed=7)


@pytest.fixture(params=sorted(FAMILIES))
def architecture(request: pytest.FixtureRequest) -> Architecture:
    """Two small layers of each family."""
    return small(request.param)


@pytest.fixture(params=RECURRENT)
def recurrent(request: pytest.FixtureRequest) -> Architecture:
    """Two small layers of each recurrent family."""
    return small(request.param)


def tiny_checkpoint(
    text: str = STORY,
    arch: str = "gru",
    seed: int = 0,
    layers: int = 1,
    ngrams: int = 0,
    common: int = 0,
) -> Checkpoint:
    """An untrained model that knows the characters of a text."""
    vocabulary = Vocabulary("".join(sorted(set(text))), escape=0.01)
    attends = FAMILIES[arch].attends
    architecture = Architecture(
        arch,
        layers,
        hidden=12,
        embed=12 if attends else 5,
        context=32 if attends else 1,
        ngrams=ngrams,
        common=common,
    )
    weights = random_weights(architecture, len(vocabulary), seed)
    return Checkpoint(sized(architecture, weights), vocabulary, weights)


def pair_checkpoint(
    arch: str = "lstm", attention: str = "monotonic", layers: int = 1, seed: int = 0
) -> Checkpoint:
    """An untrained model of pairs: sources of a, b, c, d; targets of a, b, x; two features."""
    symbols = Symbols(Form(("source", "features", "target")), ("a", "b", "x"), ("F", "G"))
    vocabulary = Vocabulary("abcd", escape=0.01, symbols=symbols)
    attends = FAMILIES[arch].attends
    architecture = Architecture(
        arch, layers, 12, 12 if attends else 7, heads=3 if attends else 1,
        context=30 if attends else 1, kind=PAIRS, targets=3, features=2, attention=attention,
    )  # fmt: skip
    weights = random_weights(architecture, 4, seed)
    weights["symbol.weight"][3] = 0
    return Checkpoint(architecture, vocabulary, weights)


def tag_checkpoint(arch: str = "lstm", layers: int = 1, seed: int = 0) -> Checkpoint:
    """An untrained model that marks spans X and Y in texts of a, b, c, d and blanks."""
    marking = Marking(of_labels(("X", "Y")))
    vocabulary = Vocabulary("abcd ", escape=0.01, marking=marking)
    attends = FAMILIES[arch].attends
    architecture = Architecture(
        arch, layers, 12, 12 if attends else 7, heads=3 if attends else 1,
        context=30 if attends else 1, kind=TAGGER, targets=5,
    )  # fmt: skip
    return Checkpoint(architecture, vocabulary, random_weights(architecture, 5, seed))


def mend_checkpoint(seed: int = 0) -> Checkpoint:
    """An untrained model that puts capitals and accents back in texts of a, b, c, d and blanks."""
    tags = tag_checkpoint(seed=seed)
    marking = Marking(("", "^", "=á"), undo="case,accents")
    sizes = replace(tags.architecture, kind=MENDER, targets=3)
    vocabulary = replace(tags.vocabulary, marking=marking)
    return replace(
        tags,
        architecture=sizes,
        vocabulary=vocabulary,
        weights=random_weights(sizes, len(vocabulary), seed),
    )


def prepared(
    story: Path | None,
    out: Path,
    options: dict[str, Any] | None = None,
    *,
    valid: str | None = None,
    labels: str | None = None,
    keep: str | None = None,
    **asked: Any,
) -> Trainer:
    """Return a trainer for a text, by options; the rest is for `Request`."""
    from chargen.training.prepare import prepare
    from chargen.training.request import Request
    from chargen.training.texts import Sources

    sources = Sources([] if story is None else [str(story)], valid, labels, keep)
    return prepare(Request(sources, Options(**options or {}), out, **asked))


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A model on disk, as a run called tiny in the folder runs."""
    path = tmp_path / "runs" / "tiny" / "best.safetensors"
    path.parent.mkdir(parents=True)
    checkpoint.write(path, tiny_checkpoint())
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which a process finds no file of the user."""
    ours = {
        "CHARGEN_CACHE": str(tmp_path / "cache"),
        "CHARGEN_CHECKPOINTS": str(tmp_path / "runs"),
        **ONE_THREAD,
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    dropped = ("CHARGEN", "FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES", "TTY_")
    return {k: v for k, v in os.environ.items() if not k.startswith(dropped)} | ours


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks | None]:
    """Run commands as forks; None where there are none."""
    if not hasattr(os, "fork"):
        yield None
        return
    made = Forks(os.environ | ONE_THREAD | {"PYTHONPATH": str(Path(__file__).parent.parent)})
    yield made
    made.close()


@pytest.fixture
def chargen(tmp_path: Path, environment: dict[str, str], forks: Forks | None) -> Chargen:
    """Run the command line as a process, in an empty folder with its own cache and runs.

    A fork, but for an environment of its own, which libraries may read when they are loaded.
    """

    def run(
        *arguments: str | Path, stdin: bytes = b"", extra: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        if forks is not None and extra is None:
            return forks.run([*map(str, arguments)], tmp_path, environment, stdin)
        return subprocess.run(
            command(arguments),
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env=environment | (extra or {}),
            timeout=120,
            check=False,
        )

    return run


def command(arguments: Sequence[str | Path]) -> list[str]:
    """Return the command line of a chargen process."""
    return [sys.executable, "-m", "chargen", *map(str, arguments)]


def on_terminal(
    arguments: Sequence[str | Path], environment: dict[str, str], cwd: Path | None = None
) -> bytes:
    """Return what a command prints on a terminal as its standard output."""
    import pty

    ours, theirs = pty.openpty()
    subprocess.run(
        command(arguments), stdout=theirs, env=environment, cwd=cwd, check=True, timeout=60
    )
    os.close(theirs)
    data = b""
    # Where nobody is on the other side any more, Linux answers with an error.
    with suppress(OSError):
        while chunk := os.read(ours, 4096):
            data += chunk
    os.close(ours)
    return data


def one_line_error(result: subprocess.CompletedProcess[bytes], code: int = 1) -> str:
    """Check that a command failed as it should, and return its one line."""
    lines = [line for line in result.stderr.decode().splitlines() if not line.startswith("model ")]
    assert result.returncode == code, result.stderr.decode()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert lines[0].endswith(".")
    return lines[0]
