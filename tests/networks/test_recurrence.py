"""A window forward and back by hand is what torch.nn computes, in every precision."""

from __future__ import annotations

import itertools
import platform
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from chargen.architecture import FAMILIES, Architecture
from chargen.networks.base import LAYERS
from chargen.networks.layer import ONEDNN_PROCESSORS, Layer, fused_dtype
from chargen.networks.lstm import LSTM
from chargen.networks.recurrence import reorders
from chargen.networks.segments import in_segments
from tests.conftest import RECURRENT

REFERENCES = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
ERRORS = {"fp32": 3e-6, "bf16": 0.03}
"""Of a whole tensor, against float64 and relative to its norm."""

T, B, INPUTS, H = 13, 4, 6, 16


def same(weight: Tensor, rows: int | None = None) -> Tensor:
    """Drop nothing."""
    return weight


def random_layer(arch: str) -> tuple[nn.Module, dict[str, Tensor], list[Tensor]]:
    """Return a layer, what goes into it, and weights for what comes out."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    layer = LAYERS[arch].above(Architecture(arch, 1, H, INPUTS), INPUTS)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(normal(*parameter.shape) * 0.5)
    tensors = {"x": normal(T, B, INPUTS)}
    tensors |= {f"start{part}": normal(B, H) * 0.5 for part in range(FAMILIES[arch].states)}
    weights = [normal(T, B, H), *(normal(B, H) for _ in range(FAMILIES[arch].states))]
    return layer, {name: value.requires_grad_() for name, value in tensors.items()}, weights


def expected(
    arch: str, layer: nn.Module, tensors: dict[str, Tensor], weights: list[Tensor]
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Return outputs and gradients by torch.nn in float64."""
    reference = REFERENCES[arch](INPUTS, H).double()
    for name, parameter in layer.named_parameters():
        getattr(reference, f"{name}_l0").data.copy_(parameter.data)
    exact = {name: value.detach().double().requires_grad_() for name, value in tensors.items()}
    start = [value[None] for name, value in exact.items() if name != "x"]
    out, last = reference(exact["x"], tuple(start) if len(start) > 1 else start[0])
    outputs = [out, *(part[0] for part in (last if len(start) > 1 else (last,)))]
    loss = sum((o * w.double()).sum() for o, w in zip(outputs, weights, strict=True))
    assert isinstance(loss, Tensor)
    loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's
    gradients = {name: value.grad for name, value in exact.items()}
    gradients |= {name[:-3]: value.grad for name, value in reference.named_parameters()}
    return outputs, {name: value for name, value in gradients.items() if value is not None}


@pytest.mark.parametrize("precision", sorted(ERRORS))
@pytest.mark.parametrize("arch", RECURRENT)
def test_values_and_gradients_are_those_of_torch(arch: str, precision: str) -> None:
    """Outputs, last states, and the gradients of inputs, first states and weights all agree."""
    layer, tensors, weights = random_layer(arch)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        out, last = layer(tensors["x"], tuple(v for n, v in tensors.items() if n != "x"), same)
    outputs = [out, *last]
    sum((o.float() * w).sum() for o, w in zip(outputs, weights, strict=True)).backward()
    wanted, gradients = expected(arch, layer, tensors, weights)
    pairs = {f"output {n}": pair for n, pair in enumerate(zip(outputs, wanted, strict=True))}
    found = {name: value.grad for name, value in (tensors | dict(layer.named_parameters())).items()}
    pairs |= {name: (found[name], gradient) for name, gradient in gradients.items()}
    assert len(pairs) == 2 * len(outputs) + 4
    for name, (mine, theirs) in pairs.items():
        error = (mine.double() - theirs).norm() / theirs.norm()
        assert error < ERRORS[precision], f"{name}: {error:.2g}"


@pytest.mark.parametrize("precision", sorted(ERRORS))
@pytest.mark.parametrize("arch", RECURRENT)
def test_forward_alone_is_what_torch_computes(arch: str, precision: str) -> None:
    """In two windows, the second from the last states of the first."""
    layer, tensors, weights = random_layer(arch)
    wanted, _ = expected(arch, layer, tensors, weights)
    state = tuple(value for name, value in tensors.items() if name != "x")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        first, state = layer(tensors["x"][:5], state, same)
        second, state = layer(tensors["x"][5:], state, same)
    for mine, theirs in zip([torch.cat((first, second)), *state], wanted, strict=True):
        error = (mine.double() - theirs).norm() / theirs.norm()
        assert error < ERRORS[precision]
    assert all(part.dtype == torch.float32 for part in state)


