"""What the recurrent layers share: their four tensors, how these begin, and how they are run.

`chargen.networks.transformer.Block` has the same three methods: ``initialise``, ``start``,
``forward``.
"""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from chargen.architecture import FAMILIES, Architecture
from chargen.networks.recurrence import Cell, Recurrence, reorders
from chargen.networks.segments import in_segments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


ONEDNN_PROCESSORS = "x86_64", "AMD64"
"""Those that oneDNN's kernels for recurrences are written for, by the names of `platform`."""

BFLOAT16_CAPABILITY = (8, 0)
BFLOAT16_CUDNN = (9, 13)
"""From which on recurrences can be computed in bfloat16."""


@cache
def fused_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Return the precision of a device's kernel for a whole window: the given one, if it can.

    On a processor, oneDNN has both precisions. cuDNN has recurrences in bfloat16 since 9.13, on
    cards of compute capability 8, and PyTorch uses them since 2.10. Elsewhere PyTorch would go step
    by step, many times slower, so float32 is returned there. (Inside the kernel that is TF32, where
    PyTorch is allowed to use it.)
    """
    if device.type == "cpu":
        return dtype
    if device.type != "cuda" or dtype == torch.float32:
        return torch.float32
    accepted = torch.cudnn_is_acceptable(torch.empty(1, dtype=dtype, device=device))
    capable = torch.cuda.get_device_capability(device) >= BFLOAT16_CAPABILITY
    known = min(cudnn_versions()) >= BFLOAT16_CUDNN
    return dtype if accepted and capable and known else torch.float32


def cudnn_versions() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the versions of cuDNN, major and minor: there, and when PyTorch was built.

    If PyTorch does not tell the second, it is taken to be the first.
    """
    there = torch.backends.cudnn.version() or 0  # type: ignore[no-untyped-call]  # PyTorch's
    found = there // 10_000, there // 100 % 100
    told = getattr(getattr(torch._C, "_cudnn", None), "getCompileVersion", None)
    return found, found if told is None else tuple(told())[:2]


@contextmanager
def _quiet(device: str) -> Iterator[None]:
    """Keep cuDNN from warning that weights are copied together in each call.

    Those with dropout are new in each call anyway.
    """
    if device != "cuda":
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "RNN module weights")
        yield


Drop = Callable[..., Tensor]
"""``(x, rows) -> x``: dropout, where ``rows`` is the axis of the texts, if there is one."""


class Layer(nn.Module):
    """One recurrent layer of H units over inputs of size I.

    Gates are stacked as rows: ``weight_ih`` (G·H, I), ``weight_hh`` (G·H, H) and two biases (G·H),
    in the order and with the meaning of `torch.nn`, so that a tensor means the same here and there.
    """

    arch: ClassVar[str]
    cell: ClassVar[Cell]
    kernel: ClassVar[Callable[..., tuple[Tensor, ...]]]
    onednn: ClassVar[bool] = False
    """Whether oneDNN has such a kernel, see `has_kernel`."""

    @classmethod
    def above(cls, architecture: Architecture, inputs: int) -> Layer:
        """Return a layer of a stack, above one of ``inputs`` units or above the embedding."""
        return cls(inputs, architecture.hidden)

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        rows = FAMILIES[self.arch].gates * hidden
        self.hidden = hidden
        self.weight_ih = nn.Parameter(torch.empty(rows, inputs))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden))
        self.bias_ih = nn.Parameter(torch.empty(rows))
        self.bias_hh = nn.Parameter(torch.empty(rows))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None) -> None:
        """Set each gate's input weights by Glorot & Bengio 2010, its recurrent ones orthogonal.

        Orthogonal recurrent weights keep a gradient's length over many steps (Saxe et al. 2014,
        arXiv:1312.6120).
        """
        for weight in torch.split(self.weight_ih, self.hidden):
            nn.init.xavier_uniform_(weight, generator=generator)
        for weight in torch.split(self.weight_hh, self.hidden):
            nn.init.orthogonal_(weight, generator=generator)
        nn.init.zeros_(self.bias_ih)
        nn.init.zeros_(self.bias_hh)

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Return zeros, (B, H) each: h, and for the LSTM c as well."""
        nothing = torch.zeros(batch, self.hidden, device=self.bias_hh.device)
        return (nothing,) * FAMILIES[self.arch].states

    def forward(
        self,
        x: Tensor,
        state: tuple[Tensor, ...],
        drop: Drop,
        ages: NDArray[np.int32] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run over x (T, B, I) from the state, (B, H) each; return all h (T, B, H) and the last.

        Args:
            drop: applies dropout in training: to the recurrent weights and to the outputs; see
                `chargen.networks.base.Trainable.drop`.
            ages: (B, T), zero where a row begins anew; None if no row does.
        """
        weights = [self.weight_ih, drop(self.weight_hh), self.bias_ih, self.bias_hh]
        device = x.device.type
        autocast = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else x.dtype
        if self.has_kernel(x.device, dtype, ages):
            dtype = fused_dtype(dtype, x.device)
            x, *weights = (tensor.to(dtype) for tensor in (x, *weights))
            before = tuple(part.to(dtype) for part in state)
            # For a whole window, autocast knows nothing but float16.
            with torch.autocast(device, enabled=False), _quiet(device):
                out, last = in_segments(self.fused, x, before, weights, ages)
            return drop(out, 1), tuple(part.float() for part in last)
        out, *last = Recurrence.apply(self.cell, dtype, ages, x, *weights, *state)  # type: ignore[no-untyped-call]  # PyTorch's
        return drop(out, 1), tuple(last)

    def has_kernel(
        self, device: torch.device, dtype: torch.dtype, ages: NDArray[np.int32] | None
    ) -> bool:
        """Return whether the device has a kernel for a whole window such as this.

        On an x86 processor, oneDNN has one for the LSTM. It is faster than `Recurrence`, which does
        the cell's work on one core; but it goes forward only, because it does not return what is
        needed to go back. Where texts begin anew inside a window, PyTorch would not use it.
        """
        if device.type != "cpu":
            return True
        here = self.onednn and platform.machine() in ONEDNN_PROCESSORS and reorders(dtype)
        return here and not torch.is_grad_enabled() and (ages is None or bool(ages.all()))

    def fused(
        self, x: list[Tensor], state: tuple[Tensor, ...], weights: list[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Do the same by the device's own kernel for the whole window (cuDNN's or oneDNN's).

        Args:
            x: one tensor (T, B, I); or a packed sequence's data and batch sizes.
        """
        before = [part[None] for part in state]
        # The last argument says that time is the first axis; a packed sequence has no such choice.
        layout = (False,) if len(x) == 1 else ()
        out, *last = self.kernel(
            *x,
            before if len(before) > 1 else before[0],
            weights,
            True,
            1,
            0.0,
            self.training,
            False,
            *layout,
        )
        return out, tuple(part[0] for part in last)
