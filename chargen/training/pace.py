"""How fast this machine trains, found by trying for a second or two."""

from __future__ import annotations

import time
from dataclasses import replace

from chargen.options import Options
from chargen.ranks import ALONE, Ranks
from chargen.text.vocabulary import Vocabulary
from chargen.training.choices import decide, defaults
from chargen.training.loop import Trainer
from chargen.training.reports import Step
from chargen.training.texts import Texts

TRIAL_SECONDS = 1.5
TRIAL_SHARE = 0.02
TRIAL_STEPS = 2
PARTS = 2
"""The length of a trial: this many seconds, or this share of the budget if it is less; but at least
this many steps after the first in each of its parts."""


def throughput(
    texts: Texts, vocabulary: Vocabulary, options: Options, ranks: Ranks = ALONE
) -> float:
    """Return characters a second that a network of the usual width is trained on here.

    The trial has parts, and the fastest counts.

    Args:
        options: with a budget in minutes.
        ranks: that train together.

    Raises:
        TrainingError: the device asked for is not there.
    """
    until = min(TRIAL_SECONDS, TRIAL_SHARE * 60 * options.budget().amount) / PARTS
    tried = replace(
        options,
        hidden=defaults(options).trial_width,
        embed=None,
        heads=None,
        tied=None,
        minutes=None,
        steps=1 << 20,
    )
    plan = decide(tried, texts.characters, texts.known(vocabulary))
    trainer = Trainer(replace(texts, valid=None), vocabulary, plan, ranks=ranks)
    paces: list[float] = []
    # The first step compiles, and meets memory that was never used.
    begun: tuple[float, int, int] | None = None
    for report in trainer:
        if not isinstance(report, Step):
            continue
        now = ranks.told(time.perf_counter()), report.characters_seen, report.step
        if begun is None:
            begun = now
        elif now[2] - begun[2] >= TRIAL_STEPS and now[0] - begun[0] > until:
            paces.append((now[1] - begun[1]) / (now[0] - begun[0]))
            begun = now
            if len(paces) == PARTS:
                break
    # Something else may have taken the processors for a moment, but nothing gives them a gift.
    return max(paces)
