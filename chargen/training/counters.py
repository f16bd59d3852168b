"""The numbers that a resumed run goes on from; see `chargen.records` for how they are read."""

from dataclasses import dataclass


@dataclass
class Counters:
    """The numbers that a resumed run goes on from.

    Attributes:
        step: steps taken.
        epoch: whole passes over the training text.
        place: characters of each lane done in this pass.
        seconds: spent in steps; evaluations and saving do not count.
        characters: trained on, in all passes.
        evaluated, evaluated_at: evaluations due so far, and the step of the last one.
        best: the lowest held-out loss, once there is one.
        stale: evaluations since then.
        rate: factor on the learning rate; halved by each rollback.
        rollbacks: in a row.
        recent_nats, recent_characters: summed since the last evaluation.
    """

    step: int = 0
    epoch: int = 0
    place: int = 0
    seconds: float = 0.0
    characters: int = 0
    evaluated: int = 0
    evaluated_at: int = -1
    best: float | None = None
    stale: int = 0
    rate: float = 1.0
    rollbacks: int = 0
    recent_nats: float = 0.0
    recent_characters: int = 0

    def __post_init__(self) -> None:
        if min(self.step, self.epoch, self.place, self.characters, self.seconds) < 0:
            raise ValueError("counts below zero")