@pytest.mark.parametrize("machine", [*ONEDNN_PROCESSORS, "arm64"])
def test_an_lstm_goes_forward_by_a_kernel_for_whole_windows(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where oneDNN is at home; not if gradients are wanted, nor if texts begin anew."""
    layer, tensors, _ = random_layer("lstm")
    before = tuple(value for name, value in tensors.items() if name != "x")
    calls: list[int] = []

    def counted(*given: Any) -> tuple[Tensor, ...]:
        calls.append(len(given[0]))
        return torch.lstm(*given)

    monkeypatch.setattr(LSTM, "kernel", staticmethod(counted))
    monkeypatch.setattr(platform, "machine", lambda: machine)
    layer(tensors["x"], before, same)
    with torch.no_grad():
        anew, _ = layer(tensors["x"], before, same, AGES)
        assert not calls
        found, _ = layer(tensors["x"], before, same, AGES + 1)
    assert calls == ([T] if machine in ONEDNN_PROCESSORS and reorders(torch.float32) else [])
    torch.testing.assert_close(found[:, 3], anew[:, 3], rtol=1e-4, atol=1e-5)


AGES = np.array(
    [
        [5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0],
        [0, 0, 1, 0, 1, 0, 1, 2, 3, 4, 5, 6, 0],
        [9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21],
    ],
    dtype=np.int32,
)  # fmt: skip
"""Rows that begin anew in the middle, at both ends, several times, and never."""


def pieces(row: int) -> list[tuple[int, int]]:
    """Return where the texts of a row start and stop."""
    edges = sorted({0, *np.flatnonzero(AGES[row] == 0).tolist(), T})
    return list(itertools.pairwise(edges))


@pytest.mark.parametrize("arch", RECURRENT)
def test_a_text_that_begins_anew_knows_nothing_of_the_one_before(arch: str) -> None:
    """Values and gradients are those of each text run alone, by PyTorch, from a state of zeros."""
    layer, tensors, weights = random_layer(arch)
    before = tuple(value for name, value in tensors.items() if name != "x")
    out, last = layer(tensors["x"], before, same, AGES)
    sum((o * w).sum() for o, w in zip([out, *last], weights, strict=True)).backward()
    everything = tensors | dict(layer.named_parameters())
    found = {name: value.grad for name, value in everything.items()}
    for value in everything.values():
        value.grad = None
    total = torch.zeros(())
    for row in range(B):
        state = tuple(part[row : row + 1] for part in before)
        for start, stop in pieces(row):
            if AGES[row, start] == 0:
                state = tuple(torch.zeros_like(part) for part in state)
            piece, state = layer(tensors["x"][start:stop, row : row + 1], state, same)
            torch.testing.assert_close(out[start:stop, row : row + 1], piece)
            total = total + (piece * weights[0][start:stop, row : row + 1]).sum()
        for mine, alone, weight in zip(last, state, weights[1:], strict=True):
            torch.testing.assert_close(mine[row : row + 1], alone)
            total = total + (alone * weight[row : row + 1]).sum()
    total.backward()  # type: ignore[no-untyped-call]
    for name, value in everything.items():
        wanted = value.grad if value.grad is not None else torch.zeros_like(value)
        torch.testing.assert_close(found[name], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("arch", RECURRENT)
def test_a_kernel_for_whole_windows_begins_anew_too(arch: str) -> None:
    """Cut into pieces, a window has the same outputs, last states and gradients."""
    layer, tensors, weights = random_layer(arch)
    before = tuple(value for name, value in tensors.items() if name != "x")
    assert isinstance(layer, Layer)
    own: list[Tensor] = [layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh]
    gradients = []
    outputs = []
    for out, last in (
        layer(tensors["x"], before, same, AGES),
        in_segments(layer.fused, tensors["x"], before, own, AGES),
    ):
        loss = sum((o * w).sum() for o, w in zip([out, *last], weights, strict=True))
        gradients.append(torch.autograd.grad(loss, [*tensors.values(), *own]))
        outputs.append([out, *last])
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_a_transformer_attends_to_its_own_text_alone() -> None:
    """In two windows as in one, a block's output is that of each text alone."""
    block = LAYERS["transformer"].above(Architecture("transformer", 1, H, H, heads=2, context=6), H)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
        x = torch.randn(T, B, H, generator=generator)
        first, state = block(x[:7], block.start(B), same, AGES[:, :7])
        second, _ = block(x[7:], state, same, AGES[:, 7:])
        found = torch.cat((first, second))
        for row in range(B):
            for start, stop in pieces(row):
                alone, _ = block(x[start:stop, row : row + 1], block.start(1), same)
                torch.testing.assert_close(found[start:stop, row : row + 1], alone)


def test_a_second_backward_pass_is_refused() -> None:
    """The first backward pass overwrites the gates, so a second one would be wrong."""
    layer, tensors, _ = random_layer("gru")
    out, _ = layer(tensors["x"], (tensors["start0"],), same)
    out.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="first backward pass"):
        out.sum().backward()


@pytest.mark.parametrize(
    ("there", "built", "capability", "dtype"),
    [
        (91900, (9, 19, 0), (9, 0), torch.bfloat16),
        (91300, (9, 13, 0), (8, 0), torch.bfloat16),
        (91002, (9, 10, 2), (9, 0), torch.float32),
        (91900, (9, 10, 2), (9, 0), torch.float32),
        (91900, (9, 19, 0), (7, 5), torch.float32),
        (None, None, (9, 0), torch.float32),
    ],
)
def test_a_card_computes_in_bfloat16_where_its_kernels_can(
    monkeypatch: pytest.MonkeyPatch,
    there: int | None,
    built: tuple[int, ...] | None,
    capability: tuple[int, int],
    dtype: torch.dtype,
) -> None:
    """With earlier libraries or cards in float32: PyTorch's way round is many times slower."""
    example = torch.zeros(1)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: example)
    monkeypatch.setattr(torch, "cudnn_is_acceptable", lambda _: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: there)
    told = None if built is None else SimpleNamespace(getCompileVersion=lambda: built)
    monkeypatch.setattr(torch._C, "_cudnn", told, raising=False)
    fused_dtype.cache_clear()
    assert fused_dtype(torch.bfloat16, torch.device("cuda")) == dtype
    assert fused_dtype(torch.float32, torch.device("cuda")) == torch.float32
    fused_dtype.cache_clear()
