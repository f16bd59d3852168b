"""AdamW without its class: the steps of `torch.optim.AdamW`, and a start without a compiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from chargen.training.adamw import AdamW


def weights() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = (4, 3), (5,), (2, 2)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


@pytest.mark.parametrize(("betas", "decay"), [((0.9, 0.99), 0.05), ((0.0, 0.999), 0.0)])
def test_steps_are_those_of_the_class(betas: tuple[float, float], decay: float) -> None:
    """With decay and without; a weight that has no gradient for some steps stays."""
    ours, theirs = weights(), weights()
    optimizer = AdamW([(ours[:1], decay), (ours[1:], 0.0)], betas)
    groups: list[dict[str, Any]] = [{"params": theirs[:1], "weight_decay": decay}]
    groups.append({"params": theirs[1:]})
    usual = torch.optim.AdamW(groups, betas=betas, weight_decay=0.0)
    for number in range(6):
        for one in (*ours, *theirs):
            one.grad = (one.detach() * number).sin()
        ours[2].grad = ours[2].grad if number > 2 else None
        theirs[2].grad = theirs[2].grad if number > 2 else None
        optimizer.step(0.01 * number)
        for group in usual.param_groups:
            group["lr"] = 0.01 * number
        usual.step()
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-6)
        assert float(optimizer.state[one]["step"]) == float(usual.state[other]["step"])


def test_what_is_wrong_changes_nothing() -> None:
    """Neither weights nor what is kept of them; the rate may be a tensor."""
    ours = weights()
    optimizer = AdamW([(ours, 0.1)], (0.9, 0.99))
    for one in ours:
        one.grad = torch.ones_like(one)
    optimizer.step(torch.tensor(0.01), torch.tensor(0.0))
    before = [one.detach().clone() for one in (*ours, *optimizer.state[ours[0]].values())]
    for one in ours:
        one.grad = torch.full_like(one, float("nan"))
    optimizer.step(torch.tensor(0.01), torch.tensor(1.0))
    after = (*ours, *optimizer.state[ours[0]].values())
    assert all(torch.equal(one, was) for one, was in zip(after, before, strict=True))


def test_training_starts_without_a_compiler(story: Path) -> None:
    """PyTorch's takes a second or more to import, and nothing is compiled by it."""
    program = (
        "import sys\n"
        "from tests.training.test_loop import run\n"
        "from pathlib import Path\n"
        "run(Path(sys.argv[1]), steps=2)\n"
        "print([name for name in sys.modules if name in ('torch._dynamo', 'sympy')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, story], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
