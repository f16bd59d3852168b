"""Writing text."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from chargen.engine.causal import Causal as Engine
from chargen.engine.language_model import State, read
from chargen.engine.likelihood import character_nats
from chargen.engine.recurrent import RecurrentLayer
from chargen.engine.rounding import rounded
from chargen.errors import PrimeError, UsageError
from chargen.tasks import drawing
from chargen.tasks.draft import Sample
from chargen.tasks.drawing import AHEAD, BLOCK, Sampling, Stream
from chargen.tasks.rules import Guide, Rules
from chargen.tasks.sampling import prepare_prime, sample
from chargen.text.vocabulary import ALL_BYTES, Vocabulary
from tests.conftest import RECURRENT, probabilities, tiny_checkpoint

MODEL = tiny_checkpoint()
ENGINE = Engine(MODEL.architecture, MODEL.weights)
VOCABULARY = MODEL.vocabulary


def written(prime: str = "", **options: object) -> list[Sample]:
    ids = prepare_prime(prime, VOCABULARY)
    return list(sample(ENGINE, VOCABULARY, Sampling(**options), [] if ids is None else [ids]))  # type: ignore[arg-type]


def test_the_same_seed_writes_the_same_text() -> None:
    """Seed and model decide the text; another seed writes another."""
    (one,), (again,), (other,) = (written(length=80, seed=seed) for seed in (5, 5, 6))
    assert one == again
    assert one.text != other.text
    assert len(one.text) == 80


def test_a_batch_is_its_samples_one_by_one() -> None:
    """Sample i of a batch is the one that seed + i writes alone."""
    batch = written(length=60, seed=3, count=4)
    assert [one.seed for one in batch] == [3, 4, 5, 6]
    assert [one.text for one in batch] == [written(length=60, seed=s)[0].text for s in (3, 4, 5, 6)]


def test_temperature_zero_takes_the_likeliest() -> None:
    """At temperature 0 the seed does not matter, and every step is the highest logit."""
    text = written(length=30, temp=0, seed=1)[0].text
    assert text == written(length=30, temp=0, seed=2)[0].text
    ids = np.concatenate([[VOCABULARY.bos], VOCABULARY.encode(text)]).astype(np.int32)
    logits, _ = ENGINE.forward(ids[None, :-1], ENGINE.start(1))
    assert logits[0].argmax(-1).tolist() == ids[1:].tolist()


def test_a_prime_is_read_and_not_written() -> None:
    """What follows a prime is what would follow it in the text."""
    whole = written(length=40, temp=0)[0].text
    assert written(prime=whole[:15], length=25, temp=0)[0].text == whole[15:]
    assert len(written(prime=whole * 20, length=5)[0].text) == 5


def test_the_cost_is_the_models_own() -> None:
    """nats_per_char is the mean charge at temperature 1, whatever the temperature drawn at."""
    (one,) = written(length=50, temp=0.5, seed=2)
    ids = np.concatenate([[VOCABULARY.bos], VOCABULARY.encode(one.text)]).astype(np.int32)
    logits, _ = ENGINE.forward(ids[None, :-1], ENGINE.start(1))
    chosen = np.take_along_axis(probabilities(logits[0]), ids[1:, None], 1)
    assert one.nats_per_char == pytest.approx(-np.log(chosen).mean(), abs=1e-5)


def test_stopping_ends_before_the_stop_text() -> None:
    """A sample ends where the stop text would begin; without it, at its length."""
    whole = written(length=200, seed=4)[0]
    stop = whole.text[50:53]
    (one,) = written(length=200, seed=4, stop=stop)
    assert one.text == whole.text[: whole.text.index(stop)]
    assert (one.finish, whole.finish) == ("stop", "length")


def test_a_sample_that_stops_leaves_the_others_alone() -> None:
    """In a batch each sample meets the stop text by itself."""
    batch = written(length=120, seed=1, count=5, stop="e")
    assert [one.text for one in batch] == [
        written(length=120, seed=s, stop="e")[0].text for s in range(1, 6)
    ]


@pytest.mark.parametrize("stop", [None, "ee", "t"])
def test_what_is_streamed_is_what_is_returned(stop: str | None) -> None:
    """The stream is the sample's bytes, and never holds a part of the stop text."""
    pieces: list[bytes] = []
    wanted = Sampling(length=150, seed=7, stop=stop)
    (one,) = sample(ENGINE, VOCABULARY, wanted, write=pieces.append)
    assert b"".join(pieces) == one.data == one.text.encode()
    assert len(pieces) > 1


def test_filters_reach_the_draw() -> None:
    """top-k 1, a tiny top-p and min-p 1 are each as greedy as temperature 0."""
    greedy = written(length=40, temp=0)[0].text
    assert written(length=40, top_k=1)[0].text == greedy
    assert written(length=40, top_p=1e-9)[0].text == greedy
    assert written(length=40, min_p=1.0)[0].text == greedy


def test_length_zero_writes_nothing() -> None:
    """No characters are no text and no cost."""
    assert written(length=0)[0] == Sample("", b"", 1.0, 0, 0.0, "length")


