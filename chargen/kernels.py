r"""Element-wise work on rows of units, compiled (Numba): what the cells' steps are made of.

Between two matrix products, a recurrence does a dozen small sums and products for each unit. If
Python did them one by one, each call would take longer than its arithmetic. Compiled, a step is one
call, and each row is read while it is in the cache. Rows are 1-D arrays of H units. A row of
bfloat16 is passed as ``int16`` with the same bits, because NumPy has no bfloat16.

The last part goes from a state to probabilities: texts are written, compressed and scored there. In
the first two, the product, the cell and what follows are one compiled loop.

Each loop uses only a few rows: so the compiler can see that they do not overlap, and vectorises the
loop.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numba.extending import intrinsic, overload

from chargen.files import PACKAGE, homeless
from chargen.text import ngrams
from chargen.text.contexts import FACTOR, LONGEST, WORD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Row = NDArray[Any]
    Array = NDArray[Any]

F = TypeVar("F", bound=Callable[..., Any])

FAST: set[str] = set()
"""No freedom: sums are taken in the order in which they stand, and a product is fused with a sum
only where that is written (`fused`). So results are the same on every machine; compressed files
rest on that."""

ZERO, ONE, TWO = np.float32(0), np.float32(1), np.float32(2)


class Weights(NamedTuple):
    """A recurrent network's weights as compiled code reads them.

    Attributes:
        table: (V + 1, G·H), each character's part of the first layer's pre-activations.
        inputs: (L - 1, H, G·H), the input weights of the layers above the first, transposed. Like
            ``recurrent``, ``output``, ``narrow`` and ``rare``, they may be bfloat16 in pairs of
            rows, see `multiply`; all else is float32.
        recurrent: (L, H, G·H), the recurrent weights of all layers, transposed.
        bias: (L, G + inner, H), what is added to the products; see `chargen.networks.recurrence`.
        output, output_bias: (H, V), transposed, and (V,); or those of common characters and one
            more for all rare ones.
        narrow, rare, rare_bias: (H, N), (N, R) and (R,), of rare characters; or empty.
    """

    table: Array
    inputs: Array
    recurrent: Array
    bias: Array
    output: Array
    output_bias: Row
    narrow: Array
    rare: Array
    rare_bias: Row


class Counted(NamedTuple):
    """What was counted in the training text, see `chargen.text.ngrams.Ngrams`.

    Attributes:
        keys: (R,); empty where nothing was counted.
        first: (V,), q after the empty context.
        firsts: (`LONGEST` + 2,), where the contexts of each length begin, and where the last end.
        begin: (R + 1,), where the followers of each begin.
        character, part: (P,), of the followers.
        left: (R,).
        cases: (R,).
    """

    keys: Row
    first: Row
    firsts: Row
    begin: Row
    character: Row
    part: Row
    left: Row
    cases: Row


class Seen(NamedTuple):
    """What is counted in the very text that is read, where a model learns while reading.

    Of each length, q is made from the training text's counts first, and then from these in the same
    way. Contexts whose hashes have the same upper `BITS` share a row.

    Attributes:
        powers: (`CASES`, 2), which follow what each predictor was worth if anything is learned.
        case: (1,), that of the next character.
        row_of: (`SEEN` · 2^`BITS`,), the row of each place, or 0; (0,) if nothing is learned.
        used: (1,), how many rows there are.
        counts: (R, V), how often each character followed.
        total, different: (R,), the sum of a row, and how many of it are not zero.
        places: (`SEEN`,), of the last contexts; the first is below zero at the start of a text.
    """

    powers: Array
    case: Row
    row_of: Row
    used: Row
    counts: Array
    total: Row
    different: Row
    places: Row


class Weighed(NamedTuple):
    """What is made of the logits of network and counts, for texts (B, T), by `weigh`.

    It writes all but ``kept``.

    Attributes:
        nats: (B, T), what the targets cost.
        hits: (B, T), whether each target was the likeliest character.
        cases: (B, T).
        alpha: (B, T), α.
        logits: (B, T, V), of both together; or (0, 0, 0) if they are not asked for.
        kept: (B, T), the row of each place in the two that follow; or less than zero, for none.
        own, logs: (N, V), the network's logits and log q of the places that are kept.
    """

    nats: Array
    hits: Array
    cases: Array
    alpha: Array
    logits: Array
    kept: Array
    own: Array
    logs: Array


SEEN, BITS = 7, 18
"""Characters of the longest context of a `Seen`, and bits of a place."""
PRIOR = np.float32(ngrams.PRIOR)
MOST = (1 << 16) - 1
"""The highest count of a `Seen`."""
FOLLOWS, FOLLOWS_TOO = np.float32(0.002), np.float32(0.001)
"""How fast powers follow: those of the case at hand, and those of all others."""
LARGEST_POWER = np.float32(ngrams.LARGEST_POWER)
LEAST, MANY = ngrams.LEAST, ngrams.MANY

LOG2_E = np.float32(1 / math.log(2))
LN_2, LN_2_REST = np.float32(355 / 512), np.float32(math.log(2) - 355 / 512)
"""ln(2) in two parts, the first of so few bits that its product with an exponent is exact."""
LIMIT = np.float32(87)
"""e^±LIMIT is within float32's range."""
BIAS, MANTISSA = np.float32(127), np.int32(23)
"""The exponent of 1.0 in a float32, and the bits below the exponent (IEEE 754)."""
HALF = np.float32(0.5)
C2, C3, C4, C5, C6 = (np.float32(1 / math.factorial(n)) for n in range(2, 7))
S3, S5, S7, S9 = (np.float32(1 / n) for n in (3, 5, 7, 9))
ROOT_HALF = np.float32(math.sqrt(0.5)).view(np.int32)
HALF_WORD, ROUND, LOWEST_BIT = np.int32(16), np.int32(0x7FFF), np.int32(1)
UPPER_HALF = np.int32(-(1 << 16))
SIGN, ALL_BUT_SIGN = np.int32(31), np.int32(0x7FFFFFFF)


