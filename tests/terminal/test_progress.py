"""What a person sees."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from chargen.metrics import LABEL_ACCURACY, PERPLEXITY, PSEUDO_PERPLEXITY, Metric
from chargen.terminal.curve import curve
from chargen.terminal.figures import duration
from chargen.terminal.progress import Lines, closing, opening
from chargen.terminal.screen import Screen
from chargen.training.reports import Conclusion, Done, Evaluation, Preview, Start, Step

SETTINGS = {
    "minutes": 2.0, "epochs": None, "steps": None, "precision": "bf16", "batch": 8, "bptt": 64,
    "lr": 0.004, "dropout": 0.1, "seed": 1, "bidirectional": False,
}  # fmt: skip
START = Start(
    run="tale", corpus="tale.txt", network="gru 1 × 64", parameters=1000, vocabulary=50, labels=[],
    train_characters=900, valid_characters=100, step=0, seconds=0.0, budget="2 minutes",
    settings=SETTINGS, device="cpu", history=[], kept=None, metric=PERPLEXITY,
)  # fmt: skip


def step(number: int) -> Step:
    return Step(
        step=number, epoch=0, progress=number / 10, seconds=2.0 * number,
        characters_seen=1000 * number, nats_per_char=2.0, smooth_nats_per_char=2.1,
        gradient_norm=0.5, lr=0.001,
    )  # fmt: skip


def evaluation(number: int, train: float, figures: dict[str, float]) -> Evaluation:
    return Evaluation(
        step=number, epoch=0.1, seconds=2.0 * number, characters_seen=1000 * number,
        train_nats_per_char=train, figures=figures, best=True,
    )  # fmt: skip


def scored(nats: float) -> dict[str, float]:
    return {
        "nats_per_char": nats, "perplexity": 2.718**nats, "perplexity_error": 0.1,
        "bpc": nats / 0.693,
    }  # fmt: skip


DONE = Done(
    best="checkpoints/tale/best.safetensors", last="checkpoints/tale/last.safetensors",
    valid={"perplexity": 4.5, "perplexity_error": 0.1, "nats_per_char": 1.5, "bpc": 2.164},
    kept=None, seconds=20.0, step=10, characters_seen=10_000, stopped="budget",
)  # fmt: skip

STORY = [
    START, step(1), evaluation(1, 3.0, scored(3.0)), Preview(1, "abc"),
    step(2), evaluation(2, 2.0, scored(2.0)), Preview(2, "the\x1b[2J tide"), DONE,
]  # fmt: skip


OLD = {
    "corpus": "old.txt", "share": 0.25, "valid_characters": 100,
    "before": {"nats_per_char": 1.5, "perplexity": 4.4817}, "after": None,
}  # fmt: skip


def test_an_old_text_is_told_before_and_after() -> None:
    """On a line of its own: how well it was known, how much of it is read, what was lost."""
    told = opening(replace(START, kept=OLD)).splitlines()[-1]
    assert told == (
        "old text old.txt, held out: perplexity 4.482 before training; 25% of the lanes read it"
    )
    after = OLD | {"after": {"nats_per_char": 1.6, "perplexity": 4.953}}
    assert closing(replace(DONE, kept=after), PERPLEXITY).splitlines()[-2] == (
        "old text old.txt, held out: perplexity 4.482 before, 4.953 now (+0.1000 nats)"
    )


def shown(kind: type[Lines] | type[Screen], terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=100)
    with kind(console) as view:
        for report in STORY:
            view.show(report)
    return file.getvalue()


def test_off_a_terminal_there_are_plain_lines() -> None:
    """No escape sequences, and every evaluation and the end have a line."""
    text = shown(Lines, terminal=False)
    assert "\x1b" not in text
    assert text.count("held-out perplexity") == 3
    assert "best model: checkpoints/tale/best.safetensors" in text


def test_the_last_evaluation_is_announced() -> None:
    """It can take a while, in which no step is reported."""
    file = io.StringIO()
    with Lines(Console(file=file, width=100)) as seen:
        for report in (*STORY[:-1], Conclusion(2, 12_345)):
            seen.show(report)
    assert "scoring the best model, of step 2, on 12,345 held-out characters" in file.getvalue()


@pytest.mark.parametrize("view", [Lines, Screen])
@pytest.mark.parametrize("metric", [PSEUDO_PERPLEXITY, LABEL_ACCURACY])
def test_other_costs_are_not_called_perplexity(
    view: type[Lines] | type[Screen], metric: Metric
) -> None:
    """A network that sees both sides has a pseudo-perplexity, a classifier an accuracy."""
    found: dict[str, float] = {
        "pseudo_nats_per_char": 1.5, "pseudo_perplexity": 4.5, "pseudo_perplexity_error": 1
    }  # fmt: skip
    if metric is LABEL_ACCURACY:
        found = {"examples": 1234, "label_accuracy": 0.75, "label_nats": 0.5}
    entry = evaluation(1, 3.0, found)
    file = io.StringIO()
    with view(Console(file=file, force_terminal=view is Screen, width=100)) as seen:
        reports = replace(START, metric=metric), step(1), entry, step(2), entry, step(3)
        for report in (*reports, replace(DONE, valid=found)):
            seen.show(report)
    text = file.getvalue()
    assert text.replace("pseudo-perplexity", "").count("perplexity") == 0
    labels = metric is LABEL_ACCURACY
    assert ("accuracy 75.0%" if labels else "pseudo-perplexity 4.5") in text
    assert ("1,234 examples" if labels else "nats") in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.6, "1m00s"), (185, "3m05s"), (7830, "2h10m")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    """Seconds, minutes or hours, whichever fit."""
    assert duration(seconds) == text


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 10)), min_size=1, max_size=40),
    st.integers(20, 100),
    st.integers(2, 12),
)
def test_a_curve_fits_its_box(points: list[tuple[float, float]], width: int, height: int) -> None:
    """Whatever the points, there are that many lines and none is longer than allowed."""
    lines = curve(sorted(points), width, height + 1)
    assert len(lines) == height + 1
    assert max(map(len, lines)) <= width


def test_a_curve_falls_when_its_values_do() -> None:
    """The first point is in the top line at the left, the last in the bottom line at the right."""
    top, *_, bottom, axis = curve([(0, 3.0), (1, 1.0)], 30, 5)
    assert axis.split() == ["└0s", "1s"]
    assert top.startswith("3.000 ┤⠉")
    assert bottom.startswith("1.000 ┤")
    assert len(bottom) == 30
    assert curve([], 30, 4) == []
