"""The thread that writes: it goes on when a network fails, and says so."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from typing import NoReturn

import pytest

from chargen.engine.causal import Causal
from chargen.serving.jobs import Job, Wish
from chargen.serving.worker import FullError, Worker
from chargen.tasks.drawing import Sampling
from tests.conftest import tiny_checkpoint

SAVED = tiny_checkpoint()
ENGINE = Causal(SAVED.architecture, SAVED.weights)


class Broken(Causal):
    """A network that fails."""

    def forward(self, *_: object) -> NoReturn:
        """Fail."""
        raise MemoryError("no room")


def wish(length: int, count: int = 1, live: bool = False) -> Wish:
    return Wish(SAVED.vocabulary.encode("The"), Sampling(length=length, count=count), live=live)


def until_done(news: queue.Queue[Job], *jobs: Job) -> None:
    """Wait until jobs are done or have failed."""
    while any(job.left and job.error is None for job in jobs):
        news.get(timeout=30)


def test_a_network_that_fails_takes_nobody_along() -> None:
    """Its jobs learn why; those of another network are written, also later ones."""
    news: queue.Queue[Job] = queue.Queue()

    def tell(jobs: Iterable[Job]) -> None:
        for job in jobs:
            news.put(job)

    worker = Worker(tell, 8, 8)
    try:
        bad = worker.submit(Broken(SAVED.architecture, SAVED.weights), SAVED.vocabulary, wish(5))
        good = worker.submit(ENGINE, SAVED.vocabulary, wish(5))
        until_done(news, bad, good)
        assert isinstance(bad.error, MemoryError)
        assert good.error is None
        later = worker.submit(ENGINE, SAVED.vocabulary, wish(5))
        until_done(news, later)
        assert later.error is None
        assert worker.alive
    finally:
        worker.close()
    assert not worker.alive


def test_no_more_texts_wait_than_may() -> None:
    """A place is free as soon as somebody leaves."""
    worker = Worker(lambda _: None, 1, 2)
    try:
        first = worker.submit(ENGINE, SAVED.vocabulary, wish(100_000, live=True))
        second = worker.submit(ENGINE, SAVED.vocabulary, wish(100_000, count=2))
        with pytest.raises(FullError):
            worker.submit(ENGINE, SAVED.vocabulary, wish(1))
        worker.leave(second)
        third = worker.submit(ENGINE, SAVED.vocabulary, wish(1))
        worker.leave(third)
        worker.leave(first)
        assert worker.texts == 0
    finally:
        worker.close()


def test_an_idle_worker_waits() -> None:
    """It ends at once when it is closed, busy or not."""
    worker = Worker(lambda _: None, 1, 2)
    worker.close()
    busy = Worker(lambda _: None, 1, 2)
    busy.submit(ENGINE, SAVED.vocabulary, wish(10**6))
    busy.close()
    assert not [one for one in threading.enumerate() if one.name == "writer"]