def compiled(function: F) -> F:
    """Compile at the first call, for the types it is called with, and keep the result on disk.

    All compiled code is in this one file. A function is compiled again when its own file changes,
    but not when another file that it uses changes; so the numbers of `chargen.text.contexts` and
    `chargen.text.ngrams` must not change without it (contexts of eight characters, a = 4, groups of
    followers).
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": FAST}
    # Numba keeps the result in this folder or, if that cannot be written, in the user's.
    somewhere = os.access(PACKAGE, os.W_OK) or "NUMBA_CACHE_DIR" in os.environ or not homeless()
    try:
        made = numba.njit(cache=somewhere, **options)(function)
    except RuntimeError:  # There is nowhere to keep it.
        made = numba.njit(**options)(function)
    return cast("F", made)


def _fused(_: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a b + c, rounded once; one instruction on nearly every processor."""
    # Only tests compute in float64.
    wide = numba.types.float64 in (a, b, c)
    number = numba.types.float64 if wide else numba.types.float32

    def code(_: Any, builder: Any, __: Any, given: Any) -> Any:
        return builder.fma(*given)

    return number(number, number, number), code


fused: Any = intrinsic(_fused)


@compiled
def exp(x: np.float32) -> np.float32:
    """Return e^x with a relative error of at most 3e-7; x is cut to ±`LIMIT`.

    It is computed as 2^k e^r, with r within ln(2)/2 of zero; for such an r, Taylor's series up to
    r^6 is enough.
    """
    x = -LIMIT if x < -LIMIT else x
    x = LIMIT if x > LIMIT else x
    exponent = np.int32(fused(x, LOG2_E, BIAS + HALF))
    k = BIAS - np.float32(exponent)
    r = fused(k, LN_2_REST, fused(k, LN_2, x))
    series = fused(r, fused(r, fused(r, C6, C5), C4), C3)
    value: np.float32 = fused(r, fused(r, fused(r, series, C2), ONE), ONE)
    return value * np.int32(exponent << MANTISSA).view(np.float32)


@compiled
def log(x: np.float32) -> np.float32:
    """Return ln(x) of x ≥ 2^-126, with an absolute error of at most 1e-7 (1 + |ln(x)|).

    x is 2^k m, with m between √½ and √2; and ln(m) = 2 artanh(s), s = (m - 1) / (m + 1), for which
    the terms up to s^9 are enough.
    """
    bits = np.float32(x).view(np.int32)
    exponent = np.int32((bits - ROOT_HALF) >> MANTISSA)
    m = np.int32(bits - (exponent << MANTISSA)).view(np.float32)
    s = (m - ONE) / (m + ONE)
    square = s * s
    series = fused(square, fused(square, fused(square, fused(square, S9, S7), S5), S3), ONE)
    k = np.float32(exponent)
    value: np.float32 = fused(k, LN_2, fused(k, LN_2_REST, TWO * s * series))
    return value


@compiled
def sigmoid(x: np.float32) -> np.float32:
    """1 / (1 + e^-x)."""
    return ONE / (ONE + exp(-x))


@compiled
def tanh(x: np.float32) -> np.float32:
    """2 σ(2x) - 1."""
    value: np.float32 = fused(TWO, sigmoid(TWO * x), -ONE)
    return value


def load(value: Any) -> Any:
    """Return an element of a row as float32."""
    raise NotImplementedError  # Numba compiles what `overload` gives for it.


def even(weights: Array, row: int, column: int) -> Any:
    """Return an element of an even row of weights, see `multiply`."""
    raise NotImplementedError  # As for `load`.


def odd(weights: Array, row: int, column: int) -> Any:
    """Return an element of an odd row."""
    raise NotImplementedError  # As for `load`.


def store(row: Row, at: int, value: Any) -> None:
    """Write a float32 into a row, rounded to nearest (ties to even) if the row is bfloat16."""
    raise NotImplementedError  # As for `load`.


@overload(load)
def _load(value: Any) -> Any:
    def widened(value: Any) -> Any:
        return np.int32(np.int32(value) << HALF_WORD).view(np.float32)

    def same(value: Any) -> Any:
        return value

    return widened if isinstance(value, numba.types.Integer) else same


