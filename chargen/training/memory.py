r"""What a network can remember: how much context helps it, and how far back a gradient reaches.

- bits per character when a network is given the k characters before, and nothing else;
- the length of the gradient of a character's cost by the vector of the character k before it, in
  nats per unit, averaged over the places. Where it has vanished, training cannot learn from a
  connection of that length (Hochreiter 1991; Bengio et al. 1994, IEEE Transactions on Neural
  Networks 5).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from chargen.checkpoint import Checkpoint
from chargen.engine.likelihood import with_escape
from chargen.networks.base import Batch
from chargen.networks.causal import Causal
from chargen.tasks.comparing import LONGEST, Memory, contexts
from chargen.text.windows import PAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]
    Doubles = NDArray[np.float64]

BATCH = 16


def measure(
    saved: Checkpoint,
    stretches: NDArray[np.uint32],
    label: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Memory:
    """Measure one network on stretches as from `places`; of one label, if it has labels."""
    vocabulary = saved.vocabulary
    network = Causal(saved.architecture, len(vocabulary)).eval()
    network.assign(saved.weights)
    label_ids = torch.full((BATCH, 1), label or 0)
    ids = vocabulary.lookup(stretches)
    given = contexts()
    bits: dict[int, list[Doubles]] = {context: [] for context in given}
    reach = np.zeros(LONGEST)
    for at in range(0, len(ids), BATCH):
        rows = ids[at : at + BATCH]
        target = rows[:, -1]
        # An unknown character costs the escape, whatever the network charges for another.
        known = np.where(target == vocabulary.bos, 0, target)
        wanted = torch.from_numpy(known).long()
        for context in given:
            with torch.no_grad():
                nats = _nats(network, rows[:, -1 - context : -1], wanted, label_ids).numpy()
            bits[context].append(with_escape(vocabulary, target, nats) / math.log(2))
        reach += _reach(network, rows[:, :-1], wanted, label_ids)
        if progress is not None:
            progress(at + len(rows), len(ids))
    together = {context: np.concatenate(parts) for context, parts in bits.items()}
    reach /= len(ids)
    lost = {context: together[context] - together[given[-1]] for context in given}
    return Memory(
        given,
        tuple(float(together[context].mean()) for context in given),
        tuple(float(together[context].std() / math.sqrt(len(ids))) for context in given),
        tuple(float(reach[back]) for back in (0, *given[:-1])),
        tuple(float(lost[context].mean()) for context in given),
        tuple(float(lost[context].std() / math.sqrt(len(ids))) for context in given),
    )


def _nats(network: Causal, before: Ids, wanted: Tensor, label_ids: Tensor) -> Tensor:
    """Return the nats (B,) of a character that follows the first characters (B, T) of a text."""
    none = np.full((len(before), 1), network.characters, dtype=np.int32)
    inputs = torch.from_numpy(np.concatenate((none, before), axis=1))
    targets = torch.full_like(inputs, PAST, dtype=torch.int64)
    targets[:, -1] = wanted
    batch = Batch(inputs, targets, label_ids[: len(inputs)])
    nats, _, _ = network.charge(batch, network.start(len(inputs)))
    return nats[:, -1]


def _reach(network: Causal, before: Ids, wanted: Tensor, label_ids: Tensor) -> Doubles:
    """Return the length of the gradient by each vector, latest first, summed over the rows."""
    vectors: list[Tensor] = []
    hook = network.embedding.register_forward_hook(lambda *call: vectors.append(call[-1]))
    try:
        nats = _nats(network, before, wanted, label_ids).sum()
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(nats, vectors)
    lengths: Doubles = gradient.norm(dim=-1).sum(dim=1).double().numpy()
    return lengths[:0:-1]
