"""Files made small by a model."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import chargen
from chargen import checkpoint
from chargen.engine.causal import Causal
from chargen.engine.likelihood import log_softmax
from chargen.engine.writer import Frequencies
from chargen.errors import CheckpointError, CorpusError, KindError, UsageError
from chargen.kernels import BITS as BITS_OF_PLACE
from chargen.kernels import FOLLOWS, FOLLOWS_TOO, SEEN
from chargen.networks.base import Batch
from chargen.networks.causal import Causal as Network
from chargen.tasks import compressing
from chargen.tasks.compressing import BITS, Packed
from chargen.text.contexts import LONGEST, WORD, keys
from chargen.text.ngrams import CASES, PRIOR, Ngrams
from chargen.text.told import Told
from chargen.text.vocabulary import ALL_BYTES, Vocabulary
from tests.conftest import POWERS, RECURRENT, STORY, any_text, probabilities, tiny_checkpoint


def model(folder: Path, **asked: object) -> chargen.Model:
    path = folder / "m.safetensors"
    checkpoint.write(path, tiny_checkpoint(**asked))  # type: ignore[arg-type]
    return chargen.load(path)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> chargen.Model:
    """A small model of characters."""
    return model(tmp_path_factory.mktemp("m"))


@given(
    data=st.one_of(st.binary(max_size=200), any_text(max_size=80).map(str.encode)),
    adapt=st.booleans(),
)
@settings(max_examples=60)
def test_every_file_comes_back(small: chargen.Model, data: bytes, adapt: bool) -> None:
    """Whatever its bytes are; and none becomes larger by more than the header."""
    packed = small.compress(data, adapt=adapt)
    assert small.decompress(packed) == data
    assert len(packed) <= len(data) + 32


@pytest.mark.parametrize("arch", RECURRENT)
@pytest.mark.parametrize("asked", [{}, {"layers": 2, "ngrams": 30}, {"common": 7}], ids=str)
def test_the_size_is_what_the_text_costs(
    tmp_path: Path, arch: str, asked: dict[str, object]
) -> None:
    """To a thousandth, and the header: the perplexity is proven by the file."""
    small = model(tmp_path, arch=arch, **asked)
    text = STORY * 8
    bits = small.perplexity(text=text, exact=True).nats / math.log(2)
    packed = small.compress(text.encode())
    assert 8 * (len(packed) - 40) < bits * 1.001
    assert 8 * len(packed) > bits * 0.999
    assert small.decompress(packed) == text.encode()


@pytest.mark.parametrize("ngrams", [0, 30])
def test_counting_on_is_by_its_definition(tmp_path: Path, ngrams: int) -> None:
    """Of each length, first what the training text tells, then what this text has told so far.

    A text that is compressed and one that is scored are learned from alike.
    """
    small = model(tmp_path, ngrams=ngrams)
    saved, v = small.checkpoint, len(small.checkpoint.vocabulary)
    ids = [v, *saved.vocabulary.encode(STORY[:300]).tolist()]
    engine = Causal(saved.architecture, saved.weights)
    writer = engine.writer((1, 0, 0, 0), steady=True)
    assert writer is not None
    frequencies = Frequencies(writer, engine.start(1), 0.0, BITS, learns=len(ids))
    found = frequencies.after(np.array(ids, np.int32))
    alone = Causal(replace(saved.architecture, ngrams=0), saved.weights)
    own = alone.forward(np.array([ids], np.int32), alone.start(1))[0][0].astype(np.float64)
    padded = [v] * LONGEST + ids
    seen: dict[int, np.ndarray] = {}
    trained = table_of(engine.ngrams)
    powers = (POWERS if ngrams else np.full_like(POWERS, (1, 0))).astype(np.float64)
    for at in range(len(ids)):
        before = np.array([padded[at + 1 : at + 1 + LONGEST]])
        row = keys(before, np.empty((1, 0), int), v)[0, -1].tolist()
        told, of_training, of_text, case = np.full(v, 1 / v), True, True, 0
        for length in range(LONGEST + 1):
            of_training = of_training and row[length] in trained
            if of_training:
                case = case_of(length, trained[row[length]])
                told = refined(trained[row[length]], told)
            place = row[length] >> (WORD - BITS_OF_PLACE)
            of_text = of_text and (not length or place in seen)
            if of_text and 0 < length <= SEEN:
                case = case_of(length, seen[place])
                told = refined(seen[place], told)
        both = np.stack((own[at], np.log(told)))
        whole = probabilities(powers[case] @ both)
        np.testing.assert_allclose(found[at, :v], whole, atol=2e-5)
        if at + 1 < len(ids):
            target = ids[at + 1]
            rates = np.full((CASES, 1), FOLLOWS_TOO)
            rates[case] = FOLLOWS
            powers = np.clip(powers + rates * (both[:, target] - both @ whole), -16, 16)
            for length in range(1, SEEN + 1):
                place = row[length] >> (WORD - BITS_OF_PLACE)
                seen.setdefault(place, np.zeros(v))[target] += 1
    nats, after = learned(saved, engine.ngrams, ids)
    np.testing.assert_allclose(np.exp(-nats), found[np.arange(len(nats)), ids[1:]], atol=2e-5)
    np.testing.assert_allclose(after, powers, atol=1e-5)


def learned(
    saved: checkpoint.Checkpoint, ngrams: Ngrams | None, ids: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nats of each character while its text is counted, in windows; and the powers."""
    architecture = replace(saved.architecture, ngrams=saved.architecture.ngrams or 1)
    network = Network(architecture, len(saved.vocabulary)).eval()
    network.assign(saved.weights)
    network.ngrams = Told(ngrams, len(saved.vocabulary), len(ids))
    state, nats = network.start(1), []
    for at in range(0, len(ids) - 1, 37):
        window = torch.tensor([ids[at : at + 38]])
        with torch.no_grad():
            cost, _, state = network.charge(Batch(window[:, :-1], window[:, 1:]), state)
        nats.append(cost[0].numpy())
    return np.concatenate(nats), network.ngrams.powers


