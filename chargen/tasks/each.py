"""How likely is each text of many, alone? For names, titles, stimuli, documents.

A text costs what its characters cost after an empty state, and its end mark costs as a character
does. So the probabilities of all texts sum to at most one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chargen.engine.language_model import LanguageModel
from chargen.engine.likelihood import character_nats, with_escape
from chargen.tasks.classifying import batches
from chargen.tasks.scoring import perplexity
from chargen.text.corpus import Text
from chargen.text.examples import ENDS, named_items
from chargen.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Each:
    """What a model made of one text.

    Attributes:
        name: the text, or what it is called.
        characters: scored, the end mark included.
        unknown: characters among them that the vocabulary lacks.
        nats: summed over all characters.
    """

    name: str
    characters: int
    unknown: int
    nats: float

    def json(self) -> dict[str, Any]:
        """Return the figures under their names."""
        return {
            "text": self.name,
            "characters": self.characters,
            "unknown": self.unknown,
            "log_probability": -self.nats,
            "nats_per_char": self.nats / self.characters,
        }


def score_each(
    model: LanguageModel,
    vocabulary: Vocabulary,
    named: Sequence[tuple[str, str]],
    progress: Callable[[int, int], None] | None = None,
) -> list[Each]:
    """Score texts, each alone.

    Args:
        named: for each text a name, and what to score, with its end mark.
        progress: called with texts done and texts in all.
    """
    ids = [vocabulary.encode(text) for _, text in named]
    found: list[Each | None] = [None] * len(named)
    done = 0
    for rows in batches(ids):
        charged = [ids[row] for row in rows]
        nats = character_nats(model, [charged[0][:0]] * len(rows), charged)
        for row, one, costs in zip(rows, charged, nats, strict=True):
            total = float(with_escape(vocabulary, one, costs).sum())
            unknown = int((one == vocabulary.bos).sum())
            found[row] = Each(named[row][0], len(one), unknown, total)
        done += len(rows)
        if progress is not None:
            progress(done, len(named))
    return [each for each in found if each is not None]


def score_items(
    model: LanguageModel,
    vocabulary: Vocabulary,
    texts: Sequence[Text],
    items: str,
    progress: Callable[[int, int], None] | None = None,
) -> list[Each]:
    """Score lines or documents, each alone, from its beginning to its end mark.

    A model that was not trained on such items knows no end mark of documents; then it is not
    scored.

    Args:
        items: ``lines`` or ``documents``.
    """
    named = [one for text in texts for one in with_ends(vocabulary, text, items)]
    return score_each(model, vocabulary, named, progress)


def with_ends(vocabulary: Vocabulary, text: Text, items: str) -> list[tuple[str, str]]:
    """Return the lines or documents of a text with their names, each with its end mark.

    The mark is left out where the vocabulary lacks it.
    """
    end = ENDS[items] if ENDS[items] in vocabulary.characters else ""
    return [(name, one.removesuffix(end) + end) for name, one in named_items(text, items)]


def together(scores: Sequence[Each]) -> dict[str, Any]:
    """Return both averages, by character and by text, with the standard error of the second."""
    count = len(scores)
    characters = sum(each.characters for each in scores)
    nats = sum(each.nats for each in scores)
    mean = nats / count
    spread = sum((each.nats - mean) ** 2 for each in scores) / max(1, count - 1)
    return {
        "texts": count,
        "characters": characters,
        "unknown": sum(each.unknown for each in scores),
        "nats_per_char": nats / characters,
        "perplexity": perplexity(nats / characters),
        "bpc": nats / characters / math.log(2),
        "nats_per_text": mean,
        "nats_per_text_error": math.sqrt(spread / count),
    }
