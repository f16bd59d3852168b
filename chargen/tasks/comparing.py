r"""What a network can remember: how much context helps it, and how far back a gradient reaches.

Two measurements over the same random places of a held-out text:

- bits per character when a network was given the k characters before, and nothing else;
- the length of the gradient of a character's cost by the vector of the character k before it, in
  nats per unit, averaged over the places. Where it has vanished, training cannot learn from a
  connection of that length (Hochreiter 1991; Bengio et al. 1994, IEEE Transactions on Neural
  Networks 5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from chargen.checkpoint import Checkpoint
from chargen.errors import CorpusError, UsageError
from chargen.networks.causal import Network
from chargen.options import MOST, check
from chargen.text.corpus import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]
    Doubles = NDArray[np.float64]

LONGEST = 1024
BATCH = 16


@dataclass(frozen=True)
class Memory:
    """What one network remembers.

    Attributes:
        contexts: 1, 2, 4 … characters.
        bpc: bits per character, given so many before it.
        error: standard error of each.
        gradient: length of the gradient that reaches back so many characters, 0 being the last one
            before what is predicted: for 0, 1, 2, 4 … characters.
    """

    contexts: tuple[int, ...]
    bpc: tuple[float, ...]
    error: tuple[float, ...]
    gradient: tuple[float, ...]

    def json(self) -> dict[str, Any]:
        """Return the figures by name."""
        return vars(self)


def contexts(longest: int = LONGEST) -> tuple[int, ...]:
    """Return 1, 2, 4 … up to ``longest``.

    Example:
        >>> contexts(9)
        (1, 2, 4, 8)
    """
    return tuple(1 << power for power in range(longest.bit_length()))


def places(span: Span, count: int, seed: int = 0) -> NDArray[np.uint32]:
    """Return the code points (count, 1 + LONGEST) of random stretches of a text.

    Raises:
        CorpusError: the text is too short.
        UsageError: a number that cannot work.
    """
    check("--places", count, 1, 1 << 16)
    check("--seed", seed, 0, MOST)
    if len(span) <= LONGEST + 1:
        raise CorpusError(
            f"a text of {len(span):,} characters is too short to compare on",
            f"Give one of more than {LONGEST + 1:,}",
        )
    starts = np.random.default_rng(seed).integers(0, len(span) - LONGEST, count)
    return np.stack(
        [np.concatenate(list(span.blocks(start, start + LONGEST + 1))) for start in starts.tolist()]
    )


def remember(
    saved: Checkpoint,
    stretches: NDArray[np.uint32],
    label: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Memory:
    """Measure one network on stretches as from `places`, of one label if it has labels."""
    vocabulary = saved.vocabulary
    network = Network(saved.architecture, len(vocabulary)).eval()
    network.assign(saved.weights)
    told = torch.full((BATCH, 1), label or 0)
    ids = vocabulary.lookup(stretches)
    given = contexts()
    bits: dict[int, list[Doubles]] = {context: [] for context in given}
    reach = np.zeros(LONGEST)
    for at in range(0, len(ids), BATCH):
        rows = ids[at : at + BATCH]
        target = rows[:, -1]
        strange = target == vocabulary.none
        wanted = torch.from_numpy(np.where(strange, 0, target)).long()
        for context in given:
            with torch.no_grad():
                nats = _nats(network, rows[:, -1 - context : -1], wanted, told).numpy()
            costs = np.where(strange, vocabulary.unknown_nats, nats + vocabulary.known_nats)
            bits[context].append(costs / math.log(2))
        reach += _reach(network, rows[:, :-1], wanted, told)
        if progress is not None:
            progress(at + len(rows), len(ids))
    together = {context: np.concatenate(parts) for context, parts in bits.items()}
    reach /= len(ids)
    return Memory(
        given,
        tuple(float(together[context].mean()) for context in given),
        tuple(float(together[context].std() / math.sqrt(len(ids))) for context in given),
        tuple(float(reach[back]) for back in (0, *given[:-1])),
    )


def _nats(network: Network, before: Ids, wanted: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
    """Return the nats (B,) of a character after those before it (B, T), a text's first."""
    none = np.full((len(before), 1), network.characters, dtype=np.int32)
    inputs = torch.from_numpy(np.concatenate((none, before), axis=1))
    logits, _ = network(inputs, network.start(len(inputs)), told[: len(inputs)])
    return functional.cross_entropy(logits[:, -1].float(), wanted, reduction="none")


def _reach(network: Network, before: Ids, wanted: torch.Tensor, told: torch.Tensor) -> Doubles:
    """Return the length of the gradient by each vector, latest first, summed over the rows."""
    vectors: list[torch.Tensor] = []
    hook = network.embedding.register_forward_hook(lambda *call: vectors.append(call[-1]))
    try:
        nats = _nats(network, before, wanted, told).sum()
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(nats, vectors)
    lengths: Doubles = gradient.norm(dim=-1).sum(dim=1).double().numpy()
    return lengths[:0:-1]


def drawable(path: Path) -> None:
    """Make sure that a plot can be drawn, before anything is measured for it.

    Raises:
        UsageError: there is no library to draw with, no such folder, or no such kind of picture.
    """
    try:
        import matplotlib.figure
    except ImportError:
        raise UsageError(
            "--plot needs matplotlib", "Install it: pip install 'chargen[plots]'"
        ) from None
    reason = None if path.parent.is_dir() else "there is no such folder"
    known = matplotlib.figure.Figure().canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in known:
        reason = "its suffix is no picture's"
    if reason:
        raise UsageError(f"{path} cannot be drawn: {reason}", "Use .png, .svg or .pdf")


def plot(path: Path, models: Sequence[tuple[str, Memory]]) -> None:
    """Draw both measurements of several models, as PNG, SVG or PDF by the file's suffix.

    Raises:
        UsageError: see `drawable`, or the file cannot be written.
    """
    drawable(path)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Without a date and with fixed names, so that the same figures give the same file.
    with rc_context({"svg.hashsalt": "chargen", "font.size": 10}):
        figure = Figure(figsize=(10, 4), layout="constrained")
        helped, reached = figure.subplots(1, 2)
        for name, memory in models:
            helped.errorbar(memory.contexts, memory.bpc, memory.error, label=name, marker=".")
            backs = [
                (k, g) for k, g in zip(memory.contexts, memory.gradient[1:], strict=False) if g
            ]
            reached.plot(*zip(*backs, strict=True), label=name, marker=".")
        helped.set(xlabel="characters of context", ylabel="bits per character")
        reached.set(xlabel="characters back", ylabel="length of the gradient", yscale="log")
        for axes in (helped, reached):
            axes.set_xscale("log", base=2)
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
        try:
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(
                f"{path} cannot be drawn: {reason}", "Use .png, .svg or .pdf"
            ) from error
