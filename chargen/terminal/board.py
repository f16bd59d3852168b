"""Figures of a training for TensorBoard, by tensorboardX, which is an extra."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from chargen.errors import RunError, UsageError, argument
from chargen.files import reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from chargen.training.reports import Report


def require_board(folder: Path) -> None:
    """Make sure that figures can be written, before a training begins.

    Raises:
        UsageError: the library is not there.
        RunError: the folder cannot be made.
    """
    if find_spec("tensorboardX") is None:
        raise UsageError(
            f"{argument('tensorboard')} needs tensorboardX",
            "Install it: pip install 'chargen[tensorboard]'",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written: {reason(error)}",
            f"Choose another {argument('tensorboard')}",
        ) from error


class Board:
    """Writes event files into a folder for each run.

    Args:
        folder: of all runs.
        run: the run's name.
    """

    def __init__(self, folder: Path, run: str) -> None:
        from tensorboardX import SummaryWriter

        self.writer = SummaryWriter(str(folder / run))

    def beside(self, show: Callable[[Report], None]) -> Callable[[Report], None]:
        """Return what shows a report, and writes its figures as well."""

        def both(report: Report) -> None:
            self.take(report)
            show(report)

        return both

    def take(self, report: Report) -> None:
        """Write a report's figures."""
        from chargen.training.reports import Evaluation, Preview, Step

        if isinstance(report, Step):
            for name in ("nats_per_char", "gradient_norm", "lr"):
                self.writer.add_scalar(f"train/{name}", getattr(report, name), report.step)
        elif isinstance(report, Evaluation):
            for name, value in report.figures.items():
                if isinstance(value, int | float):
                    self.writer.add_scalar(f"held_out/{name}", value, report.step)
        elif isinstance(report, Preview):
            # A block of code, in which nothing is markup.
            shown = "    " + report.text.replace("\n", "\n    ")
            self.writer.add_text("sample", shown, report.step)

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()
