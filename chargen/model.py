"""A trained model, to use from Python: load it, let it write, ask how well it predicts."""

from __future__ import annotations

import codecs
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from chargen import checkpoint, runs
from chargen.measured import Measured
from chargen.tasks import guessing, restoring, sampling, translating
from chargen.tasks.draft import Sample
from chargen.tasks.drawing import Sampling
from chargen.tasks.guessing import Guess
from chargen.tasks.items import Known
from chargen.tasks.items import items as new_items
from chargen.tasks.mending import Mended
from chargen.tasks.restoring import Restoration
from chargen.tasks.rules import NAMES, Rules
from chargen.tasks.sampling import How
from chargen.tasks.tagging import Marked
from chargen.tasks.translating import Written
from chargen.text.grams import Grams
from chargen.text.pair_form import Pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]


class Model(Measured):
    """A checkpoint together with the engine that runs it; needs PyTorch for long texts only."""

    def draw(
        self,
        wanted: Sampling,
        primes: Sequence[Ids] = (),
        write: Callable[[bytes], None] | None = None,
        label: str | None = None,
    ) -> Iterator[Sample]:
        """Write texts, and yield them as they are done; see `chargen.tasks.sampling.sample`.

        Args:
            primes: ids to go on from, as from `prime`.
            write: called with the first sample's bytes as they are drawn.
            label: the label of the text to write, for a model with labels.
        """
        engine, vocabulary = self.engine_for(label, writing=True), self.checkpoint.vocabulary
        wanted = replace(wanted, end=self.checkpoint.end)
        grams = self._needed(wanted)
        return sampling.sample(engine, vocabulary, wanted, primes, write, grams)

    def _needed(self, wanted: Sampling) -> Grams | None:
        """Return what is known of the corpus, if the rules need that."""
        return None if wanted.rules.max_copy is None else self.grams

    def check_rules(self, wanted: Sampling) -> None:
        """Make sure that texts can keep the rules, before any is written.

        Raises:
            UsageError: see `chargen.tasks.rules.Rules.plan`.
            CheckpointError: nothing is known of the corpus, and the rules need that.
        """
        wanted = replace(wanted, end=self.checkpoint.end)
        wanted.planned(self.checkpoint.vocabulary, self._needed(wanted))

    def prime(self, text: str, unknown: str = "error") -> Ids:
        """Return the ids of a text that the model is to continue.

        Args:
            unknown: for a character that the model does not know: ``error``, ``skip``, ``replace``.

        Raises:
            PrimeError: there are such characters.
        """
        return sampling.prepare_prime(text, self.checkpoint.vocabulary, unknown)

    def sample(self, length: int = 1000, *, prime: str = "", **how: Unpack[How]) -> str:
        """Return one text of ``length`` characters, without the prime.

        Args:
            prime: the text to go on from.
            **how: see `How`; without a seed, each call writes another text.

        Raises:
            PrimeError: the prime has characters that the model does not know.
            UsageError: a value that can never work.

        Example:
            >>> model = load("starter")
            >>> model.sample(5, temp=0, seed=1) == model.sample(5, temp=0, seed=2)
            True
        """
        return next(self.samples(length, prime=prime, **how)).text

    def samples(
        self,
        length: int = 1000,
        *,
        count: int = 1,
        prime: str | Sequence[str] = "",
        **how: Unpack[How],
    ) -> Iterator[Sample]:
        """Yield texts with their seeds and costs: ``count`` of them after each prime, in a batch.

        Args:
            count: texts after each prime; the second has the next seed, and so on.
            prime: the text to go on from, or several.
            **how: see `How`.

        Raises:
            PrimeError, UsageError: see `sample`.
        """
        wanted, label, unknown = self._wanted(length, count, how)
        primes = [prime] if isinstance(prime, str) else prime
        return self.draw(wanted, [self.prime(one, unknown) for one in primes], label=label)

    def items(
        self,
        count: int,
        *,
        length: int = 1000,
        prime: str = "",
        rank: bool = False,
        **how: Unpack[How],
    ) -> list[Sample]:
        """Return items for a list: all different, and none that the model learned from.

        Args:
            count: items; fewer come back if the model repeats itself too often.
            length: of an item, at most.
            prime: with what each item begins; it is not part of the texts.
            rank: whether the likeliest are first, instead of those that were drawn first.
            **how: see `How`.

        Raises:
            KindError: the model was not trained on lines or documents.
            UsageError: see `sample`.
        """
        wanted, label, unknown = self._wanted(length, count, how)
        return self.draw_items(wanted, self.prime(prime, unknown), rank=rank, label=label)

    def draw_items(
        self, wanted: Sampling, prime: Ids, *, rank: bool = False, label: str | None = None
    ) -> list[Sample]:
        """Return items; see `items`.

        Args:
            wanted: how to write.
            prime: ids with which each item begins.
            rank: whether the likeliest are first.
            label: the label of the items, for a model with labels.
        """
        known = Known.of(self.name, self.checkpoint)
        vocabulary = self.checkpoint.vocabulary
        characters = "".join(vocabulary.characters[at] for at in prime if at != vocabulary.bos)
        begun = characters.encode("latin-1" if self.as_bytes else "utf-8")
        found = new_items(lambda one: self.draw(one, [prime], label=label), wanted, known, begun)
        return sorted(found, key=lambda one: one.nats) if rank else list(found)

    def stream(self, length: int = 1000, *, prime: str = "", **how: Unpack[How]) -> Iterator[str]:
        """Yield one text piece by piece, as its characters are drawn; see `sample`.

        Example:
            >>> model = load("starter")
            >>> "".join(model.stream(40, seed=1)) == model.sample(40, seed=1)
            True
        """
        wanted, label, unknown = self._wanted(length, 1, how)
        engine, ids = self.engine_for(label, writing=True), self.prime(prime, unknown)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        grams = self._needed(wanted)
        pieces = sampling.stream(engine, self.checkpoint.vocabulary, wanted, ids, grams)
        # Half a character at the end of a text of bytes is shown as one that is damaged.
        shown = (decoder.decode(one, final=not one) for one in chain(pieces, [b""]))
        return (text for text in shown if text)

    def _wanted(self, length: int, count: int, how: How) -> tuple[Sampling, str | None, str]:
        """Return what to sample, the label, and what to do with unknown characters."""
        own = {key: value for key, value in how.items() if key not in ("label", "unknown")}
        own["rules"] = Rules(**{name: own.pop(name) for name in NAMES & own.keys()})  # type: ignore[arg-type]  # checked there
        if own.get("seed") is None:
            own["seed"] = secrets.randbelow(1 << 31)
        wanted = Sampling(length=length, count=count, end=self.checkpoint.end, **own)  # type: ignore[arg-type]  # checked there
        return wanted, how.get("label"), how.get("unknown", "error")

    def restore(
        self,
        damaged: str,
        count: int = 1,
        *,
        beam: int = restoring.BEAM,
        gap: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Restoration]:
        """Return the ``count`` likeliest ways to fill a text's gaps, the likeliest first.

        Args:
            damaged: the text, with [...] for a gap, [?] for one character, [5] for five.
            beam: hypotheses followed side by side.
            gap: another mark for a gap of unknown length; then brackets are part of the text.
            progress: called with pieces done and pieces in all.

        Raises:
            UsageError: no gap is marked, or one is too long.
        """
        pieces = restoring.parse(damaged, gap)
        vocabulary = self.checkpoint.vocabulary
        return restoring.restore(self.reader, vocabulary, pieces, count, beam, progress)

    def translate(
        self,
        sources: Sequence[str],
        count: int = 1,
        *,
        features: str = "",
        beam: int = translating.BEAM,
        others: Sequence[Model] = (),
    ) -> list[list[Written]]:
        """Return the ``count`` best targets of each source, the best first.

        Args:
            sources: texts.
            count: targets for each.
            features: of all targets, with a semicolon between two.
            beam: beginnings of targets that are followed side by side.
            others: models whose probabilities are averaged with this one's.

        Raises:
            KindError: a model was not trained on pairs, or writes other symbols.
            UsageError: a value that can never work.
        """
        named = [(model.name, model.checkpoint) for model in (self, *others)]
        writer = translating.translator(named) if others else self.translator
        told = writer.form.features(features)
        return list(writer.translate([Pair(one, told) for one in sources], count, beam))

    def tag(self, texts: Sequence[str]) -> list[list[Marked]]:
        """Return the spans of each text, with labels, offsets and probabilities.

        Raises:
            KindError: the model was not trained on tags.
        """
        return list(self.tagger.tag(texts))

    def mend(self, text: str) -> Mended:
        """Return a damaged text mended, and how much of it was changed.

        Raises:
            KindError: the model was not trained to undo damage.
        """
        return self.mender.mend(text)

    def classify(
        self,
        texts: Sequence[str],
        others: Sequence[Model] = (),
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Guess]:
        """Tell the label of each text; see `chargen.tasks.guessing`.

        Args:
            others: for a model without labels, those of the other labels: each model stands for
                the label that is its name.

        Raises:
            KindError: there is one model and it has no labels, or one of several has some.
            UsageError: two models have the same name.
        """
        for model in (self, *others):
            model.require_alone()
        named = [(model.name, model.checkpoint) for model in (self, *others)]
        return guessing.guesses(named, texts, progress)


def load(model: str | Path | None = None, out: str | Path | None = None) -> Model:
    """Load a model by path or by the name of its run in ``out``; the newest run if not named.

    Args:
        out: the folder of runs; ``CHARGEN_CHECKPOINTS``, or ``checkpoints``, if not given.

    Raises:
        CheckpointError: there is no such model, or its file is not sound.
    """
    folder = runs.default_out() if out is None else Path(out)
    path = runs.find(None if model is None else str(model), folder)
    return Model(path, checkpoint.read(path))
