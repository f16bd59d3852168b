"""Where PyTorch computes, how precisely, and with whose memory."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from chargen.errors import TrainingError, argument

MALLOC_OPTIONS = {-1: (1 << 31) - 1, -3: 32 << 20}
"""Trim threshold and mmap threshold, each as high as glibc allows (malloc.h, mallopt(3))."""

CPU_PROBES = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")


def pick_device(
    device: str, suits: Callable[[torch.device], bool] = lambda _: False
) -> torch.device:
    """Return the device that is meant.

    ``auto`` is a CUDA device where there is one; else an MPS device, if it suits; else the CPU.

    Args:
        suits: whether a device is right and fast, see `chargen.training.suits`.

    Raises:
        TrainingError: the device asked for is not there.
    """
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if device == "auto":
        device = "cpu"
        if there["cuda"]:
            device = "cuda"
        elif there["mps"] and suits(torch.device("mps")):
            device = "mps"
    if not there[device]:
        raise TrainingError(f"there is no {device} device here", f"Use {argument('device')} cpu")
    return torch.device(device)


def pick_precision(precision: str, device: torch.device) -> str:
    """Return fp32 or bf16; ``auto`` is bf16 where the processor multiplies it in hardware.

    A processor without such instructions emulates bf16, slower than fp32.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    # These functions are private, but have kept their names since torch 2.6. If one is missing,
    # the processor counts as one without these instructions.
    probes = (getattr(torch.cpu, name, bool) for name in CPU_PROBES)
    fast = device.type == "cpu" and any(probe() for probe in probes)
    return "bf16" if fast else "fp32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Return the context in which products have the precision that was picked."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def keep_freed_memory() -> None:
    """Tell the C library to keep what a step frees for the next step.

    glibc gives large blocks back to the system at once, and the system zeroes them again for the
    next step. For small networks this takes longer than the arithmetic. On other systems this
    function does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, value in MALLOC_OPTIONS.items():
            mallopt(option, value)
