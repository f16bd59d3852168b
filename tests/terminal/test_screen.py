"""The live screen: what stands on it at each size, as pictures in the folder ``screens``.

``CHARGEN_SCREENS=1 python -m pytest tests/terminal/test_screen.py`` draws them anew: look at them.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from chargen.metrics import LABEL_ACCURACY, PAIR_ACCURACY, PERPLEXITY, SPANS, Metric
from chargen.terminal.screen import Screen, flowed
from chargen.terminal.streams import visible
from chargen.training.reports import Conclusion, Preview, Report
from tests.conftest import STORY as TEXT
from tests.conftest import any_text
from tests.terminal.test_progress import DONE, START, evaluation, scored, step

SCREENS = Path(__file__).parent / "screens"
SIZES = [(60, 20), (80, 24), (120, 40)]
NAMES = "\n".join(f"{one}{other}" for one in ("Al", "Bar", "Cori", "De") for other in (
    "ba", "da", "lia", "mon", "na", "ra", "sa", "ta", "va", "wyn"
))  # fmt: skip


PAIRS = """fox → foxes
pony → ponys  ≠ ponies
ox → ∅  ≠ oxen
sheep → sheep"""
TAGS = """[PER Ines] went to [LOC Vesle] .
The boats of [LOC Port Aru] came back ."""


def right_pairs(nats: float) -> dict[str, float]:
    """Return figures of a model of pairs."""
    share = 1 - nats / 4
    return {
        "pairs": 200, "exact": share, "exact_error": 0.03, "wer": 1 - share, "cer": 0.1,
        "cer_error": 0.01, "nats_per_symbol": nats / 4,
    }  # fmt: skip


def right_spans(nats: float) -> dict[str, float]:
    """Return figures of a model that marks spans."""
    share = 1 - nats / 4
    return {
        "texts": 90, "spans": 70, "precision": share, "recall": share, "f1": share,
        "f1_error": 0.05, "nats_per_char": nats / 20,
    }  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """What is on the screen of one kind of model."""

    sample: str
    metric: Metric = PERPLEXITY
    figures: Callable[[float], dict[str, float]] = scored


KINDS = {
    "prose": Kind(TEXT),
    "names": Kind(NAMES),
    "pairs": Kind(PAIRS, PAIR_ACCURACY, right_pairs),
    "tags": Kind(TAGS, SPANS, right_spans),
}


def reports(kind: Kind) -> Iterator[Report]:
    """Yield what a training reports that is half done."""
    yield replace(START, network="lstm 1 × 512, embedding 64", run="the-tide", metric=kind.metric)
    for number in range(1, 6):
        yield replace(step(number), seconds=12.0 * number, characters_seen=400_000 * number)
        found = evaluation(number, 3.2 / number**0.4, kind.figures(3 / number**0.4))
        yield replace(found, seconds=12.0 * number)
    yield Preview(5, kind.sample)


def seen(
    *more: Report, kind: Kind = KINDS["prose"], width: int = 100, height: int = 30
) -> list[str]:
    """Return the lines of the screen."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height)
    with Screen(console) as made:
        for report in (*reports(kind), *more):
            made.show(report)
        return [line.plain for line in made.lines(width, height)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_screen_is_as_in_its_picture(width: int, height: int, kind: str) -> None:
    """Sample, curve and figures, none of them broken."""
    lines = seen(kind=KINDS[kind], width=width, height=height)
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    picture = SCREENS / f"{kind}-{width}x{height}.txt"
    if "CHARGEN_SCREENS" in os.environ:
        picture.write_text(text, encoding="utf-8")
    assert picture.read_text(encoding="utf-8") == text


@given(st.integers(1, 200), st.integers(1, 60), any_text())
def test_the_screen_fits(width: int, height: int, sample: str) -> None:
    """Whatever the size and the sample: no line is too wide, and there are not too many."""
    lines = seen(kind=Kind(sample), width=width, height=height)
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)


@given(any_text(min_size=1), st.integers(5, 60), st.integers(1, 20))
def test_flowed_text_fits(text: str, width: int, height: int) -> None:
    """Never more lines than there is room for; a short text is there as a whole."""
    lines = flowed(visible(text), width, height)
    assert len(lines) <= height
    assert flowed("one\ntwo", width, height=2) == ["one", "two"]


def test_short_lines_stand_side_by_side() -> None:
    """Names fill the width, from above to below and then to the right."""
    assert flowed("a\nb\nc\nd", 20, 2) == ["a  c", "b  d"]
    assert flowed("x" * 25, 10, 2) == ["x" * 10, "…"]


def test_a_newcomer_is_told_what_perplexity_means() -> None:
    """In words, under the bar."""
    assert any("about as sure as choosing among" in line for line in seen())
    accuracy = {"examples": 1000, "label_accuracy": 0.75, "label_nats": 0.5}
    label = replace(START, metric=LABEL_ACCURACY), evaluation(6, 1.0, accuracy)
    assert any("right about 75 times of 100" in line for line in seen(*label, kind=Kind("")))


def test_the_end_of_the_budget_is_no_full_bar() -> None:
    """While the best model is scored, a spinner turns beside words."""
    lines = seen(Conclusion(2, 12_345))
    assert any("scoring the best model, of step 2" in line for line in lines)
    assert not any("━" in line for line in lines)


@pytest.mark.parametrize("height", [12, 24, 60])
def test_the_end_fits_the_terminal(height: int) -> None:
    """The last sample leaves room for the figures; control characters in it are pictures."""
    file = io.StringIO()
    with Screen(Console(file=file, force_terminal=True, width=80, height=height)) as made:
        for report in (*reports(Kind("the\x1b[2J tide\n" * 99)), DONE):
            made.show(report)
    said = file.getvalue()
    after = said[said.rindex("\x1b[?1049l") :].splitlines()
    assert len(after) <= max(12, height)
    assert "the␛[2J tide" in said
    assert "\x1b[2J tide" not in said
    assert "held-out perplexity 4.500" in said


def test_an_odd_history_is_taken() -> None:
    """Records that lack a figure are passed over, not stumbled on."""
    history = [{"seconds": 1.0, "step": 1, "nats_per_char": 0.5}]
    assert seen(replace(START, history=history), step(6))
