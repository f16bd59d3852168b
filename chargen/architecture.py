"""What a network is made of: its family, its sizes, and the tensors that follow from them.

Both engines and the checkpoint read this one description; nothing here computes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from chargen.errors import UsageError, argument
from chargen.kinds import CAUSAL, Kind, Shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = TypeVar("Array")

EXPANSION = 4
"""A transformer's inner layer is this many times as wide as its block (Vaswani et al. 2017)."""

MONOTONIC, SOFT, NONE = ATTENTIONS = ("monotonic", "soft", "none")
"""How a decoder looks at the source; see `chargen.networks.transducer`."""

LARGEST_SIZE = 1 << 16
LARGEST_TABLE = 1 << 26
"""No size may exceed this, and no number of contexts: a header that asks for more is damaged or
hostile."""

ORDER = 9
"""Characters of the longest n-gram that can be counted; see `chargen.text.contexts`."""

CASES = 4 * ORDER
"""How many cases there are, each with powers of its own; see `chargen.text.ngrams`."""

NGRAMS = "ngrams."
"""The beginning of the names of tensors of what was counted; they are no network's weights."""

NARROWER = 4
"""Outputs of rare characters have so much fewer inputs than those of common ones."""

MADE = ("layers", "hidden", "embed", "heads", "context")
COUNTED = ("labels", "targets", "features", "common")
"""Sizes that are one or more, and numbers of things of which there may be none."""


@dataclass(frozen=True)
class Family:
    """A family of layers.

    Attributes:
        gates: number of blocks of H rows in the weights of a recurrent layer.
        states: number of arrays (B, H) that a recurrent layer carries to the next character.
        inner: number of last gates whose recurrent product enters inside the cell, apart from the
            inputs' part.
        attends: whether its layers attend to the characters before, instead of carrying a state of
            fixed size. They then have heads and a context, and embedding and layers are equally
            wide.
    """

    gates: int = 0
    states: int = 0
    inner: int = 0
    attends: bool = False


FAMILIES = {
    "elman": Family(gates=1, states=1),
    "gru": Family(gates=3, states=1, inner=1),
    "lstm": Family(gates=4, states=2),
    "transformer": Family(attends=True),
}


