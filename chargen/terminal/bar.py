"""A bar for work whose end is known, and a spinner with words for work whose end is not."""

from __future__ import annotations

from rich import progress
from rich.console import Console as Rich
from rich.console import RenderableType
from rich.progress import Task
from rich.text import Text

from chargen.terminal.console import Work


class Known(progress.ProgressColumn):
    """A column that is shown only while it is known how much is left."""

    def __init__(self, column: progress.ProgressColumn) -> None:
        super().__init__()
        self.column = column

    def render(self, task: Task) -> RenderableType:
        """Return the column, or nothing."""
        if task.total is None or task.finished:
            return Text("")
        return self.column(task)


class Bar(Work):
    """A line on a terminal that goes away when the work is done.

    When all that was counted is done and the work still goes on, a spinner turns: no bar stands
    full while somebody waits.
    """

    def __init__(self, console: Rich, what: str, in_bytes: bool) -> None:
        counted = progress.DownloadColumn() if in_bytes else progress.MofNCompleteColumn()
        self.progress = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}", markup=False),
            Known(progress.BarColumn(bar_width=30)),
            Known(counted),
            Known(progress.TimeRemainingColumn(compact=True)),
            console=console,
            transient=True,
        )
        self.task = self.progress.add_task(what, total=None)

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def __call__(self, done: int, total: int) -> None:
        """Show how much is done."""
        if done < total:
            self.progress.update(self.task, completed=done, total=total)
        else:
            self.progress.reset(self.task, total=None)
