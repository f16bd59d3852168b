"""How fast chargen is, beside a plain `torch.nn` loop and beside what the machine could do.

Run by ``python -m pytest -m benchmark -s tests/benchmarks``. Each row is measured in turns with its
baseline within one process, because a shared machine is never equally fast twice. Nothing asserts
a time; ``CHARGEN_BENCHMARKS`` names a file to which the rows are added as JSON lines.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from chargen.architecture import FAMILIES, Architecture
from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal as Engine
from chargen.engine.language_model import read
from chargen.engine.recurrent import RecurrentLayer
from chargen.engine.rounding import rounded
from chargen.networks.base import Batch
from chargen.networks.causal import Causal
from chargen.options import Options
from chargen.tasks.drawing import Sampling
from chargen.tasks.sampling import sample
from chargen.tasks.scoring import ModelPredictor, score
from chargen.text.corpus import Span, open_text
from chargen.text.sources import spool
from chargen.text.vocabulary import Vocabulary
from chargen.training.choices import decide
from chargen.training.devices import keep_freed_memory, pick_precision
from chargen.training.evaluate import score_long
from chargen.training.loop import Trainer
from chargen.training.texts import Texts
from tests.conftest import RECURRENT, STORY, random_weights

pytestmark = pytest.mark.benchmark

ROUNDS = 5
CHARACTERS = 65
MODULES = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def in_turns(*jobs: Callable[[], Any]) -> list[float]:
    """Return each job's median seconds, run in turns after a warm-up."""
    for job in jobs:
        job()
    times: list[list[float]] = [[] for _ in jobs]
    for _ in range(ROUNDS):
        for job, taken in zip(jobs, times, strict=True):
            began = time.perf_counter()
            job()
            taken.append(time.perf_counter() - began)
    return [statistics.median(taken) for taken in times]


def row(what: str, **figures: float | str) -> None:
    """Print a row, and add it to the file if there is one."""
    shown = "  ".join(
        f"{name} {value:,.3g}" if isinstance(value, float) and value < 100
        else f"{name} {value:,.0f}" if isinstance(value, float)
        else f"{name} {value}"
        for name, value in figures.items()
    )  # fmt: skip
    print(f"\n{what}: {shown}", end="")
    if path := os.environ.get("CHARGEN_BENCHMARKS"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what} | figures) + "\n")


def text_of(characters: int) -> tuple[Span, Vocabulary]:
    """Return a text of random characters, as many different ones as Shakespeare has."""
    drawn = np.random.default_rng(0).integers(0, CHARACTERS, characters)
    text = "".join(chr(0x21 + number) for number in drawn)
    opened = open_text([spool("random", io.BytesIO(text.encode()))])
    return opened.span(), Vocabulary.of(opened)


