"""What networks remember: context that helps, gradients that reach back, and their picture."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from chargen.architecture import Architecture
from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal as Engine
from chargen.errors import CorpusError, UsageError
from chargen.networks.causal import Causal as Network
from chargen.tasks.comparing import LONGEST, Memory, contexts, places
from chargen.terminal import plots
from chargen.text.corpus import open_text
from chargen.text.vocabulary import Vocabulary
from chargen.training import memory as measuring
from chargen.training.memory import measure
from tests.conftest import RECURRENT, random_weights, write

VOCABULARY = Vocabulary("abc", escape=0.01)
TEXT = "".join("abc"[n * n % 7 % 3] for n in range(3000))


@pytest.fixture
def stretches(tmp_path: Path) -> np.ndarray:
    """Three places of a short text."""
    return places(open_text([write(tmp_path / "text.txt", TEXT)]).span(), 3)


def model(architecture: Architecture) -> Checkpoint:
    return Checkpoint(architecture, VOCABULARY, random_weights(architecture, 3))


def test_bits_are_those_of_the_other_engine(
    architecture: Architecture, stretches: np.ndarray
) -> None:
    """A context of k is what the NumPy engine says after "no character" and k characters."""
    saved = model(architecture)
    memory = measure(saved, stretches)
    engine = Engine(architecture, saved.weights)
    ids = VOCABULARY.lookup(stretches)
    for at, context in ((0, 1), (4, 16), (6, 64)):
        inputs = np.concatenate((np.full((3, 1), 3), ids[:, -1 - context : -1]), axis=1)
        logits, _ = engine.forward(inputs.astype(np.int32), engine.start(3))
        powers = np.exp(logits[:, -1].astype(np.float64))
        chances = powers[np.arange(3), ids[:, -1]] / powers.sum(-1) * (1 - VOCABULARY.escape)
        assert memory.bpc[at] == pytest.approx(float(-np.log2(chances).mean()), abs=1e-4)


@pytest.mark.parametrize("arch", RECURRENT)
def test_a_gradient_is_a_difference_quotient(arch: str, stretches: np.ndarray) -> None:
    """With vectors of size one, the gradient says how the cost changes when a vector changes."""
    saved = model(Architecture(arch, layers=2, hidden=5, embed=1))
    reach = dict(zip((0, *contexts()), measure(saved, stretches[:1]).gradient, strict=False))
    network = Network(saved.architecture, 3).eval()
    network.assign(saved.weights)
    network.double()
    ids = VOCABULARY.lookup(stretches[:1])

    def cost(back: int, shift: float) -> float:
        def move(_module: object, _inputs: object, vectors: torch.Tensor) -> torch.Tensor:
            moved: torch.Tensor = vectors.clone()
            moved[-1 - back] += shift
            return moved

        hook = network.embedding.register_forward_hook(move)
        wanted = torch.from_numpy(ids[:, -1]).long()
        with torch.no_grad():
            nats = measuring._nats(network, ids[:, :-1], wanted, torch.zeros(1, 1))
        hook.remove()
        return float(nats)

    for back in (0, 1, 4):
        slope = (cost(back, 1e-3) - cost(back, -1e-3)) / 2e-3
        assert reach[back] == pytest.approx(abs(slope), rel=1e-2, abs=1e-5)


def test_a_transformer_sees_as_far_as_its_layers_reach(stretches: np.ndarray) -> None:
    """Two layers that attend to the last 8 reach 14 characters back, and no further."""
    memory = measure(model(Architecture("transformer", 2, 12, 12, heads=3, context=8)), stretches)
    back = dict(zip((0, *memory.contexts), memory.gradient, strict=False))
    assert back[8] > 0
    assert back[16] == 0
    assert memory.bpc[5:] == pytest.approx([memory.bpc[5]] * 6)


def test_a_short_text(tmp_path: Path) -> None:
    """A text that is too short for the longest context is refused, and so are zero places."""
    text = open_text([write(tmp_path / "text.txt", TEXT[:LONGEST])])
    with pytest.raises(CorpusError, match="too short"):
        places(text.span(), 5)
    with pytest.raises(UsageError):
        places(text.span(), 0)


MEMORY = Memory(
    (1, 2, 4), (4.0, 3.0, 2.5), (0.1, 0.1, 0.1), (1.0, 0.5, 0.0), (1.5, 0.5, 0.0), (0.1, 0.1, 0.0)
)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture(tmp_path: Path, suffix: str) -> None:
    """Both measurements are drawn, into the same bytes each time."""
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    for path in (one, two):
        plots.memories(path, [("mine", MEMORY), ("yours", replace(MEMORY, bpc=(5, 4, 3)))])
    assert one.read_bytes() == two.read_bytes()
    assert one.stat().st_size > 10_000


def test_what_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suffix that is no picture's, a folder that is not there, and a missing library."""
    for path in (tmp_path / "memory.txt", tmp_path / "no" / "memory.png"):
        with pytest.raises(UsageError, match="cannot be drawn"):
            plots.memories(path, [("mine", MEMORY)])
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="matplotlib"):
        plots.memories(tmp_path / "memory.png", [("mine", MEMORY)])