def test_unknown_characters_in_a_prime() -> None:
    """They raise an error that lists them, are skipped, or are replaced by "no character"."""
    with pytest.raises(PrimeError, match=r"'Ω' \(U\+03A9\), '\\x1b' \(U\+001B\)"):
        prepare_prime("aΩ\x1bbΩ", VOCABULARY)
    assert VOCABULARY.decode(prepare_prime("tΩhe", VOCABULARY, "skip")) == "the"
    assert (prepare_prime("tΩe", VOCABULARY, "replace") == VOCABULARY.bos).tolist() == [0, 1, 0]
    with pytest.raises(UsageError, match="`unknown` is"):
        prepare_prime("a", VOCABULARY, "maybe")


def test_bytes_are_written_as_bytes() -> None:
    """A model of bytes gives exactly the bytes drawn, and a readable text."""
    vocabulary = Vocabulary(ALL_BYTES, as_bytes=True)
    model = tiny_checkpoint(vocabulary.characters)
    (one,) = sample(Engine(model.architecture, model.weights), vocabulary, Sampling(length=64))
    assert len(one.data) == 64
    assert one.text == one.data.decode("utf-8", "replace")


@pytest.mark.parametrize(
    "options",
    [
        {"temp": -0.1}, {"temp": math.nan}, {"temp": math.inf}, {"top_p": 0.0}, {"top_p": 1.1},
        {"top_k": 0}, {"min_p": -1.0}, {"length": -1}, {"count": 0}, {"stop": ""}, {"seed": -1},
    ],
)  # fmt: skip
def test_values_that_cannot_work_are_refused(options: dict[str, object]) -> None:
    """Each bad value is an error that names its option."""
    with pytest.raises(UsageError, match=next(iter(options))):
        Sampling(**options)  # type: ignore[arg-type]


NOTHING = np.empty(0, np.int32)


def streamed(count: int, **asked: Any) -> Stream:
    """Return a stream of texts with the seeds from 0 on."""
    return Stream(ENGINE, Sampling(), range(count), *read(ENGINE, NOTHING), **asked)


def test_a_stream_is_what_samples_are_made_of() -> None:
    """Each step is a character of every text and its cost; those that end leave the others be."""
    stream = streamed(3)
    columns = [next(stream) for _ in range(5)]
    stream.keep([0, 2])
    columns += [next(stream) for _ in range(600)]
    for row, seed in ((0, 0), (-1, 2)):
        ids = np.array([ids[0, row] for ids, _ in columns], dtype=np.int32)
        (one,) = written(length=605, seed=seed)
        assert VOCABULARY.decode(ids) == one.text
        assert np.mean([nats[0, row] for _, nats in columns]) == pytest.approx(one.nats_per_char)


def test_rules_do_not_change_what_characters_cost() -> None:
    """Each text is drawn from what its rules allow; it costs what it costs the model."""
    _, plan = Sampling(length=6, rules=Rules(match="(th|es){3}")).planned(VOCABULARY)
    assert plan is not None
    stream = streamed(2, guide=Guide(plan, 2))
    columns = [next(stream) for _ in range(4)]
    stream.keep([1])
    columns += [next(stream) for _ in range(2)]
    texts = [VOCABULARY.decode(np.array([ids[0, row] for ids, _ in columns])) for row in (-1,)]
    assert all(re.fullmatch("(th|es){3}", text) for text in texts)
    chances = probabilities(read(ENGINE, NOTHING)[0])
    first = columns[0][0][0]
    assert columns[0][1][0] == pytest.approx(-np.log(chances[0, first]), abs=1e-5)


FILTERS: list[dict[str, float]] = [
    {}, {"temp": 0.6}, {"temp": 0}, {"top_k": 4}, {"temp": 1.3, "top_p": 0.8, "min_p": 0.02},
]  # fmt: skip


