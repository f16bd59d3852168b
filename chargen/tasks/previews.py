"""What is shown of a model while it trains: something that it writes, or gaps that it fills."""

from __future__ import annotations

from collections.abc import Sequence

from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal
from chargen.tasks.beam import Gap
from chargen.tasks.drawing import Sampling
from chargen.tasks.mending import Mender
from chargen.tasks.restoring import both_sides, restore
from chargen.tasks.sampling import sample
from chargen.tasks.tagging import Marked, Tagger
from chargen.tasks.translating import translator
from chargen.text.corpus import Span, read_all
from chargen.text.labelled import as_text
from chargen.text.pairs import Pairs
from chargen.text.tagged import TaggedTexts

LENGTH = 240
ITEMS = 12
TEMPERATURE = 0.8
SHOWN = 8
"""Pairs."""

NOTHING = "∅"
"""Stands for a target that has no symbols."""

GAPS = 4
MISSING = 6
"""Gaps in a stretch of ``LENGTH`` characters, and characters missing in each."""


def written(saved: Checkpoint, _span: Span, number: int) -> str:
    """Return a sample; of a model with labels, of each label in turn."""
    seed = saved.settings.get("seed", 0)
    label = number % len(saved.labels) if saved.labels else None
    title = "" if label is None else f"{saved.labels[label]}: "
    model = Causal(saved.architecture, saved.weights, label)
    count = ITEMS if saved.end else 1
    wanted = Sampling(length=LENGTH, temp=TEMPERATURE, seed=seed, count=count, end=saved.end)
    texts = [one.text for one in sample(model, saved.vocabulary, wanted)]
    return title + "\n".join(texts)[:LENGTH]


def translated(saved: Checkpoint, span: Span, number: int) -> str:
    """Return some held-out sources with what the model makes of each, others at each evaluation."""
    symbols = saved.vocabulary.symbols
    assert symbols is not None
    held = Pairs(span, symbols.form)
    start = number * SHOWN % max(1, len(held) - SHOWN)
    pairs = held.read(start, min(start + SHOWN, len(held)))
    found = translator([("", saved)]).translate(pairs, beam=1)
    lines = []
    for pair, best in zip(pairs, found, strict=True):
        written, right = best[0].text if best else "", symbols.form.written(pair.target or ())
        source = " ".join((pair.source, *pair.features))
        mark = "" if written == right else f"  ≠ {right}"
        lines.append(f"{source} → {written or NOTHING}{mark}")
    return "\n".join(lines)


def tagged(saved: Checkpoint, span: Span, number: int) -> str:
    """Return some held-out texts with the spans that the model marks, in brackets."""
    held = TaggedTexts(span)
    start = number * SHOWN % max(1, len(held) - SHOWN)
    texts = [one.text for one in held.read(start, min(start + SHOWN, len(held)))]
    found = Tagger("", saved).tag(texts)
    return "\n".join(bracketed(text, spans) for text, spans in zip(texts, found, strict=True))


def bracketed(text: str, spans: Sequence[Marked]) -> str:
    """Return a text with each span in brackets, its label in front.

    Example:
        >>> bracketed("in Vesle", [Marked("LOC", 3, 8, "Vesle", 0.9)])
        'in [LOC Vesle]'
    """
    for one in sorted(spans, key=lambda span: -span.start):
        text = f"{text[: one.start]}[{one.label} {one.text}]{text[one.end :]}"
    return text


def mended(saved: Checkpoint, span: Span, number: int) -> str:
    """Return a piece of held-out text, damaged, and below it what the model makes of it."""
    at = number * LENGTH % max(1, len(span) - LENGTH)
    text = read_all(span.blocks(at, min(at + LENGTH, len(span))))
    mender = Mender("", saved)
    damaged, _ = mender.damage.done(text)
    return f"{damaged}\n→ {mender.mend(damaged).text}"


def restored(saved: Checkpoint, span: Span, _number: int) -> str:
    """Return the beginning of a text in which the model filled some gaps, each in brackets."""
    start, stop = span.ranges[0]
    text = as_text(span.text, start, min(stop, start + LENGTH), "replace")
    pieces: list[str | Gap] = []
    for at in range(0, len(text), LENGTH // GAPS):
        hidden = min(MISSING, len(text) - at)
        pieces += [Gap(hidden), text[at + hidden : at + LENGTH // GAPS]]
    filled = restore(both_sides(saved), saved.vocabulary, pieces)[0]
    return "".join(
        f"[{piece}]" if new else piece
        for piece, new in zip(filled.pieces, filled.filled, strict=True)
    )
