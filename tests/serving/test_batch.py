"""Texts written side by side are those that each would be alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.architecture import FAMILIES
from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal
from chargen.engine.likelihood import character_nats
from chargen.serving import batch
from chargen.serving.batch import Pool
from chargen.serving.jobs import BACKLOG, Job, Piece, Row, Told, Wish
from chargen.tasks import drawing
from chargen.tasks.drawing import Sampling
from chargen.tasks.rules import Rules
from chargen.tasks.sampling import sample
from chargen.text.vocabulary import ALL_BYTES, Vocabulary
from tests.conftest import STORY, random_weights, tiny_checkpoint

MODELS = {arch: tiny_checkpoint(arch=arch, ngrams=5) for arch in sorted(FAMILIES)}
ENGINES = {arch: Causal(saved.architecture, saved.weights) for arch, saved in MODELS.items()}

SETTINGS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    length=st.integers(0, 30),
    temp=st.sampled_from([0, 0.5, 1.0, 1.7]),
    top_k=st.sampled_from([None, 1, 5]),
    top_p=st.sampled_from([None, 0.6]),
    min_p=st.sampled_from([None, 0.1]),
    stop=st.sampled_from([None, "e", ("th", "o", "an")]),
    seed=st.integers(0, 1000),
    count=st.integers(1, 3),
)
RULED: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    length=st.just(20),
    seed=st.integers(0, 1000),
    rules=st.sampled_from([Rules(match="[a-e]{3,9}"), Rules(must=("it",)), Rules(forbid="aeiou")]),
)


def job(arch: str, prompt: str = "", tell: int | None = None, **how: Any) -> Job:
    """Return a job of a model of a family."""
    saved = MODELS[arch]
    live, echo = how.pop("live", False), how.pop("echo", False)
    planned, plan = Sampling(**how).planned(saved.vocabulary)
    return Job(
        Wish(saved.vocabulary.encode(prompt), planned, plan, tell, echo, live), saved.vocabulary
    )


def pool(arch: str = "gru", most: int = 64) -> Pool:
    return Pool(ENGINES[arch], MODELS[arch].vocabulary, most)


def done(taken: Sequence[Piece], rows: int) -> list[tuple[bytes, str]]:
    """Return each text of a job and why it ended, from its pieces."""
    texts = [b"".join(piece.data for piece in taken if piece.row == row) for row in range(rows)]
    ends = [
        [piece.finish for piece in taken if piece.row == row and piece.finish]
        for row in range(rows)
    ]
    assert all(len(one) == 1 for one in ends)
    return list(zip(texts, (one[0] or "" for one in ends), strict=True))


def alone(saved: Checkpoint, arch: str, prompt: str, how: dict[str, Any]) -> list[Any]:
    """Return what the same model writes by itself."""
    ids = saved.vocabulary.encode(prompt)
    found = sample(ENGINES[arch], saved.vocabulary, Sampling(**how), [ids])
    return [(one.data, one.finish) for one in found]


@given(
    st.sampled_from(sorted(FAMILIES)),
    st.lists(
        st.tuples(st.integers(0, 9), st.text(STORY, max_size=20), SETTINGS | RULED, st.booleans()),
        min_size=1,
        max_size=6,
    ),
)
@settings(max_examples=60)
def test_each_text_is_what_it_would_be_alone(
    arch: str, asked: list[tuple[int, str, dict[str, Any], bool]]
) -> None:
    """Whatever else is written beside it, and whenever it comes and goes."""
    writing = pool(arch)
    jobs = [job(arch, prompt, live=live, **how) for _, prompt, how, live in asked]
    for turn in range(10):
        for (begins, *_), one in zip(asked, jobs, strict=True):
            if begins == turn:
                writing.queue.append(one)
        writing.turn()
    while writing.busy:
        writing.turn()
    for (_, prompt, how, _), one in zip(asked, jobs, strict=True):
        assert done(one.take(), len(one.rows)) == alone(MODELS[arch], arch, prompt, how)


@given(st.text(STORY, max_size=30), st.integers(0, 8), st.booleans())
@settings(max_examples=40)
def test_what_is_told_of_characters_is_what_they_cost(prompt: str, tell: int, stops: bool) -> None:
    """Prompt and text together cost what scoring says; and the likeliest come first."""
    one = job("lstm", prompt, tell=tell, echo=True, length=25, stop="e" if stops else None)
    writing = pool("lstm")
    writing.queue.append(one)
    while writing.busy:
        writing.turn()
    pieces = one.take()
    told: list[Told] = one.echoed + [each for piece in pieces for each in piece.told]
    text = prompt.encode() + b"".join(piece.data for piece in pieces)
    vocabulary = MODELS["lstm"].vocabulary
    ids = vocabulary.encode(text.decode())
    assert [each.id for each in told] == ids.tolist()
    costs = character_nats(ENGINES["lstm"], [ids[:0]], [ids])[0] if len(ids) else np.zeros(0)
    np.testing.assert_allclose([each.nats for each in told], costs, atol=1e-4)
    for each in told:
        assert len(each.top) == tell
        assert [nats for _, nats in each.top] == sorted(nats for _, nats in each.top)
        assert all(nats <= each.nats + 1e-6 for _, nats in each.top[:1])


def test_a_long_prompt_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is read, a text that has begun gets a character at each turn."""
    monkeypatch.setattr(batch, "SEND", 0)
    monkeypatch.setattr(batch, "SEND_EACH", 0)
    writing, text = pool(), job("gru", live=True, length=40)
    writing.queue.append(text)
    writing.turn()
    long = job("gru", STORY * 20, length=1)
    writing.queue.append(long)
    for _ in range(10):
        before = text.sent
        writing.turn()
        assert text.sent > before
    assert not long.pieces
    while writing.busy:
        writing.turn()
    assert long.left == text.left == 0


