r"""Networks that see both sides of a place: one fills gaps, one tells labels.

After Schuster & Paliwal 1997, "Bidirectional recurrent neural networks", IEEE Transactions on
Signal Processing 45. Two stacks of layers read the text: one from the left, and one, the backward
stack, from the right. Let h_t be the left stack's output after it has read x_0 … x_{t-1}, and g_j
the backward stack's output after it has read x_{T-1} … x_j. A gap begins at t, and the text goes on
at j. The gap's next character is predicted from

    tanh(W_left h_t + W_right g_j + remaining[r])

where r = j - t is the number of characters still missing, or 0 if it is unknown.

A gap is filled from its left end: the left stack reads each character that is put in, and then the
next one is predicted. If the number of missing characters is unknown, one more output says that the
gap has ended. So the probability of a whole filling is a product, and fillings of different lengths
can be compared.

Each stack is also a language model of its own: the left one has an output for the character that
follows, the backward one for the character that precedes. These outputs help the stacks to learn
what a text is like. They also judge the fillings that were found: how likely is the text on the
right after the filling, and how likely is the text on the left before it (see
`chargen.tasks.restoring`)?

In training, each place of a window counts as the next character of a gap. Its distance to the gap's
end is drawn at random in each step. No text is masked, and the network learns from every character;
BERT learns from 15 % of them (Devlin et al. 2019, arXiv:1810.04805).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from chargen.kinds import LONGEST_GAP
from chargen.networks.base import Batch, State, summed_nats
from chargen.networks.both_ways import BothWays
from chargen.text.windows import PAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOES_ON = 0.9
"""Chance, at each character of the gaps in training, that the gap goes on after it."""

KNOWN = 0.5
"""Share of the gaps whose length is known."""


class TwoSided(BothWays):
    """What the networks share that predict at each place of running text."""

    def read(
        self,
        inputs: Tensor,
        targets: Tensor,
        state: State,
        ages: NDArray[np.int32] | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Return h (T, B, H), g (T + 1, B, H), and the state of the left stack.

        Args:
            inputs: (B, T) ids, the character before each target.
            targets: (B, T) ids; beyond the last, the right stack has read nothing.
            ages: (B, T), of a text made of examples. Each stack then reads each example alone, and
                the last g is not used.
        """
        left, after = self.run(self.layers, self.embedding(inputs.t()), state, ages)
        read = targets.cpu().numpy()
        beyond = ends_of(read, ages)
        # From the right: before the last character of each text, "no character" is read.
        places = np.cumsum(1 + beyond[:, ::-1], axis=1)[:, ::-1] - 1
        ids = np.full((len(read), 1 + places.max()), self.characters)
        np.put_along_axis(ids, places, np.where(read == PAST, self.characters, read), axis=1)
        since = None
        if ages is not None:
            since = np.ones(ids.shape, dtype=np.int32)
            np.put_along_axis(since, places - 1, 1 - beyond, axis=1)
            # The places before a text, seen from its end, count up for a transformer's reach.
            at = np.arange(ids.shape[1])
            since = (at - np.maximum.accumulate(np.where(since == 0, at, 0), axis=1)).astype(
                np.int32
            )
        backwards = torch.from_numpy(ids).to(inputs.device).t()
        out, _ = self.run(self.backward, self.embedding(backwards), self.start(len(read)), since)
        index = torch.from_numpy(places.T.copy()).to(inputs.device)[:, :, None]
        right = out.gather(0, index.expand(-1, -1, out.shape[-1]))
        return left, torch.cat((right, out[:1])), after


def ends_of(targets: NDArray[np.int64], ages: NDArray[np.int32] | None) -> NDArray[np.int64]:
    """Return 1 at the last place (B, T) of each text and of each row, and 0 elsewhere."""
    ends = np.zeros(targets.shape, dtype=np.int64)
    ends[:, -1] = 1
    if ages is not None:
        ends[:, :-1] |= ages[:, 1:] == 0
        ends[:, :-1] |= (targets[:, 1:] == PAST) & (targets[:, :-1] != PAST)
    return ends