def table_of(ngrams: Ngrams | None) -> dict[int, np.ndarray]:
    """Return how often each character followed each context, by the keys of the contexts."""
    if ngrams is None:
        return {}
    table = {int(key): np.zeros(ngrams.bos) for key in ngrams.keys}
    which = np.repeat(ngrams.keys, ngrams.weights["followers"])
    for key, character, count in zip(which, ngrams.character, ngrams.weights["count"], strict=True):
        table[int(key)][character] = count
    return table


def case_of(length: int, counts: np.ndarray) -> int:
    """Return the case in which a context of this length, with these counts, is the longest."""
    return 4 * length + min(int(np.count_nonzero(counts)).bit_length() - 1, 3)


def refined(counts: np.ndarray, shorter: np.ndarray) -> np.ndarray:
    """Return q of a context from its counts and the q of the shorter one."""
    prior = PRIOR * np.count_nonzero(counts)
    told: np.ndarray = (counts + prior * shorter) / (counts.sum() + prior)
    return told


def test_what_was_read_costs_less_when_it_comes_again(small: chargen.Model) -> None:
    """Learning pays for every text that repeats itself, and is told apart by the header."""
    data = STORY.encode()
    plain, learned = small.compress(data), small.compress(data, adapt=True)
    assert len(learned) < len(plain) / 2
    assert small.decompress(learned) == small.decompress(plain) == data


def test_learning_needs_a_small_alphabet(tmp_path: Path) -> None:
    """A count for each character and context would be too many."""
    wide = model(tmp_path, text="".join(map(chr, range(0x4E00, 0x4E00 + 300))))
    with pytest.raises(UsageError, match="at most 256"):
        wide.compress(b"x", adapt=True)


