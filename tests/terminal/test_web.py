"""A text's surprise as a page for a browser."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np

from chargen.engine.causal import Causal as Engine
from chargen.tasks.surprise import surprise
from chargen.terminal.web import page
from tests.conftest import STORY, tiny_checkpoint

MODEL = tiny_checkpoint()
ENGINE = Engine(MODEL.architecture, MODEL.weights)


def made(text: str, likeliest: int = 5) -> tuple[str, dict[str, Any]]:
    """Return a page and the data in it."""
    (found,) = surprise(ENGINE, MODEL.vocabulary, [("a <name>", text)], likeliest=likeliest)
    written = page([found], MODEL.vocabulary.characters, "tiny")
    held = re.search(r'<script id="data" type="application/json">(.*?)</script>', written, re.S)
    assert held is not None
    (text_held,) = json.loads(held[1])["texts"]
    return written, text_held


def unpacked(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def test_the_page_holds_the_figures() -> None:
    """Bits in hundredths, ranks, and the likeliest characters with their shares."""
    text = STORY[:200] + "Ω"
    (found,) = surprise(ENGINE, MODEL.vocabulary, [("", text)], likeliest=5)
    _, data = made(text)
    assert data["text"] == text
    bits = found.nats / np.log(2)
    np.testing.assert_allclose(unpacked(data["bits"], "<u2") / 100, bits, atol=0.006)
    np.testing.assert_array_equal(unpacked(data["ranks"], "<u2"), found.rank)
    likely = unpacked(data["likely"], "<u2").reshape(-1, 5)
    np.testing.assert_array_equal(likely, found.likely)
    shares = unpacked(data["shares"], "u1").reshape(-1, 5) / 250
    np.testing.assert_allclose(shares, found.shares, atol=0.003)
    # A character of rank one is the first of the likeliest.
    first = found.rank == 1
    ids = MODEL.vocabulary.encode(text)
    np.testing.assert_array_equal(found.likely[first, 0], ids[first])
    assert (np.diff(found.shares, axis=1) <= 0).all()


def test_no_text_can_leave_its_place() -> None:
    """What looks like markup stays data, and nothing comes from outside."""
    text = "</script><script>alert(1)</script><!-- \ud83d"[:-1] + "\u2028"
    written, data = made(text)
    assert data["text"] == text
    assert written.count("</script>") == 2
    assert "alert(1)</script>" not in written
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", written)
    assert "default-src 'none'" in written


def test_surprising_words_and_sentences_are_listed() -> None:
    """The most surprising first; a sentence by its bits per character, if it is not too short."""
    _, data = made(STORY)
    costs = [float(one["told"].split()[0]) for one in data["words"]]
    assert costs == sorted(costs, reverse=True)
    for one in data["sentences"]:
        assert STORY[one["start"] :].startswith(one["text"][:10])


def test_a_page_may_be_without_what_was_expected() -> None:
    """As for very long texts."""
    _, data = made(STORY[:50], likeliest=0)
    assert data["width"] == 0
    assert data["likely"] == data["shares"] == ""
