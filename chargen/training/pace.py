"""How fast this machine trains, found by trying for a second or two."""

from __future__ import annotations

from dataclasses import replace

from chargen.options import Options
from chargen.text.vocabulary import Vocabulary
from chargen.training.choices import decide, defaults
from chargen.training.loop import Trainer
from chargen.training.reports import Step
from chargen.training.texts import Texts

TRIAL_SECONDS = 1.5
TRIAL_SHARE = 0.02
TRIAL_STEPS = 3
"""The length of a trial: this many seconds, or this share of the budget if it is less; but at least
this many steps after the first."""


def throughput(texts: Texts, vocabulary: Vocabulary, options: Options) -> float:
    """Return characters a second that a network of the usual width is trained on here.

    Args:
        options: with a budget in minutes.

    Raises:
        TrainingError: the device asked for is not there.
    """
    until = min(TRIAL_SECONDS, TRIAL_SHARE * 60 * options.budget().amount)
    tried = replace(
        options,
        hidden=defaults(options).trial_width,
        embed=None,
        heads=None,
        tied=None,
        minutes=None,
        steps=1 << 20,
    )
    plan = decide(tried, len(texts.train), len(texts.labels))
    trainer = Trainer(replace(texts, valid=None), vocabulary, plan)
    # The first step compiles, and meets memory that was never used.
    seconds, characters = 0.0, 0
    for report in trainer:
        # Asked for each time: a rollback replaces them.
        counters = trainer.learner.counters
        if isinstance(report, Step):
            if not seconds:
                seconds, characters = counters.seconds, counters.characters
            elif counters.step > TRIAL_STEPS and counters.seconds - seconds > until:
                break
    return (counters.characters - characters) / (counters.seconds - seconds)
