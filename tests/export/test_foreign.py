"""A network of torch.nn, imported, gives the logits that it gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import chargen as package
from chargen.engine.causal import Causal
from chargen.errors import ChargenError
from chargen.export.foreign import read
from tests.conftest import Chargen, one_line_error, write

CHARACTERS = "abcdefghij \n"
V, H = len(CHARACTERS), 9

RECURRENT: dict[str, Any] = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Network(nn.Module):
    """A character model as many write it."""

    def __init__(
        self, arch: str, embed: int | None = 5, bias: bool = True, tied: bool = False
    ) -> None:
        super().__init__()
        self.encoder = None if embed is None else nn.Embedding(V, embed)
        self.rnn = RECURRENT[arch](embed or V, H, num_layers=2, batch_first=True, bias=bias)
        self.decoder = nn.Linear(H, V, bias=bias)
        if tied:
            assert self.encoder is not None
            self.decoder.weight = self.encoder.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return logits, after a step that reads zeros, as chargen begins a text."""
        x = nn.functional.one_hot(ids, V).float() if self.encoder is None else self.encoder(ids)
        x = torch.cat((torch.zeros_like(x[:, :1]), x), dim=1)
        logits: torch.Tensor = self.decoder(self.rnn(x)[0])
        return logits


def saved(folder: Path, network: nn.Module, characters: object = CHARACTERS) -> tuple[Path, Path]:
    """Write a network and its characters; return both files."""
    tensors = {name: one.clone() for name, one in network.state_dict().items()}
    path = folder / "rnn.safetensors"
    save_file(tensors, path)
    return path, write(folder / "characters.json", json.dumps(characters))


@pytest.mark.parametrize("arch", sorted(RECURRENT))
@pytest.mark.parametrize(
    "made",
    [{}, {"embed": None}, {"bias": False}, {"embed": H}],
    ids=["plain", "one-hot", "no biases", "as wide as a layer"],
)
def test_the_logits_are_those_of_torch(tmp_path: Path, arch: str, made: dict[str, int]) -> None:
    """For each family, with and without embedding and biases."""
    torch.manual_seed(1)
    network = Network(arch, **made)  # type: ignore[arg-type]  # names of arguments
    imported = read(*saved(tmp_path, network))
    ids = torch.randint(V, (2, 20))
    engine = Causal(imported.architecture, imported.weights)
    read_too = np.concatenate((np.full((2, 1), V), ids.numpy()), axis=1).astype(np.int32)
    found, _ = engine.forward(read_too, engine.start(2))
    with torch.no_grad():
        np.testing.assert_allclose(found, network(ids).numpy(), atol=1e-5)


def test_a_tied_output_is_the_embedding(tmp_path: Path) -> None:
    """Where a file has the tensor once."""
    torch.manual_seed(1)
    network = Network("lstm", embed=H, tied=True)
    tensors = {
        name: one.clone() for name, one in network.state_dict().items() if name != "decoder.weight"
    }
    path = tmp_path / "rnn.safetensors"
    save_file(tensors, path)
    imported = read(path, write(tmp_path / "characters.json", json.dumps(CHARACTERS)))
    assert imported.architecture.tied
    ids = torch.randint(V, (1, 9))
    engine = Causal(imported.architecture, imported.weights)
    read_too = np.concatenate((np.full((1, 1), V), ids.numpy()), axis=1).astype(np.int32)
    found, _ = engine.forward(read_too, engine.start(1))
    with torch.no_grad():
        np.testing.assert_allclose(found, network(ids).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    "characters", [list(CHARACTERS), {one: place for place, one in enumerate(CHARACTERS)}]
)
def test_characters_may_be_a_list_or_an_object(tmp_path: Path, characters: object) -> None:
    """As programs write them."""
    imported = read(*saved(tmp_path, Network("gru"), characters))
    assert imported.vocabulary.characters == CHARACTERS


@pytest.mark.parametrize(
    ("network", "characters", "says"),
    [
        (nn.LSTM(5, H, bidirectional=True), CHARACTERS, "other layers"),
        (nn.Linear(5, 5), CHARACTERS, "not one stack"),
        (nn.LSTM(5, H, proj_size=3), CHARACTERS, "none of RNN|other layers"),
        (nn.LSTM(5, H), CHARACTERS, "no one tensor is an output"),
        (nn.Sequential(Network("lstm"), nn.LayerNorm(3)), CHARACTERS, "other layers"),
        (Network("lstm"), CHARACTERS[:-1], "no one tensor is an output|other layers"),
        (Network("lstm"), CHARACTERS + "a", "each once"),
        (Network("lstm"), ["ab", "c"], "each once"),
        (Network("lstm"), 7, "each once"),
    ],
)
def test_what_cannot_be_imported_is_said(
    tmp_path: Path, network: nn.Module, characters: object, says: str
) -> None:
    """Another network, other characters."""
    with pytest.raises(ChargenError, match=says):
        read(*saved(tmp_path, network, characters))


def test_the_command_makes_a_run(chargen: Chargen, tmp_path: Path) -> None:
    """Which samples, scores and is listed; a pickle is refused."""
    path, characters = saved(tmp_path, Network("lstm"))
    done = chargen("import", path, "--characters", characters, "--name", "mine")
    assert done.returncode == 0, done.stderr.decode()
    assert chargen("sample", "-m", "mine", "--length", "9").returncode == 0
    assert package.load(tmp_path / "runs" / "mine").perplexity(text="abc").characters == 3
    again = chargen("import", path, "--characters", characters, "--name", "mine")
    assert "exists already" in one_line_error(again)
    torch.save(Network("lstm").state_dict(), tmp_path / "rnn.pt")
    refused = chargen("import", "rnn.pt", "--characters", characters)
    assert "no safetensors file" in one_line_error(refused)
    missing = chargen("import", path, "--characters", "nowhere.json")
    assert "nowhere.json cannot be read" in one_line_error(missing)
