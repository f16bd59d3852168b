"""New characters in an old network: room for them, so that the first predictions stay.

A new character's output weights are zero, and its bias is such that all new characters together get
the probability that the model has kept for characters it does not know (the escape). The logits
have no fixed scale, so the mean over a stretch of training text is used: with Z the sum of the
powers of the old characters' logits,

    n e^b · mean(1/Z) = escape

Then the old characters lose no more than the escape: E[log(1 + n e^b / Z)] ≤ E[n e^b / Z].
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from chargen.architecture import NGRAMS, below
from chargen.checkpoint import Checkpoint
from chargen.networks.base import State, Trainable
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import Window
from chargen.training.counting import both
from chargen.training.state import Learner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

NOTHING = -1e4
"""A bias that leaves a character no probability."""

VECTORS = ("embedding", "symbol")
TARGETS = ("symbol", "output", "place")
FEATURES = ("feature", "wanted")
RARE = "rare"
STACKS = ("embedding", "layers", "backward", "left", "right")
"""Tensors of vectors; of a model of pairs, those with a row for each target symbol, and those with
a column for each feature; what another kind of network can begin with."""

MOST = 0.005
"""The probability of all new characters together, at most: a perplexity then rises by half a
percent."""


def give_weights(saved: Checkpoint, learner: Learner, window: Window) -> None:
    """Set a new network's weights to a model's.

    Args:
        saved: the model.
        learner: with a network for more characters.
        window: a stretch of the training text.
    """
    network, tied = learner.whole(), saved.architecture.tied
    common = saved.architecture.common
    before, now = saved.vocabulary, learner.vocabulary
    fresh = network.arrays()
    same = saved.architecture.kind == network.architecture.kind
    given = {
        name: extended(
            name, had, fresh[name], rows(name, before, common), rows(name, now, common), tied
        )
        for name, had in saved.weights.items()
        # Another kind of network begins with the stacks of this one, and nothing else.
        if (same and not name.startswith(NGRAMS))
        or (name in fresh and name.partition(".")[0] in STACKS)
    }
    new, old = below(fresh, NGRAMS), below(saved.weights, NGRAMS)
    if new and old:
        given |= {NGRAMS + name: array for name, array in both(old, new).items()}
    network.assign(fresh | given)
    if same:
        _keep_predictions(saved, learner, network, window)
    if network is not learner.network:
        learner.network.assign(network.arrays())


def _keep_predictions(
    saved: Checkpoint, learner: Learner, network: Trainable, window: Window
) -> None:
    """Set the biases of the new characters."""
    common = saved.architecture.common
    before, now = saved.vocabulary, learner.vocabulary
    # New characters are the last ones, so they are rare if there are narrow outputs.
    grown = RARE if common else "output"
    old, new = rows(grown, before, common), rows(grown, now, common)
    if new == old:
        return
    share = math.log(min(saved.vocabulary.escape or MOST, MOST) / (new - old))
    for head, logits in _logits(network, learner.state, window).items():
        with torch.no_grad():
            scale = logits.float().flatten(0, -2).logsumexp(-1).double()
            powers = np.array([float((-scale).exp().sum()), len(scale)])
            inverse, places = learner.ranks.summed(powers).tolist()
            head.bias[old:new] = share - math.log(inverse / places)


def rows(name: str, vocabulary: Vocabulary, common: int = 0) -> int:
    """Return how many rows of a tensor stand for characters, or for what else grows.

    Args:
        common: characters that have wide outputs; 0 if all have.
    """
    symbols = vocabulary.symbols
    first = name.partition(".")[0]
    if first == RARE:
        return len(vocabulary) - common
    if vocabulary.marking is not None and first in ("output", "transition"):
        return len(vocabulary.marking.marks)
    if symbols is not None and first in TARGETS:
        return len(symbols.targets)
    return len(symbols.features) if symbols is not None and first in FEATURES else len(vocabulary)


def _logits(network: Trainable, state: State, window: Window) -> dict[nn.Linear, Tensor]:
    """Return what each output for characters gives on a window, (…, V or more)."""
    network.eval()
    with torch.no_grad():
        return network.heads(network.placed(window), state)


def extended(name: str, had: Floats, fresh: Floats, old: int, new: int, tied: bool) -> Floats:
    """Return a weight with rows for the characters that only the new text has.

    A new character gets the embedding of a fresh network, or zeros where that is also its output
    weights. As an output it has no weights and no probability yet.

    Args:
        name: of the tensor.
        had: the model's tensor, with ``old`` rows of characters; or columns, of features.
        fresh: a new network's tensor, with ``new`` rows; it is overwritten.
    """
    first = name.partition(".")[0]
    if fresh.shape == had.shape:
        return had
    if first in FEATURES:
        fresh[:, :old] = had
        return fresh
    if first == "transition":
        # From each mark, and in the last row from the beginning, to each mark.
        fresh[:] = 0
        fresh[:old, :old], fresh[new:, :old] = had[:old], had[old:]
        return fresh
    fresh[:old] = had[:old]
    # No character's: the input "no character", or the output that ends a gap.
    fresh[new:] = had[old:]
    if name.endswith("bias"):
        fresh[old:new] = NOTHING
    elif tied or first not in VECTORS:
        fresh[old:new] = 0
    return fresh
