"""The numbers that a resumed run goes on from; see `chargen.records` for how they are read."""

from dataclasses import dataclass

RETIRED = ("recent_nats", "recent_characters", "share")
"""Names that earlier checkpoints have, and that nothing needs any more."""


@dataclass
class Counters:
    """The numbers that a resumed run goes on from.

    Attributes:
        step: steps taken.
        epoch: whole passes over the training text.
        place: characters of each lane, or pairs, done in this pass.
        seconds: that somebody has waited, see `chargen.training.clock`.
        overhead: of these seconds, spent before training began: at each start of the command.
        characters: trained on, in all passes.
        evaluated, evaluated_at: evaluations due so far, and the step of the last one.
        best: the lowest held-out loss (of pairs: the rank), once there is one.
        stale: evaluations since then.
        rate: factor on the learning rate; halved by each rollback.
        rollbacks: in a row.
        smooth: the training loss in nats per character, averaged over the last steps.
        sample: held-out characters that are scored at an evaluation; 0 until that is chosen.
        kept, kept_sample: what the old text's held-out part cost before training, in nats per
            character, and how many characters of it are scored; see `chargen.training.keep`.
        concluded: whether the best model has been scored on the whole held-out text.
    """

    step: int = 0
    epoch: int = 0
    place: int = 0
    seconds: float = 0.0
    overhead: float = 0.0
    characters: int = 0
    evaluated: int = 0
    evaluated_at: int = -1
    best: float | None = None
    stale: int = 0
    rate: float = 1.0
    rollbacks: int = 0
    smooth: float | None = None
    sample: int = 0
    kept: float | None = None
    kept_sample: int = 0
    concluded: bool = False

    def __post_init__(self) -> None:
        if min(self.step, self.epoch, self.place, self.characters, self.seconds) < 0:
            raise ValueError("counts below zero")
