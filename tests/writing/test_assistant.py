"""The assistant proposes what the model would write, and does only the last thing it was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chargen import checkpoint
from chargen.model import Model, load
from chargen.tasks.drawing import Sampling
from chargen.writing.assistant import TAIL, Assistant, Proposal, Wish
from tests.conftest import STORY, tiny_checkpoint
from tests.writing.conftest import until

WANTED = Sampling(length=30, temp=0.9, top_p=0.95, seed=7, count=3)


def whole(assistant: Assistant, wish: Wish) -> tuple[Proposal, ...]:
    """Ask for proposals, and wait until all are whole."""
    assistant.ask(wish)
    until(lambda: assistant.proposals and all(one.over for one in assistant.proposals))
    return assistant.proposals


def test_proposals_are_the_samples_of_their_seeds(assistant: Assistant, model: Model) -> None:
    """After what is before the cursor; a little longer, to the end of a word."""
    found = whole(assistant, Wish(STORY, 40, WANTED))
    expected = model.samples(30 + TAIL, count=3, prime=STORY[:40], temp=0.9, top_p=0.95, seed=7)
    for one, sample in zip(found, expected, strict=True):
        assert one.seed == sample.seed
        assert sample.text.startswith(one.text)
        assert 30 <= len(one.text) <= 30 + TAIL
        assert one.text[-1].isspace() or len(one.text) == 30 + TAIL


def test_the_text_is_measured(assistant: Assistant, model: Model) -> None:
    """As `chargen surprise` would with the same weights: all of it, also after the cursor."""
    text = STORY + "ß"
    assistant.ask(Wish(text, 40, WANTED))
    until(lambda: assistant.measured)
    assert assistant.measured is not None
    assert assistant.measured.text == text
    assert assistant.measured.words == len(re.findall(r"\w+", text))
    np.testing.assert_allclose(assistant.measured.nats, model.nats(text).sum(), rtol=0.01)


def test_only_the_last_wish_counts(assistant: Assistant) -> None:
    """What was asked before is given up, and its proposals are never shown."""
    for number in range(20):
        assistant.ask(Wish(STORY, number, replace(WANTED, length=10_000)))
    found = whole(assistant, Wish(STORY, 40, replace(WANTED, length=5)))
    assert max(len(one.text) for one in found) <= 5 + TAIL
    assistant.ask(Wish("It came"))
    until(lambda: assistant.measured and assistant.measured.text == "It came")
    assert assistant.proposals == ()


def test_a_model_of_lines_ends_a_proposal_with_its_line(tmp_path: Path) -> None:
    """Each is one line, and goes on from the cursor's line alone."""
    path = tmp_path / "lines.safetensors"
    checkpoint.write(path, replace(tiny_checkpoint(), settings={"lines": True}))
    model = load(path)
    assistant = Assistant(model.engine_for(None, writing=True), model.checkpoint.vocabulary, "\n")
    wanted = replace(WANTED, length=400)
    found = whole(assistant, Wish("It\nThe", 6, wanted))
    for one, sample in zip(
        found,
        model.samples(400, count=3, prime="The", temp=0.9, top_p=0.95, seed=7),
        strict=True,
    ):
        assert "\n" not in one.text
        assert one.text == sample.text
    assistant.close()


def test_bytes_become_characters_when_they_are_whole(tmp_path: Path) -> None:
    """Half a character at the end of a proposal is not shown."""
    saved = tiny_checkpoint("".join(map(chr, range(256))))
    path = tmp_path / "bytes.safetensors"
    checkpoint.write(path, replace(saved, vocabulary=replace(saved.vocabulary, as_bytes=True)))
    model = load(path)
    assistant = Assistant(model.engine_for(None, writing=True), model.checkpoint.vocabulary)
    found = whole(assistant, Wish("Größe", 5, WANTED))
    for one in found:
        one.text.encode()
        assert "\ufffd" not in one.text
    assistant.close()


def test_what_stops_the_model_is_kept(model: Model) -> None:
    """The assistant ends; whoever shows the text can say so, and the text is safe."""

    class Broken:
        bos = model.checkpoint.vocabulary.bos

        def start(self, _: int) -> Iterator[None]:
            raise MemoryError

        forward = start

    told: list[int] = []
    assistant = Assistant(Broken(), model.checkpoint.vocabulary, told=lambda: told.append(1))  # type: ignore[arg-type]  # broken on purpose
    assistant.ask(Wish("text"))
    until(lambda: told)
    with pytest.raises(MemoryError):
        raise assistant.error or AssertionError
    assistant.close()
