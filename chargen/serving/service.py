"""What all requests share: the models, the thread that writes, and the limits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from chargen.engine.language_model import LanguageModel
from chargen.model import Model
from chargen.serving.figures import Figures
from chargen.serving.jobs import Job, Piece, Wish
from chargen.serving.refusals import RefusalError
from chargen.serving.shelf import Shelf
from chargen.serving.worker import FullError, Worker
from chargen.text.vocabulary import Vocabulary

MEASURED = 1
"""Requests that measure, restore, classify, translate or tag at the same time; the rest wait."""

PREPARED = 2
"""Requests whose prompts and rules are read at the same time."""


@dataclass(frozen=True)
class Limits:
    """What a request may ask for, and how many there may be.

    Attributes:
        body: bytes of a request.
        text: characters of text in a request.
        length: characters that a request may let be written, all its texts together.
        requests: under way at the same time.
        rows: texts that one network writes side by side.
        queue: texts that may wait besides.
    """

    body: int = 1 << 20
    text: int = 100_000
    length: int = 100_000
    requests: int = 256
    rows: int = 256
    queue: int = 1024


@dataclass
class Service:
    """What a server works with, between its start and its end.

    Attributes:
        shelf: the models.
        limits: of requests.
        key: what requests have to know; None for nothing.
        figures: what is counted.
    """

    shelf: Shelf
    limits: Limits = field(default_factory=Limits)
    key: str | None = None
    figures: Figures = field(default_factory=Figures)

    def __post_init__(self) -> None:
        self.open = 0
        self.waiting: dict[Job, asyncio.Event] = {}
        self.fresh: deque[Job] = deque()
        self.called = False

    def begin(self) -> None:
        """Start to write; called in the loop that serves."""
        self.loop = asyncio.get_running_loop()
        self.measuring = asyncio.Semaphore(MEASURED)
        # Rules can take long to read; models are looked up in other threads meanwhile.
        self.preparing = ThreadPoolExecutor(PREPARED, "prepare")
        self.worker = Worker(self._news, self.limits.rows, self.limits.queue)

    def end(self) -> None:
        """Write no more."""
        self.preparing.shutdown(wait=False, cancel_futures=True)
        self.worker.close()

    def _news(self, jobs: Iterable[Job]) -> None:
        """Take note of news, in the thread that writes."""
        self.fresh.extend(jobs)
        # One call for all news until the loop has time for it.
        if not self.called:
            self.called = True
            self.loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        # Reset first, so that news that come meanwhile make another call.
        self.called = False
        while self.fresh:
            event = self.waiting.get(self.fresh.popleft())
            if event is not None:
                event.set()

    async def model(self, name: str) -> Model:
        """Return a model.

        Raises:
            RefusalError: there is none of that name.
            CheckpointError: its file is not sound.
        """
        try:
            return await asyncio.to_thread(self.shelf.get, name)
        except KeyError:
            there = ", ".join(self.shelf.files()) or "none"
            raise RefusalError(
                404, f"there is no model {name!r}; there are: {there}", "model_not_found", "model"
            ) from None

    def submit(
        self, model: LanguageModel, vocabulary: Vocabulary, wishes: Sequence[Wish]
    ) -> list[Job]:
        """Let something be written; `leave` has to follow.

        Raises:
            RefusalError: too many texts wait.
        """
        jobs: list[Job] = []
        event = asyncio.Event()
        try:
            for wish in wishes:
                jobs.append(self.worker.submit(model, vocabulary, wish))
                self.waiting[jobs[-1]] = event
        except BaseException as error:
            self.leave(jobs)
            if isinstance(error, FullError):
                raise busy() from None
            raise
        return jobs

    def leave(self, jobs: Sequence[Job]) -> None:
        """Say that nobody waits for jobs any more, done or not."""
        for job in jobs:
            self.worker.leave(job)
            self.waiting.pop(job, None)

    async def pieces(
        self, jobs: Sequence[Job], patience: float | None = None
    ) -> AsyncIterator[list[tuple[int, Piece]]]:
        """Yield what is ready, with the number of its job, until all jobs are done.

        Args:
            patience: yield nothing after so many seconds without news.

        Raises:
            Exception: what made a job fail.
        """
        event = self.waiting[jobs[0]]
        while True:
            # Cleared before the pieces are taken, so that no later piece is missed.
            event.clear()
            over = not any(job.left for job in jobs)
            ready = [(number, piece) for number, job in enumerate(jobs) for piece in job.take()]
            failed = next((job.error for job in jobs if job.error is not None), None)
            if failed is not None:
                raise failed
            if ready:
                yield ready
                continue
            if over:
                return
            try:
                async with asyncio.timeout(patience):
                    await event.wait()
            except TimeoutError:
                yield []


def busy() -> RefusalError:
    """Return the answer when too much is under way."""
    return RefusalError(429, "the server is busy; try again in a second", "rate_limit_exceeded")
