"""Choices that the user left open; they follow from the text, the budget and the machine's speed.

``docs/experiments.md`` has the experiments behind the tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar

from chargen.architecture import FAMILIES, MONOTONIC, SOFT, Architecture
from chargen.errors import CorpusError, UsageError, argument
from chargen.kinds import kind_of
from chargen.options import Budget, Options, Plan
from chargen.text.corpus import Text
from chargen.text.ngrams import MOST_CHARACTERS
from chargen.text.pair_form import DEFAULT_COLUMNS
from chargen.text.vocabulary import MANY, Vocabulary


@dataclass(frozen=True)
class Defaults:
    """What is chosen for a family of networks.

    A table is a tuple of pairs (bound, value). It gives the value of the first pair whose bound is
    not exceeded.

    Attributes:
        layers: how many.
        batch, bptt, lr: see `Plan`.
        width_by_seen: the largest width, by the number of characters that a network of
            ``trial_width`` will be trained on in the whole budget.
        width_by_length: the largest width, by the number of characters in the text.
        trial_width: the width of the network whose throughput is measured.
        throughput: its training speed in characters a second, used if nobody has measured it.
        slowdown: a network k times as wide takes k^slowdown times as long.
        arch_by_length: the family, by the number of characters in the text.
    """

    layers: int
    batch: int
    bptt: int
    lr: float
    width_by_seen: tuple[tuple[float, int], ...]
    width_by_length: tuple[tuple[float, int], ...]
    trial_width: int
    throughput: float
    slowdown: float
    arch_by_length: tuple[tuple[float, str], ...] = ((math.inf, "lstm"),)


RECURRENT = Defaults(
    layers=1,
    batch=32,
    bptt=64,
    lr=0.008,
    width_by_seen=(
        (60_000, 128),
        (550_000, 256),
        (2_000_000, 384),
        (40_000_000, 512),
        (math.inf, 768),
    ),
    width_by_length=((20_000, 128), (100_000, 256), (400_000, 512), (math.inf, 768)),
    trial_width=512,
    throughput=60_000,
    slowdown=1.5,
)
ELMAN = replace(RECURRENT, lr=0.002)
"""Without gates, faster learning ends in gradients that explode."""

BIDIRECTIONAL = replace(
    RECURRENT,
    bptt=128,
    width_by_seen=(
        (40_000, 128),
        (400_000, 256),
        (10_000_000, 384),
        (40_000_000, 512),
        (math.inf, 768),
    ),
    trial_width=384,
    throughput=30_000,
)
TRANSFORMER = Defaults(
    layers=4,
    batch=32,
    bptt=64,
    lr=0.004,
    width_by_seen=((20_000_000, 128), (math.inf, 256)),
    width_by_length=((math.inf, 256),),
    trial_width=128,
    throughput=30_000,
    slowdown=1.5,
)
FEW_PAIRS = 20_000
"""Target symbols up to which a smaller network learns more: some two thousand words."""

PAIRS = replace(
    RECURRENT,
    batch=64,
    bptt=16,
    lr=0.004,
    width_by_seen=((math.inf, 256),),
    width_by_length=((FEW_PAIRS, 128), (math.inf, 256)),
    trial_width=256,
    throughput=10_000,
    arch_by_length=((FEW_PAIRS, "gru"), (math.inf, "lstm")),
)
"""A pair has no window: ``bptt`` is the length of a usual target, to count steps by."""

LONG_SOURCE = 300
"""Characters of a usual source from which on a target may follow it in any order."""

MARKS = replace(
    BIDIRECTIONAL,
    bptt=128,
    lr=0.004,
    width_by_seen=((math.inf, 256),),
    width_by_length=((math.inf, 256),),
    trial_width=256,
    throughput=30_000,
)

BY_KIND = {
    "gaps": BIDIRECTIONAL, "classifier": BIDIRECTIONAL, "pairs": PAIRS, "tagger": MARKS,
    "mender": MARKS,
}  # fmt: skip
BY_ARCH = {"elman": ELMAN, "transformer": TRANSFORMER}

WIDEST_EMBEDDING = 64
HEAD = 64
"""Units of each of a transformer's heads, where the width allows."""

