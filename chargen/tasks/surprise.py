"""How surprising each character, word, sentence or line of a text is.

The surprise of a character is what it costs: the negative logarithm of its probability after all
before it (Shannon 1948). A word's is the sum over its characters, so it is exact: there are no
pieces of words that could be cut in another way. What a word costs in all is that sum and the
cost of its end, that no letter follows (Pimentel & Meister 2024, arXiv:2406.14561).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.engine.language_model import LanguageModel
from chargen.engine.likelihood import character_figures, log_softmax, with_escape
from chargen.text.stimuli import Stimulus
from chargen.text.vocabulary import SCALARS, Vocabulary
from chargen.text.words import LETTER, sentences, words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Ids = NDArray[np.int32]

UNITS = {"2": "bits", "e": "nats", "10": "bans"}
"""Bases of the logarithm, and what the unit is called."""

CHAR, WORD, SENTENCE, LINE, DOCUMENT, REGION = PER = (
    "char", "word", "sentence", "line", "document", "region",
)  # fmt: skip
AFTER, BEFORE, APART = OWNERS = "after", "before", "apart"
"""What stands between two words belongs to the word before it, to the word after it, or to neither:
then it has rows of its own."""

LINE_OF = re.compile(r"[^\n]*\n|[^\n]+")

LANES = 64
BURN_IN = 256
"""Characters that are read before a lane's own."""


@dataclass(frozen=True)
class Surprise:
    """What a model made of the characters of one text.

    Attributes:
        name: of the text.
        text: T characters.
        nats: (T,), what each costs.
        entropy: (T,), what each was expected to cost.
        rank: (T,), how many characters were likelier, plus one; 0 for an unknown character; of a
            model of bytes, the highest of a character's bytes.
        unknown: (T,), whether the vocabulary lacks it.
        ends: (T + 1,), the probability that what comes next is no part of a word.
        likely, shares: (T, K), the ids of the likeliest characters and their probabilities, the
            likeliest first; K is 0 where they are not wanted, and for a model of bytes.
    """

    name: str
    text: str
    nats: Doubles
    entropy: Doubles
    rank: NDArray[np.int64]
    unknown: NDArray[np.bool_]
    ends: Doubles
    likely: NDArray[np.int64]
    shares: Doubles


