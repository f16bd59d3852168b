"""Texts that one network writes side by side, of which each comes and goes at any character.

A text depends on its own seed and settings alone, not on who is beside it (but for rounding: a
product of many rows may add in another order than a product of one). So a server gives to each
request what it would get alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chargen.engine.language_model import LOGITS, WINDOW, LanguageModel, State, joined, pick
from chargen.engine.likelihood import log_softmax
from chargen.serving.jobs import AHEAD, Job, Row, Told, told
from chargen.tasks.drawing import choose
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

READ = 256
"""Characters of prompts that are read between two characters that are written, about: so a long
prompt holds up nobody."""

SEND, SEND_EACH = 0.02, 0.001
"""Seconds between two pieces of a text, at least; and of these, for each text that is written: to
send a piece costs as much as many characters."""


class Rows:
    """Texts and their states, with the logits of what comes next in each."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.logits: Floats | None = None
        self.state: State = []

    def join(self, rows: Sequence[Row], logits: Floats, state: State) -> None:
        """Let texts in, with logits (N, V) and the state of each."""
        if not rows:
            return
        if self.logits is None or not self.rows:
            self.logits, self.state = logits, state
        else:
            self.logits = np.concatenate((self.logits, logits))
            self.state = joined(self.state, state)
        self.rows += rows

    def take(self, leaving: Sequence[bool]) -> tuple[list[Row], Floats, State]:
        """Take out some of the texts."""
        assert self.logits is not None
        out = [at for at, leaves in enumerate(leaving) if leaves]
        kept = [at for at, leaves in enumerate(leaving) if not leaves]
        taken = [self.rows[at] for at in out], self.logits[out], pick(self.state, out)
        self.rows = [self.rows[at] for at in kept]
        self.logits, self.state = self.logits[kept], pick(self.state, kept)
        return taken


