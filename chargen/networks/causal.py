"""The network that predicts each next character from all before it.

Of a large vocabulary, only the common characters have outputs as wide as a layer. One more output
gives the probability that the character is a rare one, and narrow outputs say which: the adaptive
softmax (Grave et al. 2017, arXiv:1609.04309) with two groups. In training, the narrow outputs are
computed only where the next character is rare:

    logit of a common character c:  w_c · x + b_c
    logit of a rare character r:    w_* · x + b_* + log softmax(U N x + b')_r

``forward(ids, state) -> logits, state`` is the whole interface. Its twin in NumPy is
`chargen.engine.causal.Causal`; a test holds the two equal.

Where contexts were counted (`chargen.text.ngrams`), the network learns alone, and predicts
together with them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from chargen.architecture import NGRAMS, Architecture, below
from chargen.networks.base import Batch, State, Trainable, charged, numbers, summed_nats
from chargen.text.contexts import LONGEST
from chargen.text.windows import PAST, Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from chargen.kernels import Weighed

    Array = NDArray[Any]
    Ids = NDArray[np.integer]

LOGITS = 1 << 23
"""Logits of one part of a window, at most (32 MiB), where those of rare characters are needed."""


class Sample(Protocol):
    """What keeps what network and counts say of some places, each alone."""

    def which(self, targets: Ids) -> NDArray[np.bool_]:
        """Return which places of targets (B, T) are kept."""

    def add(self, weighed: Weighed, targets: Ids) -> None:
        """Keep what was made of them."""


class Causal(Trainable):
    """Predicts each next character from all before it, and from the label if it has labels."""

    def _make(self) -> None:
        architecture = self.architecture
        if architecture.family.attends:
            self.norm = nn.LayerNorm(architecture.hidden, bias=False)
        if architecture.labels:
            # A label's vector is added to each character's: it cannot be forgotten.
            self.label = nn.Embedding(architecture.labels, architecture.embed)
        self.output = nn.Linear(
            architecture.hidden, architecture.kind.outputs(architecture, self.characters)
        )
        common = architecture.common
        if common:
            self.narrow = nn.Linear(architecture.hidden, architecture.narrow, bias=False)
            self.rare = nn.Linear(architecture.narrow, self.characters - common)

    def fixed(self, window: Window) -> bool:
        """See `Trainable.fixed`: examples and rare characters need other kernels each time."""
        return window.ages is None and not self.architecture.common

    def idle(self) -> list[nn.Parameter]:
        """Return the narrow outputs: they are used only where a rare character comes."""
        if not self.architecture.common:
            return []
        return [*self.narrow.parameters(), *self.rare.parameters()]

    def start(self, batch: int) -> State:
        """Return the state of ``batch`` texts that have not begun."""
        before = super().start(batch)
        if not self.architecture.ngrams:
            return before
        past = torch.full((batch, LONGEST - 1), self.characters, device=self.output.bias.device)
        return [*before, (past,)]

    @torch.no_grad()
    def _initialise(self) -> None:
        super()._initialise()
        if self.architecture.labels:
            self.label.weight.normal_(generator=self.generator)
        if self.architecture.common:
            for part in (self.narrow, self.rare):
                nn.init.xavier_uniform_(part.weight, generator=self.generator)
            nn.init.zeros_(self.rare.bias)
        if self.architecture.tied:
            self.output.register_parameter("weight", None)

    def forward(
        self,
        ids: Tensor,
        state: State,
        labels: Tensor | None = None,
        ages: NDArray[np.int32] | None = None,
    ) -> tuple[Tensor, State]:
        """Return logits (B, T, V) for the character after each of ``ids`` (B, T), and the state.

        Where contexts were counted, nothing can be learned from these logits: see `charge`.

        Args:
            labels: (B, T) or (B, 1), for a network that has labels.
            ages: (B, T), zero where a text begins; None if none does.
        """
        x, logits, after = self.wide(ids, state, labels, ages)
        if self.ngrams is not None:
            batch = Batch(ids, torch.full_like(ids, PAST), labels, ages)
            weighed, after = self.weighed(x, logits, batch, after, logits=True)
            return _joined(weighed, "logits").to(x.device), after
        if self.architecture.common:
            logits = self.joined(x, logits)
        return logits.transpose(0, 1), after

    def weighed(
        self,
        x: Tensor,
        wide: Tensor,
        batch: Batch,
        state: State,
        *,
        logits: bool = False,
        sample: Sample | None = None,
    ) -> tuple[list[Weighed], State]:
        """Weigh network and counts together.

        Of a large vocabulary, all logits of a window are many: not all are made at once.

        Args:
            x, state: as `wide` returns them.
            wide: the wide outputs, or all logits.
            logits: whether those of both together are asked for.
            sample: keeps what each says alone of some places.

        Returns:
            What was made of each part of the window, in their order; and the state.
        """
        assert self.ngrams is not None
        found = []
        ids, targets = numbers(batch.inputs), numbers(batch.targets)
        (past,), many = state[-1], max(1, LOGITS // (self.characters * len(ids)))
        for at in range(0, len(wide), many):
            steps = slice(at, at + many)
            rare = self.rare(self.narrow(x[steps])) if wide.shape[-1] < self.characters else None
            weighed, before = self.ngrams.weigh(
                ids[:, steps],
                targets[:, steps],
                numbers(past),
                None if batch.ages is None else batch.ages[:, steps],
                numbers(wide[steps]),
                None if rare is None else numbers(rare),
                logits=logits,
                kept=None if sample is None else sample.which(targets[:, steps]),
            )
            if sample is not None:
                sample.add(weighed, targets[:, steps])
            past = torch.from_numpy(before).to(past)
            found.append(weighed)
        return found, [*state[:-1], (past,)]

    def joined(self, x: Tensor, logits: Tensor) -> Tensor:
        """Return all logits (…, V) from x (…, H) and the wide outputs (…, common + 1)."""
        common = self.architecture.common
        rare = logits[..., common:].float() + self.which(x)
        return torch.cat((logits[..., :common].float(), rare), dim=-1)

    def which(self, x: Tensor) -> Tensor:
        """Return log-probabilities (…, R) of the rare characters, if it is one, from x (…, H)."""
        return functional.log_softmax(self.rare(self.narrow(x)).float(), dim=-1)

    def wide(
        self,
        ids: Tensor,
        state: State,
        labels: Tensor | None = None,
        ages: NDArray[np.int32] | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Return the last layer's outputs (T, B, H), the wide outputs (T, B, …), and the state.

        The wide outputs are all logits; or those of common characters, and one for all rare ones.
        The state of what was counted is not changed.
        """
        x = self.embedding(ids.t())
        if labels is not None and self.architecture.labels:
            x = x + self.label(labels.t())
        x, after = self.run(self.layers, x, state[: len(self.layers)], ages)
        if self.architecture.family.attends:
            x = self.norm(x)
        weight = self.embedding.weight[:-1] if self.architecture.tied else self.output.weight
        logits = functional.linear(x, weight, self.output.bias)
        return x, logits, [*after, *state[len(self.layers) :]]

    def heads(self, batch: Batch, state: State) -> dict[nn.Linear, Tensor]:
        """Return the logits of the output that has all characters, or all rare ones."""
        x, logits, _ = self.wide(batch.inputs, state, batch.labels, batch.ages)
        return (
            {self.rare: self.rare(self.narrow(x))}
            if self.architecture.common
            else {self.output: logits}
        )

    def cost(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        """Return the nats of each target after its input, by the network alone."""
        x, logits, after = self.wide(batch.inputs, state, batch.labels, batch.ages)
        targets, common = batch.targets.t(), self.architecture.common
        if not common:
            return summed_nats(logits, targets), after
        nats = summed_nats(logits, targets.clamp(max=common))
        rare = targets >= common
        if rare.any():
            nats = nats - self.which(x[rare]).gather(-1, targets[rare][:, None] - common).sum()
        return nats, after

    def charge(
        self, batch: Batch, state: State, sample: Sample | None = None
    ) -> tuple[Tensor, Tensor, State]:
        """Return the nats of all targets (B, T), whether each was the likeliest, and the state.

        A target outside the vocabulary gets a charge without meaning. If nothing was counted,
        logits of rare characters are made only where one of them is the target, or may be the
        likeliest.

        Args:
            sample: see `weighed`.
        """
        x, logits, after = self.wide(batch.inputs, state, batch.labels, batch.ages)
        wanted, common = batch.targets.t().clamp(0, self.characters - 1), self.architecture.common
        if self.ngrams is not None:
            slopes = logits.requires_grad
            if slopes and common:
                logits = self.joined(x, logits)
            weighed, after = self.weighed(x, logits, batch, after, logits=slopes, sample=sample)
            nats = _joined(weighed, "nats").to(x.device)
            if slopes:
                nats = nats + _slopes(weighed, logits.transpose(0, 1), wanted.t())
            return nats, _joined(weighed, "hits").to(x.device), after
        nats, likeliest = charged(logits, wanted.clamp(max=common) if common else wanted)
        if common:
            rare = wanted >= common
            # All rare characters together may be likelier than a common one, and each of them less.
            unsure = ~rare & (likeliest == common)
            rare[unsure] = logits[unsure][:, :common].argmax(-1) == wanted[unsure]
            if rare.any():
                told = self.joined(x[rare], logits[rare])
                nats[rare], likeliest[rare] = charged(told, wanted[rare])
        return nats.t(), (likeliest == wanted).t(), after

    def described(self) -> Architecture:
        """Return the architecture with the numbers of what was counted."""
        sizes = [len(self.counts[name]) if self.counts else 0 for name in ("key", "character")]
        return replace(self.architecture, ngrams=sizes[0], followers=sizes[1])

    def arrays(self) -> dict[str, Array]:
        """Return a copy of the weights as NumPy arrays, named as in a checkpoint."""
        return super().arrays() | {NGRAMS + name: array for name, array in self.counts.items()}

    def assign(self, arrays: Mapping[str, Array]) -> None:
        """Set the weights from NumPy arrays named as in a checkpoint."""
        super().assign(arrays)
        if self.architecture.ngrams:
            self.give(below(arrays, NGRAMS))


def _joined(weighed: Sequence[Weighed], name: str) -> Tensor:
    """Return numbers of one name (B, T, …) of a whole window."""
    return torch.from_numpy(np.concatenate([getattr(part, name) for part in weighed], axis=1))


def _slopes(weighed: Sequence[Weighed], own: Tensor, wanted: Tensor) -> Tensor:
    """Return zeros (B, T) whose slopes by the network's logits are those of the nats.

    The slope by a character's logit is α times the probability that both together give to it, less
    α if the character came.

    Args:
        own: (B, T, V), the network's logits.
        wanted: (B, T), which came.
    """
    likely, alpha = _joined(weighed, "logits").softmax(-1), _joined(weighed, "alpha")
    own = own.float()
    expected = (own * likely.to(own.device)).sum(-1)
    nats = alpha.to(own.device) * (expected - own.gather(-1, wanted[..., None])[..., 0])
    return nats - nats.detach()
