"""Networks as a careful user of `torch.nn` trains them, to compare with.

Run by ``python -m tests.benchmarks.plain KIND TEXT MINUTES [PRECISION]``: each line that it writes
is JSON with the held-out nats per character; the last line scores all of the held-out tenth.

``lstm`` is one LSTM of 512 in float32, batch and window as chargen's, state carried from window
to window, AdamW, the gradient clipped, the learning rate falling in a line from 0.003 to zero by
the end of the minutes. Its learning rate was not searched. With a ``PRECISION`` it trains on a CUDA
device: ``fp32``, ``tf32``, or ``bf16`` by autocast.

``nanogpt`` follows the settings that nanoGPT's README gives for a processor: 4 layers, 4 heads, 128
units, no dropout, no biases, output tied to the embedding; 2,000 steps of 12 random windows of 64
characters; AdamW (0.9, 0.99) with weight decay 0.1 for matrices; 100 steps of warm-up to 0.001,
then a cosine down to 0.0001; gradients clipped at 1; float32. ``MINUTES`` changes nothing: it takes
as long as it takes.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from chargen.text.catalog import resolve
from chargen.text.corpus import Span, open_text, read_all
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import cuts, windows

EVALUATIONS = 20
BATCH, BPTT, WIDTH, EMBED, RATE = 32, 64, 512, 64, 0.003
BLOCK, ROWS, UNITS, HEADS, LAYERS, STEPS = 64, 12, 128, 4, 4, 2000
WARM_UP, HIGHEST, LOWEST, SAMPLED = 100, 1e-3, 1e-4, 20


class Recurrent(nn.Module):
    """An LSTM between an embedding and an output."""

    def __init__(self, characters: int, precision: str = "", width: int = WIDTH) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, EMBED)
        self.recurrent = nn.LSTM(EMBED, width, batch_first=True)
        self.output = nn.Linear(width, characters)
        self.device = torch.device("cuda" if precision else "cpu")
        self.to(self.device)
        self.rounded = precision == "bf16"
        allow_tf32(precision != "fp32")

    def forward(self, ids: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        out, state = self.recurrent(self.embedding(ids), state)
        return self.output(out), state


class Block(nn.Module):
    """Attention and two linear layers, each after a layer norm and added to what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(UNITS, bias=False)
        self.attention = nn.Linear(UNITS, 3 * UNITS, bias=False)
        self.mixed = nn.Linear(UNITS, UNITS, bias=False)
        self.inner = nn.Sequential(
            nn.LayerNorm(UNITS, bias=False),
            nn.Linear(UNITS, 4 * UNITS, bias=False),
            nn.GELU(),
            nn.Linear(4 * UNITS, UNITS, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        rows, time_, _ = x.shape
        parts = self.attention(self.before_attention(x)).view(rows, time_, 3, HEADS, -1)
        q, k, v = (part.transpose(1, 2) for part in parts.unbind(2))
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mixed(seen.transpose(1, 2).reshape(x.shape))
        after: Tensor = x + self.inner(x)
        return after


class Gpt(nn.Module):
    """Blocks over the vectors of characters and places."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, UNITS)
        self.place = nn.Embedding(BLOCK, UNITS)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(UNITS, bias=False)
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                last = name.endswith(("mixed.weight", "inner.3.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if last else 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids) + self.place(torch.arange(ids.shape[1]))
        logits: Tensor = functional.linear(self.norm(self.blocks(x)), self.embedding.weight)
        return logits


def halves(path: str) -> tuple[Span, Span, Vocabulary]:
    """Return nine tenths to train on, one tenth that is held out, and the vocabulary."""
    text = open_text([resolve(path)])
    cut = int(text.characters * 0.9)
    return text.span(0, cut), text.span(cut), Vocabulary.of(text)


def lstm(path: str, minutes: float, precision: str = "") -> Iterator[float]:
    """Train the LSTM for so many minutes; yield nats per character."""
    began, (train, valid, vocabulary) = time.perf_counter(), halves(path)
    network = Recurrent(len(vocabulary) + 1, precision)
    optimizer = adamw(network)
    lanes = cuts(len(train) // BATCH * BATCH, BATCH)
    done, evaluated = 0.0, 0
    while done < 1:
        state = None
        for window in windows(train, vocabulary, lanes, BPTT):
            for group in optimizer.param_groups:
                group["lr"] = RATE * max(0.0, 1 - done)
            loss, state = lstm_loss(network, window.inputs, window.targets, state)
            updated(network, optimizer, loss)
            done = (time.perf_counter() - began) / (60 * minutes)
            if int(done * EVALUATIONS) > evaluated:
                evaluated = int(done * EVALUATIONS)
                yield lstm_score(network, valid.part(0, min(10_000, len(valid))), vocabulary)
            if done >= 1:
                break
    yield lstm_score(network, valid, vocabulary)


def lstm_loss(network: Recurrent, inputs: Any, targets: Any, state: Any) -> tuple[Tensor, Any]:
    """Return the mean loss of a window, and the state after it, cut off from the gradient."""
    inputs, targets = (torch.from_numpy(ids).to(network.device) for ids in (inputs, targets))
    with torch.autocast(network.device.type, torch.bfloat16, enabled=network.rounded):
        logits, state = network(inputs, state)
        loss = functional.cross_entropy(
            logits.flatten(0, 1), targets.long().flatten(), ignore_index=-1
        )
    return loss, tuple(part.detach() for part in state)


def adamw(network: nn.Module) -> torch.optim.Optimizer:
    """Return the LSTM's optimizer."""
    return torch.optim.AdamW(network.parameters(), RATE, betas=(0.9, 0.99))


def allow_tf32(allowed: bool) -> None:
    """Say whether products in float32 may be rounded to TF32, in the whole process."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed


@torch.no_grad()
def lstm_score(network: Recurrent, valid: Span, vocabulary: Vocabulary) -> float:
    """Return nats per character of a text read once from its beginning."""
    nats, state = 0.0, None
    for window in windows(valid, vocabulary, cuts(len(valid), 1), 1000):
        loss, state = lstm_loss(network, window.inputs, window.targets, state)
        nats += float(loss) * window.characters
    return nats / len(valid)


def nanogpt(path: str, _minutes: float, _precision: str = "") -> Iterator[float]:
    """Train the Transformer for 2,000 steps; yield nats per character."""
    train, valid, vocabulary = halves(path)
    ids, held_out = (
        torch.from_numpy(vocabulary.encode(read_all(span.blocks(0, len(span))))).long()
        for span in (train, valid)
    )
    network = Gpt(len(vocabulary))
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in network.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, HIGHEST, betas=(0.9, 0.99))
    for step in range(STEPS):
        falling = 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / (STEPS - WARM_UP)))
        rate = LOWEST + falling * (HIGHEST - LOWEST)
        for group in optimizer.param_groups:
            group["lr"] = HIGHEST * (step + 1) / WARM_UP if step < WARM_UP else rate
        updated(network, optimizer, gpt_loss(network, *gpt_batch(ids)))
        if (step + 1) % (STEPS // EVALUATIONS) == 0 and step + 1 < STEPS:
            with torch.no_grad():
                losses = [gpt_loss(network, *gpt_batch(held_out)) for _ in range(SAMPLED)]
            yield float(torch.stack(losses).mean())
    rows = held_out[: (len(held_out) - 1) // BLOCK * BLOCK + 1]
    inputs, targets = rows[:-1].view(-1, BLOCK), rows[1:].view(-1, BLOCK)
    with torch.no_grad():
        nats = sum(
            float(gpt_loss(network, inputs[at : at + 64], targets[at : at + 64]))
            * targets[at : at + 64].numel()
            for at in range(0, len(inputs), 64)
        )
    yield nats / (len(rows) - 1)


def gpt_batch(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return windows at random places, and the same a character later."""
    places = np.random.default_rng().integers(0, len(ids) - BLOCK - 1, ROWS)
    rows = torch.stack([ids[place : place + BLOCK + 1] for place in places])
    return rows[:, :-1], rows[:, 1:]


def gpt_loss(network: Gpt, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss of windows."""
    return functional.cross_entropy(network(inputs).flatten(0, 1), targets.flatten())


def updated(network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Make a step."""
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


KINDS = {"lstm": lstm, "nanogpt": nanogpt}

if __name__ == "__main__":
    kind, text, minutes_, *others = sys.argv[1:]
    for found in KINDS[kind](text, float(minutes_), *others):
        print(json.dumps({"nats_per_char": found}), flush=True)