class Pool:
    """All texts that one network writes.

    Args:
        model: the network.
        vocabulary: its characters.
        most: texts that are written side by side; the rest wait in the order in which they came.
    """

    def __init__(self, model: LanguageModel, vocabulary: Vocabulary, most: int) -> None:
        self.model, self.vocabulary, self.most = model, vocabulary, most
        self.queue: deque[Job] = deque()
        self.readers: list[Job] = []
        self.read: list[int] = []
        self.reading: State = []
        self.writing, self.parked = Rows(), Rows()
        self.columns: list[tuple[Ids, Floats]] = []
        self.until = 0
        self.sent = 0.0

    @property
    def busy(self) -> bool:
        """Whether there is anything to do, now or when a slow reader has read."""
        return bool(self.queue or self.readers or self.writing.rows or self.parked.rows)

    @property
    def moving(self) -> bool:
        """Whether a turn would do anything: there are texts that wait for no reader."""
        return bool(self.queue or self.readers or self.writing.rows)

    @property
    def active(self) -> int:
        """How many texts are being written, or their prompts read; not those of slow readers."""
        return sum(job.left for job in self.readers) + len(self.writing.rows)

    @property
    def jobs(self) -> list[Job]:
        """All jobs under way, or waiting."""
        rows = self.writing.rows + self.parked.rows
        return [*dict.fromkeys([*self.queue, *self.readers, *(row.job for row in rows)])]

    def turn(self) -> set[Job]:
        """Read a stretch of prompts and write a character of each text; return jobs with news."""
        self._leave()
        self._enter()
        news = self._read()
        self._park()
        return news | self._write() | self._send()

    def _leave(self) -> None:
        """Forget the texts that nobody wants any more."""
        self.queue = deque(job for job in self.queue if not job.gone)
        for rows in (self.writing, self.parked):
            if any(row.job.gone for row in rows.rows):
                self._settle()
                rows.take([row.job.gone for row in rows.rows])
        kept = [at for at, job in enumerate(self.readers) if not job.gone]
        if len(kept) < len(self.readers):
            self._keep_reading(kept)

    def _keep_reading(self, kept: Sequence[int]) -> None:
        self.readers = [self.readers[at] for at in kept]
        self.read = [self.read[at] for at in kept]
        self.reading = pick(self.reading, list(kept))

    def _enter(self) -> None:
        """Let jobs in whose turn it is."""
        fresh, active = 0, self.active
        while self.queue and (not active or active + self.queue[0].left <= self.most):
            active += self.queue[0].left
            self.readers.append(self.queue.popleft())
            self.read.append(-1)
            fresh += 1
        if fresh:
            begun = self.model.start(fresh)
            self.reading = joined(self.reading, begun) if len(self.readers) > fresh else begun

    def _read(self) -> set[Job]:
        """Read a stretch of all prompts together, and begin the texts of those that are read."""
        news: set[Job] = set()
        if not self.readers:
            return news
        count = len(self.readers)
        left = [
            len(job.wish.prompt) - read for job, read in zip(self.readers, self.read, strict=True)
        ]
        longest = min(READ // count, LOGITS // (count * self.model.bos))
        size = max(1, min(longest, *left, WINDOW))
        ids = np.empty((count, size), np.int32)
        for row, job, read in zip(ids, self.readers, self.read, strict=True):
            # Before the first character, "no character" is read.
            prompt = job.wish.prompt
            row[:] = [prompt[at] if at >= 0 else self.model.bos for at in range(read, read + size)]
        logits, self.reading = self.model.forward(ids, self.reading)
        done = []
        for at, job in enumerate(self.readers):
            self._echo(job, self.read[at], logits[at])
            self.read[at] += size
            if self.read[at] == len(job.wish.prompt):
                done.append(at)
                begun = [row for row in job.rows if not row.over]
                news |= {row.job for row in job.rows if row.over and row.send()}
                self._settle()
                places = [at] * len(begun)
                self.writing.join(begun, logits[places, -1], pick(self.reading, places))
        if done:
            self._keep_reading([at for at in range(count) if at not in done])
        return news

    def _echo(self, job: Job, read: int, logits: Floats) -> None:
        """Tell what the characters of a prompt cost that come after those that were just read."""
        wish = job.wish
        if wish.tell is None or not wish.echo:
            return
        following = wish.prompt[read + 1 : read + 1 + len(logits)]
        logs = log_softmax(logits[: len(following)])
        job.echoed += [
            told(row, int(index), wish.tell) for row, index in zip(logs, following, strict=True)
        ]

    def _park(self) -> None:
        """Put the texts of slow readers aside, and take back those whose readers have read."""
        slow = [row.job.slow for row in self.writing.rows]
        if any(slow):
            self._settle()
            self.parked.join(*self.writing.take(slow))
        back = [not row.job.slow for row in self.parked.rows]
        if any(back):
            self._settle()
            self.writing.join(*self.parked.take(back))

    def _write(self) -> set[Job]:
        """Draw the next character of each text, and read it; return the jobs of which one ended."""
        rows, logits = self.writing.rows, self.writing.logits
        if not rows:
            return set()
        assert logits is not None
        if not self.columns:
            plain = [row.left for row in rows if not row.watched]
            self.until = min(plain, default=AHEAD)
        chosen = np.empty(len(rows), np.int32)
        nats = np.empty(len(rows), np.float32)
        alike: dict[tuple[float | None, ...], list[int]] = {}
        for at, row in enumerate(rows):
            alike.setdefault(row.how, []).append(at)
        for places in alike.values():
            some = [rows[at] for at in places]
            uniform = np.array([row.chance() for row in some])
            try:
                chosen[places], nats[places] = choose(
                    logits[places], some[0].sampling, uniform, _allowed(some, self.model.bos)
                )
            except Exception as error:  # noqa: BLE001 - it is theirs, not the other texts'
                chosen[places], nats[places] = 0, 0
                for row in some:
                    row.job.error = error
        self.columns.append((chosen, nats))
        for at, row in enumerate(rows):
            if row.watched:
                self._look(row, int(chosen[at]), float(nats[at]), logits[at])
        if len(self.columns) >= self.until:
            self._settle()
        news = {row.job for row in rows if row.over or row.job.error is not None}
        if news:
            self._settle()
            ended = [row.over or row.job.error is not None for row in rows]
            for row, over in zip(rows, ended, strict=True):
                if over and row.job.error is None:
                    row.send()
            self.writing.take(ended)
            chosen = chosen[[at for at, over in enumerate(ended) if not over]]
        if len(chosen):
            after, self.writing.state = self.model.forward(chosen[:, None], self.writing.state)
            self.writing.logits = after[:, 0]
        return news

    def _look(self, row: Row, index: int, cost: float, logits: Floats) -> None:
        """Give a text its next character, if each is looked at."""
        tell = row.job.wish.tell
        known = told(log_softmax(logits), index, tell) if tell else Told(index, cost, [])
        try:
            row.read(known)
        except Exception as error:  # noqa: BLE001 - it is its reader's, not the other texts'
            row.job.error = error

    def _settle(self) -> None:
        """Give all other texts what was drawn since this was last done."""
        if not self.columns:
            return
        drawn, cost = (np.stack(part, axis=1).tolist() for part in zip(*self.columns, strict=True))
        self.columns.clear()
        for row, ids, nats in zip(self.writing.rows, drawn, cost, strict=True):
            if not row.watched:
                row.read_on(ids, nats)

    def _send(self) -> set[Job]:
        """Make ready what is due; return jobs with news."""
        now = time.perf_counter()
        live = [row for row in self.writing.rows if row.job.wish.live]
        due = now - self.sent >= max(SEND, SEND_EACH * len(live))
        rows = live if due else [row for row in live if not row.sent]
        if not rows:
            return set()
        self._settle()
        if due:
            self.sent = now
        return {row.job for row in rows if row.send()}


def _allowed(rows: Sequence[Row], characters: int) -> NDArray[np.bool_] | None:
    """Return what texts may go on with (B, V); None for all if none has rules."""
    if all(row.guide is None for row in rows):
        return None
    allowed = np.ones((len(rows), characters), np.bool_)
    for mask, row in zip(allowed, rows, strict=True):
        if row.guide is not None:
            mask[:] = row.guide.allowed[0]
    return allowed
