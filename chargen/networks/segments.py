"""Rows that begin anew within a window, for a kernel that cannot stop inside one.

cuDNN runs a whole window from one state. But it takes sequences of different lengths together (a
packed sequence). So each row is cut where it begins anew, and all pieces are run side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

States = tuple[Tensor, ...]
Fused = Callable[[list[Tensor], States, list[Tensor]], tuple[Tensor, States]]
"""See `chargen.networks.layer.Layer.fused`."""


def in_segments(
    fused: Fused,
    x: Tensor,
    state: States,
    weights: list[Tensor],
    ages: NDArray[np.int32] | None,
) -> tuple[Tensor, States]:
    """Run a kernel over x (T, B, I), where rows begin anew at an age (B, T) of zero."""
    if ages is None or not (ages == 0).any():
        return fused([x], state, weights)
    time, batch, _ = x.shape
    cut = ages.T == 0
    anew = cut[0].copy()
    cut[0] = True
    # Row by row, so that the pieces of one row follow one another.
    rows, starts = np.nonzero(cut.T)
    lengths = np.diff(np.append(rows * time + starts, batch * time))
    # The order of a packed sequence: the longest first, and all first steps before all second ones.
    order = np.argsort(-lengths, kind="stable")
    rows, starts, lengths = rows[order], starts[order], lengths[order]
    sizes = [int((lengths > step).sum()) for step in range(lengths[0])]
    places = np.concatenate(
        [(starts[:size] + step) * batch + rows[:size] for step, size in enumerate(sizes)]
    )
    index = torch.from_numpy(places).to(x.device)
    goes_on = torch.from_numpy((starts == 0) & ~anew[rows]).to(x.device)[:, None]
    own = torch.from_numpy(rows).to(x.device)
    before = tuple(part[own] * goes_on for part in state)
    packed, after = fused(
        [x.reshape(time * batch, -1)[index], torch.tensor(sizes)], before, weights
    )
    out = packed.new_empty(time * batch, packed.shape[-1]).index_copy(0, index, packed)
    ends = np.flatnonzero(starts + lengths == time)
    last = torch.from_numpy(ends[np.argsort(rows[ends])]).to(x.device)
    return out.view(time, batch, -1), tuple(part[last] for part in after)
