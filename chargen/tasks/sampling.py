"""Writing text: the model gives logits, a character is chosen, the model reads it, and so on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import reduce
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from chargen.engine.language_model import LanguageModel, joined, read
from chargen.errors import PrimeError, UsageError, argument
from chargen.tasks import faithful
from chargen.tasks.draft import Draft, Sample, pieces_of
from chargen.tasks.drawing import AHEAD, Sampling, Stream
from chargen.tasks.rules import Guide, Plan
from chargen.text.forms import advice
from chargen.text.grams import Grams
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

UNKNOWN = ("error", "replace", "skip")
TOGETHER = 256
"""Samples drawn side by side. More would not be faster, and the limit keeps memory constant."""


class How(TypedDict, total=False):
    """How a program asks for texts; see `chargen.tasks.filters` for the filters.

    Attributes:
        temp: 0 takes the likeliest character, 1 the model's own probabilities, more is wilder.
        top_k, top_p, min_p: limits on the characters to draw from; None for none.
        stop: end before this text would be written, or any of several.
        seed: for the same text again; None, which is usual, for a new one each time.
        label: the label of the text, for a model with labels.
        unknown: for characters of the prime that the model does not know: ``error``, ``skip`` or
            ``replace``.
        match, each_line, must, forbid, start, end, min_length, max_length, max_copy: rules that
            each text keeps, see `chargen.tasks.rules.Rules`.
        faithful: draw as the model would, given that the rules are kept; slower.
    """

    temp: float
    top_k: int | None
    top_p: float | None
    min_p: float | None
    stop: str | tuple[str, ...] | None
    seed: int | None
    label: str | None
    unknown: str
    match: str | None
    each_line: bool
    must: Sequence[str]
    forbid: str
    start: str
    end: str
    min_length: int
    max_length: int | None
    max_copy: int | None
    faithful: bool


def prepare_prime(prime: str, vocabulary: Vocabulary, unknown: str = "error") -> Ids:
    """Return the ids of a prime text.

    Args:
        unknown: what to do with characters that the model does not know: ``error``, ``skip`` them,
            or ``replace`` them, each by the input that means "no character".

    Raises:
        PrimeError: there are such characters and ``unknown`` is ``error``.
        UsageError: another word for ``unknown``.
    """
    if unknown not in UNKNOWN:
        raise UsageError(f"{argument('unknown')} is {unknown!r}", f"Choose {', '.join(UNKNOWN)}")
    ids = vocabulary.encode(prime)
    if unknown == "skip":
        known: Ids = ids[ids != vocabulary.bos]
        return known
    unseen = vocabulary.unknown(prime)
    if unseen and unknown == "error":
        listed = ", ".join(f"{character!r} (U+{ord(character):04X})" for character in unseen[:8])
        more = f" and {len(unseen) - 8} more" if len(unseen) > 8 else ""
        form = advice("; it", unseen, vocabulary.characters)
        raise PrimeError(
            f"the prime has characters that the model has never seen: {listed}{more}{form}",
            f"Leave them out, or add {argument('unknown')} skip or {argument('unknown')} replace",
        )
    return ids


def sample(
    model: LanguageModel,
    vocabulary: Vocabulary,
    sampling: Sampling,
    primes: Sequence[Ids] = (),
    write: Callable[[bytes], None] | None = None,
    grams: Grams | None = None,
) -> Iterator[Sample]:
    """Write ``sampling.count`` texts after each prime, and yield them: first all after the first.

    `TOGETHER` are drawn side by side. The texts after one prime have the seeds ``sampling.seed``,
    ``sampling.seed + 1`` and so on, so that what is written after one does not depend on others.

    Args:
        primes: ids to read first, which are not part of the sample; none for one empty prime.
        write: called with the first sample's bytes as they are drawn (what may yet become the stop
            text is held back).
        grams: what is known of the model's corpus; needed for `Rules.max_copy`.

    Raises:
        UsageError: no text can keep the rules; see `chargen.tasks.rules.Rules.plan`.
    """
    pieces = pieces_of(vocabulary)
    sampling, plan = sampling.planned(vocabulary, grams)
    begun = [read(model, prime) for prime in primes or [np.empty(0, np.int32)]]
    if plan is not None and sampling.faithful:
        for logits, state in begun:
            for text in faithful.draw(model, sampling, plan, logits, state):
                writer = Draft(pieces, sampling, sampling.seed, write)
                writer.take(text.ids, text.nats, text.ended)
                yield writer.finish()
                write = None
        return
    for first in range(0, sampling.count * len(begun), TOGETHER):
        numbers = range(first, min(first + TOGETHER, sampling.count * len(begun)))
        seeds = [sampling.seed + number % sampling.count for number in numbers]
        writers = [
            Draft(pieces, sampling, seed, None if number else write)
            for number, seed in zip(numbers, seeds, strict=True)
        ]
        # One row reads a prime for all texts that go on from it.
        after = [begun[number // sampling.count] for number in numbers] if len(begun) > 1 else begun
        logits = np.concatenate([one for one, _ in after])
        state = reduce(joined, (one for _, one in after))
        for _ in _fill(
            writers,
            Stream(model, sampling, seeds, logits, state, _guide(plan, len(seeds))),
            sampling,
        ):
            pass
        for writer in writers:
            yield writer.finish()


def stream(
    model: LanguageModel,
    vocabulary: Vocabulary,
    sampling: Sampling,
    prime: Ids,
    grams: Grams | None = None,
) -> Iterator[bytes]:
    """Write one text after a prime, and yield its bytes as they are drawn; see `sample`.

    What may yet become the stop text is held back.
    """
    drawn: list[bytes] = []
    if sampling.faithful:
        yield from (one.data for one in sample(model, vocabulary, sampling, [prime], grams=grams))
        return
    sampling, plan = sampling.planned(vocabulary, grams)
    writer = Draft(pieces_of(vocabulary), sampling, sampling.seed, drawn.append)
    logits, state = read(model, prime)
    for _ in _fill(
        [writer], Stream(model, sampling, [sampling.seed], logits, state, _guide(plan, 1)), sampling
    ):
        yield from drawn
        drawn.clear()
    writer.finish()
    yield from drawn


def _fill(
    writers: Sequence[Draft], stream: Stream, sampling: Sampling
) -> Generator[None, None, None]:
    """Let each writer write its text, all in one stream; yield after each character."""
    writing = list(writers)
    # To look at every character takes time: it is done only if somebody waits for each.
    watched = bool(sampling.stops or sampling.rules) or writers[0].write is not None
    blocks: list[tuple[Ids, Floats]] = []
    left, collected = sampling.length, 0
    while left:
        ids, nats = next(stream)
        blocks.append((ids[:left], nats[:left]))
        drawn = len(blocks[-1][0])
        left, collected = left - drawn, collected + drawn
        if not (watched or collected >= AHEAD or left == 0):
            continue
        rows = (np.concatenate(part).T.tolist() for part in zip(*blocks, strict=True))
        blocks, collected = [], 0
        for writer, text, cost, over in zip(writing, *rows, stream.over, strict=True):
            writer.take(text, cost, over)
        going = [row for row, writer in enumerate(writing) if not writer.stopped]
        if len(going) < len(writing):
            writing = [writing[row] for row in going]
            if not writing:
                break
            stream.keep(going)
        yield


def _guide(plan: Plan | None, count: int) -> Guide | None:
    """Return what keeps texts to the rules, if there are any."""
    return None if plan is None else Guide(plan, count)
