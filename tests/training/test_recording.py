"""A step that was recorded: the same numbers as one that is computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from chargen.training.feeds import Portion
from chargen.training.loop import Trainer
from chargen.training.recording import Learning, Recorder, flat
from tests.training.test_loop import FAMILY, same, trainer, weights

RECORDED = ["lstm", "n-grams", "transformer", "labels"]
SHORT = {"dropout": 0.3, "layers": 2, "steps": 30}


class Kernels:
    """What a CUDA graph does, on a processor: each play runs all again, in the same memory."""

    made = 0

    def __init__(self, learning: Learning) -> None:
        Kernels.made += 1
        self.learning = learning

    def warm(self, kernels: Callable[[], object]) -> None:
        kernels()

    def record(
        self, kernels: Callable[[], list[Tensor]], sources: Sequence[torch.Generator]
    ) -> list[Tensor]:
        """Nothing that is recorded runs: the weights and what is kept of them stay."""
        self.kernels, self.sources = kernels, sources
        changed = [
            *self.learning.network.parameters(),
            *(part for kept in self.learning.optimizer.state.values() for part in kept.values()),
        ]
        before = [part.detach().clone() for part in changed]
        self.results = kernels()
        with torch.no_grad():
            for part, was in zip(changed, before, strict=True):
                part.copy_(was)
        return self.results

    def play(self) -> None:
        network = self.learning.network
        network.sources = iter(self.sources).__next__
        for place, result in zip(self.results, self.kernels(), strict=True):
            place.copy_(result)
        network.sources = None


def recorded(made: Trainer, kernels: type[Kernels] = Kernels) -> Trainer:
    """Return a trainer whose steps are recorded where they can be."""
    learner = made.learner
    learning = Learning(learner.network, learner.optimizer, learner._passed, learner.plan.clip)
    learner.recorder = Recorder(learning, lambda: kernels(learning))
    return made


@pytest.mark.parametrize("kind", RECORDED)
def test_a_recorded_step_is_the_step(story: Path, kind: str) -> None:
    """Losses, weights, state and what is drawn next are those of steps that are computed."""
    before = Kernels.made
    computed = trainer(story, **FAMILY[kind], **SHORT, name="computed")
    played = recorded(trainer(story, **FAMILY[kind], **SHORT, name="played"))
    losses = [
        [report.data["nats_per_char"] for report in made if report.event == "step"]
        for made in (computed, played)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for name, weight in weights(computed).items():
        assert weights(played)[name] == pytest.approx(weight, abs=1e-4)
    assert torch.equal(computed.learner.generator.get_state(), played.learner.generator.get_state())
    # Of examples in lanes, texts begin anew within a window; they are computed.
    assert Kernels.made - before == (kind != "labels")


@pytest.mark.parametrize("kind", ["bidirectional", "rare", "pairs", "tags"])
def test_what_differs_from_batch_to_batch_is_not_recorded(story: Path, kind: str) -> None:
    """Where the numbers decide which kernels run, a recording would be of one batch alone."""
    before = Kernels.made
    list(recorded(trainer(story, **FAMILY[kind], steps=8)))
    assert Kernels.made == before


def test_a_loss_that_is_not_finite_changes_nothing(story: Path) -> None:
    """Neither weights, nor what the optimizer keeps, nor the state."""
    made = recorded(trainer(story, **FAMILY["lstm"], steps=12))
    learner = made.learner
    for report in made:
        if report.event == "step" and report.data["step"] == 6:
            made.stop()
    bias = learner.network.output.bias
    kept = [*learner.network.parameters(), *flat(learner.state)]
    kept += [part for each in learner.optimizer.state.values() for part in each.values()]
    sound = bias.detach().clone()
    before = [part.detach().clone() for part in kept]
    portion = next(made.feed.portions(0, 0))
    with torch.no_grad():
        bias.fill_(float("nan"))
    nats, _ = learner.step(portion, 0.01)
    with torch.no_grad():
        bias.copy_(sound)
    assert math.isnan(nats)
    after = [*learner.network.parameters(), *flat(learner.state)]
    after += [part for each in learner.optimizer.state.values() for part in each.values()]
    assert all(torch.equal(one, was) for one, was in zip(after, before, strict=True))
    nats, _ = learner.step(portion, 0.01)
    assert math.isfinite(nats)
    assert not torch.equal(bias, sound)


def test_to_go_back_makes_a_new_recording(story: Path) -> None:
    """What the optimizer keeps is elsewhere then; the old recording would go on with the old."""
    before = Kernels.made
    made = recorded(trainer(story, **FAMILY["lstm"], **SHORT))
    for report in made:
        if report.event == "step" and report.data["step"] == 9:
            saved = made.learner.capture({})
            made.learner.restore(saved)
    plain = trainer(story, **FAMILY["lstm"], **SHORT, name="plain")
    list(plain)
    assert Kernels.made - before == 2
    for name, weight in weights(plain).items():
        assert weights(made)[name] == pytest.approx(weight, abs=1e-4)


def test_what_cannot_be_recorded_is_computed(story: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An old driver costs speed, and nothing else."""

    class Broken(Kernels):
        def record(self, *_: object) -> list[Tensor]:
            raise RuntimeError("operation not permitted when stream is capturing")

    computed, broken = (trainer(story, **FAMILY["lstm"], **SHORT, name=name) for name in "ab")
    list(computed)
    list(recorded(broken, Broken))
    assert same(weights(computed), weights(broken))
    assert "cannot be recorded" in caplog.text


def test_a_recording_gives_its_memory_back(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit beside it is computed once more, with what was drawn before."""
    plain, made = (trainer(story, **FAMILY["lstm"], **SHORT, name=name) for name in "ab")
    list(plain)
    learner = recorded(made).learner
    computed = learner._computed

    def full(portion: Portion, rate: float) -> tuple[float, float]:
        recorder = learner.recorder
        assert recorder is not None
        if recorder.recording is not None:
            learner.network.seed()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return computed(portion, rate)

    monkeypatch.setattr(learner, "_computed", full)
    before = Kernels.made
    list(made)
    # The last window of the first pass is narrower.
    assert learner.recorder is not None
    assert learner.recorder.fails
    assert Kernels.made - before == 1
    for name, weight in weights(plain).items():
        assert weights(made)[name] == pytest.approx(weight, abs=1e-4)
