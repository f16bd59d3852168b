"""A trained model, to use from Python: load it, let it write, ask how well it predicts."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from chargen import checkpoint, runs, sampling, scoring
from chargen.checkpoint import Checkpoint
from chargen.corpus import Part, Text, open_text, spool
from chargen.engine import Engine
from chargen.sampling import Sample, Sampling
from chargen.scoring import NumpyPredictor, Score


class Model:
    """A checkpoint together with the engine that runs it; needs no PyTorch.

    Attributes:
        path: the file.
        checkpoint: what it says.
    """

    def __init__(self, path: Path, saved: Checkpoint) -> None:
        self.path = path
        self.checkpoint = saved

    @property
    def name(self) -> str:
        """The name of its run, or of its file."""
        return runs.label(self.path)

    @cached_property
    def engine(self) -> Engine:
        """The network, made ready on first use."""
        return Engine(self.checkpoint.architecture, self.checkpoint.weights)

    def samples(
        self,
        wanted: Sampling,
        prime: str = "",
        *,
        unknown: str = "error",
        write: Callable[[bytes], None] | None = None,
    ) -> list[Sample]:
        """Write texts.

        Args:
            prime: text to go on from.
            unknown: for a character of the prime that the model does not know: ``error``, ``skip``
                or ``replace``.
            write: called with the first sample's bytes as they are drawn.

        Raises:
            PrimeError: the prime has characters that the model does not know.
        """
        vocabulary = self.checkpoint.vocabulary
        ids = sampling.prepare_prime(prime, vocabulary, unknown)
        return list(sampling.sample(self.engine, vocabulary, wanted, ids, write))

    def sample(
        self,
        length: int = 1000,
        *,
        temp: float = 1.0,
        prime: str = "",
        seed: int = 0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        stop: str | None = None,
    ) -> str:
        """Return one text of ``length`` characters, without the prime."""
        wanted = Sampling(length, temp, top_k, top_p, min_p, stop, seed)
        return self.samples(wanted, prime)[0].text

    def score(
        self,
        text: Text,
        *,
        exact: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Score:
        """Score an opened text; ``exact`` makes one pass instead of lanes with burn-in."""
        return scoring.score(
            NumpyPredictor(self.engine),
            text.span(),
            self.checkpoint.vocabulary,
            lanes=1 if exact else None,
            progress=progress,
        )

    def perplexity(self, source: str | Path | Part, *, exact: bool = False) -> Score:
        """Score a file (a path) or a text (any other string).

        Raises:
            CorpusError: the file cannot be read, or there is nothing in it.
        """
        if isinstance(source, str) and not _is_path(source):
            source = spool("the text given", io.BytesIO(source.encode()))
        as_bytes = self.checkpoint.vocabulary.as_bytes
        return self.score(open_text([source], as_bytes=as_bytes), exact=exact)

    def __repr__(self) -> str:
        return f"<chargen model {self.name}: {self.checkpoint.architecture}>"


def _is_path(source: str) -> bool:
    try:
        return Path(source).exists()
    except (OSError, ValueError):
        return False


def load(model: str | Path | None = None, out: str | Path = "checkpoints") -> Model:
    """Load a model by path or by the name of its run in ``out``; the newest run if not named.

    Raises:
        CheckpointError: there is no such model, or its file is not sound.
    """
    path = runs.find(None if model is None else str(model), Path(out))
    return Model(path, checkpoint.read(path))