def test_a_long_text_is_cut_into_pieces(
    small: chargen.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which are read side by side, and joined again."""
    monkeypatch.setattr(compressing, "PIECE", 300)
    monkeypatch.setattr(compressing, "LEARNED_PIECE", 500)
    for adapt in (False, True):
        packed = small.compress(STORY.encode(), adapt=adapt)
        assert len(Packed.read(packed).pieces) > 1
        assert small.decompress(packed) == STORY.encode()


def test_bytes_are_compressed_by_a_model_of_bytes(tmp_path: Path) -> None:
    """There is no escape, because there is no other character."""
    from dataclasses import replace

    saved = replace(tiny_checkpoint(ALL_BYTES), vocabulary=Vocabulary(ALL_BYTES, as_bytes=True))
    checkpoint.write(tmp_path / "b.safetensors", saved)
    letters = chargen.load(tmp_path / "b.safetensors")
    data = STORY.encode() + bytes(range(256))
    assert letters.decompress(letters.compress(data)) == data


def test_shares_are_whole_numbers_like_the_probabilities() -> None:
    """They sum to the whole, none is zero, and the network agrees with them."""
    saved = tiny_checkpoint(layers=2)
    engine, vocabulary = Causal(saved.architecture, saved.weights), saved.vocabulary
    writer = engine.writer((1, 0, 0, 0), steady=True)
    assert writer is not None
    ids = np.append(np.int32(vocabulary.bos), vocabulary.encode(STORY[:50])).astype(np.int32)
    shares = Frequencies(writer, engine.start(1), 0.01, BITS).after(ids)
    whole = shares * (1 << BITS)
    assert (whole == np.round(whole)).all()
    assert (whole >= 1).all()
    assert (whole.sum(axis=1) == 1 << BITS).all()
    logits, _ = engine.forward(ids[None], engine.start(1))
    np.testing.assert_allclose(shares[:, :-1], 0.99 * np.exp(log_softmax(logits[0])), atol=1e-5)
    np.testing.assert_allclose(shares[:, -1], 0.01, atol=1e-6)


def test_other_threads_and_libraries_read_it_back(small: chargen.Model, tmp_path: Path) -> None:
    """Another number of threads, and another way of multiplying matrices, change nothing."""
    code = (
        "import sys, chargen\n"
        "model = chargen.load(sys.argv[1])\n"
        "data = model.decompress(open(sys.argv[2], 'rb').read())\n"
        "sys.stdout.buffer.write(data)\n"
    )
    for threads, core, adapt in (("1", "Haswell", True), ("4", "Prescott", False)):
        (tmp_path / "packed").write_bytes(small.compress(STORY.encode(), adapt=adapt))
        environment = os.environ | {
            "OPENBLAS_NUM_THREADS": threads,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_CORETYPE": core,
        }
        printed = subprocess.run(
            [sys.executable, "-c", code, str(small.path), str(tmp_path / "packed")],
            env=environment,
            capture_output=True,
            check=True,
        )
        assert printed.stdout == STORY.encode()


def test_another_model_is_refused(small: chargen.Model, tmp_path: Path) -> None:
    """By its fingerprint: its numbers would give another text."""
    packed = small.compress(STORY.encode())
    with pytest.raises(CheckpointError, match="compressed with another model"):
        model(tmp_path, arch="elman").decompress(packed)


def test_damage_is_noticed(small: chargen.Model) -> None:
    """Wherever it is; the last bits may not matter, and then nothing is wrong."""
    packed = small.compress(STORY[:300].encode())
    for at in range(0, len(packed), 7):
        broken = bytearray(packed)
        broken[at] ^= 0x10
        with suppress(CorpusError, CheckpointError):
            assert small.decompress(bytes(broken)) == STORY[:300].encode()
            assert at > len(packed) - 8
        with pytest.raises((CorpusError, CheckpointError)):
            small.decompress(packed[:at])


def test_a_transformer_cannot_compress(tmp_path: Path) -> None:
    """Its arithmetic is not in a fixed order."""
    with pytest.raises(KindError, match="no recurrent network"):
        model(tmp_path, arch="transformer").compress(b"the tide")
