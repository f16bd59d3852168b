"""A device is chosen by itself only if it has been right and fast here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from chargen.architecture import FAMILIES, Architecture
from chargen.kinds import CLASSIFIER
from chargen.training import suits as module
from chargen.training.devices import pick_device
from chargen.training.suits import suits

CPU = torch.device("cpu")
SMALL = Architecture("lstm", 2, 16, 8)

Gradient = Callable[..., tuple[torch.Tensor, float]]


def timed(monkeypatch: pytest.MonkeyPatch, *seconds: float, off: float = 0.0) -> None:
    """Let the steps take so many seconds, and the first one be off by a share."""
    gradient: Gradient = module._gradient
    taken = iter(seconds)

    def told(*given: Any, **options: Any) -> tuple[torch.Tensor, float]:
        found, _ = gradient(*given, **options)
        now = next(taken)
        return found * (1 + off * (now == seconds[0])), now

    monkeypatch.setattr(module, "_gradient", told)


@pytest.mark.parametrize("arch", FAMILIES)
def test_a_device_that_is_right_and_faster_suits(
    arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the CPU is compared with itself, for each family of layers."""
    timed(monkeypatch, 1.0, 1.5, 2.0)
    wide = 16 if arch == "transformer" else 8
    assert suits(CPU, Architecture(arch, 2, 16, wide, context=4), 3, 5)


def test_layers_of_any_kind_of_model_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier's layers are tried in a network that predicts."""
    timed(monkeypatch, 1.0, 1.5, 2.0)
    assert suits(CPU, Architecture("gru", 1, 8, 4, kind=CLASSIFIER, labels=2), 3, 5)


def test_a_slower_device_does_not_suit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the CPU is faster, it is used."""
    timed(monkeypatch, 2.0, 1.5, 1.0)
    assert not suits(CPU, SMALL, 3, 5)


def test_a_device_that_is_wrong_does_not_suit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient that is off by a hundredth is wrong, however fast it came."""
    timed(monkeypatch, 1.0, 1.5, 2.0, off=0.01)
    assert not suits(CPU, SMALL, 3, 5)


def test_a_device_that_cannot_do_it_does_not_suit() -> None:
    """What PyTorch raises there ends nothing."""
    assert not suits(torch.device("meta"), SMALL, 3, 5)


@pytest.mark.parametrize(("right", "picked"), [(True, "mps"), (False, "cpu")])
def test_auto_takes_an_mps_device_that_suits(
    right: bool, picked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a CUDA device, an MPS device is next, and the CPU last."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("auto", lambda _: right).type == picked
