"""When there is too little memory: what is tried first, and what is said then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import torch

from chargen.errors import TrainingError, argument
from chargen.options import Plan
from chargen.training.recording import Recorder

T = TypeVar("T")

NO_MEMORY = "can't allocate memory"
"""What PyTorch says on a processor."""


def sparing(recorder: Recorder | None, generator: torch.Generator, compute: Callable[[], T]) -> T:
    """Compute something; if there is too little memory beside a recorded step, without that.

    Args:
        generator: of what is drawn meanwhile; a second try draws the same.
    """
    drawn = generator.get_state()
    try:
        return compute()
    except torch.OutOfMemoryError:
        if recorder is None or not recorder.spare():
            raise
    torch.cuda.empty_cache()
    generator.set_state(drawn)
    return compute()


def room_for_step(plan: Plan, processes: int) -> AbstractContextManager[None]:
    """Say clearly that memory is too small for a step of so many processes, if it is."""
    rows = -(-plan.batch // (plan.accumulate * processes))
    return _room(
        TrainingError(
            f"there is not enough memory for {rows} × {plan.bptt} characters at a time in a "
            f"network of {plan.architecture.hidden} units",
            f"Compute a batch in more pieces, with the same result ({argument('accumulate')} "
            f"{2 * plan.accumulate}) or layers twice ({argument('recompute')}), or give a "
            f"smaller {argument('hidden')} or {argument('bptt')}",
        )
    )


def room_for_weights(plan: Plan) -> AbstractContextManager[None]:
    """Say clearly that memory is too small for a network's weights, if it is."""
    return _room(
        TrainingError(
            f"there is not enough memory for the weights of a network of "
            f"{plan.architecture.hidden} units",
            f"Give a smaller {argument('hidden')} or fewer {argument('layers')}",
        )
    )


@contextmanager
def _room(clear: TrainingError) -> Iterator[None]:
    """Raise a clear error in place of PyTorch's own that there is no memory left."""
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, torch.OutOfMemoryError) or NO_MEMORY in str(error)):
            raise
        raise clear from error
