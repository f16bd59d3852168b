r"""The network that turns one text into another: an encoder and a decoder with attention.

Two stacks read the source, and remember its place s as m_s (see `chargen.networks.encoder`). A
third stack, the decoder, reads the target so far. Its output d_t looks at the source in one of
three ways (``attention``):

- ``monotonic``: the target's t-th symbol is written at one place a_t of the source, which never
  goes back: P(a_t = s | a_{t-1} = s') ∝ exp(d_t W_query m_s) for s ≥ s'. Which places these are is
  not known, so the probability of a target is the sum over all of them, computed exactly by
  dynamic programming. After Wu & Cotterell 2019 (arXiv:1905.06319). What is written at a place adds
  two parts, as in Graves 2012 (arXiv:1211.3711, section 2.4):

      P(y | t, s) = softmax(U tanh(W_read d_t) + V m_s)_y

  Then all places together need three products of matrices, and no array of places × symbols;
- ``soft``: the places are averaged, with softmax(d_t W_query m_s) as weights, and the mean is read
  together with d_t (Luong et al. 2015, arXiv:1508.04025, equations 5 and 8, "general"). A target
  may then follow its source in any order;
- ``none``: the source is remembered as one vector, what each stack had read at its end (Sutskever
  et al. 2014, arXiv:1409.3215).

One output means "copy the character at this place" (a pointer; See et al. 2017, arXiv:1704.04368).
So a character that the model does not know can be written, too.

Features are vectors that are added to each character's and to each symbol's.

In a decoder of several layers, each layer but the last also looks at the source, as in `soft`: a
transformer adds what it saw to its stream (Vaswani et al. 2017, section 3.2.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chargen.architecture import MONOTONIC, NONE, Architecture
from chargen.networks.base import State, layers
from chargen.networks.encoder import Encoder, settled
from chargen.text.pair_windows import UNKNOWN, PairWindow
from chargen.text.windows import PAST

LEAST = -1e4
"""Stands for log 0; it is finite, so that differences are numbers."""


@dataclass(frozen=True)
class PairBatch:
    """A window of pairs (`chargen.text.pair_windows.PairWindow`) where the network is."""

    sources: Tensor
    lengths: Tensor
    features: Tensor
    inputs: Tensor
    targets: Tensor
    same: Tensor
    copyable: Tensor


class Look(nn.Module):
    """A layer's look at the source, and what the layer above gets to see."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        wide = architecture.hidden
        self.adds = architecture.family.attends
        self.query = nn.Linear(wide, wide, bias=False)
        self.context = nn.Linear(wide, wide, bias=False)

    def forward(self, decoded: Tensor, memory: Tensor, there: Tensor) -> Tensor:
        """Return (B, T, H), what was decoded together with what it looked at."""
        weights = fit(self.query(settled(decoded, self.adds)), memory, there).softmax(-1)
        weights = weights.to(memory.dtype)
        seen = decoded + self.context(weights @ memory)
        return seen if self.adds else torch.tanh(seen)


def fit(query: Tensor, memory: Tensor, there: Tensor) -> Tensor:
    """Return how well each place of a source (B, S, H) fits each query (B, T, H): (B, T, S)."""
    scores: Tensor = (query @ memory.transpose(1, 2)).float() * memory.shape[-1] ** -0.5
    return scores.masked_fill(~there[:, None], LEAST)


