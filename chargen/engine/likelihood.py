"""What characters cost: the one place where logits become nats.

A character that a model knows costs the network's own charge, plus the cost of being a known
character at all. A character that the model does not know costs the escape (see
`chargen.text.vocabulary`). So for every model the probabilities of all of Unicode sum to one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from chargen.engine.language_model import LOGITS, WINDOW, LanguageModel, pick, read

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chargen.text.vocabulary import Vocabulary

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]

Reals = TypeVar("Reals", bound="NDArray[np.floating[Any]]")


def log_softmax(logits: Reals) -> Reals:
    """Return the logarithm of the softmax over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    logs: Reals = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs


def charge(logits: Floats, ids: Ids) -> tuple[Floats, Bools]:
    """Return the nats of each of ``ids`` (…) under logits (…, V), and which were the likeliest.

    An id outside the vocabulary gets a charge without meaning. The logits are overwritten.
    """
    highest = logits.max(axis=-1, keepdims=True)
    known = np.where((ids >= 0) & (ids < logits.shape[-1]), ids, 0)
    chosen = np.take_along_axis(logits, known[..., None], axis=-1)
    hits: Bools = (chosen == highest)[..., 0]
    chosen -= highest
    logits -= highest
    nats: Floats = np.log(np.exp(logits, out=logits).sum(axis=-1)) - chosen[..., 0]
    return nats, hits


def with_escape(vocabulary: Vocabulary, ids: Ids, nats: NDArray[np.floating[Any]]) -> Doubles:
    """Return what characters cost in all, given what the network charges for the known ones."""
    known = nats.astype(np.float64) + vocabulary.known_nats
    costs: Doubles = np.where(ids == vocabulary.bos, vocabulary.unknown_nats, known)
    return costs


def character_nats(
    model: LanguageModel, given: Sequence[Ids], charged: Sequence[Ids]
) -> list[Doubles]:
    """Return the nats of each character of ``charged`` texts, each after what is ``given`` before.

    These are the network's own charges, without the escape; an unknown character costs nothing
    here.
    """

    def look(logits: Floats, ids: Ids) -> Floats:
        nats = charge(logits, ids)[0]
        nats[ids == model.bos] = 0
        return nats[..., None]

    return [figures[:, 0] for figures in character_figures(model, given, charged, look)]


def expected_nats(model: LanguageModel, charged: Sequence[Ids]) -> list[Doubles]:
    """Return what a model expects of each character of texts, beside what the character costs.

    Returns:
        (T, 3) for each text: the nats of each character, the entropy of the model's distribution
        there, and the variance of the nats under that distribution; zeros for an unknown character.
    """

    def look(logits: Floats, ids: Ids) -> Floats:
        logs = log_softmax(logits)
        shares = np.exp(logs)
        entropy = -(shares * logs).sum(axis=-1)
        variance = (shares * logs * logs).sum(axis=-1) - entropy**2
        figures = np.stack((charge(logits, ids)[0], entropy, variance), axis=-1)
        figures[ids == model.bos] = 0
        return figures

    none = charged[0][:0]
    return character_figures(model, [none] * len(charged), charged, look)


def character_figures(
    model: LanguageModel,
    given: Sequence[Ids],
    charged: Sequence[Ids],
    look: Callable[[Floats, Ids], Floats],
) -> list[Doubles]:
    """Return what ``look`` says of each character (T, K) of texts, after what is given before.

    All texts are read side by side, in windows, so that memory does not grow with logits.

    Args:
        look: ``(logits (B, T, V), ids (B, T)) -> (B, T, K)``; it may overwrite the logits. An
            unknown character has the id V.
    """
    bos = model.bos
    # If all texts have the same text before them, it is read only once.
    shared = given[0] if all(np.array_equal(given[0], other) for other in given) else given[0][:0]
    logits, state = read(model, shared)
    own = [one[len(shared) :] for one in given]
    sizes = [len(one) + len(text) for one, text in zip(own, charged, strict=True)]
    rows = np.full((len(own), max(sizes)), bos, dtype=np.int32)
    for row, (one, text) in enumerate(zip(own, charged, strict=True)):
        rows[row, : sizes[row]] = np.concatenate((one, text))
    state = pick(state, np.zeros(len(rows), dtype=np.intp))
    first = look(np.repeat(logits[:, None], len(rows), axis=0), rows[:, :1])
    figures = np.zeros((*rows.shape, first.shape[-1]))
    figures[:, :1] = first
    step = max(1, min(WINDOW, LOGITS // (len(rows) * bos)))
    for at in range(1, rows.shape[1], step):
        stop = min(at + step, rows.shape[1])
        logits, state = model.forward(rows[:, at - 1 : stop - 1], state)
        figures[:, at:stop] = look(logits, rows[:, at:stop])
    return [
        figures[row, size - len(text) : size]
        for row, (size, text) in enumerate(zip(sizes, charged, strict=True))
    ]


def sequence_nats(model: LanguageModel, given: Sequence[Ids], charged: Sequence[Ids]) -> Doubles:
    """Return the nats (B,) of whole texts, each after what is given before it; without escape."""
    return np.array([nats.sum() for nats in character_nats(model, given, charged)])
