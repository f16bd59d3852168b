"""Several processes that train one network, started by ``torchrun``: PyTorch's process groups.

Numbers that steer a training (counts, seconds, whether to stop) travel between processors by gloo.
Gradients are summed by `DistributedDataParallel`: by gloo, or by NCCL between graphics cards.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed
from torch.distributed import PrefixStore  # type: ignore[attr-defined]  # it is there
from torch.distributed.rendezvous import rendezvous

from chargen.errors import ChargenError, TrainingError, argument
from chargen.ranks import Ranks, place, starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")

PATIENCE_VARIABLE = "CHARGEN_RANK_TIMEOUT"
PATIENCE = 600.0
"""Seconds that a rank is waited for, if the environment does not say it. Rank 0 can be busy for
minutes at the end, when it fits figures to held-out text."""

GROUPS = itertools.count()
"""How many groups this process has been in: each meets at a place of its own."""

ROLL_CALL = timedelta(seconds=3)
"""How long a rank has to answer, once the others have waited for it in vain."""

OURS = ("gloo", "NCCL", "ProcessGroup")
"""Words that PyTorch's errors have when a process does not answer."""


class Group(Ranks):
    """The processes of a group."""

    def __init__(self) -> None:
        self._ours = not distributed.is_initialized()
        wait = timedelta(seconds=patience())
        try:
            if self._ours:
                both = "gloo"
                if torch.cuda.is_available():
                    both = "cpu:gloo,cuda:nccl"
                    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
                store, rank, size = next(rendezvous("env://", timeout=wait))
                # torchrun keeps its store when it starts the processes once more: what the earlier
                # ones left in it must not be found (github.com/pytorch/pytorch/issues/135712).
                kept = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
                fresh = PrefixStore(f"{starts() if kept else 0} {next(GROUPS)}", store)
                distributed.init_process_group(
                    both, store=fresh, rank=rank, world_size=size, timeout=wait
                )
            self._numbers = distributed.new_group(backend="gloo", timeout=wait)
            self._roll_call = distributed.new_group(backend="gloo", timeout=3 * ROLL_CALL)
        except (RuntimeError, ValueError) as error:
            raise TrainingError(
                f"the {place()[1]} processes of this training do not find one another",
                "Start them by torchrun, with one --rdzv-endpoint that all machines reach",
            ) from error
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()

    def told(self, number: float) -> float:
        """See `Ranks`."""
        held = torch.tensor([number], dtype=torch.float64)
        with self.heard():
            distributed.broadcast(held, 0, group=self._numbers)
        return float(held)

    def given(self, make: Callable[[], T]) -> T:
        """See `Ranks`."""
        held: list[Any] = [None]
        if self.first:
            try:
                held = [(make(), None)]
            except ChargenError as error:
                held = [(None, error)]
        with self.heard():
            distributed.broadcast_object_list(held, 0, group=self._numbers)
        made, problem = held[0]
        if problem is not None:
            raise problem
        return made  # type: ignore[no-any-return]  # what `make` returned elsewhere

    def summed(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Ranks`."""
        held = torch.from_numpy(np.array(numbers, dtype=np.float64))
        with self.heard():
            distributed.all_reduce(held, group=self._numbers)
        return held.numpy()

    def together(self, parts: Sequence[T]) -> list[T]:
        """See `Ranks`."""
        held: list[Any] = [None] * self.size
        with self.heard():
            distributed.all_gather_object(held, list(parts), group=self._numbers)
        return [one for each in held for one in each]

    def joined(self, rows: T) -> T:
        """See `Ranks`."""
        assert isinstance(rows, Tensor)
        numbers = np.zeros(self.size)
        numbers[self.rank] = len(rows)
        each = self.summed(numbers).astype(int).tolist()
        # Processes exchange tensors of one size only.
        mine = rows.new_zeros(max(each), *rows.shape[1:])
        mine[: len(rows)] = rows
        held = [torch.empty_like(mine) for _ in each]
        with self.heard():
            distributed.all_gather(held, mine)
        return torch.cat([one[:count] for one, count in zip(held, each, strict=True)])  # type: ignore[return-value]  # a tensor, like `rows`

    def leave(self) -> None:
        """See `Ranks`."""
        if self._ours and distributed.is_initialized():
            distributed.destroy_process_group()

    def _silent(self) -> str:
        """Return which ranks do not answer: rank 0 asks all, and the others ask rank 0."""
        try:
            distributed.monitored_barrier(self._roll_call, ROLL_CALL, wait_all_ranks=True)
        except RuntimeError as error:
            found = re.search(r"Ranks ([\d, ]+?) failed", str(error))
            return found[1] if found else "0"
        return "?"

    @contextmanager
    def heard(self) -> Iterator[None]:
        """See `Ranks`."""
        try:
            yield
        except RuntimeError as error:
            if not any(word in str(error) for word in OURS):
                raise
            if "Timed out" not in str(error):
                raise TrainingError(
                    "another process of this training has ended",
                    f"See what it said, then go on by {argument('resume')}",
                ) from error
            raise TrainingError(
                f"rank {self._silent()} has not answered for {patience():g} seconds",
                f"See what its machine is doing, then go on by {argument('resume')}; "
                f"{PATIENCE_VARIABLE} sets how long is waited",
            ) from error


def patience() -> float:
    """Return the seconds that a rank is waited for."""
    try:
        seconds = float(os.environ.get(PATIENCE_VARIABLE, ""))
    except ValueError:
        return PATIENCE
    return seconds if seconds > 0 else PATIENCE
