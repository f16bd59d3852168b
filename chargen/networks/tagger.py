"""The networks that mark each character of a text: alone, or as a chain.

A place of the text, remembered as m_t (see `chargen.networks.encoder`), has a score for each mark,
s_t = W m_t. Alone, the marks' probabilities are the softmax of their scores. As a chain (a
conditional random field; Lafferty et al. 2001, ICML), a whole sequence of marks has

    P(y | x) ∝ exp(Σ_t s_t(y_t) + A(y_{t-1}, y_t))

where A is learned, and the sum over all sequences is computed exactly. After Huang et al. 2015
(arXiv:1508.01991), over characters instead of words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chargen.networks.base import State, summed_nats
from chargen.networks.encoder import Encoder
from chargen.text.mark_windows import MarkWindow
from chargen.text.windows import PAST


@dataclass(frozen=True)
class MarkBatch:
    """A window of marked texts (`chargen.text.mark_windows.MarkWindow`) where the network is."""

    sources: Tensor
    lengths: Tensor
    targets: Tensor


class Marker(Encoder):
    """Marks each character by itself."""

    def _make(self) -> None:
        super()._make()
        self.output = nn.Linear(self.architecture.hidden, self.architecture.targets)

    def placed(self, window: MarkWindow) -> MarkBatch:
        """Return texts where the network is."""
        sources, lengths, targets = map(
            self.moved, (window.sources, window.lengths, window.targets)
        )
        return MarkBatch(sources.long(), lengths.long(), targets.long())

    def scores(self, batch: MarkBatch) -> Tensor:
        """Return the scores (B, T, K) of the marks of each character."""
        x = self.drop(self.embedding(batch.sources.t()), 1)
        memory = self.drop(self.joined(*self.sides(x, batch.lengths)), 0)
        scores: Tensor = self.output(memory[:, 1:-1]).float()
        return scores

    def cost(self, batch: MarkBatch, state: State) -> tuple[Tensor, State]:
        """Return the nats of all marks, summed."""
        return summed_nats(self.scores(batch), batch.targets), state

    def heads(self, batch: MarkBatch, state: State) -> dict[nn.Linear, Tensor]:
        """Return the logits of the marks."""
        return {self.output: self.scores(batch)}


class Tagger(Marker):
    """Marks all characters together, as a chain."""

    def _make(self) -> None:
        super()._make()
        # The last row: from the beginning of a text.
        marks = self.architecture.targets
        self.transition = nn.Embedding(marks + 1, marks)

    @torch.no_grad()
    def _initialise(self) -> None:
        super()._initialise()
        nn.init.zeros_(self.transition.weight)

    def cost(self, batch: MarkBatch, state: State) -> tuple[Tensor, State]:
        """Return the nats of all sequences of marks, summed."""
        return chain_nats(self.scores(batch), self.transition.weight, batch.targets).sum(), state


def chain_nats(scores: Tensor, transition: Tensor, targets: Tensor) -> Tensor:
    """Return the nats (B,) of sequences of marks.

    Args:
        scores: (B, T, K).
        transition: (K + 1, K), A; its last row is for the first place.
        targets: (B, T); PAST after the end.
    """
    inside = targets != PAST
    known = targets.clamp(min=0)
    chosen = scores.gather(2, known[..., None])[..., 0]
    first = torch.full_like(known[:, :1], len(transition) - 1)
    steps = transition[torch.cat((first, known[:, :-1]), dim=1), known]
    right = torch.where(inside, chosen + steps, 0.0).sum(1)
    paths = scores[:, 0] + transition[-1]
    for t in range(1, scores.shape[1]):
        came = (paths[:, :, None] + transition[:-1]).logsumexp(1) + scores[:, t]
        paths = torch.where(inside[:, t, None], came, paths)
    return paths.logsumexp(1) - right