class Plain(nn.Module):
    """The usual network, straight from `torch.nn`, in float32."""

    def __init__(self, architecture: Architecture, characters: int = CHARACTERS) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, architecture.embed)
        self.recurrent = MODULES[architecture.arch](
            architecture.embed, architecture.hidden, architecture.layers, batch_first=True
        )
        self.output = nn.Linear(architecture.hidden, characters)

    def forward(self, ids: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        out, state = self.recurrent(self.embedding(ids), state)
        return self.output(out), state


def plain_steps(architecture: Architecture, batch: int, bptt: int) -> Iterator[None]:
    """Train the usual network with the usual loop, a step for each ``next``."""
    network = Plain(architecture)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    ids = torch.randint(CHARACTERS, (batch, bptt + 1))
    while True:
        logits, _ = network(ids[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        yield


def machine_rate(dtype: torch.dtype) -> float:
    """Return the floating-point operations a second of a large matrix product."""
    one, other = torch.randn(4096, 512).to(dtype), torch.randn(512, 1536).to(dtype)
    (seconds,) = in_turns(lambda: one @ other)
    return 2 * 4096 * 512 * 1536 / seconds


@pytest.mark.parametrize(
    ("layers", "hidden", "batch"),
    [
        (1, 128, 32),
        *((1, hidden, batch) for hidden in (256, 512) for batch in (16, 32, 128)),
        (1, 1024, 32),
        (2, 256, 32),
        (2, 512, 32),
    ],
)
@pytest.mark.parametrize("arch", RECURRENT)
def test_training_speed(arch: str, layers: int, hidden: int, batch: int) -> None:
    """Characters a second of a whole training step, against torch.nn in float32."""
    keep_freed_memory()
    bptt, steps = 64, 4
    span, vocabulary = text_of(batch * bptt * 400)
    options = Options(
        arch=arch, layers=layers, hidden=hidden, embed=64, batch=batch, bptt=bptt, dropout=0.0,
        steps=10**6, evaluations=1,
    )  # fmt: skip
    texts = Texts(span, None, {"names": []})
    trainer = Trainer(texts, vocabulary, decide(options, len(span)))
    ours = (report for report in trainer if report.event == "step")
    plain = plain_steps(trainer.plan.architecture, batch, bptt)

    def several(steps_of: Iterator[Any]) -> Callable[[], Any]:
        return lambda: [next(steps_of) for _ in range(steps)]

    mine, theirs = in_turns(several(ours), several(plain))
    characters = batch * bptt * steps
    inputs = 64 + (layers - 1) * hidden
    recurrent = FAMILIES[arch].gates * hidden * (layers * hidden + inputs)
    limit = machine_rate(torch.bfloat16 if trainer.learner.precision == "bf16" else torch.float32)
    row(
        f"train {arch} {layers} × {hidden}, batch {batch}",
        chargen=characters / mine,
        plain=characters / theirs,
        ratio=theirs / mine,
        of_the_machine=6 * recurrent * characters / mine / limit,
    )


@pytest.mark.parametrize("arch", ["lstm", "gru"])
@pytest.mark.parametrize("hidden", [128, 256, 512])
def test_sampling_speed(arch: str, hidden: int) -> None:
    """Characters a second: in NumPy, in compiled code and as a batch.

    Beside them stand one torch.nn call a character, and the products alone (NumPy, which here has
    as many threads as it wants).
    """
    architecture = Architecture(arch, 2, hidden, 64)
    # As `chargen.model` does for sampling.
    engine = Engine(architecture, rounded(random_weights(architecture, CHARACTERS)))
    vocabulary = Vocabulary("".join(chr(0x21 + number) for number in range(CHARACTERS)), 0.01)
    length, batch = 400, 256
    plain = Plain(architecture).eval()
    _, state = read(engine, np.empty(0, np.int32))
    writer = engine.writer((0.8, 0, 0, 0))
    assert writer is not None
    uniform, start = np.random.default_rng(0).random((1, length)), np.zeros(1, np.int32)
    layers = engine.stack.layers
    x = np.ones((1, hidden), np.float32)
    weights = [layer.recurrent for layer in layers if isinstance(layer, RecurrentLayer)]
    weights += [layer.inputs for layer in layers[1:] if isinstance(layer, RecurrentLayer)]

    def usual() -> None:
        ids, state = torch.zeros(1, 1, dtype=torch.long), None
        with torch.no_grad():
            for _ in range(length // 4):
                logits, state = plain(ids, state)
                ids = torch.multinomial(functional.softmax(logits[0], -1), 1)

    def products() -> None:
        for _ in range(length):
            for weight in (*weights, engine.output):
                x @ weight

    def ours(count: int, characters: int) -> Callable[[], Any]:
        wanted = Sampling(length=characters, temp=0.8, count=count)
        return lambda: list(sample(engine, vocabulary, wanted))

    one, compiled, many, theirs, bound = in_turns(
        ours(1, length),
        lambda: writer.write(start, state, uniform),
        ours(batch, length // 8),
        usual,
        products,
    )
    row(
        f"sample {arch} 2 × {hidden}",
        chargen=length / one,
        compiled=length / compiled,
        plain=length / 4 / theirs,
        ratio=theirs * 4 / compiled,
        of_the_products=bound / compiled,
        batch_of_256=batch * (length // 8) / many,
        batch_ratio=batch * (length // 8) / many / (length / compiled),
    )


def test_scoring_speed() -> None:
    """Characters a second in lanes, against the one exact pass, and how far the two differ."""
    architecture = Architecture("gru", 1, 384, 64)
    vocabulary = Vocabulary("".join(sorted(set(STORY))), 0.01)
    predictor = ModelPredictor(Engine(architecture, random_weights(architecture, len(vocabulary))))
    opened = open_text([spool("story", io.BytesIO((STORY * 300).encode()))])
    long, short = opened.span(), opened.span(0, 20_000)
    lanes, exact = in_turns(
        lambda: score(predictor, long, vocabulary),
        lambda: score(predictor, short, vocabulary, lanes=1),
    )
    rates = len(long) / lanes, len(short) / exact
    row("score gru 1 × 384", lanes=rates[0], exact=rates[1], ratio=rates[0] / rates[1])


def test_long_scoring_speed() -> None:
    """Characters a second with PyTorch, as for long texts, and the share of the products alone."""
    keep_freed_memory()
    architecture = Architecture("lstm", 1, 512, 64)
    vocabulary = Vocabulary("".join(sorted(set(STORY))), 0.01)
    saved = Checkpoint(architecture, vocabulary, random_weights(architecture, len(vocabulary)))
    exact = ModelPredictor(Engine(architecture, saved.weights))
    span = open_text([spool("story", io.BytesIO((STORY * 300).encode()))]).span()
    short = span.part(0, 10_000)
    ours, theirs = in_turns(
        lambda: score_long(saved, span), lambda: score(exact, short, vocabulary, lanes=1)
    )
    rate, products = len(span) / ours, 8 * 512 * 512
    row(
        "score lstm 1 × 512 with PyTorch",
        chargen=rate,
        ratio=rate * theirs / len(short),
        of_the_machine=products * rate / machine_rate(torch.bfloat16),
    )


@pytest.mark.parametrize(("characters", "common"), [(65, 0), (6000, 1000), (6000, 0)])
def test_alphabet_speed(characters: int, common: int) -> None:
    """Characters a second by the size of the alphabet, the first of which are the most frequent."""
    keep_freed_memory()
    architecture = Architecture("lstm", 1, 384, 64, common=common)
    network = Causal(architecture, characters)
    weights = random_weights(architecture, characters)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    # The n-th character has a share of about 1/n (Zipf 1935).
    shares = 1 / np.arange(1, characters + 1)
    drawn = np.random.default_rng(0).choice(characters, (32, 65), p=shares / shares.sum())
    ids = torch.from_numpy(drawn)
    batch = Batch(ids[:, :-1].int(), ids[:, 1:].contiguous())
    engine = Engine(architecture, rounded(weights))
    writer = engine.writer((0.8, 0, 0, 0))
    assert writer is not None
    _, state = read(engine, np.empty(0, np.int32))
    uniform, start = np.random.default_rng(0).random((1, 200)), np.zeros(1, np.int32)

    def train() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            nats, _ = network.cost(batch, network.start(32))
        optimizer.zero_grad()
        torch.autograd.backward(nats / batch.targets.numel())
        optimizer.step()

    def judge() -> None:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            network.charge(batch, network.start(32))

    trained, judged, written = in_turns(train, judge, lambda: writer.write(start, state, uniform))
    row(
        f"lstm 1 × 384, {characters} characters, {common or 'all'} with full outputs",
        train=batch.targets.numel() / trained,
        score=batch.targets.numel() / judged,
        sample=uniform.size / written,
    )


def test_reading_speed() -> None:
    """Megabytes a second from UTF-8 to ids."""
    for name, text in (("ASCII", "To be, or not to be. "), ("Chinese", "漢字測試中文文本，")):
        data = (text * (20_000_000 // len(text.encode()))).encode()
        span = (opened := open_text([spool(name, io.BytesIO(data))])).span()
        vocabulary = Vocabulary.of(opened)

        def read(span: Span = span, vocabulary: Vocabulary = vocabulary) -> None:
            for block in span.blocks():
                vocabulary.lookup(block)

        (seconds,) = in_turns(read)
        row(f"read {name}", megabytes_a_second=len(data) / seconds / 1e6)


def test_precision_of_this_machine() -> None:
    """Which precision is chosen here, and what the machine's products reach in either."""
    row(
        "machine",
        precision=pick_precision("auto", torch.device("cpu")),
        gflops_bf16=machine_rate(torch.bfloat16) / 1e9,
        gflops_fp32=machine_rate(torch.float32) / 1e9,
        threads=float(torch.get_num_threads()),
    )
