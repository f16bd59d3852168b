"""What only a CUDA device can show; where there is none, these are skipped."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chargen.architecture import Architecture
from chargen.errors import TrainingError
from chargen.model import load
from chargen.networks.base import Batch
from chargen.networks.causal import Causal
from chargen.training.devices import pick_device, pick_precision
from tests.conftest import STORY, write
from tests.training.test_loop import FAMILY, run, trainer, weights

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

CUDA: dict[str, Any] = {"device": "cuda"}
DRAWN = {"dropout": 0.3, "layers": 2}


@pytest.fixture
def exact() -> Any:
    """Products in float32 that are not rounded to TF32."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def gradient(arch: str, device: str, ages: bool, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return the gradient of a small network's cost, as one vector on the processor."""
    attends = arch == "transformer"
    sizes = Architecture(arch, 2, 48, 48 if attends else 16, heads=4 if attends else 1, context=40)
    network = Causal(sizes, 20, 0.0, torch.Generator().manual_seed(1)).to(device)
    drawn = np.random.default_rng(1).integers(20, size=(5, 34))
    ids = torch.from_numpy(drawn).to(device)
    old = np.arange(33, dtype=np.int32)[None] + np.array([[0], [3], [40], [0], [7]], np.int32)
    old[1, 9:] = np.arange(24)
    old[3, 20:] = np.arange(13)
    window = Batch(ids[:, :-1], ids[:, 1:], ages=old if ages else None)
    with torch.autocast(device, dtype, enabled=dtype is not None), warnings.catch_warnings():
        warnings.simplefilter("error")
        nats, _ = network.cost(window, network.start(5))
    torch.autograd.backward(nats)
    parts = [weight.grad for weight in network.parameters()]
    return torch.cat([part.flatten().cpu() for part in parts if part is not None])


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("ages", [False, True])
@pytest.mark.parametrize("arch", ["elman", "gru", "lstm", "transformer"])
@pytest.mark.usefixtures("exact")
def test_gradients_are_those_of_a_processor(arch: str, ages: bool) -> None:
    """Of every family; also where texts begin anew inside a window, which cuDNN is given packed."""
    assert apart(gradient(arch, "cuda", ages), gradient(arch, "cpu", ages)) < 1e-4


@pytest.mark.parametrize("arch", ["elman", "gru", "lstm", "transformer"])
def test_bfloat16_is_near(arch: str) -> None:
    """bfloat16 has eight bits; no gradient vanishes, as small ones do in float16."""
    rounded = gradient(arch, "cuda", False, torch.bfloat16)
    assert apart(rounded, gradient(arch, "cpu", False)) < 2e-2


@pytest.mark.parametrize("kind", ["elman", "gru", "lstm", "n-grams", "transformer"])
@pytest.mark.usefixtures("exact")
def test_a_recorded_step_is_the_step(story: Path, kind: str) -> None:
    """The same losses and weights, dropout and all, as without the recording."""
    played, computed = (trainer(story, **FAMILY[kind], **DRAWN, **CUDA, name=name) for name in "ab")
    assert played.learner.recorder is not None
    computed.learner.recorder = None
    losses = [
        [report.data["nats_per_char"] for report in made if report.event == "step"]
        for made in (played, computed)
    ]
    assert played.learner.recorder.recording is not None
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    for name, weight in weights(computed).items():
        assert weights(played)[name] == pytest.approx(weight, abs=1e-3)


@pytest.mark.parametrize("kind", list(FAMILY))
def test_every_kind_learns_there(story: Path, kind: str) -> None:
    """In the precision that is chosen; the model then works on a processor."""
    made, reports = run(story, **FAMILY[kind] | {"precision": "auto"}, **CUDA)
    losses = [report.data["nats_per_char"] for report in reports if report.event == "step"]
    assert np.mean(losses[-5:]) < losses[0]
    assert made.run is not None
    load(made.run.folder)


def test_a_model_goes_where_it_is_wanted(story: Path) -> None:
    """Trained there, scored on a processor, and gone on with on a processor."""
    made, reports = run(story, **FAMILY["n-grams"], **CUDA, name="there")
    assert made.run is not None
    assert reports[-1].data["valid"] is not None
    held_out = write(story.parent / "held-out.txt", STORY[-170:])
    found = load(made.run.folder).perplexity(held_out)
    assert np.isfinite(found.nats_per_char)
    half, _ = run(story, **FAMILY["lstm"], **CUDA, name="half", steps=20)
    went_on, _ = run(story, resume=True, name="half", steps=40, device="cpu")
    assert half.learner.device.type == "cuda"
    assert went_on.learner.device.type == "cpu"
    assert went_on.learner.counters.step == 40


@pytest.mark.usefixtures("exact")
def test_resuming_is_not_seen(story: Path) -> None:
    """A training that is interrupted and gone on with ends where it would have ended."""
    whole, _ = run(story, **FAMILY["lstm"], **DRAWN, **CUDA, name="whole")
    made = trainer(story, **FAMILY["lstm"], **DRAWN, **CUDA, name="two")
    for report in made:
        if report.event == "step" and report.data["step"] == 17:
            made.stop()
    rest, _ = run(story, resume=True, name="two")
    for name, weight in weights(whole).items():
        assert weights(rest)[name] == pytest.approx(weight, abs=1e-3)


def test_too_little_memory_is_said_with_numbers(story: Path) -> None:
    """And what to do; the run is not lost."""
    torch.cuda.set_per_process_memory_fraction(0.002)
    try:
        with pytest.raises(TrainingError, match=r"not enough memory .* 2048 units"):
            run(story, hidden=2048, layers=2, **CUDA, name="large")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_the_device_is_chosen() -> None:
    """``auto`` is this device, in bfloat16 where it multiplies it."""
    device = pick_device("auto")
    assert device.type == "cuda"
    capable = torch.cuda.get_device_capability() >= (8, 0)
    assert pick_precision("auto", device) == ("bf16" if capable else "fp32")
