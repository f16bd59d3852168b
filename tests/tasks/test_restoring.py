"""Filling gaps: what is read, what is put in, and that both engines mean the same by it."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from chargen.architecture import Architecture
from chargen.engine import likelihood
from chargen.engine.causal import Causal as Engine
from chargen.engine.gaps import GapFiller
from chargen.engine.language_model import LanguageModel
from chargen.errors import UsageError
from chargen.kinds import CAUSAL, GAPS, LONGEST_GAP
from chargen.networks import bidirectional
from chargen.networks.base import Batch
from chargen.tasks import restoring
from chargen.tasks.beam import Gap, search
from chargen.tasks.restoring import (
    BothSides,
    LeftToRight,
    Mark,
    Restoration,
    marked,
    parse,
    restore,
)
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST
from tests.conftest import probabilities, random_weights

V = 4
VOCABULARY = Vocabulary("abcd", escape=0.01)


@pytest.fixture(params=["elman", "gru", "lstm"])
def both(request: pytest.FixtureRequest) -> Architecture:
    """A small bidirectional network of each kind."""
    return Architecture(request.param, layers=2, hidden=6, embed=5, kind=GAPS)


def reader_of(architecture: Architecture, seed: int = 0) -> BothSides | LeftToRight:
    weights = random_weights(architecture, V, seed)
    if architecture.kind is GAPS:
        return BothSides(GapFiller(architecture, weights))
    return LeftToRight(Engine(architecture, weights))


def ids(text: str) -> np.ndarray:
    return VOCABULARY.encode(text)


def test_the_engines_agree_on_gaps(both: Architecture) -> None:
    """For every place and distance, both engines give the next character the same logits."""
    weights = random_weights(both, V)
    network = bidirectional.GapFiller(both, V).eval()
    network.assign(weights)
    reader = BothSides(GapFiller(both, weights))
    text = ids("abacadabcdb")
    inputs = np.concatenate(([V], text[:-1]))[None]
    with torch.no_grad():
        left, right, _ = network.read(
            torch.from_numpy(inputs), torch.from_numpy(text[None]).long(), network.start(1)
        )
    mine, _ = reader.left.forward(inputs.astype(np.int32), reader.left.start(1))
    for at, end, remaining in ((0, 1, 1), (3, 7, 4), (3, 7, 0), (10, 11, 1), (5, 5, 0)):
        with torch.no_grad():
            logits = network(left[at : at + 1], right[end : end + 1], torch.tensor([[remaining]]))
        expected = torch.log_softmax(logits[0], -1).numpy()
        logs = reader.predict(mine[:, at], reader.look(text[end:]), remaining)
        np.testing.assert_allclose(logs, expected, atol=1e-4)


def test_it_sees_both_sides_and_not_the_gap(both: Architecture) -> None:
    """What stands on either side changes the prediction; what the gap hides does not."""
    network = bidirectional.GapFiller(both, V).eval()
    network.assign(random_weights(both, V))

    def logits(text: str) -> np.ndarray:
        targets = torch.from_numpy(ids(text)[None]).long()
        inputs = torch.cat((torch.tensor([[V]]), targets[:, :-1]), dim=1)
        with torch.no_grad():
            left, right, _ = network.read(inputs, targets, network.start(1))
            made: np.ndarray = network(left[4:5], right[7:8], torch.tensor([[3]])).numpy()
        return made

    whole = logits("abcdabcdab")
    assert not np.allclose(logits("bbcdabcdab"), whole)
    assert not np.allclose(logits("abcdabcdaa"), whole)
    assert np.array_equal(logits("abcdcccdab"), whole)


def test_training_learns_from_every_character(both: Architecture) -> None:
    """Each target costs something, once; what lies past a lane's end costs nothing."""
    targets = torch.from_numpy(np.stack([ids("abcdabcd"), ids("dcbadcba")])).long()
    inputs = torch.cat((torch.full((2, 1), V), targets[:, :-1]), dim=1)

    def nats(targets: torch.Tensor) -> float:
        network = bidirectional.GapFiller(both, V, generator=torch.Generator().manual_seed(1))
        total, state = network.cost(Batch(inputs, targets), network.start(2))
        assert len(state) == both.layers
        return float(total.detach())

    whole = nats(targets)
    assert whole == pytest.approx(16 * math.log(V + 1), rel=0.5)
    # Beyond a lane's end, one character more each time.
    for row in range(2):
        before, shorter = whole, targets.clone()
        for place in reversed(range(8)):
            shorter[row, place] = PAST
            assert 0.2 < before - nats(shorter) < 4
            before = nats(shorter)
    assert nats(torch.full_like(targets, PAST)) == 0


