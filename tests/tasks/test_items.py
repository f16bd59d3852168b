"""Items for a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from chargen.checkpoint import MOST_SEEN
from chargen.errors import KindError
from chargen.tasks.draft import Sample
from chargen.tasks.drawing import Sampling
from chargen.tasks.items import Known, items
from chargen.text.examples import fingerprint
from tests.conftest import tiny_checkpoint

OLD = ["ada", "bob"]
KNOWN = Known(np.sort(np.array([fingerprint([name]) for name in OLD], np.uint64)), 0)


def drawing(*texts: str, finish: str = "stop") -> Callable[[Sampling], Iterator[Sample]]:
    """Return what draws these texts by their seeds, over and over."""

    def draw(wanted: Sampling) -> Iterator[Sample]:
        for seed in range(wanted.seed, wanted.seed + wanted.count):
            text = texts[seed % len(texts)]
            yield Sample(text, text.encode(), 1.0, seed, 1.0, finish, len(text) + 1)

    return draw


def test_items_differ_and_are_new() -> None:
    """What was drawn before, what the model learned from, and what is empty is left out."""
    found = list(items(drawing("ada", "eve", "", "eve", "bob", "ian"), Sampling(count=2), KNOWN))
    assert [(one.text, one.seed) for one in found] == [("eve", 1), ("ian", 5)]


def test_an_item_has_an_end() -> None:
    """One that was cut off at its length is none."""
    assert not list(items(drawing("eve", finish="length"), Sampling(count=1), KNOWN))


def test_a_model_that_repeats_itself_gives_fewer() -> None:
    """After many texts for each item, drawing ends."""
    assert [one.text for one in items(drawing("ada", "eve"), Sampling(count=9), KNOWN)] == ["eve"]


def test_a_prime_is_part_of_the_item() -> None:
    """The whole of it is compared, and what is written comes back."""
    found = items(drawing("da", "va"), Sampling(count=1), KNOWN, b"a")
    assert [one.text for one in found] == ["va"]


def test_what_was_held_out_is_not_written() -> None:
    """Its fingerprints are not kept, but lie below a limit."""
    limit = fingerprint(["eve"])
    assert not replace(KNOWN, held=limit + 1).new(b"eve")
    assert replace(KNOWN, held=limit).new(b"eve")


def test_only_a_model_of_items_knows_them() -> None:
    """Another has none; of a very long list, not all are kept."""
    with pytest.raises(KindError, match="was not trained on a list"):
        Known.of("tale", tiny_checkpoint())
    saved = replace(
        tiny_checkpoint(),
        settings={"lines": True, "valid_fraction": 0.5},
        seen=KNOWN.prints,
    )
    known = Known.of("names", saved)
    assert known.held == 1 << 63
    assert known.whole
    assert not Known(np.zeros(MOST_SEEN, np.uint64), 0).whole


def test_items_of_bytes_are_known_by_their_bytes() -> None:
    """As they were read in training: each byte a character."""
    print_of = fingerprint(["é".encode().decode("latin-1")])
    known = Known(np.array([print_of], np.uint64), 0, as_bytes=True)
    assert not known.new("é".encode())
    assert known.new("è".encode())
