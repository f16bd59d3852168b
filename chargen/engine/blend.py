"""Several language models as one, by their probabilities or by their logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chargen.engine.language_model import LanguageModel, State
from chargen.engine.likelihood import log_softmax
from chargen.text.vocabulary import SCALARS, Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

PROBABILITIES, LOGITS = WAYS = "probabilities", "logits"


def together(vocabularies: Sequence[Vocabulary], weights: Sequence[float]) -> Vocabulary:
    """Return the vocabulary of a blend: all characters that any model knows.

    Each model gives a character that it lacks its share of the escape (see
    `chargen.text.vocabulary`), so what is left for all others is a sum of what they leave.
    """
    characters = "".join(dict.fromkeys("".join(one.characters for one in vocabularies)))
    left = SCALARS - len(characters)
    escape = sum(
        weight * one.escape * left / (SCALARS - len(one))
        for one, weight in zip(vocabularies, weights, strict=True)
    )
    return Vocabulary(characters, escape, vocabularies[0].as_bytes)


class Blend:
    """A mixture of models with weights, over the characters that any of them knows.

    By probabilities, it gives a character the mean Σ wₖ pₖ; by logits, the geometric mean Π pₖ^wₖ
    up to a factor, which needs all models to agree (Hinton 2002, products of experts).

    Args:
        models: with the vocabulary and the weight of each; the weights sum to one.
        vocabulary: of the blend, see `together`.
        way: one of `WAYS`.
    """

    def __init__(
        self,
        models: Sequence[tuple[LanguageModel, Vocabulary, float]],
        vocabulary: Vocabulary,
        way: str = PROBABILITIES,
    ) -> None:
        self.models, self.way, self.bos = [model for model, _, _ in models], way, len(vocabulary)
        self.logs = [math.log(weight) for _, _, weight in models]
        self.weights = [weight for _, _, weight in models]
        # An id of the blend as an id of each model; what it lacks, and "no character", as its own.
        points = np.frombuffer(vocabulary.characters.encode("utf-32-le"), np.uint32)
        self.ids = [np.append(one.lookup(points), one.bos).astype(np.int32) for _, one, _ in models]
        self.known = [one.known_nats for _, one, _ in models]
        self.unknown = [one.unknown_nats for _, one, _ in models]

    def start(self, batch: int) -> State:
        """Return the state of ``batch`` texts that have not begun: that of each model in turn."""
        return [layer for model in self.models for layer in model.start(batch)]

    def forward(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Return logits (B, T, V) for the character after each of ``ids`` (B, T), and the state."""
        after: State = []
        total: NDArray[np.float64] | None = None
        for number, model in enumerate(self.models):
            size = len(model.start(0))
            mine, state = state[:size], state[size:]
            logits, mine = model.forward(self.ids[number][ids], mine)
            after += mine
            costs = log_softmax(logits.astype(np.float64)) - self.known[number]
            places = self.ids[number][:-1]
            lacks = np.full((*costs.shape[:-1], 1), -self.unknown[number])
            shares = np.concatenate((costs, lacks), axis=-1)[..., places]
            if self.way == LOGITS:
                shares *= self.weights[number]
                total = shares if total is None else total + shares
            else:
                shares += self.logs[number]
                total = shares if total is None else np.logaddexp(total, shares)
        assert total is not None
        return total.astype(np.float32), after