@dataclass(frozen=True)
class Architecture:
    """Stacks of layers of one family between an embedding and an output.

    Attributes:
        arch: the family, one of `FAMILIES`.
        layers: how many, one above the other, in each stack.
        hidden: H, units in each.
        embed: E, size of a character's vector; in a transformer, H.
        tied: whether the output's weights are the embedding's (Press & Wolf 2017,
            arXiv:1608.05859); then E must equal H.
        heads: number of heads of a transformer's attention; H is divided among them.
        context: C, the number of characters that a transformer's layer attends to; the current
            character is one of them.
        kind: what the model is for; it decides which stacks and which other tensors there are.
        labels: how many labels its texts have; 0 for none.
        common: how many characters, the first of the vocabulary, have outputs as wide as a layer;
            the rest share narrow ones, see `chargen.networks.causal`. 0 if all are wide.
        targets: how many target symbols a model of pairs has, or marks a model that marks texts.
        features: of a model of pairs: how many there are.
        attention: of a model of pairs: one of `ATTENTIONS`; nothing for others.
        ngrams: how many contexts of the training text were counted, see `chargen.text.ngrams`.
        followers: how many characters follow them, all in all.

    Raises:
        UsageError: an unknown family, or sizes that cannot be.
        ValueError: targets or attention that do not go with the kind.
    """

    arch: str
    layers: int
    hidden: int
    embed: int
    tied: bool = False
    heads: int = 1
    context: int = 1
    kind: Kind = CAUSAL
    labels: int = 0
    targets: int = 0
    features: int = 0
    attention: str = ""
    ngrams: int = 0
    followers: int = 0
    common: int = 0

    def __post_init__(self) -> None:
        if self.arch not in FAMILIES:
            raise UsageError(
                f"unknown {argument('arch')} {self.arch!r}", f"Choose {', '.join(FAMILIES)}"
            )
        for name in (*MADE, *COUNTED):
            value, least = getattr(self, name), int(name in MADE)
            if not isinstance(value, int) or not least <= value <= LARGEST_SIZE:
                raise UsageError(
                    f"{argument(name)} is {value}",
                    f"Give a whole number from {least} to {LARGEST_SIZE}",
                )
        if self.embed != self.hidden and (self.tied or self.family.attends):
            why = argument("tied") if self.tied else "a transformer"
            sizes = f"{argument('embed')} {self.embed} and {argument('hidden')} {self.hidden}"
            raise UsageError(
                f"{why} needs equal sizes, not {sizes}",
                f"Leave {argument('embed')} out",
            )
        symbols = self.kind.symbols
        if symbols and self.tied:
            raise UsageError(
                f"{argument('tied')} is for models of running text", "Leave the option out"
            )
        if symbols != (self.targets > 0) or self.paired != (self.attention in ATTENTIONS):
            raise ValueError("targets or attention that do not go with the kind")
        if self.common and (self.tied or not self.kind.continues):
            raise UsageError(
                f"{argument('common')} is for models that continue texts, without "
                f"{argument('tied')}",
                f"Give {argument('common')} 0, or leave it out",
            )
        counted = self.ngrams, self.followers
        if not all(0 <= number <= LARGEST_TABLE for number in counted):
            raise ValueError("more n-grams than there can be")
        if any(counted) and not self.counts:
            raise ValueError("n-grams that do not go with the kind")
        if self.kind.bidirectional and (self.tied or self.family.attends):
            other = argument("tied") if self.tied else f"{argument('arch')} {self.arch}"
            raise UsageError(
                f"{argument('bidirectional')} does not go with {other}", "Leave one of the two out"
            )
        if self.family.attends and self.hidden % (2 * self.heads):
            raise UsageError(
                f"{argument('hidden')} {self.hidden} cannot be divided among {self.heads} heads of "
                "an even size",
                f"Give a multiple of {2 * self.heads}, or other {argument('heads')}",
            )

    @property
    def family(self) -> Family:
        """The row of its family."""
        return FAMILIES[self.arch]

    @property
    def paired(self) -> bool:
        """Whether it has a stack that writes, beside those that read."""
        return len(self.kind.stacks) > 2

    @property
    def counts(self) -> bool:
        """Whether contexts can be counted: those of a text without labels."""
        return self.kind.continues and not self.labels

    @property
    def narrow(self) -> int:
        """How wide the outputs of rare characters are."""
        return max(1, self.hidden // NARROWER)

    @property
    def aligned(self) -> bool:
        """Whether each target symbol is written at one place of the source."""
        return self.attention == MONOTONIC

    def shapes(self, characters: int) -> Shapes:
        """Return the name and shape of every weight, for a vocabulary of V ``characters``.

        The embedding's last row, of id V, stands for "no character" and is zero.
        """
        kind, hidden = self.kind, self.hidden
        shapes: Shapes = {"embedding.weight": (characters + 1, self.embed)}
        for stack in kind.stacks:
            for number in range(self.layers):
                layer = self._layer(hidden if number else self.embed)
                shapes |= {f"{stack}.{number}.{name}": shape for name, shape in layer.items()}
        shapes |= kind.more_shapes(self, characters)
        if kind.label_input and self.labels:
            shapes["label.weight"] = (self.labels, self.embed)
        if self.family.attends and not kind.symbols:
            shapes["norm.weight"] = (hidden,)
        if self.ngrams:
            shapes |= {f"{NGRAMS}lengths": (ORDER,), f"{NGRAMS}powers": (CASES, 2)}
            shapes |= {f"{NGRAMS}{name}": (self.ngrams,) for name in ("key", "followers")}
            shapes |= {f"{NGRAMS}{name}": (self.followers,) for name in ("character", "count")}
        outputs = kind.outputs(self, characters)
        if not self.tied:
            shapes["output.weight"] = (outputs, hidden)
        shapes["output.bias"] = (outputs,)
        return shapes

    def _layer(self, below: int) -> Shapes:
        """Return the name and shape of every weight of a layer that has ``below`` inputs."""
        wide = self.hidden
        if self.family.attends:
            return {
                "before_attention.weight": (wide,),
                "attention.weight": (3 * wide, wide),
                "mixed.weight": (wide, wide),
                "before_inner.weight": (wide,),
                "inner.weight": (EXPANSION * wide, wide),
                "outer.weight": (wide, EXPANSION * wide),
            }
        rows = self.family.gates * wide
        return {
            "weight_ih": (rows, below),
            "weight_hh": (rows, wide),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }

    def parameters(self, characters: int) -> int:
        """Return how many numbers the network's weights are; what was counted is none of them."""
        network = replace(self, ngrams=0, followers=0)
        return sum(math.prod(shape) for shape in network.shapes(characters).values())

    def json(self) -> dict[str, Any]:
        """Return the sizes under the names that headers and ``chargen info --json`` have."""
        return {
            "arch": self.arch,
            "layers": self.layers,
            "hidden": self.hidden,
            "embed": self.embed,
            "tied": self.tied,
            "heads": self.heads,
            "context": self.context,
            "bidirectional": self.kind.bidirectional,
            "labels": self.labels,
        } | self._beside()

    def _beside(self) -> dict[str, Any]:
        """Return what only some models have."""
        if not self.kind.symbols:
            sizes = {"ngrams": self.ngrams, "followers": self.followers, "common": self.common}
            return {name: one for name, one in sizes.items() if one}
        found: dict[str, Any] = {"kind": self.kind.name, "targets": self.targets}
        if self.paired:
            found |= {"features": self.features, "attention": self.attention}
        return found

    def __str__(self) -> str:
        attention = f", {self.heads} heads, context {self.context}"
        embedding = f", embedding {self.embed}"
        rest = attention if self.family.attends else embedding
        tied = ", tied" if self.tied else ""
        labels = f", {self.labels} labels" if self.labels else ""
        looks = f", {self.attention} attention" if self.attention else ""
        ngrams = ", n-grams" if self.ngrams else ""
        name = f"{self.kind.prefix}{self.arch} {self.layers} × {self.hidden}"
        common = f", {self.common} common characters" if self.common else ""
        return f"{name}{rest}{tied}{labels}{looks}{ngrams}{common}"


def below(weights: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Return the weights whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in weights.items()
        if name.startswith(prefix)
    }