DROPOUT_BY_PASSES = (
    (1.5, 0.0), (4, 0.1), (8, 0.15), (13, 0.2), (20, 0.25), (35, 0.3), (60, 0.4), (math.inf, 0.5)
)  # fmt: skip
"""Dropout by the number of passes: without it, a text read many times is learned by heart."""

LONG = 400_000
"""A text of more characters is learned by heart later: if it is k times as long, after √k times as
many passes."""

COVERED = 0.9
"""Share of a text that common characters make up."""


def common(vocabulary: Vocabulary, text: Text) -> int:
    """Return how many characters have outputs as wide as a layer; 0 for all."""
    if len(vocabulary) < MANY:
        return 0
    return min(vocabulary.covering(text.counts, COVERED), len(vocabulary) - 1)


def defaults(options: Options) -> Defaults:
    """Return what is chosen for the network asked for."""
    kind = kind_of(options.usual("bidirectional"), 0, options.task())
    return BY_KIND.get(kind.name) or BY_ARCH.get(options.arch or "", RECURRENT)


@dataclass(frozen=True)
class Known:
    """What is known of a text beside its length.

    Attributes:
        labels: how many it has.
        targets, features: of pairs: how many symbols there are; of marked texts: marks.
        usual, longest: of pairs: characters of a usual source, and of the longest side.
        characters: of the vocabulary of running text; 0 of other texts.
        common: characters of it that have outputs as wide as a layer; 0 for all.
        keeps: whether an old text is read beside it.
    """

    labels: int = 0
    targets: int = 0
    features: int = 0
    usual: float = 0.0
    longest: int = 0
    characters: int = 0
    common: int = 0
    keeps: bool = False


