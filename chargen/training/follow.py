"""Following a training to its end: one way for the command line and for programs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType

from chargen.training.loop import Trainer
from chargen.training.reports import Done, Report

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that end a training; a system may lack some."""


def follow(trainer: Trainer, show: Callable[[Report], None]) -> Done:
    """Train to the end, and show each report; return the last.

    An interruption ends training after the step under way, and the state is saved. If ``show``
    raises an exception, the state is saved, too. Of several ranks, only the first shows.
    """
    done = None
    with interruptible(trainer), closing(iter(trainer)) as reports:
        for report in reports:
            if trainer.ranks.first:
                show(report)
            done = report
    trainer.ranks.leave()
    assert isinstance(done, Done)
    return done


@contextmanager
def interruptible(trainer: Trainer) -> Iterator[None]:
    """Let signals end training after the step under way; a second Ctrl-C ends it at once.

    After Ctrl-C, each of several ranks gets a second signal from ``torchrun``, which means nothing
    more. Python allows handlers of signals in the main thread only; in another thread this does
    nothing. A signal that the process was told to ignore, as ``nohup`` does, stays ignored.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        alone = trainer.ranks.size == 1
        if alone and trainer.stopping and number != getattr(signal, "SIGHUP", None):
            raise KeyboardInterrupt
        trainer.stop()

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
