"""Texts that keep rules, with the model's own probabilities."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from chargen.engine.causal import Causal
from chargen.engine.likelihood import character_nats
from chargen.errors import UsageError
from chargen.tasks import faithful
from chargen.tasks.drawing import Sampling
from chargen.tasks.rules import Rules
from chargen.tasks.sampling import sample
from chargen.text.vocabulary import Vocabulary
from tests.conftest import tiny_checkpoint

VOCABULARY = Vocabulary("ab\n")
MODEL = tiny_checkpoint(VOCABULARY.characters)
WEIGHTS = dict(MODEL.weights)
ENGINE = Causal(MODEL.architecture, WEIGHTS)
COUNT = 4000


def drawn(count: int = COUNT, **asked: Any) -> Counter[str]:
    """Return how often each text was drawn."""
    wanted = Sampling(length=6, count=count, end="\n", **asked)
    return Counter(one.text for one in sample(ENGINE, VOCABULARY, wanted))


def truth(pattern: str) -> dict[str, float]:
    """Return each text that matches, with its probability given that the text matches."""
    texts = ["".join(t) for size in range(7) for t in itertools.product("ab", repeat=size)]
    good = [text for text in texts if re.fullmatch(pattern, text)]
    ids = [VOCABULARY.encode(text + "\n") for text in good]
    weights = [math.exp(-float(character_nats(ENGINE, [one[:0]], [one])[0].sum())) for one in ids]
    return {text: weight / sum(weights) for text, weight in zip(good, weights, strict=True)}


def strangeness(counts: Counter[str], expected: dict[str, float]) -> float:
    """Return how far counts are from what was expected, in standard deviations of chi-squared."""
    assert set(counts) <= set(expected)
    total = sum(counts.values())
    common = {text: share for text, share in expected.items() if share * total >= 5}
    rare = 1 - sum(common.values())
    cells = [(counts[text], share * total) for text, share in common.items()]
    if rare * total >= 5:
        cells.append((total - sum(counts[text] for text in common), rare * total))
    free = max(1, len(cells) - 1)
    chi = sum((seen - wanted) ** 2 / wanted for seen, wanted in cells)
    return (chi - free) / math.sqrt(2 * free)


PATTERNS = ["a*b", "(ab|ba)*a?", "b[ab]{2,4}b", "(a|bb)*"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_texts_come_as_often_as_they_should(pattern: str) -> None:
    """Against the true conditional probabilities of all texts that match, by chi-squared."""
    counts = drawn(rules=Rules(match=pattern), faithful=True)
    assert sum(counts.values()) == COUNT
    assert strangeness(counts, truth(pattern)) < 4


@pytest.mark.parametrize("pattern", PATTERNS[1:])
def test_the_fast_way_bends_the_distribution(pattern: str) -> None:
    """The same test notices what forbidding characters one by one does."""
    assert strangeness(drawn(rules=Rules(match=pattern)), truth(pattern)) > 20


def test_a_full_tree_is_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beginnings that are not remembered cost time, and no exactness."""
    monkeypatch.setattr(faithful, "LARGEST_TREE", 3)
    counts = drawn(rules=Rules(match=PATTERNS[1]), faithful=True)
    assert strangeness(counts, truth(PATTERNS[1])) < 4


def test_temperature_changes_what_is_the_models_own() -> None:
    """At temperature 0 only its likeliest text is left, whether it keeps the rules or not."""
    wanted = Sampling(length=6, count=20, rules=Rules(match="(?s:.*)"), faithful=True, temp=0)
    (likeliest,) = {one.text for one in sample(ENGINE, VOCABULARY, wanted)}
    other = "b" if likeliest[0] == "a" else "a"
    with pytest.raises(UsageError, match="of 1 texts that the model wrote, 0 keep the rules"):
        drawn(1, rules=Rules(start=other), faithful=True, temp=0)


def test_the_same_seed_draws_the_same_texts() -> None:
    """And another seed others."""
    rules = Rules(match=PATTERNS[1])
    one, again, other = (drawn(50, rules=rules, faithful=True, seed=seed) for seed in (1, 1, 2))
    assert one == again != other


def test_rules_that_are_kept_too_rarely_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After many texts it is said how many kept them."""
    monkeypatch.setattr(faithful, "PATIENCE", 10)
    sure = {name: 0 * weight for name, weight in WEIGHTS.items()}
    sure["output.bias"] = np.array([40, 0, 0], np.float32)
    engine = Causal(MODEL.architecture, sure)
    wanted = Sampling(length=6, end="\n", rules=Rules(match="ab{5}"), faithful=True)
    with pytest.raises(UsageError, match="0 keep the rules"):
        list(sample(engine, VOCABULARY, wanted))
