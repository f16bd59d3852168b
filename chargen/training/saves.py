"""The files of a run in training: what goes into them, and the states that it can go back to."""

from __future__ import annotations

from chargen import checkpoint
from chargen.checkpoint import Checkpoint
from chargen.ranks import ALONE, Ranks
from chargen.runs import Run
from chargen.training.reports import Report

RECORDS = 400
"""Steps that are recorded in the history of a run, at most."""


class Saves:
    """What of a training is kept, and where.

    Args:
        run: where to write; None where nothing is saved, and on all ranks but the first.
        ranks: the processes that train together.

    Attributes:
        planned: whether rank 0 saves anything.
        best: the best model so far; None after a start that goes on with a run, until a better one
            is found.
        good: the last state from which a step has succeeded, and what was the best model then.
        due: whether a state is to be captured before the next step.
    """

    def __init__(self, run: Run | None = None, ranks: Ranks = ALONE) -> None:
        self.run, self.ranks = run, ranks
        self.planned = bool(ranks.told(float(run is not None)))
        self.best: Checkpoint | None = None
        self.good: tuple[Checkpoint, Checkpoint | None] | None = None
        self.due = False
        self._recorded = 0

    def write(self) -> None:
        """Write the last good state, and the best model that goes with it."""
        if self.run is None or self.good is None:
            return
        last, best = self.good
        if best is not None:
            checkpoint.write(self.run.best, best)
        checkpoint.write(self.run.last, last)

    def model(self) -> Checkpoint | None:
        """Return the best model so far; if there is none in memory, that of the run's file."""
        if self.best is None and self.planned:
            return self.ranks.given(self._read)
        return self.best

    def _read(self) -> Checkpoint | None:
        if self.run is None or not self.run.best.exists():
            return None
        return checkpoint.read(self.run.best)

    def record(self, report: Report, step: int | None = None) -> None:
        """Add an event to the history; under another step, if one is given."""
        if self.run is not None:
            other = {} if step is None else {"step": step}
            self.run.record({"event": report.event} | report.data | other)

    def record_step(self, report: Report, progress: float) -> None:
        """Add a step to the history; few enough that the file stays small on any budget."""
        number = int(progress * RECORDS)
        if number > self._recorded:
            self._recorded = number
            self.record(report)

    def rewind(self, step: int) -> None:
        """Drop the history after a step."""
        if self.run is not None:
            self.run.rewind(step)
