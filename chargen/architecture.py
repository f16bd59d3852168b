"""What a network is made of: its kind, its sizes, and the tensors that follow from them.

Both engines and the checkpoint read this one description; nothing here computes.
"""

from __future__ import annotations

from dataclasses import dataclass

from chargen.errors import UsageError

GATES = {"elman": 1, "gru": 3, "lstm": 4}
"""Kinds of recurrent layer, and how many blocks of H rows their weights stack."""

STATES = {"elman": 1, "gru": 1, "lstm": 2}
"""How many (B, H) arrays a layer of each kind carries from one character to the next."""

MOST = 1 << 16
"""No size may exceed this: a header that asks for more is damaged or hostile."""


@dataclass(frozen=True)
class Architecture:
    """A stack of recurrent layers between an embedding and an output.

    Attributes:
        arch: kind of layer, a key of `GATES`.
        layers: how many, one above the other.
        hidden: H, units in each.
        embed: E, size of a character's vector.
        tied: whether the output's weights are the embedding's (Press & Wolf 2017,
            arXiv:1608.05859); then E must equal H.

    Raises:
        UsageError: an unknown kind, or sizes that cannot be.
    """

    arch: str
    layers: int
    hidden: int
    embed: int
    tied: bool = False

    def __post_init__(self) -> None:
        if self.arch not in GATES:
            raise UsageError(f"unknown --arch {self.arch!r}", f"Choose one of {', '.join(GATES)}")
        for name in ("layers", "hidden", "embed"):
            if not 1 <= getattr(self, name) <= MOST:
                raise UsageError(
                    f"--{name} is {getattr(self, name)}", f"Give a number from 1 to {MOST}"
                )
        if self.tied and self.embed != self.hidden:
            raise UsageError(
                f"--tied needs equal sizes, not --embed {self.embed} and --hidden {self.hidden}",
                "Leave --embed out",
            )

    def shapes(self, characters: int) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every weight, for a vocabulary of V ``characters``.

        The embedding's last row, of id V, stands for "no character" and is zero.
        """
        rows = GATES[self.arch] * self.hidden
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (characters + 1, self.embed)}
        for layer in range(self.layers):
            below = self.hidden if layer else self.embed
            shapes[f"layers.{layer}.weight_ih"] = (rows, below)
            shapes[f"layers.{layer}.weight_hh"] = (rows, self.hidden)
            shapes[f"layers.{layer}.bias_ih"] = (rows,)
            shapes[f"layers.{layer}.bias_hh"] = (rows,)
        if not self.tied:
            shapes["output.weight"] = (characters, self.hidden)
        shapes["output.bias"] = (characters,)
        return shapes

    def parameters(self, characters: int) -> int:
        """Return how many numbers the weights are."""
        total = 0
        for shape in self.shapes(characters).values():
            size = 1
            for side in shape:
                size *= side
            total += size
        return total

    def __str__(self) -> str:
        tied = ", tied" if self.tied else ""
        return f"{self.arch} {self.layers} × {self.hidden}, embedding {self.embed}{tied}"
