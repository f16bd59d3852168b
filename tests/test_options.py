"""What was asked for, and what was decided."""

from __future__ import annotations

import math
from typing import Any

import pytest

from chargen.errors import UsageError
from chargen.options import DECLARED, Budget, Options
from chargen.text.contexts import LONGEST
from chargen.training.choices import decide


@pytest.mark.parametrize(
    "options",
    [
        {"arch": "perceptron"}, {"layers": 0}, {"hidden": -1}, {"embed": 0}, {"dropout": 1.0},
        {"dropout": math.nan}, {"minutes": 0}, {"epochs": -1}, {"steps": 0}, {"batch": 0},
        {"bptt": 0}, {"lr": 0.0}, {"lr": math.inf}, {"clip": 0.0}, {"weight_decay": -1},
        {"valid_fraction": 1.0}, {"patience": 0}, {"seed": -1}, {"device": "abacus"},
        {"precision": "fp8"}, {"valid_chars": 0}, {"evaluations": 0},
    ],
)  # fmt: skip
def test_values_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    """Each bad value is an error that names its option."""
    with pytest.raises(UsageError, match=next(iter(options))):
        Options(**options)


def test_there_is_one_budget() -> None:
    """Minutes, epochs and steps exclude each other."""
    with pytest.raises(UsageError, match="`minutes` and `steps` are two budgets"):
        Options(minutes=1, steps=2)


def test_nothing_asked_is_the_usual() -> None:
    """An option that was not given has its usual value, and is not among those given."""
    options = Options(hidden=9)
    assert options.given() == {"hidden": 9}
    assert (options.usual("tied"), options.usual("clip"), options.usual("hidden")) == (False, 1, 9)
    assert options.budget() == Budget(2.0, "minutes")


def test_a_plan_has_the_settings_of_its_options() -> None:
    """A checkpoint stores a plan as options, and these options give the same plan again."""
    for options in (Options(patience=3), Options(arch="transformer", epochs=2), Options(steps=5)):
        plan = decide(options, 10_000)
        assert list(plan.settings()) == list(DECLARED)
        assert decide(Options(**plan.settings()), 10_000) == plan


@pytest.mark.parametrize("name", ["steps", "seed", "hidden", "valid_chars"])
def test_whole_numbers_have_an_end(name: str) -> None:
    """However many digits are given, the answer is an error, and it is short."""
    with pytest.raises(UsageError, match="is 99999") as caught:
        Options(**{name: 10**4000 - 1})  # type: ignore[arg-type]
    assert len(str(caught.value)) < 200


def test_the_longest_ngram_has_the_longest_context() -> None:
    """The option's bound is one more than the longest context."""
    assert DECLARED["order"].high == LONGEST + 1