@overload(even)
def _even(weights: Array, row: int, column: int) -> Any:
    def widened(weights: Array, row: int, column: int) -> Any:
        return np.int32(weights[row // 2, column] << HALF_WORD).view(np.float32)

    return widened if isinstance(weights.dtype, numba.types.Integer) else _same


@overload(odd)
def _odd(weights: Array, row: int, column: int) -> Any:
    def widened(weights: Array, row: int, column: int) -> Any:
        return np.int32(weights[row // 2, column] & UPPER_HALF).view(np.float32)

    return widened if isinstance(weights.dtype, numba.types.Integer) else _same


def _same(weights: Array, row: int, column: int) -> Any:
    return weights[row, column]


@overload(store)
def _store(row: Row, at: int, value: Any) -> Any:
    def rounded(row: Row, at: int, value: Any) -> None:
        bits = np.float32(value).view(np.int32)
        row[at] = np.int16((bits + ROUND + ((bits >> HALF_WORD) & LOWEST_BIT)) >> HALF_WORD)

    def same(row: Row, at: int, value: Any) -> None:
        row[at] = value

    chosen: Any = rounded if isinstance(row.dtype, numba.types.Integer) else same
    return chosen


@compiled
def convert(row: Row, out: Row) -> None:
    """Copy a row into one of another precision."""
    for i in range(len(out)):
        store(out, i, load(row[i]))


@compiled
def add(product: Row, bias: Row, out: Row) -> None:
    """Write a product and its bias."""
    for i in range(len(out)):
        out[i] = load(product[i]) + bias[i]


@compiled
def sigmoids(projected: Row, product: Row, bias: Row, out: Row) -> None:
    """Write σ of the whole pre-activation: the inputs' part, the state's part and the bias."""
    for i in range(len(out)):
        out[i] = sigmoid(load(projected[i]) + load(product[i]) + bias[i])


@compiled
def tanhs(projected: Row, product: Row, bias: Row, out: Row) -> None:
    """Write tanh of the whole pre-activation."""
    for i in range(len(out)):
        out[i] = tanh(load(projected[i]) + load(product[i]) + bias[i])


@compiled
def arrive(arriving: Row, product: Row, out: Row) -> None:
    """Add two gradients to ``out``: from the layer above, and from the later step (``product``)."""
    for i in range(len(out)):
        out[i] += load(arriving[i]) + load(product[i])


# Elman's cell (`chargen.networks.elman`).


@compiled
def elman_advance(
    t: int,
    gates: Array,
    product: Array,
    bias: Array,
    state: Array,
    track: Array,
    memory: Array,
    work: Array,
) -> None:
    """Make a step forward. See `chargen.networks.recurrence.Cell`."""
    for b in range(len(product)):
        tanhs(gates[t, b, 0], product[b, 0], bias[0], state[0, b])
        convert(state[0, b], track[t + 1, b])


@compiled
def to_state(after: Row, grad: Row, out: Row) -> None:
    """Write dL/da = d (1 - h'²), where d is dL/dh', and set d to zero."""
    for i in range(len(grad)):
        h = load(after[i])
        store(out, i, grad[i] * (ONE - h * h))
        grad[i] = ZERO


@compiled
def elman_retreat(
    t: int,
    gates: Array,
    track: Array,
    memory: Array,
    arriving: Array,
    product: Array,
    grad: Array,
    work: Array,
) -> None:
    """Make a step back."""
    for b in range(len(product)):
        arrive(arriving[t, b], product[b], grad[0, b])
        to_state(track[t + 1, b], grad[0, b], gates[t, b, 0])


# The gated recurrent unit (`chargen.networks.gru`).


@compiled
def propose(projected: Row, reset: Row, q: Row, bias: Row, out: Row) -> None:
    """Write the candidate n = tanh(W_in x + b_in + r q)."""
    for i in range(len(out)):
        out[i] = tanh(load(projected[i]) + bias[i] + reset[i] * q[i])


@compiled
def mix(update: Row, candidate: Row, hidden: Row) -> None:
    """Turn h into h' = n + z (h - n)."""
    for i in range(len(hidden)):
        hidden[i] = candidate[i] + update[i] * (hidden[i] - candidate[i])


@compiled
def gru_advance(
    t: int,
    gates: Array,
    product: Array,
    bias: Array,
    state: Array,
    track: Array,
    memory: Array,
    work: Array,
) -> None:
    """Make a step forward; q = W_hn h + b_hn goes to memory. See `chargen.networks.recurrence`."""
    for b in range(len(product)):
        gate, recurrent, hidden = gates[t, b], product[b], state[0, b]
        reset, update, candidate, q = work[0], work[1], work[2], work[3]
        sigmoids(gate[0], recurrent[0], bias[0], reset)
        sigmoids(gate[1], recurrent[1], bias[1], update)
        add(recurrent[2], bias[3], q)
        propose(gate[2], reset, q, bias[2], candidate)
        mix(update, candidate, hidden)
        convert(q, memory[t + 1, b])
        convert(hidden, track[t + 1, b])
        for number in range(3):
            convert(work[number], gate[number])


@compiled
def to_update(grad: Row, update: Row, candidate: Row, before: Row, out: Row) -> None:
    """Write dL/da_z = d (h - n) z (1 - z), where d is dL/dh'."""
    for i in range(len(grad)):
        out[i] = grad[i] * (load(before[i]) - candidate[i]) * update[i] * (ONE - update[i])


@compiled
def to_candidate(grad: Row, update: Row, candidate: Row, out: Row) -> None:
    """Write s = dL/da_n = d (1 - z) (1 - n²), and turn d into d z, the part that goes on to h."""
    for i in range(len(grad)):
        out[i] = grad[i] * (ONE - update[i]) * (ONE - candidate[i] * candidate[i])
        grad[i] *= update[i]


@compiled
def to_reset(s: Row, q: Row, reset: Row, of_q: Row) -> None:
    """Write dL/dq = s r, and dL/da_r = s q r (1 - r) in the place of r."""
    for i in range(len(s)):
        r = load(reset[i])
        store(reset, i, s[i] * load(q[i]) * r * (ONE - r))
        store(of_q, i, s[i] * r)


@compiled
def gru_retreat(
    t: int,
    gates: Array,
    track: Array,
    memory: Array,
    arriving: Array,
    product: Array,
    grad: Array,
    work: Array,
) -> None:
    """Make a step back by the chain rule; ``gates`` gets δ of r, z and q, ``memory`` that of n."""
    for b in range(len(product)):
        gate, d = gates[t, b], grad[0, b]
        update, candidate, a_z, s = work[0], work[1], work[2], work[3]
        arrive(arriving[t, b], product[b], d)
        convert(gate[1], update)
        convert(gate[2], candidate)
        to_update(d, update, candidate, track[t, b], a_z)
        to_candidate(d, update, candidate, s)
        convert(a_z, gate[1])
        to_reset(s, memory[t + 1, b], gate[0], gate[2])
        convert(s, memory[t + 1, b])


# Long short-term memory (`chargen.networks.lstm`).


@compiled
def remember(write: Row, forget: Row, new: Row, cell: Row) -> None:
    """Turn c into c' = f c + i g."""
    for i in range(len(cell)):
        cell[i] = fused(forget[i], cell[i], write[i] * new[i])


@compiled
def show(gate: Row, cell: Row, out: Row) -> None:
    """Write h' = o tanh(c')."""
    for i in range(len(out)):
        out[i] = gate[i] * tanh(cell[i])


@compiled
def lstm_advance(
    t: int,
    gates: Array,
    product: Array,
    bias: Array,
    state: Array,
    track: Array,
    memory: Array,
    work: Array,
) -> None:
    """Make a step forward; memory holds the cells. See `chargen.networks.recurrence.Cell`."""
    for b in range(len(product)):
        gate, recurrent, hidden, cell = gates[t, b], product[b], state[0, b], state[1, b]
        sigmoids(gate[0], recurrent[0], bias[0], work[0])
        sigmoids(gate[1], recurrent[1], bias[1], work[1])
        tanhs(gate[2], recurrent[2], bias[2], work[2])
        sigmoids(gate[3], recurrent[3], bias[3], work[3])
        remember(work[0], work[1], work[2], cell)
        show(work[3], cell, hidden)
        convert(cell, memory[t + 1, b])
        convert(hidden, track[t + 1, b])
        for number in range(4):
            convert(work[number], gate[number])


@compiled
def to_shown(grad: Row, cell: Row, carry: Row, show: Row) -> None:
    """Write dL/da_o = d tanh(c') o (1 - o) over o, where d is dL/dh'.

    Also add d o (1 - tanh²(c')) to e, which is dL/dc', and set d to zero.
    """
    for i in range(len(grad)):
        o, seen = load(show[i]), tanh(load(cell[i]))
        store(show, i, grad[i] * seen * o * (ONE - o))
        carry[i] += grad[i] * o * (ONE - seen * seen)
        grad[i] = ZERO


@compiled
def to_written(carry: Row, write: Row, new: Row) -> None:
    """Write dL/da_i = e g i (1 - i) over i, and dL/da_g = e i (1 - g²) over g."""
    for i in range(len(carry)):
        w, g = load(write[i]), load(new[i])
        store(write, i, carry[i] * g * w * (ONE - w))
        store(new, i, carry[i] * w * (ONE - g * g))


@compiled
def to_kept(carry: Row, before: Row, forget: Row) -> None:
    """Write dL/da_f = e c f (1 - f) over f, and turn e into e f, the part that goes on to c."""
    for i in range(len(carry)):
        f = load(forget[i])
        store(forget, i, carry[i] * load(before[i]) * f * (ONE - f))
        carry[i] *= f


@compiled
def lstm_retreat(
    t: int,
    gates: Array,
    track: Array,
    memory: Array,
    arriving: Array,
    product: Array,
    grad: Array,
    work: Array,
) -> None:
    """Make a step back by the chain rule; e is the second part of ``grad``."""
    for b in range(len(product)):
        gate, d, e = gates[t, b], grad[0, b], grad[1, b]
        arrive(arriving[t, b], product[b], d)
        to_shown(d, memory[t + 1, b], e, gate[3])
        to_written(e, gate[0], gate[2])
        to_kept(e, memory[t, b], gate[1])


# From a state to probabilities: texts that are written, compressed or scored.


@compiled
def multiply(x: Row, weights: Array, out: Row) -> None:
    """Write x W, for x (I,) and W (I, N); four rows of W are read at a time, as they lie.

    If W is bfloat16, two rows of it are one, see `chargen.engine.rounding.packed`: so half as much
    is read, and one operation takes each of the two weights out of 32 bits.
    """
    for i in range(len(out)):
        out[i] = ZERO
    whole = len(x) - len(x) % 4
    for j in range(0, whole, 4):
        a, b, c, d = x[j], x[j + 1], x[j + 2], x[j + 3]
        for i in range(len(out)):
            total = fused(a, even(weights, j, i), fused(b, odd(weights, j + 1, i), out[i]))
            out[i] = fused(c, even(weights, j + 2, i), fused(d, odd(weights, j + 3, i), total))
    for j in range(whole, len(x)):
        a = x[j]
        for i in range(len(out)):
            weight = odd(weights, j, i) if j % 2 else even(weights, j, i)
            out[i] = fused(a, weight, out[i])


@compiled
def project(rows: Array, weights: Array, bias: Row, out: Array) -> None:
    """Write x W + b for each row x of a matrix (N, I), with W (I, M)."""
    for n in range(len(rows)):
        multiply(rows[n], weights, out[n])
        add(out[n], bias, out[n])


@compiled
def turned(bits: np.int32) -> np.int32:
    """Return a whole number for the bits of a float32: such numbers have the order of the floats.

    Of a number below zero, all bits but the sign are turned. Done twice, it gives the bits back.
    """
    return np.int32(bits ^ ((bits >> SIGN) & ALL_BUT_SIGN))


@compiled
def greatest(row: Row) -> np.float32:
    """Return the highest number; as whole numbers, because only those are compared in vectors."""
    highest = turned(np.float32(row[0]).view(np.int32))
    for i in range(len(row)):
        highest = max(highest, turned(np.float32(row[i]).view(np.int32)))
    return np.int32(turned(np.int32(highest))).view(np.float32)


@compiled
def place_of(row: Row, value: np.float32) -> int:
    """Return the first place of a number that is in a row."""
    for i in range(len(row)):
        if row[i] == value:
            return i
    return 0  # Only if one of them is NaN.


@compiled
def sum_from(row: Row, edge: np.float32) -> float:
    """Return the sum of all numbers that are not below an edge.

    Eight sums are made side by side: one alone would wait for each addition before the next.
    """
    a = b = c = d = e = f = g = h = np.float64(0)
    whole = len(row) - len(row) % 8
    for i in range(0, whole, 8):
        a += ZERO if row[i] < edge else row[i]
        b += ZERO if row[i + 1] < edge else row[i + 1]
        c += ZERO if row[i + 2] < edge else row[i + 2]
        d += ZERO if row[i + 3] < edge else row[i + 3]
        e += ZERO if row[i + 4] < edge else row[i + 4]
        f += ZERO if row[i + 5] < edge else row[i + 5]
        g += ZERO if row[i + 6] < edge else row[i + 6]
        h += ZERO if row[i + 7] < edge else row[i + 7]
    for i in range(whole, len(row)):
        a += ZERO if row[i] < edge else row[i]
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@compiled
def exponentials(logits: Row, highest: np.float32, temp: np.float32, out: Row) -> float:
    """Write exp((logits - highest) / temp), and return the sum."""
    for i in range(len(out)):
        out[i] = exp((logits[i] - highest) / temp)
    return sum_from(out, ZERO)


@compiled
def edge_of(weights: Row, count: int, mass: float) -> np.float32:
    """Return the highest weight that, with all above it, makes so many and so great a sum.

    A positive float32 is ordered like its bits, so the search halves the range of the bits.
    """
    low, high = np.int32(0), np.float32(1).view(np.int32)
    while low < high:
        middle = np.int32(high - (high - low) // 2)
        edge = np.int32(middle).view(np.float32)
        above = 0
        for i in range(len(weights)):
            above += weights[i] >= edge
        if above >= count and (mass == 0 or sum_from(weights, edge) >= mass):
            low = middle
        else:
            high = np.int32(middle - 1)
    return np.int32(low).view(np.float32)


@compiled
def cut(weights: Row, edge: np.float32) -> None:
    """Set weights below an edge to zero."""
    for i in range(len(weights)):
        if weights[i] < edge:
            weights[i] = ZERO


@compiled
def cut_share(weights: Row, p: float) -> None:
    """Set all weights to zero but the fewest likeliest that make a share ``p`` of the sum.

    Of equal weights, the first are kept.
    """
    total = sum_from(weights, ZERO)
    edge = edge_of(weights, 0, p * total)
    before = 0.0
    for i in range(len(weights)):
        if weights[i] > edge:
            before += weights[i]
    for i in range(len(weights)):
        if weights[i] == edge and before < p * total:
            before += weights[i]
        elif weights[i] <= edge:
            weights[i] = ZERO


@compiled
def draw(weights: Row, uniform: float) -> int:
    """Return a place, by inverting the distribution at ``uniform`` in [0, 1)."""
    total = sum_from(weights, ZERO)
    place = min(uniform * total, np.nextafter(total, 0.0))
    so_far = 0.0
    for i in range(len(weights)):
        so_far += weights[i]
        if so_far > place:
            return i
    # The sum in order may be lower than that in eight parts, by its last bits.
    for i in range(len(weights) - 1, -1, -1):
        if weights[i] > ZERO:
            return i
    return len(weights) - 1  # Only if no weight is above zero.


@compiled
def find(keys: Row, low: int, high: int, key: int) -> int:
    """Return where a key stands among sorted ones, from ``low`` to before ``high``; -1 if not."""
    stop = high
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < stop and keys[low] == key else -1


@compiled
def tell(last: int, age: int, past: Row, counted: Counted, seen: Seen, told: Row) -> int:
    """Write log q of the next character (V,), and move the past by one character.

    Return the case.

    See `chargen.text.ngrams`. Of each length, first comes the context as the training text has it,
    and then as this very text has had it.

    Args:
        last: id of the last character.
        age: how many characters of the same text have been read; `LONGEST` for more than count.
        past: (`LONGEST` - 1,), the characters before it.
    """
    bos, hashed = len(told), 0
    longest, case = 0, 0
    counts, counts_seen = True, len(seen.row_of) > 0
    for i in range(bos):
        told[i] = counted.first[i]
    # q is this times what is in the row: so a context costs only as much as it has followers.
    # Counts have 16 bits: what eight contexts leave is above 1e-34, and 1 / 1e-34 is a float32.
    times = ONE
    for length in range(1, LONGEST + 1):
        ended = last if length == 1 else past[len(past) - length + 1]
        code = 1 if ended == bos or age < length - 1 else ended + 2
        hashed = ((hashed + code) * FACTOR) & ((1 << WORD) - 1)
        if counts:
            low, high = counted.firsts[length], counted.firsts[length + 1]
            row = find(counted.keys, low, high, (length << WORD) | hashed)
            counts = row >= 0
            if counts:
                longest, case = row, 0
                times *= counted.left[row]
                more = ONE / times
                for at in range(counted.begin[row], counted.begin[row + 1]):
                    told[counted.character[at]] += counted.part[at] * more
        if len(seen.row_of) and length <= SEEN:
            place = ((length - 1) << BITS) + (hashed >> (WORD - BITS))
            seen.places[length - 1] = place
            row = seen.row_of[place]
            counts_seen = counts_seen and row > 0
            if counts_seen:
                case = length * (len(MANY) + 1) + group(seen.different[row])
                left = PRIOR * seen.different[row]
                whole = seen.total[row] + left
                kept = left * times
                for i in range(bos):
                    told[i] = (seen.counts[row, i] + kept * told[i]) / whole
                times = ONE
    for back in range(len(past) - 1):
        past[back] = past[back + 1]
    past[len(past) - 1] = last
    for i in range(bos):
        told[i] = log(max(times * told[i], LEAST))
    # Zero is no case of what was seen: then the longest context is one of the training text.
    return case if case or not len(counted.keys) else counted.cases[longest]


@compiled
def group(followers: np.float32) -> int:
    """Return the place of a number of followers among `chargen.text.ngrams.MANY`."""
    place = 0
    for least in MANY:
        if followers >= least:
            place += 1
    return place


@compiled
def together(own: Row, logs: Row, powers: Row, logits: Row) -> None:
    """Write logits (V,) of network and counts together.

    Args:
        own, logs: (V,), the network's logits and log q.
        powers: (2,), α and β.
    """
    alpha, beta = powers[0], powers[1]
    for i in range(len(logits)):
        logits[i] = fused(beta, logs[i], alpha * own[i])


@compiled
def follow(seen: Seen, case: int, target: int, own: Row, logs: Row, likely: Row) -> None:
    """Let the powers follow what was right: a step down the slope of the target's nats.

    Args:
        seen: its powers are overwritten.
        case, target: of the character that came.
        own, logs: (V,), logits of the network and log q.
        likely: (V,), the probabilities that both gave together.
    """
    expected_own, expected = ZERO, ZERO
    for i in range(len(likely)):
        expected_own = fused(likely[i], own[i], expected_own)
        expected = fused(likely[i], logs[i], expected)
    for other in range(len(seen.powers)):
        rate = FOLLOWS if other == case else FOLLOWS_TOO
        powers = seen.powers[other]
        powers[0] += rate * (own[target] - expected_own)
        powers[1] += rate * (logs[target] - expected)
        for i in range(2):
            powers[i] = min(max(powers[i], -LARGEST_POWER), LARGEST_POWER)


@compiled
def normalise(logits: Row, likely: Row) -> int:
    """Write the probabilities of logits (V,), and return the likeliest character."""
    highest = greatest(logits)
    total = np.float32(exponentials(logits, highest, ONE, likely))
    for i in range(len(logits)):
        likely[i] /= total
    return place_of(logits, highest)


@compiled
def count_seen(target: int, seen: Seen) -> None:
    """Count which character followed the last contexts."""
    for number in range(SEEN):
        place = seen.places[number]
        if seen.row_of[place] == 0:
            seen.row_of[place] = seen.used[0]
            seen.used[0] += 1
        row = seen.row_of[place]
        count = seen.counts[row, target]
        if count < MOST:
            seen.counts[row, target] = count + 1
            seen.total[row] += ONE
            if count == 0:
                seen.different[row] += ONE


@compiled
def add_rare(x: Row, narrow: Array, rare: Array, bias: Row, common: int, logits: Row) -> None:
    """Write the logits of rare characters; the first of them has the logit of all together.

    See `chargen.networks.causal`.
    """
    told = logits[common:]
    inner = np.empty(narrow.shape[1], np.float32)
    multiply(x, narrow, inner)
    whole = told[0]
    multiply(inner, rare, told)
    add(told, bias, told)
    divide(whole, told, np.empty(len(told), np.float32))


@compiled
def divide(whole: np.float32, logits: Row, work: Row) -> None:
    """Turn logits of rare characters (R,) into such that all together have the logit ``whole``."""
    highest = greatest(logits)
    total = exponentials(logits, highest, ONE, work)
    shift = whole - highest - log(np.float32(total))
    for i in range(len(logits)):
        logits[i] += shift


@compiled
def read(
    gates: int,
    last: int,
    weights: Weights,
    state: Array,
    scratch: Array,
    logits: Row,
) -> None:
    """Read one character, and write the network's logits (V,) of the next.

    Args:
        gates: of the cells: 1 for elman, 3 for gru, 4 for lstm.
        last: id of the character.
        weights: of the network.
        state: (L, 2, 1, H), overwritten.
        scratch: (3 G + 5, H), overwritten.
    """
    layers, hidden = len(weights.recurrent), state.shape[3]
    width = gates * hidden
    wide = len(weights.output_bias)
    # The cells' steps see a window of one step and one row.
    window = scratch[:gates].reshape(1, 1, gates, hidden)
    row = scratch[gates : 2 * gates].reshape(1, gates, hidden)
    projected, product = window.reshape(width), row.reshape(width)
    track = scratch[2 * gates : 2 * gates + 2].reshape(2, 1, hidden)
    memory = scratch[2 * gates + 2 : 2 * gates + 4].reshape(2, 1, hidden)
    work = scratch[2 * gates + 4 :]
    convert(weights.table[last], projected)
    for layer in range(layers):
        now = state[layer]
        if layer:
            multiply(state[layer - 1, 0, 0], weights.inputs[layer - 1], projected)
        multiply(now[0, 0], weights.recurrent[layer], product)
        if gates == 1:
            elman_advance(0, window, row, weights.bias[layer], now, track, memory, work)
        elif gates == 3:
            gru_advance(0, window, row, weights.bias[layer], now, track, memory, work)
        else:
            lstm_advance(0, window, row, weights.bias[layer], now, track, memory, work)
    top = state[layers - 1, 0, 0]
    multiply(top, weights.output, logits[:wide])
    add(logits[:wide], weights.output_bias, logits[:wide])
    if len(weights.rare_bias):
        add_rare(top, weights.narrow, weights.rare, weights.rare_bias, wide - 1, logits)


@compiled
def weigh(
    first: int,
    stop: int,
    ids: Array,
    ages: Array,
    targets: Array,
    past: Array,
    wide: Array,
    rare: Array,
    counted: Counted,
    seen: Seen,
    weighed: Weighed,
) -> None:
    """Read characters (B, T), and weigh network and counts together for each next one.

    Args:
        first, stop: which of the texts.
        ages: (B, T), see `tell`.
        targets: (B, T), the characters that come; what is no character of V costs 0 and is no hit.
        past: (B, `LONGEST` - 1), the characters before ``ids``, overwritten.
        wide: (T, B, V), the network's logits; or (T, B, W), those of common characters and one more
            for all rare ones.
        rare: (T, B, R), the logits of rare characters; R is zero if there are none.
        seen: of what was read before, overwritten; for one text.
    """
    characters = len(counted.first)
    common = characters - rare.shape[2]
    # Four arrays, so that the compiler sees that they do not overlap; else it does not vectorise.
    own = np.empty(characters, np.float32)
    told = np.empty(characters, np.float32)
    logits = np.empty(characters, np.float32)
    likely = np.empty(characters, np.float32)
    learns = len(seen.row_of) > 0
    for b in range(first, stop):
        for t in range(ids.shape[1]):
            if learns and seen.places[0] >= 0 and ids[b, t] < characters:
                count_seen(ids[b, t], seen)
            convert(wide[t, b], own[: wide.shape[2]])
            if common < characters:
                whole = own[common]
                convert(rare[t, b], own[common:])
                divide(whole, own[common:], likely[common:])
            case = tell(ids[b, t], ages[b, t], past[b], counted, seen, told)
            together(own, told, seen.powers[case], logits)
            highest = greatest(logits)
            total = exponentials(logits, highest, ONE, likely)
            target = targets[b, t]
            known = 0 <= target < characters
            weighed.nats[b, t] = np.log(total) - (logits[target] - highest) if known else 0.0
            hit = known and logits[target] == highest and place_of(logits, highest) == target
            weighed.hits[b, t] = hit
            weighed.cases[b, t] = case
            weighed.alpha[b, t] = seen.powers[case, 0]
            if len(weighed.logits):
                convert(logits, weighed.logits[b, t])
            row = weighed.kept[b, t]
            if row >= 0:
                convert(own, weighed.own[row])
                convert(told, weighed.logs[row])
            if learns and known:
                for i in range(characters):
                    likely[i] /= np.float32(total)
                follow(seen, case, target, own, told, likely)


@compiled
def frequencies(
    gates: int,
    ids: Row,
    weights: Weights,
    counted: Counted,
    state: Array,
    past: Row,
    seen: Seen,
    likely: Array,
    escape: float,
    whole: float,
    shares: Array,
) -> None:
    """Read characters, and write after each how often the next one is what, as whole numbers.

    Args:
        gates, weights, state: see `read`.
        ids: (N,), to read.
        past: (`LONGEST` - 1,), the characters before them, overwritten.
        seen: what was counted before, overwritten by what is counted after the last.
        likely: (3, V), the last logits of the network, log q, and the probabilities; overwritten.
        escape: the probability of a character that is none of the vocabulary.
        whole: what the numbers sum to; much more than V.
        shares: (N, V + 1), written: each is 1 at least; the last one is that of the escape.
    """
    own, told = likely[0], likely[1]
    characters = len(own)
    learns = len(seen.row_of) > 0
    logits = np.empty(characters, np.float32)
    scratch = np.empty((3 * gates + 5, state.shape[3]), np.float32)
    for n in range(len(ids)):
        if learns and seen.places[0] >= 0 and ids[n] < characters:
            follow(seen, seen.case[0], ids[n], own, told, likely[2])
            count_seen(ids[n], seen)
        read(gates, ids[n], weights, state, scratch, own)
        if learns or len(counted.keys):
            case = tell(ids[n], LONGEST, past, counted, seen, told)
            together(own, told, seen.powers[case], logits)
            seen.case[0] = case
            likeliest = normalise(logits, likely[2])
        else:
            likeliest = normalise(own, likely[2])
        # One for each, and the rest by the probabilities, rounded down.
        free = whole - (characters + 1)
        left = whole
        for i in range(characters):
            shares[n, i] = 1 + math.floor((1 - escape) * free * likely[2, i])
            left -= shares[n, i]
        shares[n, characters] = 1 + math.floor(escape * free)
        shares[n, likeliest] += left - shares[n, characters]


@compiled
def write(
    first: int,
    stop: int,
    gates: int,
    last: Row,
    weights: Weights,
    counted: Counted,
    state: Array,
    past: Array,
    seen: Seen,
    uniform: Array,
    filters: Row,
    ids: Array,
    nats: Array,
) -> None:
    """Read each text's last character and draw its next, as often as there is a random number.

    Args:
        first, stop: which of the texts.
        gates, weights: see `read`.
        last: (B,), ids.
        state: (B, L, 2, 1, H), overwritten.
        past: (B, `LONGEST` - 1), the characters before the last, overwritten.
        seen: only its powers are used.
        uniform: (B, N), random numbers in [0, 1).
        filters: temperature, top-k, top-p and min-p; zero for no filter.
        ids, nats: (B, N), written: what was drawn, and what it costs without filters, at
            temperature 1.
    """
    characters = len(weights.output_bias) + max(0, len(weights.rare_bias) - 1)
    temp, k, p, least = np.float32(filters[0]), int(filters[1]), filters[2], np.float32(filters[3])
    scratch = np.empty((3 * gates + 5, state.shape[4]), np.float32)
    logits = np.empty(characters, np.float32)
    likely = np.empty(characters, np.float32)
    told = np.empty(characters, np.float32)
    for b in range(first, stop):
        latest = last[b]
        for n in range(uniform.shape[1]):
            if len(counted.keys):
                read(gates, latest, weights, state[b], scratch, likely)
                case = tell(latest, LONGEST, past[b], counted, seen, told)
                together(likely, told, seen.powers[case], logits)
            else:
                read(gates, latest, weights, state[b], scratch, logits)
            highest = greatest(logits)
            latest = place_of(logits, highest)
            total = exponentials(logits, highest, ONE, likely)
            if temp > ZERO:
                if temp != ONE:
                    exponentials(logits, highest, temp, likely)
                if 0 < k < characters:
                    cut(likely, edge_of(likely, k, 0.0))
                if p > 0:
                    cut_share(likely, p)
                cut(likely, least)
                latest = draw(likely, uniform[b, n])
            ids[b, n] = latest
            nats[b, n] = np.log(total) - (logits[latest] - highest)