class Transducer(Encoder):
    """An encoder and a decoder with attention."""

    def _make(self) -> None:
        super()._make()
        architecture = self.architecture
        wide, embed = architecture.hidden, architecture.embed
        symbols, features = architecture.targets, architecture.features
        self.decoder = layers(architecture)
        self.symbol = nn.Embedding(symbols + 1, embed, padding_idx=symbols)
        if features:
            self.feature = nn.Linear(features, embed, bias=False)
            self.wanted = nn.Linear(features, embed, bias=False)
        self.look = nn.ModuleList(Look(architecture) for _ in range(architecture.layers - 1))
        self.query = nn.Linear(wide, wide, bias=False)
        self.read = nn.Linear(wide, wide, bias=False)
        self.place = nn.Linear(wide, self._placed(), bias=False)
        self.output = nn.Linear(wide, symbols + 2)

    def _placed(self) -> int:
        """Return how wide a place's part is: of the outputs, or of what is read with it."""
        size = self.architecture
        return size.targets + 2 if size.attention == MONOTONIC else size.hidden

    @torch.no_grad()
    def _initialise(self) -> None:
        super()._initialise()
        given = self.generator
        self.symbol.weight.normal_(generator=given)
        self.symbol.weight[self.architecture.targets] = 0
        if self.architecture.features:
            for linear in (self.feature, self.wanted):
                linear.weight.normal_(generator=given)
        looks = [one for one in self.look.modules() if isinstance(one, nn.Linear)]
        for linear in (self.query, self.read, self.place, *looks):
            nn.init.xavier_uniform_(linear.weight, generator=given)

    def placed(self, window: PairWindow) -> PairBatch:
        """Return pairs where the network is."""
        moved = self.moved
        return PairBatch(
            moved(window.sources).long(),
            moved(window.lengths).long(),
            moved(window.features),
            moved(window.inputs).long(),
            moved(window.targets).long(),
            moved(window.same),
            moved(window.copyable),
        )

    def encode(self, sources: Tensor, lengths: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is remembered of sources (B, S, H), and which places there are (B, S)."""
        x = self.embedding(sources.t())
        if self.architecture.features:
            x = x + self.feature(features)
        left, right = self.sides(self.drop(x, 1), lengths)
        if self.architecture.attention == NONE:
            left = left.gather(0, (lengths - 1)[None, :, None].expand(1, -1, left.shape[-1]))
            # The right stack has read all when it comes to the first character.
            return self.joined(left, right[:1]), lengths[:, None] > 0
        places = torch.arange(sources.shape[1], device=sources.device)
        return self.joined(left, right), places < lengths[:, None]

    def decode(self, inputs: Tensor, features: Tensor, memory: Tensor, there: Tensor) -> Tensor:
        """Return the decoder's outputs (B, T, H) after each input (B, T)."""
        y = self.symbol(inputs.t())
        if self.architecture.features:
            y = y + self.wanted(features)
        y = self.drop(y, 1)
        before = self.begin(len(inputs))
        for number, (layer, state) in enumerate(zip(self.decoder, before, strict=True)):
            y, _ = self.through(layer, y.contiguous(), state)
            if number < len(self.look):
                y = self.look[number](y.transpose(0, 1), memory, there).transpose(0, 1)
        return settled(y.transpose(0, 1), self.stream)

    def cost(self, batch: PairBatch, state: State) -> tuple[Tensor, State]:
        """Return the nats of all targets, summed."""
        return self.nats(batch).sum(), state

    def nats(self, batch: PairBatch) -> Tensor:
        """Return the nats (B,) of each pair's target."""
        memory, there = self.encode(batch.sources, batch.lengths, batch.features)
        decoded = self.decode(batch.inputs, batch.features, memory, there)
        scores = fit(self.query(decoded), memory, there)
        if self.architecture.attention == MONOTONIC:
            emitted = self._written(decoded, memory, batch)
            return -summed_paths(scores, emitted, batch.targets != PAST)
        # One vector has no places from which a character could be copied.
        copyable = batch.copyable & (self.architecture.attention != NONE)
        weights = scores.softmax(-1).to(memory.dtype)
        seen = self.place(weights @ memory)
        logits = self.output(self.drop(torch.tanh(self.read(decoded) + seen), 0)).float()
        nothing = ~copyable.any(-1)[:, None, None] & self.last(logits)
        logs = logits.masked_fill(nothing, LEAST).log_softmax(-1)
        width = scores.shape[-1]
        pointer = scores.masked_fill(~copyable[:, None, :width], LEAST).softmax(-1)
        copied = (pointer * batch.same[..., :width]).sum(-1).clamp(min=1e-30).log()
        both = torch.logaddexp(own(logs, batch.targets), logs[..., -1] + copied)
        return -torch.where(batch.targets == PAST, 0.0, both).sum(-1)

    def last(self, logits: Tensor) -> Tensor:
        """Return a mask (V,) of the output that copies."""
        size = logits.shape[-1]
        return torch.arange(size, device=logits.device) == size - 1

    def _written(self, decoded: Tensor, memory: Tensor, batch: PairBatch) -> Tensor:
        """Return log P(y | t, s) of each target (B, T) at each place: (B, T, S)."""
        targets = batch.targets
        mine = self.output(self.drop(torch.tanh(self.read(decoded)), 0)).float()
        there = self.place(self.drop(memory, 0)).float()
        there = there.masked_fill(~batch.copyable[..., None] & self.last(there), LEAST)
        with torch.autocast(mine.device.type, enabled=False):
            high, top = mine.amax(-1, keepdim=True), there.amax(-1, keepdim=True)
            powers = (mine - high).exp() @ (there - top).exp().transpose(1, 2)
            total = powers.log() + high + top.transpose(1, 2)
        index = targets.clamp(min=0)[..., None]
        here = there.transpose(1, 2).gather(1, index.expand(-1, -1, there.shape[1]))
        known = (targets != UNKNOWN)[..., None]
        logs = (mine.gather(2, index) + here).masked_fill(~known, LEAST)
        copied = mine[..., -1:] + there[..., -1][:, None]
        emitted: Tensor = torch.logaddexp(logs, copied.masked_fill(~batch.same, LEAST)) - total
        return emitted

    def heads(self, batch: PairBatch, state: State) -> dict[nn.Linear, Tensor]:
        """Return the logits of the symbols, without what the places add."""
        memory, there = self.encode(batch.sources, batch.lengths, batch.features)
        decoded = self.decode(batch.inputs, batch.features, memory, there)
        return {self.output: self.output(torch.tanh(self.read(decoded)))}


def own(logs: Tensor, targets: Tensor) -> Tensor:
    """Return the log-probabilities of targets (B, T) as symbols that are known."""
    found = logs.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return found.masked_fill(targets == UNKNOWN, LEAST)


def summed_paths(scores: Tensor, emitted: Tensor, inside: Tensor) -> Tensor:
    """Return the logarithm (B,) of the sum over all ways through a source that never go back.

    Args:
        scores: (B, T, S), how well a place fits at each step.
        emitted: (B, T, S), log P(y | t, s).
        inside: (B, T), which steps there are.
    """
    # The sum over all places from s on; what is chosen from, when the last place was s.
    reach = scores.flip(2).logcumsumexp(2).flip(2)
    path = scores[:, 0] - reach[:, 0, :1] + emitted[:, 0]
    for t in range(1, scores.shape[1]):
        came = (path - reach[:, t]).logcumsumexp(1)
        path = torch.where(inside[:, t, None], came + scores[:, t] + emitted[:, t], path)
    return path.logsumexp(1)
