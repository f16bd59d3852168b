"""Threads that divide rows among them."""

from __future__ import annotations

import os
import threading
import time

import pytest

from chargen import threads
from chargen.threads import divided


@pytest.mark.parametrize("processors", [1, 2, 5])
@pytest.mark.parametrize("rows", [0, 1, 2, 7])
@pytest.mark.parametrize("most", [0, 1, 3, 100])
def test_each_row_is_given_once(
    rows: int, most: int, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To as many threads as there are processors, rows, and as are allowed; to one at least."""
    monkeypatch.setattr(threads, "processors", lambda: processors)
    given: list[tuple[int, int]] = []
    divided(lambda first, stop: given.append((first, stop)), rows, most)
    assert len(given) == max(1, min(processors, rows, most))
    assert sorted(row for part in given for row in range(*part)) == list(range(rows))


def test_an_error_comes_when_all_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody goes on with arrays that another thread still writes."""
    monkeypatch.setattr(threads, "processors", lambda: 2)
    ended = threading.Event()

    def work(first: int, _: int) -> None:
        if not first:
            raise ValueError("mine")
        time.sleep(0.05)
        ended.set()

    with pytest.raises(ValueError, match="mine"):
        divided(work, 2, 2)
    assert ended.is_set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent's do not live on in it."""
    monkeypatch.setattr(threads, "processors", lambda: 2)
    divided(lambda *_: None, 2, 2)
    child = os.fork()
    if not child:
        given: list[int] = []
        divided(lambda first, _: given.append(first), 2, 2)
        os._exit(0 if sorted(given) == [0, 1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