def surprise(
    model: LanguageModel,
    vocabulary: Vocabulary,
    named: Sequence[tuple[str, str]],
    *,
    lanes: int = 1,
    likeliest: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Surprise]:
    """Measure texts, each alone and from its start.

    Args:
        named: a name for each text, and the text.
        lanes: pieces of a text that are read side by side, each after `BURN_IN` characters of the
            piece before it; 1 is exact.
        likeliest: how many of the likeliest characters to tell for each place.
        progress: called with characters done and characters in all.
    """
    looks = Looks(vocabulary, 0 if vocabulary.as_bytes else min(likeliest, len(vocabulary)))
    encoded = [vocabulary.encode(text) for _, text in named]
    total, found = sum(map(len, encoded)), []
    if progress is not None:
        looks.seen = lambda characters: progress(min(characters, total), total)
    for (name, text), ids in zip(named, encoded, strict=True):
        # One more character, which is not looked at, tells what may follow the last one.
        read = np.append(ids, vocabulary.bos).astype(np.int32)
        size = -(-len(read) // min(lanes, max(1, len(read) // (2 * BURN_IN))))
        starts = range(0, len(read), size)
        figures = np.concatenate(
            character_figures(
                model,
                [read[max(0, start - BURN_IN) : start] for start in starts],
                [read[start : start + size] for start in starts],
                looks,
            )
        )
        found.append(looks.found(name, text, read, figures))
    return found


class Looks:
    """What is read from a distribution about the character that comes."""

    def __init__(self, vocabulary: Vocabulary, likeliest: int) -> None:
        self.vocabulary, self.likeliest = vocabulary, likeliest
        ending = [LETTER.search(one) is None for one in vocabulary.characters]
        self.ending = np.array(ending, np.float32)
        self.done = 0
        self.seen: Callable[[int], None] = lambda _: None

    def __call__(self, logits: Floats, ids: Ids) -> Floats:
        """Return nats, entropy, rank, the probability of a word's end, and the likeliest.

        Returns:
            (B, T, 4 + 2 K): the last are K ids and their probabilities.
        """
        self.done += ids.size
        self.seen(self.done)
        logs = log_softmax(logits)
        known = np.where(ids < logs.shape[-1], ids, 0)[..., None]
        chosen = np.take_along_axis(logs, known, axis=-1)
        rank = 1 + np.count_nonzero(logs > chosen, axis=-1)
        shares = np.exp(logs)
        entropy = -np.einsum("...v,...v->...", shares, logs)
        figures = np.stack((-chosen[..., 0], entropy, rank, shares @ self.ending), axis=-1)
        if not self.likeliest:
            return figures
        best = np.argsort(-logs, axis=-1, kind="stable")[..., : self.likeliest]
        return np.concatenate((figures, best, np.take_along_axis(shares, best, axis=-1)), axis=-1)

    def found(self, name: str, text: str, ids: Ids, figures: Doubles) -> Surprise:
        """Return the figures of a text's characters, with what unknown ones cost."""
        vocabulary, escape = self.vocabulary, self.vocabulary.escape
        nats, entropy, rank, ends = figures.T[:4]
        likely, shares = np.split(figures[:-1, 4:], 2, axis=1)
        unknown = ids[:-1] == vocabulary.bos
        nats, entropy = with_escape(vocabulary, ids, nats)[:-1], (1 - escape) * entropy[:-1]
        if escape:
            # An unknown character comes with the probability of the escape, and then any one.
            left = math.log(SCALARS - len(vocabulary))
            entropy -= (1 - escape) * math.log(1 - escape) + escape * (math.log(escape) - left)
        ranks = np.where(unknown, 0, rank[:-1]).astype(np.int64)
        found = Surprise(
            name,
            text,
            nats,
            entropy,
            ranks,
            unknown,
            (1 - escape) * ends,
            likely.astype(np.int64),
            (1 - escape) * shares,
        )
        return of_characters(found) if vocabulary.as_bytes else found


def of_characters(found: Surprise) -> Surprise:
    """Return the figures of characters, given those of their bytes."""
    sizes = [len(one.encode("utf-8", "surrogateescape")) for one in found.text]
    starts = np.append(0, np.cumsum(sizes, dtype=np.int64))
    first = starts[:-1]
    if not len(first):
        return found
    return replace(
        found,
        nats=np.add.reduceat(found.nats, first),
        entropy=np.add.reduceat(found.entropy, first),
        rank=np.maximum.reduceat(found.rank, first),
        unknown=np.logical_or.reduceat(found.unknown, first),
        ends=found.ends[starts],
        likely=np.zeros((len(sizes), 0), np.int64),
        shares=np.zeros((len(sizes), 0)),
    )


def table(
    found: Sequence[Surprise],
    per: str,
    owner: str = AFTER,
    base: str = "2",
    stimuli: Sequence[Stimulus] = (),
) -> Iterator[dict[str, Any]]:
    """Yield a row for each character, word, sentence, line or text; or for each critical region.

    The sums over all rows are the same, whatever the rows are, except critical regions.

    Args:
        per: one of `PER`.
        owner: of what stands between words, one of `OWNERS`.
        base: of the logarithm, one of `UNITS`.
        stimuli: what is known about each text; for critical regions, with them.
    """
    unit, scale = UNITS[base], 1 / math.log(float(base)) if base != "e" else 1.0
    for number, one in enumerate(found, 1):
        of_sentence = np.zeros(len(one.text), dtype=np.int64)
        for count, (start, stop) in enumerate(sentences(one.text), 1):
            of_sentence[start:stop] = count
        sums = {
            name: np.append(0.0, np.cumsum(values))
            for name, values in ((unit, one.nats * scale), ("entropy", one.entropy * scale))
        }
        unknown = np.append(0, np.cumsum(one.unknown))
        about = stimuli[number - 1] if stimuli else Stimulus(one.text)
        region = about.region or (0, 0)
        parts = [region + region] if per == REGION else pieces(one.text, per, owner)
        for count, (start, stop, first, last) in enumerate(parts, 1):
            row: dict[str, Any] = {"text_id": number, "text": one.name}
            row |= {} if about.group is None else {"group": about.group}
            row |= {"sentence_id": int(of_sentence[first])} if per in (CHAR, WORD) else {}
            row |= {f"{per}_id": count} if per not in (DOCUMENT, REGION) else {}
            row |= {per: one.text[first:last]} if per != DOCUMENT else {}
            row |= {"start": start, "end": stop, "chars": stop - start}
            row |= {name: float(values[stop] - values[start]) for name, values in sums.items()}
            if per in (WORD, REGION):
                row[f"end_{unit}"] = -math.log(max(one.ends[last], 1e-300)) * scale
            if about.region and per in (CHAR, WORD):
                row["critical"] = int(first < region[1] and last > region[0])
            if per == CHAR:
                row["rank"] = int(one.rank[start])
            row["unknown"] = int(unknown[stop] - unknown[start])
            yield row


def pieces(text: str, per: str, owner: str) -> Iterator[tuple[int, int, int, int]]:
    """Yield what a text's rows are about: start and stop, and where the word itself is."""
    if per == CHAR:
        yield from ((at, at + 1, at, at + 1) for at in range(len(text)))
    elif per == WORD:
        yield from _words(text, owner)
    elif per == SENTENCE:
        yield from ((start, stop, start, stop) for start, stop in sentences(text))
    elif per == LINE:
        start = 0
        for line in LINE_OF.findall(text):
            yield start, start + len(line), start, start + len(line.rstrip("\r\n"))
            start += len(line)
    elif text:
        yield 0, len(text), 0, len(text)


def _words(text: str, owner: str) -> Iterator[tuple[int, int, int, int]]:
    if owner == APART:
        yield from ((start, stop, start, stop) for start, stop, _ in words(text))
        return
    own = [(start, stop) for start, stop, is_word in words(text) if is_word]
    if not own:
        yield from [(0, len(text), 0, len(text))] if text else []
        return
    for number, (start, stop) in enumerate(own):
        if owner == AFTER:
            # What stands before the first word belongs to it: nothing is left out.
            before = 0 if number == 0 else start
            after = own[number + 1][0] if number + 1 < len(own) else len(text)
        else:
            before = own[number - 1][1] if number else 0
            after = stop if number + 1 < len(own) else len(text)
        yield before, after, start, stop
