"""The clock: time that somebody waits, and no other."""

from __future__ import annotations

import pytest

from chargen.training.clock import FIRST, SLACK, TIMES, Clock


class Time:
    """A time that moves only when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("time.perf_counter", lambda: self.now)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """A time that moves only when it is told to."""
    return Time(monkeypatch)


def test_all_time_is_charged(time: Time) -> None:
    """What passes between two calls is charged to the second, from when the wait began."""
    clock = Clock(began=98.0)
    assert clock.charge("start") == 2.0
    for _ in range(5):
        time.now += 0.25
        assert clock.charge("step") == pytest.approx(0.25)
    assert sum(clock.spent.values()) == pytest.approx(3.25)


def test_a_suspended_process_is_charged_little(time: Time) -> None:
    """After an hour's sleep, a step is charged a few times what steps have been taking."""
    clock = Clock()
    time.now += 0.5
    clock.charge("step")
    time.now += 3600
    assert clock.charge("step") == pytest.approx(TIMES * 0.5 + SLACK)
    time.now += 3600
    assert clock.charge("evaluation") == FIRST


def test_what_is_affordable_keeps_to_its_share(time: Time) -> None:
    """Something is done again only if all of it together stays within the share."""
    clock = Clock()
    done = 0
    for _ in range(1000):
        time.now += 0.1
        clock.charge("step")
        if clock.affords("evaluation", 1 / 20):
            time.now += 0.7
            clock.charge("evaluation")
            done += 1
    assert done > 1
    assert clock.spent["evaluation"] <= sum(clock.spent.values()) / 20