@pytest.mark.parametrize("arch", RECURRENT)
@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize(
    ("layers", "shorter", "ngrams", "common"),
    [
        (1, False, 0, 0),
        (2, False, 30, 0),
        (2, True, 0, 0),
        (1, True, 30, 0),
        (1, True, 0, 7),
    ],
)
def test_compiled_code_writes_the_same_text(
    arch: str,
    filters: dict[str, float],
    layers: int,
    shorter: bool,
    ngrams: int,
    common: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long text goes on in compiled code: with the same characters at the same costs."""
    model = tiny_checkpoint(arch=arch, layers=layers, ngrams=ngrams, common=common)
    weights = rounded(model.weights) if shorter else model.weights
    engine = Engine(model.architecture, weights)
    wanted = Sampling(length=2 * AHEAD + 100, seed=3, **filters)  # type: ignore[arg-type]
    (plain,) = sample(engine, VOCABULARY, wanted)
    monkeypatch.setattr(drawing, "WORTH", 600)
    monkeypatch.setattr(drawing, "WORTH_FIRST", 600)
    (written,) = sample(engine, VOCABULARY, wanted)
    assert written.text == plain.text
    assert written.nats_per_char == pytest.approx(plain.nats_per_char, rel=1e-5)
    stream = Stream(engine, wanted, [3], *read(engine, NOTHING))
    sizes = [len(ids) for ids, _ in itertools.islice(stream, AHEAD + 3)]
    assert sizes == [1] * AHEAD + [BLOCK] * 3
    stop = plain.text[AHEAD + 70 : AHEAD + 90]
    (stopped,) = sample(engine, VOCABULARY, replace(wanted, stop=stop))
    assert stopped.text == plain.text[: plain.text.index(stop)]


@pytest.mark.parametrize("ngrams", [0, 30])
def test_compiled_code_writes_several_texts(ngrams: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From their second character on, each by its own seed, whatever text it goes on from."""
    model = tiny_checkpoint(arch="lstm", layers=2, ngrams=ngrams)
    engine = Engine(model.architecture, model.weights)
    wanted = Sampling(length=AHEAD + 90, seed=3, count=5)
    primes = [np.array([4, 2], np.int32), NOTHING]
    plain = list(sample(engine, VOCABULARY, wanted, primes))
    monkeypatch.setattr(drawing, "WORTH", 600)
    monkeypatch.setattr(drawing, "WORTH_FIRST", 600)
    written = list(sample(engine, VOCABULARY, wanted, primes))
    assert [one.text for one in written] == [one.text for one in plain]
    assert len({one.text for one in written}) > 5
    nats = [one.nats_per_char for one in plain]
    assert [one.nats_per_char for one in written] == pytest.approx(nats, rel=1e-5)
    stream = Stream(engine, wanted, range(5), *read(engine, NOTHING))
    sizes = [ids.shape for ids, _ in itertools.islice(stream, 10)]
    assert sizes == [(1, 5), *[(BLOCK, 5)] * 7, (BLOCK - 1, 5), (BLOCK, 5)]


def test_compiled_code_is_for_long_recurrent_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several that may end soon, rules, a transformer and a short rest: all step by step."""
    monkeypatch.setattr(drawing, "WORTH", 600)
    monkeypatch.setattr(drawing, "WORTH_FIRST", 600)
    transformer = tiny_checkpoint(arch="transformer")
    other = Engine(transformer.architecture, transformer.weights)
    long = Sampling(length=AHEAD + 600)
    begun = read(ENGINE, NOTHING)
    _, plan = replace(long, rules=Rules(min_length=900)).planned(VOCABULARY)
    assert plan is not None
    streams = [
        Stream(ENGINE, replace(long, stop="x"), [1, 2], *begun),
        Stream(ENGINE, long, [1], *begun, guide=Guide(plan, 1)),
        Stream(other, long, [1], *read(other, NOTHING)),
        Stream(ENGINE, Sampling(length=AHEAD + 599), [1], *begun),
    ]
    for stream in streams:
        assert {len(ids) for ids, _ in itertools.islice(stream, AHEAD + 2)} == {1}


def test_many_texts_of_a_large_network_are_written_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """NumPy reads its weights once for all of them; few, or of a small one, are compiled."""
    monkeypatch.setattr("chargen.engine.causal.FEW", 3)
    size = sum(layer.recurrent.size for layer in cast("list[RecurrentLayer]", ENGINE.stack.layers))
    for small, texts, compiled in ((size, 4, True), (size - 1, 4, False), (size - 1, 3, True)):
        monkeypatch.setattr("chargen.engine.causal.SMALL", small)
        assert (ENGINE.writer((1, 0, 0, 0), texts) is not None) == compiled


def test_compiled_code_that_is_there_pays_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text may be worth half a second of loading, though not seven seconds of compiling."""
    monkeypatch.setattr(drawing, "WORTH", 600)
    for there in (False, True):
        monkeypatch.setattr(drawing, "compiled_before", lambda *_, there=there: there)
        stream = Stream(ENGINE, Sampling(length=AHEAD + 600), [1], *read(ENGINE, NOTHING))
        sizes = [len(ids) for ids, _ in itertools.islice(stream, AHEAD + 1)]
        assert sizes[-1] == (BLOCK if there else 1)


class Blend:
    """Two models whose logits are averaged: a language model like any other."""

    def __init__(self, one: Engine, other: Engine) -> None:
        self.models = (one, other)
        self.bos = one.bos

    def start(self, batch: int) -> State:
        return [layer for model in self.models for layer in model.start(batch)]

    def forward(self, ids: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        half = len(state) // 2
        parts = zip(self.models, (state[:half], state[half:]), strict=True)
        done = [model.forward(ids, part) for model, part in parts]
        return (done[0][0] + done[1][0]) / 2, [*done[0][1], *done[1][1]]


def test_any_language_model_writes_and_scores() -> None:
    """A blend of a model with itself is that model, to sampling and to likelihood."""
    blend = Blend(ENGINE, ENGINE)
    assert next(sample(blend, VOCABULARY, Sampling(length=60))).text == written(length=60)[0].text
    texts = [VOCABULARY.encode("the tide went"), VOCABULARY.encode("sand")]
    given = [VOCABULARY.encode("it "), VOCABULARY.encode("the")]
    for mine, theirs in zip(
        character_nats(blend, given, texts), character_nats(ENGINE, given, texts), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)
