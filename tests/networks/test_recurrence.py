"""A window forward and back by hand is what torch.nn computes, in every precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from chargen.architecture import FAMILIES, Architecture
from chargen.networks.base import LAYERS
from tests.conftest import RECURRENT

REFERENCES = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
ERRORS = {"fp32": 3e-6, "bf16": 0.03}
"""Of a whole tensor, against float64 and relative to its norm."""

T, B, INPUTS, H = 13, 4, 6, 16


def same(weight: Tensor) -> Tensor:
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
    loss.backward()  # type: ignore[no-untyped-call]
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


def test_a_second_backward_pass_is_refused() -> None:
    """The first backward pass overwrites the gates, so a second one would be wrong."""
    layer, tensors, _ = random_layer("gru")
    out, _ = layer(tensors["x"], (tensors["start0"],), same)
    out.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="first backward pass"):
        out.sum().backward()
