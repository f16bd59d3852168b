"""What a person sees."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from chargen.terminal.curve import curve
from chargen.terminal.progress import Lines, Screen, duration
from chargen.training.loop import Report

SETTINGS = {
    "minutes": 2.0, "epochs": None, "steps": None, "precision": "bf16", "batch": 8, "bptt": 64,
    "lr": 0.004, "dropout": 0.1, "seed": 1, "bidirectional": False,
}  # fmt: skip
START: dict[str, Any] = {
    "run": "tale", "corpus": "tale.txt",
    "network": "gru 1 × 64", "parameters": 1000, "vocabulary": 50, "step": 0, "budget": "2 minutes",
    "history": [], "labels": [],
    "train_characters": 900, "valid_characters": 100, "settings": SETTINGS, "device": "cpu",
}  # fmt: skip


def step(number: int) -> Report:
    return Report(
        "step",
        {
            "step": number, "epoch": 0, "progress": number / 10, "seconds": 2.0 * number,
            "characters_seen": 1000 * number, "nats_per_char": 2.0, "smooth_nats_per_char": 2.1,
            "gradient_norm": 0.5, "lr": 0.001,
        },
    )  # fmt: skip


def evaluation(number: int, nats: float) -> Report:
    figures = {
        "step": number, "seconds": 2.0 * number, "train_nats_per_char": nats, "best": True,
        "nats_per_char": nats, "perplexity": 2.718**nats, "perplexity_error": 0.1,
        "bpc": nats / 0.693,
    }  # fmt: skip
    return Report("eval", figures)


DONE = Report(
    "done",
    {
        "stopped": "budget", "seconds": 20.0, "characters_seen": 10_000, "step": 10,
        "best": "checkpoints/tale/best.safetensors",
        "valid": {"perplexity": 4.5, "perplexity_error": 0.1, "nats_per_char": 1.5, "bpc": 2.164},
    },
)  # fmt: skip

STORY = [
    Report("start", START), step(1), evaluation(1, 3.0),
    Report("sample", {"step": 1, "text": "abc"}),
    step(2), evaluation(2, 2.0), Report("sample", {"step": 2, "text": "the\x1b[2J tide"}), DONE,
]  # fmt: skip


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


def test_the_screen_shows_everything_at_once() -> None:
    """Progress, figures, curve and the latest sample, and nothing the text could do to it."""
    text = shown(Screen, terminal=True)
    for part in ("20%", "held out", "gradient", "sample at step 2", "nats per character"):
        assert part in text
    assert "the␛[2J tide" in text
    assert "\x1b[2J" not in text


@pytest.mark.parametrize("view", [Lines, Screen])
@pytest.mark.parametrize("labels", [[], ["en", "de"]])
def test_other_costs_are_not_called_perplexity(
    view: type[Lines] | type[Screen], labels: list[str]
) -> None:
    """A network that sees both sides has a pseudo-perplexity, a classifier an accuracy."""
    figures = {"pseudo_nats_per_char": 1.5, "pseudo_perplexity": 4.5, "pseudo_perplexity_error": 1}
    if labels:
        figures = {"examples": 1234, "label_accuracy": 0.75, "label_nats": 0.5}
    settings = SETTINGS | {"bidirectional": True}
    entry = {"step": 1, "seconds": 2.0, "train_nats_per_char": 3.0, "best": True} | figures
    file = io.StringIO()
    with view(Console(file=file, force_terminal=view is Screen, width=100)) as seen:
        seen.show(Report("start", START | {"settings": settings, "labels": labels}))
        for report in (step(1), Report("eval", entry), step(2), Report("eval", entry), step(3)):
            seen.show(report)
        seen.show(Report("done", DONE.data | {"valid": figures}))
    text = file.getvalue()
    assert text.replace("pseudo-perplexity", "").count("perplexity") == 0
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
    lines = curve(sorted(points), width, height)
    assert len(lines) == height
    assert max(map(len, lines)) <= width


def test_a_curve_falls_when_its_values_do() -> None:
    """The first point is in the top line at the left, the last in the bottom line at the right."""
    top, *_, bottom = curve([(0, 3.0), (1, 1.0)], 30, 4)
    assert top.startswith("3.000 ┤⠉")
    assert bottom.startswith("1.000 ┤")
    assert len(bottom) == 30
    assert curve([], 30, 4) == []
