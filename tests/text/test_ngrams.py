"""What the training text tells by counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen import architecture
from chargen.engine.likelihood import charge
from chargen.engine.rounding import rounded
from chargen.text.contexts import LONGEST
from chargen.text.ngrams import CASES, PRIOR, Ngrams
from chargen.text.told import Told
from chargen.text.windows import PAST
from tests.conftest import counted, probabilities

V = 5
TEXT = st.lists(st.integers(0, V - 1), min_size=1, max_size=60)


def by_definition(text: list[int], context: tuple[int, ...], v: int = V) -> np.ndarray:
    """Return q for each next character, by going through the whole text for each context."""
    shorter = by_definition(text, context[1:], v) if context else np.full(v, 1 / v)
    padded = [v] * LONGEST + text
    ends = range(LONGEST, len(padded))
    counts = np.zeros(v)
    for end in ends:
        if tuple(padded[end - len(context) : end]) == context:
            counts[padded[end]] += 1
    prior = PRIOR * np.count_nonzero(counts)
    return (counts + prior * shorter) / (counts.sum() + prior) if counts.any() else shorter


def endings(context: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return all that a context ends with, from nothing to the whole of it."""
    return [context[start:] for start in range(len(context), -1, -1)]


def followed(text: list[int], context: tuple[int, ...]) -> set[int]:
    """Return the characters that followed this context in a text."""
    padded = [V] * LONGEST + text
    ends = range(LONGEST, len(padded))
    return {padded[end] for end in ends if tuple(padded[end - len(context) : end]) == context}


@given(TEXT, TEXT)
@settings(max_examples=50, deadline=None)
def test_it_is_the_recursion_of_its_definition(text: list[int], read: list[int]) -> None:
    """After any text, seen or not, and each character costs a probability."""
    ngrams = Ngrams(counted(text, V), V)
    ids = np.array([[V, *read]], np.int32)
    logs, cases, _ = ngrams.forward(ids, *ngrams.start(1))
    told = np.exp(logs)
    before = [V] * (LONGEST - 1) + ids[0].tolist()
    for place in range(ids.shape[1]):
        context = tuple(before[place : place + LONGEST])
        np.testing.assert_allclose(told[0, place], by_definition(text, context), atol=1e-12)
        followers = [len(followed(text, part)) for part in endings(context)]
        longest = max(length for length, found in enumerate(followers) if found)
        group = min(followers[longest].bit_length() - 1, 3)
        assert cases[0, place] == 4 * longest + group
    np.testing.assert_allclose(told.sum(-1), 1)
    assert (told > 0).all()