def test_a_length_is_drawn_from_whatever_comes(
    both: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every random number in [0, 1), zero included, the gap has a length that is allowed."""
    network = bidirectional.GapFiller(both, V)
    for extreme in (0.0, 1 - 2**-24):
        monkeypatch.setattr(
            torch, "rand", lambda *size, value=extreme, **_: torch.full(size, value)
        )
        remaining, known = network._draw(9, torch.device("cpu"))
        assert known.all() == (extreme == 0)
        assert ((remaining >= 0) & (remaining <= LONGEST_GAP)).all()


@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_wide_beam_finds_the_best_of_all(bidirectional: bool) -> None:
    """Among all fillings of a gap of three, each costs what its definition says."""
    architecture = Architecture("gru", 1, 6, 5, kind=GAPS if bidirectional else CAUSAL)
    reader = reader_of(architecture)
    before, after = ids("abca"), ids("dba")
    beam, likely = search(reader, [before, Gap(3), after], width=V**3)
    costs = {
        filling: cost(reader, before, np.array(filling), after)
        for filling in itertools.product(range(V), repeat=3)
    }
    ranked = sorted(costs, key=costs.__getitem__)
    assert [fills[0] for fills in beam.fills[:10]] == ranked[:10]
    np.testing.assert_allclose(beam.nats[:10], [costs[f] for f in ranked[:10]], atol=1e-4)
    shares = np.exp([-costs[filling] for filling in ranked])
    np.testing.assert_allclose(likely, shares / shares.sum(), atol=1e-5)


def cost(
    reader: BothSides | LeftToRight, before: np.ndarray, filling: np.ndarray, after: np.ndarray
) -> float:
    """The nats of one filling, character by character, from the definition."""
    text = np.concatenate((before, filling, after))

    def side(model: LanguageModel, whole: np.ndarray, skip: int) -> float:
        state, total = model.start(1), 0.0
        for number, index in enumerate(whole):
            last = whole[number - 1] if number else V
            logits, state = model.forward(np.array([[last]], dtype=np.int32), state)
            total -= np.log(probabilities(logits[0, 0]))[index] if number >= skip else 0
        return float(total)

    if isinstance(reader, LeftToRight):
        return side(reader.model, text, len(before))
    read, _ = reader.left.forward(
        np.concatenate(([V], text)).astype(np.int32)[None], reader.left.start(1)
    )
    proposal = 0.0
    for number, index in enumerate(filling):
        here = read[:, len(before) + number]
        logs = reader.predict(here, reader.look(after), len(filling) - number)
        proposal -= float(logs[0, index])
    sides = (
        proposal,
        side(reader.model.following, text, len(before)),
        side(reader.model.preceding, text[::-1], len(after)),
    )
    return float(np.dot(restoring.WEIGHTS, sides))


def test_fillings_of_unknown_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """All differ, the best comes first, and what is proposed is one distribution."""
    reader = reader_of(Architecture("lstm", 1, 6, 5, kind=GAPS))
    assert isinstance(reader, BothSides)
    beam, likely = search(reader, [ids("ab"), Gap(None), ids("cd")], width=200)
    assert likely.sum() == pytest.approx(1)
    assert len({fills[0] for fills in beam.fills}) == len(beam.fills) == 200
    assert {len(fills[0]) for fills in beam.fills} > {0, 1, 2}
    assert (np.diff(beam.nats) >= 0).all()
    # Without the judgement of the sides, what the proposals cost is a logarithm of probability.
    monkeypatch.setattr(restoring, "WEIGHTS", (1, 0, 0))
    beam, _ = search(reader, [ids("ab"), Gap(None), ids("cd")], width=500)
    assert 0.5 < np.exp(-beam.nats).sum() <= 1 + 1e-6


def test_hypotheses_of_different_lengths_are_read_on(architecture: Architecture) -> None:
    """After a gap of unknown length, each hypothesis goes on from what it has read itself."""
    reader = reader_of(replace(architecture, context=min(architecture.context, 4)), seed=1)
    pieces: list[np.ndarray | Gap] = [ids("abcab"), Gap(None), ids("dcba"), Gap(2), ids("ab")]
    beam, _ = search(reader, pieces, width=40)
    assert len({len(first) for first, _ in beam.fills}) > 1
    for row, (first, second) in enumerate(beam.fills):
        known = (np.array(fill, dtype=np.int32) for fill in (first, second))
        text = np.concatenate((ids("abcab"), next(known), ids("dcba"), next(known)))
        alone, _ = reader.left.forward(
            np.concatenate(([V], text)).astype(np.int32)[None], reader.left.start(1)
        )
        np.testing.assert_allclose(beam.read[row], alone[0, -1], atol=1e-4)


def test_windows_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """What texts cost does not depend on how much is read at a time."""
    reader = reader_of(Architecture("lstm", 2, 6, 5, kind=GAPS))
    rows = [(ids("abca"), ids(text), ids("dba")) for text in ("a", "bcd", "dcbabc")]
    whole = reader.cost(rows, np.zeros(3))
    for window, logits in ((3, 1 << 20), (256, 1), (2, 2 * 3 * V)):
        monkeypatch.setattr(likelihood, "WINDOW", window)
        monkeypatch.setattr(likelihood, "LOGITS", logits)
        np.testing.assert_allclose(reader.cost(rows, np.zeros(3)), whole, rtol=1e-5)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_several_gaps_are_filled_together(bidirectional: bool) -> None:
    """Every gap gets as many characters as were marked, and the rest stays as it is."""
    architecture = Architecture("gru", 1, 6, 5, kind=GAPS if bidirectional else CAUSAL)
    ways = restore(reader_of(architecture), VOCABULARY, parse("ab[2]cd[?]a[...]b"), count=5, beam=8)
    assert len(ways) == 5
    for way in ways:
        first, second, third = way.fills
        assert (len(first), len(second)) == (2, 1)
        assert way.text == f"ab{first}cd{second}a{third}b"
        assert 0 <= way.probability <= 1
    assert len({way.fills for way in ways}) == 5


def test_unknown_characters_stay_as_they_are() -> None:
    """What the model never saw is passed over, not lost."""
    reader = reader_of(Architecture("gru", 1, 6, 5, kind=GAPS))
    way = restore(reader, VOCABULARY, parse("aéb[2]€c"))[0]
    assert way.text[:3] + way.text[5:] == "aéb€c"


def test_marks() -> None:
    """Marks are read at the ends and next to one another; other brackets are not marks."""
    assert parse("[...]a[…]b") == [Gap(None), "a", Gap(None), "b"]
    assert parse("[?][?]b[12]") == [Gap(2), "b", Gap(12)]
    assert parse("[3][...]a") == [Gap(None), "a"]
    assert parse(r"\[5] is [5]") == ["[5] is ", Gap(5)]
    assert parse("[sic] [?]") == ["[sic] ", Gap(1)]


@pytest.mark.parametrize(
    "text", ["nothing missing", "[0]", f"[{LONGEST_GAP}][?]", "a[999999999]b", "to be[...]"]
)
def test_what_is_no_gap(text: str) -> None:
    """No mark, a gap of zero, a gap that is too long, and an unknown gap at the end are refused."""
    with pytest.raises(UsageError):
        parse(text)


def test_gaps_are_told_with_their_places() -> None:
    """Line and column as an editor counts them, and what stands there."""
    found = [str(mark) for mark in marked("a[16]\n\\[x] [...]\nb[?]") if isinstance(mark, Mark)]
    assert found == [
        "line 1, column 2: [16], a gap of 16 characters",
        "line 2, column 6: [...], a gap of unknown length",
        "line 3, column 2: [?], a gap of 1 character",
    ]


def test_another_mark_leaves_brackets_alone() -> None:
    """With a mark of its own, citations, code and backslashes are text."""
    assert parse(r"see [12], a[16] \[x] ___ and", "___") == [
        r"see [12], a[16] \[x] ", Gap(None), " and",
    ]  # fmt: skip


def test_bytes_come_back_as_they_were() -> None:
    """Bytes that are no UTF-8 are kept, and so are those that are filled in."""
    given = b"caf\xe9 and \xc3".decode("utf-8", "surrogateescape")
    way = Restoration((given, "\udca9", "!"), (False, True, False), 1.0)
    assert way.data == b"caf\xe9 and \xc3\xa9!"
    assert way.within("<", ">") == b"caf\xe9 and \xc3<\xa9>!"
    assert way.text == "caf\ufffd and é!"
    assert way.fills == ("\ufffd",)
