"""A model in a program: texts, pieces, batches, arrays; in threads and after a fork."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from chargen import Model, load
from chargen.architecture import Architecture
from chargen.checkpoint import Checkpoint, write
from chargen.errors import KindError, PrimeError, UsageError
from chargen.networks.causal import Causal as Network
from chargen.text.vocabulary import ALL_BYTES, Vocabulary
from tests.conftest import STORY, posix_only, random_weights, tiny_checkpoint


@pytest.fixture
def model(architecture: Architecture) -> Model:
    """A model of each family."""
    vocabulary = Vocabulary("".join(sorted(set(STORY))), escape=0.01)
    weights = random_weights(architecture, len(vocabulary))
    return Model(Path("tale.safetensors"), Checkpoint(architecture, vocabulary, weights))


def test_each_call_writes_another_text(model: Model) -> None:
    """As on the command line; a seed gives the same text again, and samples tell theirs."""
    assert model.sample(60) != model.sample(60)
    assert model.sample(60, seed=4) == model.sample(60, seed=4)
    (one,) = model.samples(60)
    assert model.sample(60, seed=one.seed) == one.text


def test_pieces_make_the_whole(model: Model) -> None:
    """Streamed text is the text; it begins before it has ended."""
    pieces = list(model.stream(60, prime="The ", seed=4))
    assert len(pieces) == 60
    assert "".join(pieces) == model.sample(60, prime="The ", seed=4)
    assert "".join(model.stream(60, seed=4, stop="e")) == model.sample(60, seed=4, stop="e")
    with pytest.raises(PrimeError):
        model.stream(10, prime="Ω")
    assert model.sample(5, prime="Ω", unknown="skip", seed=1) == model.sample(5, seed=1)


def test_a_batch_is_what_each_would_be_alone(model: Model) -> None:
    """Several texts after several primes of other lengths, side by side."""
    primes = ["The tide", "", "It came back; it went out"]
    batch = [one.text for one in model.samples(20, prime=primes, count=2, seed=3)]
    alone = [model.sample(20, prime=prime, seed=seed) for prime in primes for seed in (3, 4)]
    assert batch == alone


def test_what_each_character_costs(model: Model) -> None:
    """The sum is that of the exact pass, unknown characters included."""
    text = "The tide — Ω went out"
    nats = model.nats(text)
    assert nats.shape == (len(text),)
    assert nats.sum() == pytest.approx(model.perplexity(text=text, exact=True).nats, abs=1e-4)
    assert nats[text.index("Ω")] == pytest.approx(model.checkpoint.vocabulary.unknown_nats)
    assert model.nats("").shape == (0,)


def test_the_last_layers_states_give_the_logits(model: Model) -> None:
    """Outputs of all layers, (L, T, H), in windows; the last one is what PyTorch reads out."""
    text = STORY[:300]
    saved = model.checkpoint
    states = model.states(text)
    assert states.shape == (2, 300, saved.architecture.hidden)
    network = Network(saved.architecture, len(saved.vocabulary)).eval()
    network.assign(saved.weights)
    ids = np.concatenate(([len(saved.vocabulary)], saved.vocabulary.encode(text)))[None]
    with torch.no_grad():
        logits, _ = network(torch.from_numpy(ids), network.start(1), torch.zeros(1, 1).long())
    mine = model.network_for(None).read_out(states[-1])
    assert np.allclose(mine, logits[0, 1:].numpy(), atol=1e-4)
    assert model.states("").shape == (2, 0, saved.architecture.hidden)


def test_threads_do_not_disturb_one_another(model: Model) -> None:
    """Four threads write at once what they would write alone."""
    alone = [model.sample(200, seed=seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: model.sample(200, seed=seed), range(8)))
    assert together == alone


@posix_only
def test_a_fork_writes_the_same(model: Model) -> None:
    """A child process goes on with the model of its parent."""
    expected = model.sample(50, seed=1)
    child = os.fork()
    if child == 0:
        os._exit(0 if model.sample(50, seed=1) == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_several_models_classify(model: Model) -> None:
    """Each stands for the label that is its name; a model alone has nothing to tell."""
    other = Model(Path("other.safetensors"), tiny_checkpoint(seed=5))
    (guess,) = model.classify([model.sample(300, seed=1)], [other])
    assert guess.labels[0].label == "tale.safetensors"
    assert guess.label == "tale.safetensors"
    with pytest.raises(KindError):
        model.classify(["a"])
    with pytest.raises(UsageError):
        model.classify(["a"], [model])


def test_a_notebook_shows_a_table(model: Model) -> None:
    """Its name, its network and its figures, as text."""
    model.path = Path("<b>.safetensors")
    assert "&lt;b&gt;" in model._repr_html_()
    assert model.info()["kind"] == "causal"


def test_a_compact_file_is_nearly_the_same(model: Model, tmp_path: Path) -> None:
    """A quarter of the size; what a text costs differs by little."""
    model.save(tmp_path / "compact.safetensors", compact=True)
    write(tmp_path / "whole.safetensors", model.checkpoint)
    compact = load(tmp_path / "compact.safetensors")
    size = (tmp_path / "compact.safetensors").stat().st_size
    assert size < (tmp_path / "whole.safetensors").stat().st_size
    assert compact.nats(STORY).mean() == pytest.approx(model.nats(STORY).mean(), abs=0.05)
    for name, array in model.checkpoint.weights.items():
        largest = np.abs(array).max(axis=-1, keepdims=True)
        assert (np.abs(compact.checkpoint.weights[name] - array) <= largest / 127).all()


def test_a_stream_of_bytes_is_whole(tmp_path: Path) -> None:
    """Half a character at its end is shown as it is in the whole text."""
    saved = tiny_checkpoint(ALL_BYTES)
    saved = replace(saved, vocabulary=Vocabulary(ALL_BYTES, as_bytes=True))
    model = Model(tmp_path / "bytes.safetensors", saved)
    for seed in range(20):
        assert "".join(model.stream(9, seed=seed, temp=3)) == model.sample(9, seed=seed, temp=3)