def test_texts_get_equal_shares() -> None:
    """After some turns, each of three texts has as many characters as the others."""
    writing = pool()
    jobs = [job("gru", length=100, seed=seed) for seed in range(3)]
    writing.queue.extend(jobs)
    for _ in range(20):
        writing.turn()
    writing._settle()
    assert len({one.rows[0].drawn for one in jobs}) == 1
    assert jobs[0].rows[0].drawn >= 19


def test_a_slow_reader_holds_up_nobody_and_fills_no_memory() -> None:
    """Its text waits until it reads; the others are written, and in the end its text is whole."""
    writing = pool()
    slow = job("gru", live=True, length=5 * BACKLOG, seed=1)
    quick = job("gru", live=True, length=2 * BACKLOG, seed=2)
    writing.queue.extend([slow, quick])
    taken = []
    while quick.left:
        writing.turn()
        taken += quick.take()
    for _ in range(BACKLOG):
        writing.turn()
    assert slow.left
    assert slow.sent < 2 * BACKLOG
    assert writing.busy
    assert not writing.moving
    read = slow.take()
    assert len(read) < len(b"".join(piece.data for piece in read))
    while slow.left:
        writing.turn()
        read += slow.take()
    how = {"length": 5 * BACKLOG, "seed": 1}
    assert done(read, 1) == alone(MODELS["gru"], "gru", "", how)


def test_a_client_that_goes_away_frees_its_rows() -> None:
    """Whether its texts are written, read, waiting for their turn, or for a reader."""
    writing = pool(most=4)
    written = job("gru", live=True, length=10 * BACKLOG, count=2)
    writing.queue.append(written)
    writing.turn()
    read, waits = job("gru", STORY * 9, length=5), job("gru", length=5, count=4)
    writing.queue.extend([read, waits])
    writing.turn()
    assert writing.active == 3
    assert writing.queue
    for one in (written, read, waits):
        one.gone = True
    writing.turn()
    assert not writing.busy


def test_texts_wait_for_their_turn_in_order() -> None:
    """No more than so many are written at once, and one that is too large alone is written."""
    writing = pool(most=2)
    jobs = [job("gru", length=5, count=count) for count in (1, 1, 1, 3)]
    writing.queue.extend(jobs)
    writing.turn()
    assert [one for one in jobs if one not in writing.queue] == jobs[:2]
    order = []
    while writing.busy:
        writing.turn()
        order += [one for one in jobs if not one.left and one not in order]
    assert order == jobs


def test_a_text_that_fails_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reader learns why; the text beside it is written to the end."""
    writing = pool()
    bad, good = job("gru", length=9, stop="zz", seed=1), job("gru", length=9, stop="zz", seed=2)
    read = Row.read

    def fails(row: Row, told: Told) -> None:
        if row.job is bad:
            raise ValueError("no way")
        read(row, told)

    monkeypatch.setattr(Row, "read", fails)
    writing.queue.extend([bad, good])
    while writing.busy:
        writing.turn()
    assert str(bad.error) == "no way"
    assert good.error is None
    assert done(good.take(), 1) == alone(
        MODELS["gru"], "gru", "", {"length": 9, "stop": "zz", "seed": 2}
    )


def test_a_choice_that_fails_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of other settings are written beside it."""
    writing = pool()
    bad, good = job("gru", length=9, temp=0.3, seed=1), job("gru", length=9, seed=2)
    choose = drawing.choose

    def fails(logits: Any, sampling: Sampling, *given: Any) -> Any:
        if sampling.temp == 0.3:
            raise IndexError("none")
        return choose(logits, sampling, *given)

    monkeypatch.setattr(batch, "choose", fails)
    writing.queue.extend([bad, good])
    while writing.busy:
        writing.turn()
    assert isinstance(bad.error, IndexError)
    assert done(good.take(), 1) == alone(MODELS["gru"], "gru", "", {"length": 9, "seed": 2})


def test_bytes_come_as_bytes() -> None:
    """A model of bytes writes half a character as what it is."""
    vocabulary = Vocabulary(ALL_BYTES, escape=0.01, as_bytes=True)
    architecture = MODELS["gru"].architecture
    engine = Causal(architecture, random_weights(architecture, len(vocabulary)))
    one = Job(Wish(vocabulary.encode(""), Sampling(length=9)), vocabulary)
    writing = Pool(engine, vocabulary, 1)
    writing.queue.append(one)
    while writing.busy:
        writing.turn()
    ((data, finish),) = done(one.take(), 1)
    assert (len(data), finish) == (9, "length")
