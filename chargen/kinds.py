"""What a model is for: one row of a registry for each kind of model.

A kind says which tensors a network has beside its stacks of layers, how it is measured, and which
code trains, previews and uses it. Everything that differs between kinds is looked up here, so that
no other module asks which kind a model is; a new kind is a new row.

Code is named by a reference, ``"module:name"``, and imported when it is used (see `load`). So the
registry can be read without PyTorch, and nothing that a command does not need is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chargen.architecture import Architecture

LONGEST_GAP = 50
"""The longest gap, in characters: the network has one vector for each number still missing."""

Shapes = dict[str, tuple[int, ...]]


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


def _no_more(_sizes: Architecture, _characters: int) -> Shapes:
    return {}


def _both_sides(sizes: Architecture, _characters: int) -> Shapes:
    return {f"{side}.weight": (sizes.hidden, sizes.hidden) for side in ("left", "right")}


def _for_gaps(sizes: Architecture, characters: int) -> Shapes:
    shapes = _both_sides(sizes, characters)
    shapes["remaining.weight"] = (LONGEST_GAP + 1, sizes.hidden)
    for side in ("following", "preceding"):
        shapes[f"{side}.weight"] = (characters, sizes.hidden)
        shapes[f"{side}.bias"] = (characters,)
    return shapes


def _for_pairs(sizes: Architecture, characters: int) -> Shapes:
    wide, embed = sizes.hidden, sizes.embed
    shapes = _both_sides(sizes, characters) | {"symbol.weight": (sizes.targets + 1, embed)}
    if sizes.features:
        shapes |= {f"{name}.weight": (embed, sizes.features) for name in ("feature", "wanted")}
    looks = [f"look.{number}" for number in range(sizes.layers - 1)]
    squares = [
        "query",
        "read",
        *(f"{one}.{name}" for one in looks for name in ("query", "context")),
    ]
    shapes |= {f"{name}.weight": (wide, wide) for name in squares}
    shapes["place.weight"] = (sizes.targets + 2 if sizes.aligned else wide, wide)
    return shapes


@dataclass(frozen=True)
class Kind:
    """One kind of model.

    Attributes:
        name: of the kind.
        prefix: the first words of a description of such a network.
        stacks: names of its stacks of layers; the first reads from the left, a second one from the
            right.
        more_shapes: ``(architecture, V) -> shapes``, the names and shapes of all tensors except
            those of the embedding, the stacks and the output.
        outputs: ``(architecture, V) -> number``, how many outputs there are.
        label_input: whether a model with labels reads the label; then it has a vector for each.
        metric: how it is measured.
        network: the class that is trained, see `chargen.networks.base.Trainable`.
        evaluate: ``(network, span, vocabulary, most) -> score``, with PyTorch; ``most`` limits the
            characters, None for all.
        preview: ``(model, span, number) -> text``, the text to show while the model trains; None
            if there is none. ``number`` counts the evaluations from 0.
        finish: ``(model, span, seconds) -> figures``, for a model with labels: figures that are
            fitted to held-out examples when training ends. ``fitted`` lists their keys.
        does: what it does instead of continuing texts, in words.
        continues: whether it predicts each next character, so that it can sample and score.
        reader: ``(model) -> reader`` that fills gaps, see `chargen.tasks.beam.Reader`.
        judge: ``(model) -> judge`` that tells labels, see `chargen.tasks.classifying.Judge`.
        command: the command that it is made for.
        example: arguments to try first; ``{name}`` and ``{label}`` are put in.
    """

    name: str
    prefix: str
    stacks: tuple[str, ...]
    more_shapes: Callable[[Architecture, int], Shapes]
    outputs: Callable[[Architecture, int], int]
    label_input: bool
    metric: Metric
    network: str
    evaluate: str
    preview: str | None
    finish: str | None
    fitted: tuple[str, ...]
    does: str
    continues: bool
    reader: str | None
    judge: str | None
    command: str
    example: str

    @property
    def bidirectional(self) -> bool:
        """Whether it reads a text from both ends, and does nothing else."""
        return len(self.stacks) == 2


CAUSAL = Kind(
    name="causal",
    prefix="",
    stacks=("layers",),
    more_shapes=_no_more,
    outputs=lambda _sizes, characters: characters,
    label_input=True,
    metric=PERPLEXITY,
    network="chargen.networks.causal:Causal",
    evaluate="chargen.training.evaluate:score_causal",
    preview="chargen.tasks.previews:written",
    finish="chargen.tasks.calibration:fit",
    fitted=("sharpness",),
    does="writes texts",
    continues=True,
    reader="chargen.tasks.restoring:left_to_right",
    judge="chargen.tasks.classifying:by_likelihood",
    command="sample",
    example="-m {name} --temp 0.8{label}",
)

GAPS = Kind(
    name="gaps",
    prefix="bidirectional ",
    stacks=("layers", "backward"),
    more_shapes=_for_gaps,
    # One output for each character, and one that means: the gap has ended.
    outputs=lambda _sizes, characters: characters + 1,
    label_input=False,
    metric=PSEUDO_PERPLEXITY,
    network="chargen.networks.bidirectional:GapFiller",
    evaluate="chargen.training.evaluate:score_gaps",
    preview="chargen.tasks.previews:restored",
    finish=None,
    fitted=(),
    does="sees both sides of a text",
    continues=False,
    reader="chargen.tasks.restoring:both_sides",
    judge=None,
    command="restore",
    example='-m {name} "a text with a gap [...] in it"',
)

CLASSIFIER = Kind(
    name="classifier",
    prefix="bidirectional ",
    stacks=("layers", "backward"),
    more_shapes=_both_sides,
    outputs=lambda sizes, _characters: sizes.labels,
    label_input=False,
    metric=LABEL_ACCURACY,
    network="chargen.networks.bidirectional:Classifier",
    evaluate="chargen.training.evaluate:score_labels",
    preview=None,
    finish="chargen.tasks.calibration:fit",
    fitted=("sharpness",),
    does="sees both sides of a text",
    continues=False,
    reader=None,
    judge="chargen.tasks.classifying:by_both_sides",
    command="classify",
    example="-m {name} FILE",
)

PAIRS = Kind(
    name="pairs",
    prefix="encoder–decoder ",
    stacks=("layers", "backward", "decoder"),
    more_shapes=_for_pairs,
    # One output for each symbol, one that ends a target, and one that copies a character.
    outputs=lambda sizes, _characters: sizes.targets + 2,
    label_input=False,
    metric=PAIR_ACCURACY,
    network="chargen.networks.transducer:Transducer",
    evaluate="chargen.training.evaluate:score_pairs",
    preview="chargen.tasks.previews:translated",
    finish=None,
    fitted=(),
    does="turns sources into targets",
    continues=False,
    reader=None,
    judge=None,
    command="translate",
    example='-m {name} "a source"',
)

KINDS = {kind.name: kind for kind in (CAUSAL, GAPS, CLASSIFIER, PAIRS)}
"""All rows, by name; a test goes through them."""

METRICS = {kind.metric.headline: kind.metric for kind in KINDS.values()}
"""How each kind is measured, by the key of the figure that is shown first."""


def kind_of(bidirectional: bool, labels: int, pairs: bool = False) -> Kind:
    """Return the kind of model that a training makes, or that a header describes.

    Args:
        bidirectional: whether it is to read from both ends.
        labels: how many labels the text has; 0 for a text without.
        pairs: whether the text is made of pairs.
    """
    if pairs:
        return PAIRS
    if not bidirectional:
        return CAUSAL
    return CLASSIFIER if labels else GAPS


def load(reference: str | None) -> Any:
    """Import what a reference, ``"module:name"``, stands for.

    Raises:
        LookupError: the row has none.
    """
    if reference is None:
        raise LookupError("this kind of model has no such code")
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
