"""How models of each kind are measured on held-out text, and how the figures are shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """How models of a kind are measured on held-out text.

    Attributes:
        figures: keys of all figures of a score, in the order in which they are shown.
        loss: key of the figure that training makes as low as it can, in nats.
        unit: of the loss, in words.
        headline: key of the figure that people are shown first.
        title: what that figure is called.
        lower: whether a lower headline is better; if not, the headline is a share from 0 to 1.
        error: key of the headline's standard error, if it has one.
        meaning: of a headline that is a share, in words; ``{}`` stands for it in hundredths.
        bits: what the loss in bits is called, if it is shown.
        examples: key of the number of examples, if examples are counted instead of characters.
        same_in_training: whether the training loss is an average of the same quantity.
    """

    figures: tuple[str, ...]
    loss: str
    unit: str
    headline: str
    title: str
    lower: bool = True
    error: str | None = None
    meaning: str = "right about {} times of 100"
    bits: str | None = None
    examples: str | None = None
    same_in_training: bool = False


PERPLEXITY = Metric(
    figures=(
        "characters", "unknown", "nats_per_char", "perplexity", "perplexity_error", "bpc",
        "bits_per_byte", "accuracy",
    ),
    loss="nats_per_char",
    unit="nats per character",
    headline="perplexity",
    title="perplexity",
    error="perplexity_error",
    bits="bpc",
    same_in_training=True,
)  # fmt: skip

PSEUDO_PERPLEXITY = Metric(
    figures=(
        "characters", "unknown", "pseudo_nats_per_char", "pseudo_perplexity",
        "pseudo_perplexity_error", "accuracy",
    ),
    loss="pseudo_nats_per_char",
    unit="pseudo-nats per character",
    headline="pseudo_perplexity",
    title="pseudo-perplexity",
    error="pseudo_perplexity_error",
    bits="bits",
)  # fmt: skip

LABEL_ACCURACY = Metric(
    figures=("examples", "label_accuracy", "label_accuracy_error", "label_nats"),
    loss="label_nats",
    unit="nats a label",
    headline="label_accuracy",
    title="accuracy",
    lower=False,
    error="label_accuracy_error",
    examples="examples",
)


SPANS = Metric(
    figures=(
        "texts",
        "spans",
        "precision",
        "recall",
        "f1",
        "f1_error",
        "nats_per_char",
    ),
    loss="nats_per_char",
    unit="nats a character",
    headline="f1",
    title="F1 of spans",
    lower=False,
    meaning="{} of 100 spans, found or there, agree",
    error="f1_error",
    examples="texts",
)

WORDS = Metric(
    figures=(
        "words",
        "words_right",
        "words_right_error",
        "before",
        "untouched",
        "precision",
        "recall",
        "f1",
        "nats_per_char",
    ),
    loss="nats_per_char",
    unit="nats a character",
    headline="words_right",
    title="words right",
    lower=False,
    error="words_right_error",
    examples="words",
)

PAIR_ACCURACY = Metric(
    figures=("pairs", "exact", "exact_error", "wer", "cer", "cer_error", "nats_per_symbol"),
    loss="nats_per_symbol",
    unit="nats a symbol",
    headline="exact",
    title="exactly right",
    lower=False,
    error="exact_error",
    examples="pairs",
    same_in_training=False,
)

METRICS = {
    metric.headline: metric
    for metric in (
        PERPLEXITY, PSEUDO_PERPLEXITY, LABEL_ACCURACY, SPANS, WORDS, PAIR_ACCURACY,
    )
}  # fmt: skip
"""All of them, by the key of the figure that is shown first."""
