"""A model as an ONNX graph computes what chargen's own engine computes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import onnx
import pytest

from chargen import checkpoint
from chargen.architecture import FAMILIES, Architecture
from chargen.checkpoint import Checkpoint
from chargen.errors import CheckpointError
from chargen.export import onnx as exporting
from chargen.export.onnx import CLOSE, difference, model, write
from chargen.text.vocabulary import Vocabulary
from tests.conftest import Chargen, one_line_error, random_weights, sized, tiny_checkpoint

PAGE = Path(__file__).parents[2] / "docs" / "exporting.md"
WEB = "ONNXRUNTIME_WEB"
"""The environment variable that names the folder ``dist`` of onnxruntime-web."""


def labelled(arch: str) -> Checkpoint:
    saved = tiny_checkpoint(arch=arch)
    attends = FAMILIES[arch].attends
    architecture = Architecture(
        arch, 1, 12, 12 if attends else 5, context=9 if attends else 1, labels=2
    )
    weights = random_weights(architecture, len(saved.vocabulary))
    return Checkpoint(architecture, saved.vocabulary, weights, labels=("sea", "land"))


def tied(arch: str) -> Checkpoint:
    saved = tiny_checkpoint(arch=arch)
    attends = FAMILIES[arch].attends
    architecture = Architecture(
        arch, 2, 12, 12, tied=True, heads=3 if attends else 1, context=5 if attends else 1
    )
    weights = random_weights(architecture, len(saved.vocabulary))
    return Checkpoint(architecture, saved.vocabulary, weights)


@pytest.mark.parametrize("arch", sorted(FAMILIES))
@pytest.mark.parametrize("special", ["plain", "n-grams", "rare", "labels", "tied"])
def test_the_graph_gives_the_same_logits(arch: str, special: str) -> None:
    """In one window, and step by step, for two texts at once; the graph is a valid one."""
    saved = {
        "plain": lambda: tiny_checkpoint(arch=arch, layers=2),
        "n-grams": lambda: tiny_checkpoint(arch=arch, ngrams=9),
        "rare": lambda: tiny_checkpoint(arch=arch, common=7),
        "labels": lambda: labelled(arch),
        "tied": lambda: tied(arch),
    }[special]()
    data = model(saved, "tiny").SerializeToString()
    assert difference(saved, data) < CLOSE / 4
    onnx.checker.check_model(data, full_check=True)


def test_a_graph_that_differs_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is there stays as it was."""
    path = tmp_path / "tiny.onnx"
    path.write_bytes(b"old")
    monkeypatch.setattr(exporting, "difference", lambda *_: 0.5)
    with pytest.raises(CheckpointError, match="differs from tiny by"):
        write(tiny_checkpoint(), "tiny", path)
    assert path.read_bytes() == b"old"


def test_a_wrong_graph_is_found() -> None:
    """One weight that is another makes a difference."""
    saved = tiny_checkpoint(arch="lstm")
    other = tiny_checkpoint(arch="lstm", seed=1)
    assert difference(saved, model(other, "other").SerializeToString()) > 0.1


def test_the_graph_says_what_it_is(tmp_path: Path) -> None:
    """Characters, labels, and which id is no character."""
    saved = labelled("gru")
    write(saved, "tiny", tmp_path / "tiny.onnx")
    made = onnx.load(tmp_path / "tiny.onnx")
    told = {one.key: one.value for one in made.metadata_props}
    assert json.loads(told["characters"]) == saved.vocabulary.characters
    assert json.loads(told["labels"]) == ["sea", "land"]
    assert int(told["no_character"]) == len(saved.vocabulary)
    assert [one.version for one in made.opset_import] == [int(told["opset"])]


def test_the_command_writes_it(chargen: Chargen, model_file: Path, tmp_path: Path) -> None:
    """And refuses to replace a file, or what cannot be a graph."""
    done = chargen("export", "tiny", "--to", "onnx", "tiny.onnx", "--json")
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert told["largest_difference"] < CLOSE
    onnx.checker.check_model(str(tmp_path / "tiny.onnx"))
    again = chargen("export", "tiny", "--to", "onnx", "tiny.onnx")
    assert "exists already" in one_line_error(again)
    assert chargen("export", "tiny", "--to", "onnx", "tiny.onnx", "--force").returncode == 0


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A folder with what the page's commands make, of a small model with n-grams."""
    (tmp_path / "starter").mkdir()
    vocabulary = Vocabulary("\n :EMORabcde", escape=0.01)
    architecture = Architecture("lstm", 1, 12, 5, ngrams=9)
    weights = random_weights(architecture, len(vocabulary))
    saved = Checkpoint(sized(architecture, weights), vocabulary, weights)
    path = tmp_path / "starter" / "best.safetensors"
    checkpoint.write(path, saved)
    for form, name in (("onnx", "starter.onnx"), ("hf", "folder")):
        subprocess.run(
            [sys.executable, "-m", "chargen", "export", str(path), "--to", form, name, "-q"],
            cwd=tmp_path,
            check=True,
        )
    return tmp_path


def test_the_example_in_python_writes(exported: Path) -> None:
    """Without chargen: it imports ONNX Runtime and NumPy only."""
    program = block("python")
    assert "chargen" not in program
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=exported, capture_output=True, check=True, text=True
    )
    assert ran.stdout.startswith("ROMEO:")
    assert len(ran.stdout) == 6 + 100 + 1


@pytest.mark.skipif(WEB not in os.environ, reason=f"{WEB} does not name onnxruntime-web's files")
def test_the_example_in_javascript_writes(exported: Path) -> None:
    """In a browser, from files alone."""
    from playwright.sync_api import expect, sync_playwright

    for name in ("ort.wasm.min.mjs", *(f"ort-wasm-simd-threaded.{end}" for end in ("mjs", "wasm"))):
        shutil.copy(Path(os.environ[WEB]) / name, exported)
    shutil.copy(exported / "folder" / "config.json", exported)
    (exported / "index.html").write_text(block("html"), encoding="utf-8")

    class Handler(SimpleHTTPRequestHandler):
        extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(exported)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        done = page.locator("#text")
        expect(done).to_have_attribute("data-done", "yes", timeout=60_000)
        assert len(done.text_content() or "") == 6 + 100
        browser.close()
    server.shutdown()
    server.server_close()


def test_an_empty_context_is_right() -> None:
    """A transformer that attends to the current character alone keeps nothing."""
    saved = tiny_checkpoint(arch="transformer")
    architecture = Architecture("transformer", 1, 12, 12, context=1)
    alone = Checkpoint(architecture, saved.vocabulary, saved.weights)
    assert difference(alone, model(alone, "tiny").SerializeToString()) < CLOSE