@given(TEXT, TEXT, st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_a_window_is_its_parts(text: list[int], read: list[int], cut: int) -> None:
    """Wherever a window ends; two texts in a batch are as they are alone."""
    ngrams, ids = Ngrams(counted(text, V), V), np.array([read, read[::-1]], np.int32)
    whole, cases, after = ngrams.forward(ids, *ngrams.start(2))
    first, before, between = ngrams.forward(ids[:, :cut], *ngrams.start(2))
    second, behind, last = ngrams.forward(ids[:, cut:], *between)
    np.testing.assert_allclose(np.concatenate((first, second), axis=1), whole)
    np.testing.assert_array_equal(np.concatenate((before, behind), axis=1), cases)
    np.testing.assert_array_equal(last[0], after[0])


def test_a_context_counts_only_if_all_shorter_ones_do() -> None:
    """A key that another context happens to have is not believed."""
    weights = counted([0, 1, 2, 0, 1, 2], V)
    lengths = weights["lengths"].copy()
    gone = slice(1, 1 + lengths[1])
    followers = weights["followers"]
    pairs = slice(int(followers[0]), int(followers[: gone.stop].sum()))
    lengths[1] = 0
    lacking = (
        weights
        | {"lengths": lengths}
        | {
            name: np.delete(weights[name], part)
            for part, names in ((gone, ("key", "followers")), (pairs, ("character", "count")))
            for name in names
        }
    )
    ngrams = Ngrams(lacking, V)
    logs, _, _ = ngrams.forward(np.array([[0, 1]], np.int32), *ngrams.start(1))
    np.testing.assert_allclose(np.exp(logs[0]), [by_definition([0, 1, 2, 0, 1, 2], ())] * 2)


def test_both_together_are_a_product_of_powers() -> None:
    """p^α q^β, normalised, by the case; α = 1 and β = 0 give p."""
    ngrams, random = Ngrams(counted([0, 1, 2, 0, 1, 2], V), V), np.random.default_rng(1)
    ngrams.powers = random.normal(0.5, 0.5, (CASES, 2))
    ngrams.powers[3] = 1, 0
    logits, told = random.normal(0, 3, (CASES, V)), random.dirichlet(np.ones(V), CASES)
    cases = np.arange(CASES, dtype=np.uint8)
    p = probabilities(logits)
    product = p ** ngrams.powers[:, :1] * told ** ngrams.powers[:, 1:]
    found = probabilities(ngrams.mixed(logits.astype(np.float32), np.log(told), cases))
    np.testing.assert_allclose(found, product / product.sum(axis=-1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(found[3], p[3], atol=1e-6)


def normal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return numbers that bfloat16 has."""
    return rounded({"made": random.normal(0, 3, shape).astype(np.float32)})["made"]


def by_time(array: np.ndarray, bits: bool) -> np.ndarray:
    """Return (T, B, …) of an array (B, T, …), as the bits of bfloat16 if that is asked for."""
    turned = array.swapaxes(0, 1).copy()
    return (turned.view(np.int32) >> 16).astype(np.int16) if bits else turned


@pytest.mark.parametrize("many", [1, 1 << 18])
@pytest.mark.parametrize("rare", [0, 3])
@pytest.mark.parametrize("bits", [False, True])
def test_compiled_code_weighs_the_same(
    many: int, rare: int, bits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many texts by several threads, of few by one; with rare characters apart; in bfloat16."""
    monkeypatch.setattr("chargen.text.told.WORTH", many)
    random = np.random.default_rng(1)
    ngrams = Ngrams(counted(random.integers(0, V, 300).tolist(), V), V)
    ngrams.powers = random.normal(0.5, 0.3, (CASES, 2))
    ids, targets = random.integers(0, V + 1, (2, 7, 40)).astype(np.int32)
    targets[0, :3] = PAST
    known = (targets >= 0) & (targets < V)
    own = normal(random, (7, 40, V))
    kept = random.random(ids.shape) < 0.3
    wide, narrow = own, None
    if rare:
        narrow = normal(random, (7, 40, rare))
        wide = own[..., : V - rare + 1].copy()
        own[..., V - rare :] = wide[..., -1:] + np.log(probabilities(narrow))
    ages = random.integers(0, 12, ids.shape).astype(np.int32)
    for old in (None, ages):
        logs, cases, (after,) = ngrams.forward(ids, *ngrams.start(7), old)
        weighed, last = Told(ngrams, V).weigh(
            ids, targets, ngrams.start(7)[0], old, by_time(wide, bits),
            None if narrow is None else by_time(narrow, bits), logits=True, kept=kept,
        )  # fmt: skip
        both = ngrams.mixed(own, logs, cases).copy()
        nats, hits = charge(both.copy(), targets)
        np.testing.assert_allclose(weighed.nats[known], nats[known], atol=1e-4)
        np.testing.assert_array_equal(weighed.nats[~known], 0)
        np.testing.assert_array_equal(weighed.hits, hits & known)
        np.testing.assert_allclose(weighed.logits, both, atol=1e-4)
        np.testing.assert_array_equal(weighed.cases, cases)
        np.testing.assert_allclose(weighed.alpha, ngrams.powers[cases][..., 0], atol=1e-6)
        np.testing.assert_allclose(weighed.own, own[kept], atol=1e-5)
        np.testing.assert_allclose(weighed.logs, logs[kept], atol=1e-5)
        np.testing.assert_array_equal(last, after)


def test_a_header_says_how_many_powers_there_are() -> None:
    """A pair for each length of a context, and each group of followers."""
    assert CASES == architecture.CASES


@pytest.mark.parametrize("processors", [1, 2, 5, 64])
def test_as_many_processors_are_used_as_pay(
    processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: one for each so many probabilities, and for each text at most."""
    used: list[int] = []

    def weigh(first: int, stop: int, *_: object) -> None:
        used.append(stop - first)

    monkeypatch.setattr("chargen.text.told.kernels.weigh", weigh)
    monkeypatch.setattr("chargen.threads.processors", lambda: processors)
    ngrams = Ngrams(counted([0, 1, 2], V), V)
    for texts, worth, most in ((6, 40, 6), (6, 250, 2), (1, 10, 1), (6, 400, 1)):
        monkeypatch.setattr("chargen.text.told.WORTH", worth)
        ids, own = np.zeros((texts, 20), np.int32), np.zeros((20, texts, V), np.float32)
        used.clear()
        Told(ngrams, V).weigh(ids, ids, ngrams.start(texts)[0], None, own)
        assert len(used) == min(processors, most)
        assert sum(used) == texts
