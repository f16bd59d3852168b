"""A transformer's block in NumPy, from the equations in `chargen.networks.transformer`.

The keys and values of the last C characters are kept, so that a character costs the same in a short
and in a long text. They lie in a ring: a character's place is its position modulo C. There it
overwrites a character that no later one attends to. Keys are kept as turned by their absolute
position. The product of two turned vectors depends on their distance alone, so the order in the
ring does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.architecture import Architecture
from chargen.engine.product import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

EPSILON = 1e-5
SLOWEST = 10_000.0
"""The slowest pair turns once in 2π times this many characters (Su et al. 2021, section 3.2.2)."""


def standardized(x: Floats) -> Floats:
    """Return x less its mean, over its deviation."""
    x = x - x.mean(axis=-1, keepdims=True)
    scale = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(EPSILON))
    normed: Floats = x / scale
    return normed


def layer_norm(x: Floats, weight: Floats) -> Floats:
    """Return x standardized, times ``weight`` (Ba et al. 2016)."""
    return standardized(x) * weight


def turn(x: Floats, positions: NDArray[np.int64]) -> Floats:
    """Rotate the pairs (i, i + d/2) of x (B, heads, T, d) by angles that grow with the position.

    Args:
        positions: (B, T), or (1, T) if all rows have the same.
    """
    half = x.shape[-1] // 2
    angles = positions[:, None, :, None] * SLOWEST ** (-np.arange(half) / half)
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    first, second = x[..., :half], x[..., half:]
    turned: Floats = np.concatenate((first * cos - second * sin, first * sin + second * cos), -1)
    return turned


def softmax(x: Floats) -> Floats:
    """exp(x) over its sum along the last axis; in place."""
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


class Block:
    """One block of a transformer; see `chargen.engine.stack.Layer`."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, Floats]) -> None:
        self.heads, self.context = architecture.heads, architecture.context
        self.size = architecture.hidden // architecture.heads
        self.norms = weights["before_attention.weight"], weights["before_inner.weight"]
        self.attention, self.mixed = weights["attention.weight"].T, weights["mixed.weight"].T
        self.inner, self.outer = weights["inner.weight"].T, weights["outer.weight"].T
        self.watched: list[Floats] | None = None
        """Where the shares (B, heads, T, S) of each call are kept, if somebody watches."""

    def start(self, batch: int) -> tuple[NDArray[Any], ...]:
        """Return an empty ring: keys and values (B, heads, C, d), and how many came, (B, 1)."""
        ring = (batch, self.heads, self.context, self.size)
        zeros = np.zeros(ring, np.float32), np.zeros(ring, np.float32)
        return *zeros, np.zeros((batch, 1), np.int64)

    def project(self, x: Floats) -> Floats:
        """Return x: a block's input is the stream itself."""
        return x

    def forward(
        self, x: Floats, state: tuple[NDArray[Any], ...]
    ) -> tuple[Floats, tuple[NDArray[Any], ...]]:
        """Return the stream (B, T, H) after this block, and the state, whose ring is used again."""
        batch, time, width = x.shape
        qkv = product(layer_norm(x, self.norms[0]), self.attention)
        query, key, value = qkv.reshape(batch, time, 3, self.heads, self.size).transpose(
            2, 0, 3, 1, 4
        )
        keys, values, came = state
        # Usually all rows have read the same number of characters: one row of places is enough.
        alike = batch == 1 or bool((came == came[0]).all())
        before = came[:1] if alike else came
        places = before + np.arange(time)
        query, key = turn(query, places), turn(key, places)
        if time == 1:
            self._keep(keys, key, places)
            self._keep(values, value, places)
            kept = min(int(came.max()) + 1, self.context)
            seen = None if alike else (np.arange(kept) <= places)[:, None]
            mixed = self._attend(query, keys[:, :, :kept], values[:, :, :kept], seen)
        else:
            slots = np.arange(min(int(came.max()), self.context))
            # A slot that is still empty gets a place below zero, before the text.
            filled = before - 1 - (before - 1 - slots) % self.context
            there = np.concatenate((filled, places), axis=1)[:, None]
            away = places[:, :, None] - there
            mixed = self._attend(
                query,
                np.concatenate((keys[:, :, : len(slots)], key), axis=2),
                np.concatenate((values[:, :, : len(slots)], value), axis=2),
                (there >= 0) & (away >= 0) & (away < self.context),
            )
            self._keep(keys, key, places)
            self._keep(values, value, places)
        x = x + product(mixed.transpose(0, 2, 1, 3).reshape(batch, time, width), self.mixed)
        inner = np.maximum(product(layer_norm(x, self.norms[1]), self.inner), 0)
        x = x + product(inner * inner, self.outer)
        return x, (keys, values, came + time)

    def _keep(self, ring: Floats, new: Floats, places: NDArray[np.int64]) -> None:
        """Write the last C of the new keys or values (B, heads, T, d) into the ring."""
        new = new[:, :, -self.context :]
        slots = places[:, -self.context :] % self.context
        if len(slots) == 1:
            ring[:, :, slots[0]] = new
        else:
            ring[np.arange(len(ring))[:, None], :, slots] = new.swapaxes(1, 2)

    def _attend(
        self, query: Floats, keys: Floats, values: Floats, seen: NDArray[np.bool_] | None
    ) -> Floats:
        """Return for each query (B, heads, T, d) the values, weighted by how its key fits.

        Args:
            seen: which of them (B or 1, T, S) it may attend to; None for all.
        """
        fit: Floats = query @ keys.swapaxes(-1, -2)
        fit *= self.size**-0.5
        if seen is not None:
            np.copyto(fit, -np.inf, where=~seen[:, None])
        shares = softmax(fit)
        if self.watched is not None:
            self.watched.append(shares)
        attended: Floats = shares @ values
        return attended
