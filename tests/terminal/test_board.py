"""Figures for TensorBoard."""

from __future__ import annotations

import struct
from pathlib import Path

from chargen.terminal.board import Board
from chargen.training.reports import Evaluation, Preview, Report, Step


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return (step, value) of each scalar in a folder's event files."""
    from tensorboardX.proto.event_pb2 import Event

    found: dict[str, list[tuple[int, float]]] = {}
    for path in folder.glob("events.*"):
        data = path.read_bytes()
        while data:
            (size,) = struct.unpack_from("<Q", data)
            event = Event.FromString(data[12 : 12 + size])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            data = data[16 + size :]
    return found


def test_figures_are_written_and_shown(tmp_path: Path) -> None:
    """Of steps and evaluations, under the step; a sample as text; whoever shows them goes on."""
    shown: list[Report] = []
    board = Board(tmp_path, "tale")
    show = board.beside(shown.append)
    step = Step(3, 0, 0.5, 1.0, 96, 2.5, 2.6, 0.7, 0.01)
    scored = Evaluation(3, 0.1, 1.2, 96, 2.6, {"nats_per_char": 2.25, "unknown": 0}, True)
    for report in (step, scored, Preview(3, "the <b>\ntide")):
        show(report)
    board.close()
    assert shown == [step, scored, Preview(3, "the <b>\ntide")]
    found = events(tmp_path / "tale")
    assert found["train/nats_per_char"] == [(3, 2.5)]
    assert found["held_out/nats_per_char"] == [(3, 2.25)]
    assert "sample/text_summary" in found
