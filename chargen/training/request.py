"""What a training is asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from chargen.errors import RunError, UsageError, argument
from chargen.options import DEFAULT_OUT, Options
from chargen.text.vocabulary import Vocabulary
from chargen.training.texts import Sources


@dataclass(frozen=True)
class Request:
    """What a training is asked for.

    Attributes:
        sources: where the texts are.
        options: every choice made by hand.
        out: the folder of runs.
        name: the run's.
        resume: go on with the run ``name``, or with the newest.
        overwrite: replace a run of this name.
        base: a model to start from.
        as_bytes: take each byte as a character.
        fingerprints: leave fingerprints of the corpus beside the model; see `chargen.text.grams`.
        began: when somebody began to wait, by `time.perf_counter`.

    Raises:
        UsageError: two wishes that exclude each other.
    """

    sources: Sources = field(default_factory=Sources)
    options: Options = field(default_factory=Options)
    out: Path = Path(DEFAULT_OUT)
    name: str | None = None
    resume: bool = False
    overwrite: bool = False
    base: str | None = None
    as_bytes: bool = False
    fingerprints: bool = True
    began: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        if self.resume and self.base:
            raise UsageError(
                f"{argument('resume')} and {argument('base')} exclude each other",
                "Give one of them",
            )
        if self.resume and self.overwrite:
            raise UsageError(
                f"{argument('resume')} and {argument('overwrite')} exclude each other",
                "Give one of them",
            )
        if self.sources.keep is not None and not (self.base or self.resume):
            raise UsageError(
                f"{argument('keep')} is for {argument('base')}",
                "Name the model that has learned that text",
            )
        if self.options.keep_share is not None and self.sources.keep is None and not self.resume:
            raise UsageError(
                f"{argument('keep_share')} is for {argument('keep')}", "Name the text to keep"
            )
        if self.sources.labels is not None and (self.sources.corpus or self.sources.valid):
            other = f"{argument('valid')}" if self.sources.valid else "a corpus"
            raise UsageError(
                f"{argument('labels')} and {other} exclude each other", "Give one of them"
            )

    def reads_bytes(self, vocabulary: Vocabulary | None = None) -> bool:
        """Return whether to read bytes: as asked for, or as the model to go on from does.

        Raises:
            RunError: bytes are asked for, and the model is one of characters.
        """
        if vocabulary is None:
            return self.as_bytes
        if self.as_bytes and not vocabulary.as_bytes:
            raise RunError(
                f"{argument('as_bytes')} does not fit a model of characters", "Leave the option out"
            )
        return vocabulary.as_bytes