class GapFiller(TwoSided):
    """Predicts the next character of a gap from both its sides."""

    def _make(self) -> None:
        super()._make()
        wide, characters = self.architecture.hidden, self.characters
        self.remaining = nn.Embedding(LONGEST_GAP + 1, wide)
        # One output more than characters: the gap has ended.
        self.output = nn.Linear(wide, characters + 1)
        self.following = nn.Linear(wide, characters)
        self.preceding = nn.Linear(wide, characters)

    @torch.no_grad()
    def _initialise(self) -> None:
        super()._initialise()
        nn.init.zeros_(self.remaining.weight)
        for side in (self.following, self.preceding):
            nn.init.xavier_uniform_(side.weight, generator=self.generator)
            nn.init.zeros_(side.bias)

    def forward(self, left: Tensor, right: Tensor, remaining: Tensor) -> Tensor:
        """Return logits (T, B, V + 1), the last for "the gap has ended".

        Args:
            left, right: (T, B, H), what was read on either side.
            remaining: (T, 1) or (T, B), how many characters are missing, 0 for unknown.
        """
        both = torch.tanh(self.left(left) + self.right(right) + self.remaining(remaining))
        logits: Tensor = self.output(both)
        return logits

    def cost(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        """Return the mean of three costs: of the gap's next character, and by each side alone."""
        targets = batch.targets
        left, right, after = self.read(batch.inputs, targets, state, batch.ages)
        time = len(left)
        remaining, known = self._draw(time, targets.device)
        places = torch.arange(time, device=targets.device)
        ends = (places + remaining).clamp(max=time)
        remaining = ends - places
        logits = self(left, right[ends], torch.where(known, remaining, 0)[:, None])
        # Where nothing is missing any more, "the gap has ended" is the right answer.
        ended = (remaining == 0)[:, None] & (targets.t() != PAST)
        wanted = torch.where(ended, self.characters, targets.t())
        nats = summed_nats(logits, wanted)
        nats = nats + summed_nats(self.following(left), targets.t())
        nats = nats + summed_nats(self.preceding(right[1:]), targets.t())
        return nats / 3, after

    def heads(self, batch: Batch, state: State) -> dict[nn.Linear, Tensor]:
        """Return the logits of gaps of one character, and of each side alone."""
        left, right, _ = self.read(batch.inputs, batch.targets, state, batch.ages)
        one = torch.ones(len(left), 1, dtype=torch.long, device=left.device)
        return {
            self.output: self(left, right[1:], one),
            self.following: self.following(left),
            self.preceding: self.preceding(right[1:]),
        }

    def _draw(self, time: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return for each place how many characters are missing, and whether that is known."""
        uniform = torch.rand(2, time, generator=self.source(device), device=device)
        known = uniform[0] < KNOWN
        # The random numbers lie in [0, 1). We use 1 minus them, because zero has no logarithm.
        more = ((1 - uniform[1]).log() / torch.tensor(GOES_ON).log()).long()
        return (more + known).clamp(max=LONGEST_GAP), known


class Classifier(TwoSided):
    """Tells, at each place of a text, which label the text has.

    The label of a whole text is the one with the highest mean log-probability over its places (see
    `chargen.tasks.classifying`).
    """

    def _make(self) -> None:
        super()._make()
        self.output = nn.Linear(self.architecture.hidden, self.architecture.labels)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return logits (T, B, labels) from what was read on either side, (T, B, H) each."""
        logits: Tensor = self.output(self.drop(torch.tanh(self.left(left) + self.right(right)), 1))
        return logits

    def heads(self, batch: Batch, state: State) -> dict[nn.Linear, Tensor]:
        """Return nothing: no output is for characters."""
        return {}

    def cost(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        """Return the nats of each target's label."""
        assert batch.labels is not None
        left, right, after = self.read(batch.inputs, batch.targets, state, batch.ages)
        wanted = torch.where(batch.targets == PAST, PAST, batch.labels).t()
        return summed_nats(self(left, right[:-1]), wanted), after
