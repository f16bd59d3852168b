"""The thread that writes: it gives each network's texts a turn, and tells who has news."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from chargen.engine.language_model import LanguageModel
from chargen.serving.batch import Pool
from chargen.serving.jobs import Job, Wish
from chargen.text.vocabulary import Vocabulary

log = logging.getLogger(__name__)

NAP = 0.02
"""Seconds between two looks at texts that all wait for slow readers."""


class FullError(Exception):
    """So many texts wait that no more can."""


class Worker:
    """Writes in a thread of its own, until it is closed.

    Args:
        news: called in that thread with the jobs that have news.
        most: texts that one network writes side by side.
        waiting: texts that may wait besides, in all.
    """

    def __init__(self, news: Callable[[Iterable[Job]], None], most: int, waiting: int) -> None:
        self.news, self.most, self.waiting = news, most, waiting
        self.pools: dict[int, Pool] = {}
        self.fresh: list[tuple[Job, LanguageModel, Vocabulary]] = []
        self.condition = threading.Condition()
        self.jobs: set[Job] = set()
        self.closing = False
        self.thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still writes."""
        return self.thread.is_alive()

    @property
    def texts(self) -> int:
        """How many texts are being written, or wait."""
        return sum(job.left for job in self.jobs)

    def submit(self, model: LanguageModel, vocabulary: Vocabulary, wish: Wish) -> Job:
        """Ask for something to be written; `leave` must follow when it is no longer wanted.

        Raises:
            FullError: too many texts wait.
        """
        job = Job(wish, vocabulary)
        if self.texts + job.left > self.most + self.waiting:
            raise FullError
        self.jobs.add(job)
        with self.condition:
            self.fresh.append((job, model, vocabulary))
            self.condition.notify()
        return job

    def leave(self, job: Job) -> None:
        """Say that nobody wants a job any more, done or not."""
        self.jobs.discard(job)
        job.gone = True
        with self.condition:
            self.condition.notify()

    def close(self) -> None:
        """End the thread after the turn under way."""
        with self.condition:
            self.closing = True
            self.condition.notify()
        self.thread.join()

    def _run(self) -> None:
        while True:
            with self.condition:
                while not (self.fresh or self.pools or self.closing):
                    self.condition.wait()
                if self.closing:
                    return
                self._sort_in()
            news: set[Job] = set()
            for key, pool in list(self.pools.items()):
                news |= self._turn(key, pool)
            if news:
                self.news(news)
            elif all(not pool.moving for pool in self.pools.values()):
                with self.condition:
                    self.condition.wait(NAP)

    def _sort_in(self) -> None:
        """Give new jobs to the pool of their network."""
        for job, model, vocabulary in self.fresh:
            pool = self.pools.get(id(model))
            if pool is None:
                pool = self.pools[id(model)] = Pool(model, vocabulary, self.most)
            pool.queue.append(job)
        self.fresh.clear()

    def _turn(self, key: int, pool: Pool) -> set[Job]:
        """Give a pool its turn; if it fails, its jobs fail, and the others go on."""
        try:
            news = pool.turn()
        except Exception as error:
            log.exception("a turn failed")
            news = set(pool.jobs)
            for job in news:
                job.error = error
            del self.pools[key]
            return news
        if not pool.busy:
            del self.pools[key]
        return news
