"""Translating: exact scores, the likeliest first, whatever stands beside; several models' mean."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.architecture import ATTENTIONS, MONOTONIC
from chargen.checkpoint import Checkpoint
from chargen.errors import KindError, UsageError
from chargen.tasks.translating import Translator, translator
from chargen.text.pair_form import Form, Pair
from tests.conftest import pair_checkpoint, tiny_checkpoint


def made(*saved: Checkpoint) -> Translator:
    """Return a translator of models."""
    return translator([(f"m{number}", one) for number, one in enumerate(saved)])


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_wide_beam_finds_the_likeliest(attention: str) -> None:
    """Its scores are the model's own, and no target that was left out is better.

    What is best is likeliest, or, where a target may end anywhere, has the cheapest symbols.
    """
    turns = made(pair_checkpoint(attention=attention, seed=5))
    (best,) = turns.translate([Pair("ab", ("F",))], count=30, beam=300)
    nats = [one.nats for one in best]

    def rank(cost: float, symbols: int) -> float:
        return cost if attention == MONOTONIC else cost / (symbols + 1)

    ranks = [rank(one.nats, len(one.symbols)) for one in best]
    assert ranks == sorted(ranks)
    assert sum(one.probability for one in best) <= 1 + 1e-9
    assert len({one.text for one in best}) == 30
    again = turns.costs([Pair("ab", ("F",), one.symbols) for one in best])
    np.testing.assert_allclose(nats, again, atol=1e-5)
    short = [
        Pair("ab", ("F",), target)
        for length in range(4)
        for target in itertools.product("abx", repeat=length)
    ]
    better = {
        pair.target
        for pair, cost in zip(short, turns.costs(short), strict=True)
        if rank(cost, len(pair.target or ())) < ranks[-1] - 1e-6
    }
    assert better <= {one.symbols for one in best}


@settings(max_examples=20)
@given(st.lists(st.text("abcdé ", min_size=1, max_size=9), min_size=1, max_size=6))
def test_what_stands_beside_does_not_matter(sources: list[str]) -> None:
    """Each source gets the targets that it gets alone, in the order in which they were given."""
    turns = made(pair_checkpoint())
    pairs = [Pair(source) for source in sources]
    together = list(turns.translate(pairs, 2))
    for pair, found in zip(pairs, together, strict=True):
        (alone,) = turns.translate([pair], 2)
        assert [one.text for one in found] == [one.text for one in alone]
        np.testing.assert_allclose(
            [one.nats for one in found], [one.nats for one in alone], atol=1e-4
        )


def test_unknown_characters_can_be_copied() -> None:
    """A model that always copies writes what it has never seen, and the cost is finite."""
    saved = pair_checkpoint()
    bias = saved.weights["output.bias"].copy()
    bias[-1] = 20
    turns = made(replace(saved, weights={**saved.weights, "output.bias": bias}))
    (cost,) = turns.costs([Pair("éß", (), ("é", "ß"))])
    assert np.isfinite(cost)
    (best,) = turns.translate([Pair("éß")], 5)
    assert any(set(one.text) & set("éß") for one in best)
    (impossible,) = turns.costs([Pair("éß", (), ("ñ",))])
    assert impossible == np.inf


def test_several_models_are_averaged() -> None:
    """Each next symbol's probability is the mean of theirs."""
    one, other = pair_checkpoint(seed=1), pair_checkpoint("gru", "soft", seed=2)
    both = made(one, other)
    pair = Pair("abc", ("G",), ("x",))
    steps = []
    for turns in (made(one), made(other), both):
        writer, _ = turns.writer([pair])
        steps.append(np.exp(writer.next()[0, 0]))
    np.testing.assert_allclose(steps[2], (steps[0] + steps[1]) / 2, atol=1e-9)
    (found,) = both.translate([pair], 3)
    again = both.costs([replace(pair, target=best.symbols) for best in found])
    np.testing.assert_allclose([best.nats for best in found], again, atol=1e-5)


def test_targets_in_another_order_are_averaged_by_symbol() -> None:
    """A model that began with another one may know the same symbols in an order of its own."""
    saved = pair_checkpoint(seed=4)
    symbols = saved.vocabulary.symbols
    assert symbols is not None
    turned = replace(
        saved,
        vocabulary=replace(
            saved.vocabulary, symbols=replace(symbols, targets=symbols.targets[::-1])
        ),
        weights=dict(saved.weights)
        | {
            name: saved.weights[name][[2, 1, 0, *range(3, len(saved.weights[name]))]]
            for name in ("symbol.weight", "output.weight", "output.bias", "place.weight")
        },
    )
    (alone,) = made(saved).translate([Pair("abd", ("F",))], 4)
    (both,) = made(saved, turned).translate([Pair("abd", ("F",))], 4)
    assert [one.text for one in both] == [one.text for one in alone]
    np.testing.assert_allclose([one.nats for one in both], [one.nats for one in alone], rtol=1e-5)


def test_nothing_was_written_from_nowhere() -> None:
    """A target without symbols has no places."""
    assert made(pair_checkpoint()).looked(Pair("ab", (), ())).shape == (0, 2)


def test_models_of_other_symbols_are_refused() -> None:
    """Averages are for models that write the same; and a model of running text writes none."""
    saved = pair_checkpoint()
    symbols = saved.vocabulary.symbols
    assert symbols is not None
    spaced = replace(symbols, form=Form(spaced=True))
    other = replace(saved, vocabulary=replace(saved.vocabulary, symbols=spaced))
    with pytest.raises(KindError, match="targets of other symbols"):
        made(saved, other)
    with pytest.raises(KindError, match=r"cannot translate\. Use `chargen sample` with it"):
        made(tiny_checkpoint())
    with pytest.raises(UsageError, match="beam"):
        made(saved).translate([], beam=0)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_target_has_an_end(attention: str) -> None:
    """Even of a model that never ends one, and of a source that is too long."""
    saved = pair_checkpoint(attention=attention)
    bias = saved.weights["output.bias"].copy()
    bias[3] = -50
    symbols = saved.vocabulary.symbols
    assert symbols is not None
    short = replace(symbols, form=replace(symbols.form, longest=6))
    turns = made(
        replace(
            saved,
            weights={**saved.weights, "output.bias": bias},
            vocabulary=replace(saved.vocabulary, symbols=short),
        )
    )
    for best in turns.translate([Pair("a"), Pair("abcd" * 9)], 2):
        assert best
        assert all(len(one.symbols) <= 6 for one in best)
