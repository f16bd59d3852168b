"""chargen's own questions to a model: what a text costs, what is missing, what it is."""

from __future__ import annotations

from typing import Any

from chargen.errors import UsageError, argument
from chargen.model import Model
from chargen.serving.refusals import RefusalError
from chargen.serving.requests import Damaged, Labelled, OneText, Sources, Surprise, Texts
from chargen.tasks.restoring import marked
from chargen.tasks.surprise import PER, REGION, table

MOST_GAPS = 32
"""Gaps in a text: with more, others would wait for long."""


def perplexity(model: Model, asked: OneText) -> dict[str, Any]:
    """Return how well a model predicts a text."""
    return model.perplexity(text=asked.text, label=asked.label).json()


def surprise(model: Model, asked: Surprise) -> dict[str, Any]:
    """Return how surprising each part of a text is, in bits."""
    known = [per for per in PER if per != REGION]
    if asked.per not in known:
        raise UsageError(f"unknown {argument('per')} {asked.per!r}", f"Choose {', '.join(known)}")
    found = model.surprises([("", asked.text)], label=asked.label)
    rows = [
        {key: value for key, value in row.items() if key not in ("text_id", "text")}
        for row in table(found, asked.per)
    ]
    return {"rows": rows}


def restore(model: Model, asked: Damaged) -> dict[str, Any]:
    """Return the likeliest ways to fill a text's gaps."""
    marks = [one for one in marked(asked.text, asked.gap) if not isinstance(one, str)]
    if len(marks) > MOST_GAPS:
        raise RefusalError(
            400, f"the text has {len(marks):,} gaps, more than {MOST_GAPS}", "invalid_value", "text"
        )
    ways = model.restore(asked.text, asked.n, gap=asked.gap)
    return {"ways": [way.json() for way in ways]}


def classify(model: Model, asked: Labelled, others: list[Model]) -> dict[str, Any]:
    """Return the label of each text."""
    return {"texts": [guess.json() for guess in model.classify(asked.texts, others)]}


def translate(model: Model, asked: Sources) -> dict[str, Any]:
    """Return the targets of each source, or each text mended."""
    marking = model.checkpoint.vocabulary.marking
    if marking is not None and marking.undo:
        done = [model.mend(text) for text in asked.texts]
        return {"texts": [{"text": one.text, "changed": one.changed} for one in done]}
    found = model.translate(asked.texts, asked.n, features=asked.features)
    return {
        "texts": [
            {"source": source, "targets": [one.json() for one in best]}
            for source, best in zip(asked.texts, found, strict=True)
        ]
    }


def tag(model: Model, asked: Texts) -> dict[str, Any]:
    """Return the spans of each text."""
    found = model.tag(asked.texts)
    return {
        "texts": [
            {"text": text, "spans": [one.json() for one in spans]}
            for text, spans in zip(asked.texts, found, strict=True)
        ]
    }
