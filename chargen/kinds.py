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

from chargen.metrics import (
    LABEL_ACCURACY,
    PAIR_ACCURACY,
    PERPLEXITY,
    PSEUDO_PERPLEXITY,
    SPANS,
    WORDS,
    Metric,
)

if TYPE_CHECKING:
    from chargen.architecture import Architecture

LONGEST_GAP = 50
"""The longest gap, in characters: the network has one vector for each number still missing."""

Shapes = dict[str, tuple[int, ...]]


def _for_rare(sizes: Architecture, characters: int) -> Shapes:
    if not sizes.common:
        return {}
    rare = characters - sizes.common
    return {
        "narrow.weight": (sizes.narrow, sizes.hidden),
        "rare.weight": (rare, sizes.narrow),
        "rare.bias": (rare,),
    }


def _for_common(sizes: Architecture, characters: int) -> int:
    # One more output stands for all rare characters together.
    return sizes.common + 1 if sizes.common else characters


def _both_sides(sizes: Architecture, _characters: int) -> Shapes:
    return {f"{side}.weight": (sizes.hidden, sizes.hidden) for side in ("left", "right")}


def _for_gaps(sizes: Architecture, characters: int) -> Shapes:
    shapes = _both_sides(sizes, characters)
    shapes["remaining.weight"] = (LONGEST_GAP + 1, sizes.hidden)
    for side in ("following", "preceding"):
        shapes[f"{side}.weight"] = (characters, sizes.hidden)
        shapes[f"{side}.bias"] = (characters,)
    return shapes


def _for_tags(sizes: Architecture, characters: int) -> Shapes:
    chain = {"transition.weight": (sizes.targets + 1, sizes.targets)}
    return _both_sides(sizes, characters) | chain


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
        symbols: whether it knows symbols beside characters: those of targets, or marks.
        label_input: whether a model with labels reads the label; then it has a vector for each.
        metric: how it is measured.
        network: the class that is trained, see `chargen.networks.base.Trainable`.
        evaluate: ``(network, span, vocabulary, most) -> score``, with PyTorch; ``most`` limits the
            characters, None for all.
        preview: ``(model, span, number) -> text``, the text to show while the model trains; None
            if there is none. ``number`` counts the evaluations from 0.
        finish: ``(model, span, seconds) -> figures``, figures that are fitted to held-out examples
            when training ends; None if there are none. ``fitted`` lists those of a model with
            labels.
        does: what it does instead of continuing texts, in words.
        continues: whether it predicts each next character, so that it can sample and score.
        reader: ``(model) -> reader`` that fills gaps, see `chargen.tasks.beam.Reader`.
        judge: ``(model) -> judge`` that tells labels, see `chargen.tasks.classifying.Judge`.
        graph: what makes an ONNX graph of it: ``build(graph, checkpoint)``, and ``difference``
            from the engine.
        command: the command that it is made for.
        example: arguments to try first; ``{name}`` and ``{label}`` are put in.
    """

    name: str
    prefix: str
    stacks: tuple[str, ...]
    more_shapes: Callable[[Architecture, int], Shapes]
    outputs: Callable[[Architecture, int], int]
    symbols: bool
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
    graph: str | None
    command: str
    example: str

    @property
    def bidirectional(self) -> bool:
        """Whether it reads a text from both ends, and knows nothing but characters."""
        return len(self.stacks) == 2 and not self.symbols


CAUSAL = Kind(
    name="causal",
    prefix="",
    stacks=("layers",),
    more_shapes=_for_rare,
    outputs=_for_common,
    symbols=False,
    label_input=True,
    metric=PERPLEXITY,
    network="chargen.networks.causal:Causal",
    evaluate="chargen.training.evaluate:score_causal",
    preview="chargen.tasks.previews:written",
    finish="chargen.tasks.guessing:fit",
    fitted=("sharpness",),
    does="writes texts",
    continues=True,
    reader="chargen.tasks.restoring:left_to_right",
    judge="chargen.tasks.classifying:by_likelihood",
    graph="chargen.export.one_way:OneWay",
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
    symbols=False,
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
    graph="chargen.export.two_sided:Gaps",
    command="restore",
    example='-m {name} "a text with a gap [...] in it"',
)

CLASSIFIER = Kind(
    name="classifier",
    prefix="bidirectional ",
    stacks=("layers", "backward"),
    more_shapes=_both_sides,
    outputs=lambda sizes, _characters: sizes.labels,
    symbols=False,
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
    graph="chargen.export.two_sided:Labels",
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
    symbols=True,
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
    graph=None,
    command="translate",
    example='-m {name} "a source"',
)

TAGGER = Kind(
    name="tagger",
    prefix="tagging ",
    stacks=("layers", "backward"),
    more_shapes=_for_tags,
    outputs=lambda sizes, _characters: sizes.targets,
    symbols=True,
    label_input=False,
    metric=SPANS,
    network="chargen.networks.tagger:Tagger",
    evaluate="chargen.training.evaluate:score_tags",
    preview="chargen.tasks.previews:tagged",
    finish=None,
    fitted=(),
    does="marks spans of a text",
    continues=False,
    reader=None,
    judge=None,
    graph="chargen.export.two_sided:Marks",
    command="tag",
    example='-m {name} "a text"',
)

MENDER = Kind(
    name="mender",
    prefix="mending ",
    stacks=("layers", "backward"),
    more_shapes=_both_sides,
    outputs=lambda sizes, _characters: sizes.targets,
    symbols=True,
    label_input=False,
    metric=WORDS,
    network="chargen.networks.tagger:Marker",
    evaluate="chargen.training.evaluate:score_mending",
    preview="chargen.tasks.previews:mended",
    finish=None,
    fitted=(),
    does="mends a damaged text",
    continues=False,
    reader=None,
    judge=None,
    graph="chargen.export.two_sided:Marks",
    command="translate",
    example="-m {name} FILE",
)

KINDS = {kind.name: kind for kind in (CAUSAL, GAPS, CLASSIFIER, PAIRS, TAGGER, MENDER)}
"""All rows, by name; a test goes through them."""


def kind_of(bidirectional: bool, labels: int, name: str = "") -> Kind:
    """Return the kind of model that a training makes, or that a header describes.

    Args:
        bidirectional: whether it is to read from both ends.
        labels: how many labels the text has; 0 for a text without.
        name: of a kind that knows symbols; nothing for others.

    Raises:
        ValueError: there is no such kind.
    """
    if name:
        if name not in KINDS or not KINDS[name].symbols:
            raise ValueError("no such kind")
        return KINDS[name]
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