def decide(
    options: Options, characters: int, known: Known = Known(), throughput: float | None = None
) -> Plan:
    """Decide whatever was not asked for.

    Args:
        characters: that a pass trains on, held-out part excluded; of pairs, target symbols.
        known: what else the sizes depend on.
        throughput: the speed of this machine, in characters a second, when it trains a network of
            ``trial_width``; None for the speed of a usual machine.

    Raises:
        CorpusError: the text is shorter than the window asked for.
        UsageError: sizes that contradict one another.
    """
    keep_share = options.usual("keep_share") if known.keeps else 0.0
    usual = defaults(options)
    options = replace(options, arch=options.arch or _entry(usual.arch_by_length, characters))
    throughput = usual.throughput if throughput is None else throughput
    if options.bptt is not None and options.bptt > characters:
        raise CorpusError(
            f"the training text has {characters} characters, less than one window of "
            f"{options.bptt}",
            f"Give a longer text or {argument('bptt')} {characters}",
        )
    budget = options.budget()
    bptt = options.bptt or max(1, min(usual.bptt, characters // 2))
    batch = options.batch or max(1, min(usual.batch, characters // (4 * bptt)))
    if keep_share and batch == 1:
        raise UsageError(
            f"{argument('keep')} needs a lane of its own, and there is one lane in all",
            f"Give {argument('batch')} 2 or more, or {argument('keep_share')} 0",
        )
    seen = _seen(budget, characters, batch * bptt, throughput)
    hidden = options.hidden or min(
        _entry(usual.width_by_seen, seen), _entry(usual.width_by_length, characters)
    )
    throughput *= (usual.trial_width / hidden) ** usual.slowdown
    passes = _seen(budget, characters, batch * bptt, throughput) / characters
    by_heart = passes * min(1.0, math.sqrt(LONG / characters))
    dropout = _entry(DROPOUT_BY_PASSES, by_heart) if options.dropout is None else options.dropout
    architecture = network(options, usual.layers, hidden, bptt, known)
    counts = _counts(options, architecture, known)
    return Plan(
        # How many contexts there are shows when they are counted.
        architecture=replace(architecture, ngrams=int(counts)),
        budget=budget,
        features="on" if counts else "off",
        shuffle=options.usual("shuffle"),
        order=options.usual("order"),
        dropout=dropout,
        batch=batch,
        bptt=bptt,
        accumulate=options.usual("accumulate"),
        recompute=options.usual("recompute"),
        shard=options.usual("shard"),
        lr=options.lr or usual.lr,
        clip=options.usual("clip"),
        weight_decay=options.usual("weight_decay"),
        lines=options.usual("lines") or False,
        documents=options.usual("documents"),
        pairs=options.usual("pairs"),
        tags=options.usual("tags"),
        undo=options.undo,
        columns=options.columns or DEFAULT_COLUMNS,
        target_symbols=options.usual("target_symbols"),
        longest=options.usual("longest"),
        too_long=options.usual("too_long"),
        keep_share=keep_share,
        valid_fraction=options.usual("valid_fraction"),
        valid_chars=options.usual("valid_chars"),
        evaluations=options.usual("evaluations"),
        patience=options.patience or math.inf,
        precision=options.usual("precision"),
        device=options.usual("device"),
        seed=options.usual("seed"),
    )


def network(options: Options, layers: int, hidden: int, bptt: int, known: Known) -> Architecture:
    """Return the network asked for, with sizes that go with its width.

    Raises:
        UsageError: sizes that contradict one another.
    """
    arch, tied = options.arch, options.usual("tied")
    assert arch is not None, "decided by the text"
    attends = FAMILIES[arch].attends
    for name in ("heads", "context"):
        if getattr(options, name) is not None and not attends:
            raise UsageError(f"{argument(name)} is for a transformer, not {arch}", "Leave it out")
    width_of_vectors = hidden if tied or attends else min(WIDEST_EMBEDDING, hidden)
    return Architecture(
        arch=arch,
        layers=options.layers or layers,
        hidden=hidden,
        embed=options.embed or width_of_vectors,
        tied=tied,
        heads=(options.heads or _heads(hidden)) if attends else 1,
        context=(options.context or max(bptt, known.longest + 2)) if attends else 1,
        kind=kind_of(options.usual("bidirectional"), known.labels, options.task()),
        labels=known.labels,
        targets=known.targets,
        features=known.features,
        attention=_attention(options, known),
        common=_common(options, known),
    )


def _common(options: Options, known: Known) -> int:
    """Return how many characters have outputs as wide as a layer; 0 for all.

    Raises:
        UsageError: the text has no more characters than that.
    """
    asked = options.common
    if asked is None:
        other = options.task() or options.usual("bidirectional")
        return 0 if options.usual("tied") or other else known.common
    if asked and known.characters and asked >= known.characters:
        raise UsageError(
            f"{argument('common')} is {asked}, and the text has {known.characters} different "
            "characters",
            f"Give a lower {argument('common')}, or 0 for all",
        )
    return asked


def _attention(options: Options, known: Known) -> str:
    """Return how pairs are learned; nothing for other texts.

    Raises:
        UsageError: the texts are no pairs.
    """
    if not options.pairs:
        if options.attention is not None:
            raise UsageError(f"{argument('attention')} is for {argument('pairs')}", "Leave it out")
        return ""
    return options.attention or (MONOTONIC if known.usual <= LONG_SOURCE else SOFT)


def _counts(options: Options, architecture: Architecture, known: Known) -> bool:
    """Return whether contexts are counted.

    Raises:
        UsageError: they are asked for, and the model cannot have them.
    """
    asked = options.usual("features")
    if asked == "on" and not architecture.counts:
        raise UsageError(
            f"{argument('features')} is for models that continue texts without labels",
            "Leave it out",
        )
    can = architecture.counts and known.characters <= MOST_CHARACTERS
    return asked == "on" or (asked == "auto" and can)


def _heads(hidden: int) -> int:
    """Return the number of heads for a width: all of one even size, of about `HEAD` units."""
    most = max(1, hidden // HEAD)
    return next((heads for heads in range(most, 1, -1) if hidden % (2 * heads) == 0), 1)


def _seen(budget: Budget, characters: int, window: int, throughput: float) -> float:
    """Return how many characters will be trained on, repetitions included."""
    each = {"minutes": 60 * throughput, "epochs": characters, "steps": window}
    return budget.amount * each[budget.unit]


N = TypeVar("N", int, float, str)


def _entry(table: tuple[tuple[float, N], ...], value: float) -> N:
    """Look up a value in a table; see `Defaults`."""
    return next(then for most, then in table if value <= most)
