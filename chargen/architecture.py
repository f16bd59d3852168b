"""What a network is made of: its kind, its sizes, and the tensors that follow from them.

Both engines and the checkpoint read this one description; nothing here computes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chargen.errors import UsageError

GATES = {"elman": 1, "gru": 3, "lstm": 4}
"""Kinds of recurrent layer, and how many blocks of H rows their weights stack."""

STATES = {"elman": 1, "gru": 1, "lstm": 2}
"""How many (B, H) arrays a recurrent layer of each kind carries from one character to the next."""

KINDS = (*GATES, "transformer")

EXPANSION = 4
"""A transformer block's inner layer is so many times as wide as the block (Vaswani et al. 2017)."""

LONGEST_GAP = 50
"""Characters that a gap may have for a bidirectional network to tell how many are to come."""

MOST = 1 << 16
"""No size may exceed this: a header that asks for more is damaged or hostile."""


@dataclass(frozen=True)
class Architecture:
    """A stack of layers of one kind between an embedding and an output.

    A bidirectional network has two such stacks, one of which reads backwards from the right, and
    its output takes in both; see `chargen.networks.bidirectional`.

    Attributes:
        arch: kind of layer, one of `KINDS`.
        layers: how many, one above the other.
        hidden: H, units in each.
        embed: E, size of a character's vector; in a transformer, H.
        tied: whether the output's weights are the embedding's (Press & Wolf 2017,
            arXiv:1608.05859); then E must equal H.
        heads: of a transformer's attention; H is divided among them.
        context: C, to how many characters, itself included, a transformer's layer attends.
        bidirectional: whether it sees both sides, to fill gaps, and cannot continue a text.
        labels: how many kinds of text it tells apart; 0 for none. One that reads from left to right
            is told the label, and predicts each kind's text; a bidirectional one tells the label.

    Raises:
        UsageError: an unknown kind, or sizes that cannot be.
    """

    arch: str
    layers: int
    hidden: int
    embed: int
    tied: bool = False
    heads: int = 1
    context: int = 1
    bidirectional: bool = False
    labels: int = 0

    def __post_init__(self) -> None:
        if self.arch not in KINDS:
            raise UsageError(f"unknown --arch {self.arch!r}", f"Choose one of {', '.join(KINDS)}")
        for name in ("layers", "hidden", "embed", "heads", "context", "labels"):
            value, least = getattr(self, name), int(name != "labels")
            if not isinstance(value, int) or not least <= value <= MOST:
                raise UsageError(
                    f"--{name} is {value}", f"Give a whole number from {least} to {MOST}"
                )
        if self.embed != self.hidden and (self.tied or self.arch == "transformer"):
            why = "--tied" if self.tied else "a transformer"
            raise UsageError(
                f"{why} needs equal sizes, not --embed {self.embed} and --hidden {self.hidden}",
                "Leave --embed out",
            )
        if self.bidirectional and (self.tied or self.arch == "transformer"):
            other = "--tied" if self.tied else f"--arch {self.arch}"
            raise UsageError(
                f"--bidirectional does not go with {other}", "Leave one of the two out"
            )
        if self.arch == "transformer" and self.hidden % (2 * self.heads):
            raise UsageError(
                f"--hidden {self.hidden} cannot be divided among {self.heads} heads of an even "
                "size",
                f"Give a multiple of {2 * self.heads}, or other --heads",
            )

    @property
    def classifies(self) -> bool:
        """Whether its outputs are labels, not characters."""
        return self.bidirectional and self.labels > 0

    def shapes(self, characters: int) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every weight, for a vocabulary of V ``characters``.

        The embedding's last row, of id V, stands for "no character" and is zero.
        """
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (characters + 1, self.embed)}
        stacks = ("layers", "mirror") if self.bidirectional else ("layers",)
        for stack in stacks:
            for number in range(self.layers):
                layer = self._layer(self.hidden if number else self.embed)
                shapes |= {f"{stack}.{number}.{name}": shape for name, shape in layer.items()}
        outputs = characters
        if self.bidirectional:
            shapes["left.weight"] = shapes["right.weight"] = (self.hidden, self.hidden)
        if self.classifies:
            outputs = self.labels
        elif self.bidirectional:
            shapes["togo.weight"] = (LONGEST_GAP + 1, self.hidden)
            for side in ("following", "preceding"):
                shapes[f"{side}.weight"] = (characters, self.hidden)
                shapes[f"{side}.bias"] = (characters,)
            outputs += 1
        elif self.labels:
            shapes["label.weight"] = (self.labels, self.embed)
        if self.arch == "transformer":
            shapes["norm.weight"] = (self.hidden,)
        if not self.tied:
            shapes["output.weight"] = (outputs, self.hidden)
        shapes["output.bias"] = (outputs,)
        return shapes

    def _layer(self, below: int) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every weight of a layer above one of ``below`` units."""
        wide = self.hidden
        if self.arch == "transformer":
            return {
                "before_attention.weight": (wide,),
                "attention.weight": (3 * wide, wide),
                "mixed.weight": (wide, wide),
                "before_inner.weight": (wide,),
                "inner.weight": (EXPANSION * wide, wide),
                "outer.weight": (wide, EXPANSION * wide),
            }
        rows = GATES[self.arch] * wide
        return {
            "weight_ih": (rows, below),
            "weight_hh": (rows, wide),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }

    def parameters(self, characters: int) -> int:
        """Return how many numbers the weights are."""
        return sum(math.prod(shape) for shape in self.shapes(characters).values())

    def __str__(self) -> str:
        attending = f", {self.heads} heads, context {self.context}"
        embedding = f", embedding {self.embed}"
        tied = ", tied" if self.tied else ""
        rest = attending if self.arch == "transformer" else embedding
        ways = "bidirectional " if self.bidirectional else ""
        labels = f", {self.labels} labels" if self.labels else ""
        return f"{ways}{self.arch} {self.layers} × {self.hidden}{rest}{tied}{labels}"
