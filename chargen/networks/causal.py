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

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from chargen.architecture import NGRAMS, Architecture, below
from chargen.networks.base import Batch, State, Trainable, charged, summed_nats
from chargen.text.contexts import LONGEST
from chargen.text.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

LOGITS = 1 << 21
"""Logits that are made at once where all are needed, at most: 8 MiB."""


@dataclass(frozen=True)
class Apart:
    """What network and counts say of some steps, each alone.

    Attributes:
        rows: which steps of the window.
        own: (T, B, V), the network's logits.
        logs: (T, B, V), log q.
        cases: (T, B), see `chargen.text.ngrams`.
        after: the state after these steps.
    """

    rows: slice
    own: Tensor
    logs: Tensor
    cases: NDArray[np.uint8]
    after: State


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

        Args:
            labels: (B, T) or (B, 1), for a network that has labels.
            ages: (B, T), zero where a text begins; None if none does.
        """
        if self.ngrams is None:
            x, logits, after = self.wide(ids, state, labels, ages)
            if self.architecture.common:
                logits = self.joined(x, logits)
            return logits.transpose(0, 1), after
        parts = list(self.apart(ids, state, labels, ages))
        logits = torch.cat([self.mixed(part) for part in parts])
        return logits.transpose(0, 1), parts[-1].after

    def apart(
        self,
        ids: Tensor,
        state: State,
        labels: Tensor | None = None,
        ages: NDArray[np.int32] | None = None,
    ) -> Iterator[Apart]:
        """Yield what network and counts say of the characters after ``ids`` (B, T).

        See `forward` for the arguments. Of a large vocabulary, all logits of a window are many, so
        they come in several parts.
        """
        assert self.ngrams is not None
        x, logits, after = self.wide(ids, state, labels, ages)
        step = max(1, LOGITS // (self.characters * len(ids)))
        for at in range(0, len(logits), step):
            rows = slice(at, at + step)
            own = logits[rows]
            if self.architecture.common:
                own = self.joined(x[rows], own)
            (past,), old = after[-1], None if ages is None else ages[:, rows]
            logs, cases, (last,) = self.ngrams.forward(
                ids[:, rows].cpu().numpy(), past.cpu().numpy(), old
            )
            after = [*after[:-1], (torch.from_numpy(last).to(past),)]
            counted = torch.from_numpy(logs).to(past.device).transpose(0, 1)
            yield Apart(rows, own.float(), counted, cases.T, after)

    def mixed(self, part: Apart) -> Tensor:
        """Return logits (T, B, V) of network and counts together; see `chargen.text.ngrams`."""
        assert self.ngrams is not None
        powers = torch.from_numpy(self.ngrams.powers[part.cases]).to(part.logs.device)
        return powers[..., :1] * part.own + powers[..., 1:] * part.logs

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
        self,
        ids: Tensor,
        targets: Tensor,
        state: State,
        labels: Tensor | None = None,
        ages: NDArray[np.int32] | None = None,
        watch: Callable[[Apart], None] | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Return the nats of targets (B, T), whether each was the likeliest, and the state.

        A target outside the vocabulary gets a charge without meaning. If nothing was counted,
        logits of rare characters are made only where one of them is the target, or may be the
        likeliest.

        Args:
            watch: sees what network and counts say, each alone, where contexts were counted.
        """
        wanted, common = targets.t().clamp(0, self.characters - 1), self.architecture.common
        if self.ngrams is not None:
            found = []
            for part in self.apart(ids, state, labels, ages):
                found.append(charged(self.mixed(part), wanted[part.rows]))
                if watch is not None:
                    watch(part)
            nats, likeliest = (torch.cat(each) for each in zip(*found, strict=True))
            return nats.t(), (likeliest == wanted).t(), part.after
        x, logits, after = self.wide(ids, state, labels, ages)
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
