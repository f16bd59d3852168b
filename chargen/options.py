"""What a training run is asked to do, and what was decided.

`Options` is what was asked: every field may be None, "choose for me". Each option is declared here
once, with its help, its bounds and its usual value; the command line, `chargen.train` and the
settings in a checkpoint are made from these declarations; see `chargen.records` for how they are
read. `Plan` is what was decided (see `chargen.training.choices`): nothing in it is None.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from chargen.architecture import ATTENTIONS, FAMILIES, ORDER, Architecture
from chargen.declared import LARGEST_COUNT, Declared, check, option
from chargen.errors import UsageError, argument
from chargen.text.pair_form import CHARACTERS, DEFAULT_COLUMNS, LONGEST, SEPARATORS, SKIP, TOO_LONG

DEFAULT_OUT = "checkpoints"
OUT_VARIABLE = "CHARGEN_CHECKPOINTS"
"""The usual folder of runs, and the environment variable that names another one."""

DEFAULT_MINUTES = 2.0
HIGHEST_HELD_OUT = 0.9
SHUFFLES = ("none", "documents")
"""What of running text is read in another order."""


@dataclass(frozen=True)
class Budget:
    """How long to train: an amount of minutes, epochs or steps.

    Example:
        >>> str(Budget(1.5, "minutes"))
        '1.5 minutes'
    """

    amount: float
    unit: str

    @property
    def seconds(self) -> float:
        """How long somebody waits; infinity for a budget that is no time."""
        return 60 * self.amount if self.unit == "minutes" else math.inf

    def __str__(self) -> str:
        amount = f"{self.amount:,}" if isinstance(self.amount, int) else f"{self.amount:g}"
        return f"{amount} {self.unit if self.amount != 1 else self.unit[:-1]}"


@dataclass(frozen=True)
class Options:
    """Every choice that shapes a run; None stands for "choose for me".

    Raises:
        UsageError: a value that can never work.
    """

    arch: str | None = option(
        "The family of network: elman, gru, lstm or transformer.",
        chosen="lstm; gru for few pairs",
        choices=tuple(FAMILIES),
    )
    layers: int | None = option(
        "Number of layers, one above the other; more learn longer patterns, slower.",
        chosen="1; a transformer of running text 4",
        low=1,
        high=LARGEST_COUNT,
    )
    hidden: int | None = option(
        "Units in each layer; more learn more, and take longer.",
        chosen="by text and time",
        low=1,
        high=LARGEST_COUNT,
    )
    embed: int | None = option(
        "Numbers in a character's vector.", chosen="64 at most", low=1, high=LARGEST_COUNT
    )
    tied: bool | None = option("Use the embedding as output weights, too: a smaller model.", False)
    common: int | None = option(
        "Characters with outputs of full width; the rarer ones share narrow outputs; 0 for all.",
        chosen="by the alphabet",
        low=0,
        high=LARGEST_COUNT,
    )
    heads: int | None = option(
        "Heads of a transformer's attention.", chosen="by width", low=1, high=LARGEST_COUNT
    )
    context: int | None = option(
        "How many characters each layer of a transformer attends to.",
        chosen="as bptt",
        low=1,
        high=LARGEST_COUNT,
    )
    bidirectional: bool | None = option(
        "Read from both ends, to restore or classify; such a model cannot continue a text.", False
    )
    lines: bool | None = option(
        "Each line is a text of its own: a name, a title; such a model writes one at a time.",
        chosen="if the text looks like a list",
    )
    documents: bool | None = option(
        "Each file is a text of its own, and the model learns where it ends.", False
    )
    shuffle: str | None = option(
        "Read the documents of running text (files, rows of a table) in an order drawn by chance.",
        SHUFFLES[0],
        choices=SHUFFLES,
    )
    pairs: bool | None = option(
        "Each line is a pair, source and target with a tab between them: learn to translate.", False
    )
    tags: bool | None = option(
        "Each text has spans with labels: a table of tokens and tags (IOB), or lines of text, tab, "
        "start-end:label; learn to mark them.",
        False,
    )
    undo: str | None = option(
        "Damage the text and learn to undo it: accents, case, punctuation, spaces (several with "
        "commas), or sentences, or noise.",
        chosen="nothing",
    )
    columns: str | None = option(
        "What the columns of pairs are: source, features, target, or - to ignore one.",
        chosen=DEFAULT_COLUMNS,
    )
    target_symbols: str | None = option(
        "What a target is made of: its characters, or symbols with a space between them.",
        CHARACTERS,
        choices=SEPARATORS,
    )
    attention: str | None = option(
        "How pairs are learned: monotonic (in the source's order), soft (in any order), or none.",
        chosen="by length",
        choices=ATTENTIONS,
    )
    longest: int | None = option(
        "Symbols that a pair may have on each side, or a text with tags.",
        LONGEST,
        low=1,
        high=LARGEST_COUNT,
    )
    too_long: str | None = option(
        "What to do with those that are longer: skip them, or cut them.", SKIP, choices=TOO_LONG
    )
    features: str | None = option(
        "Count n-grams of the text, and mix what they tell with the network: on, off, or auto.",
        "auto",
        choices=("auto", "on", "off"),
    )
    order: int | None = option(
        "Characters of the longest of these n-grams.",
        ORDER,
        low=2,
        high=ORDER,
    )
    dropout: float | None = option(
        "Share of outputs and recurrent weights zeroed in each training step, 0 to 0.95.",
        chosen="by passes",
        low=0,
        high=0.95,
    )
    minutes: float | None = option(
        "Train for this many minutes of waiting, start and end included.",
        chosen="2",
        low=0,
        high=math.inf,
        open_low=True,
    )
    epochs: float | None = option(
        "Or: train for this many passes over the text.", low=0, high=math.inf, open_low=True
    )
    steps: int | None = option(
        "Or: train for this many steps, of --batch times --bptt characters each.",
        low=0,
        open_low=True,
    )
    batch: int | None = option(
        "Lanes of text that are read side by side.", chosen="32 at most", low=1, high=LARGEST_COUNT
    )
    bptt: int | None = option(
        "Characters that a gradient flows back through.",
        chosen="64 or 128 at most",
        low=1,
        high=LARGEST_COUNT,
    )
    lr: float | None = option(
        "The highest learning rate; it falls to zero over the budget.",
        chosen="by family",
        low=0,
        high=100,
        open_low=True,
    )
    clip: float | None = option(
        "Gradients longer than this are shortened.", 1.0, low=0, high=math.inf, open_low=True
    )
    weight_decay: float | None = option(
        "Weight decay of the weight matrices (AdamW).", 0.05, low=0, high=10
    )
    keep_share: float | None = option(
        "With --keep: share of the lanes that read the old text.",
        0.25,
        low=0,
        high=0.9,
    )
    valid_fraction: float | None = option(
        "Share of each file, at its end, or of the examples, to hold out.",
        0.1,
        low=0,
        high=HIGHEST_HELD_OUT,
    )
    valid_chars: int | None = option(
        "Score at most this many held-out characters at the end.", 250_000, low=1
    )
    evaluations: int | None = option(
        "Score held-out text this many times over the whole budget, at most.",
        20,
        low=1,
        high=LARGEST_COUNT,
    )
    patience: int | None = option(
        "Stop after this many evaluations without a new best.",
        chosen="never",
        low=1,
        high=LARGEST_COUNT,
    )
    accumulate: int | None = option(
        "Compute each step's batch in so many pieces, one after the other: less memory, the same "
        "result.",
        1,
        low=1,
        high=LARGEST_COUNT,
    )
    recompute: bool | None = option(
        "Keep only what goes into each layer, and compute the layer once more on the way back: "
        "less memory, the same result.",
        False,
    )
    shard: bool | None = option(
        "Divide weights and optimizer among the processes of torchrun: less memory for each, the "
        "same result.",
        False,
    )
    precision: str | None = option(
        "Precision of products: fp32, or bf16 with float32 weights; auto is the faster one.",
        "auto",
        choices=("auto", "fp32", "bf16"),
    )
    device: str | None = option(
        "Where to train: auto, cpu, cuda or mps.", "auto", choices=("auto", "cpu", "cuda", "mps")
    )
    seed: int | None = option(
        "Seed of the first weights and of dropout; another one gives another model.", 1, low=0
    )

    def __post_init__(self) -> None:
        for name, declared in DECLARED.items():
            value = getattr(self, name)
            if declared.choices and value is not None and value not in declared.choices:
                raise UsageError(
                    f"unknown {argument(name)} {value!r}", f"Choose {', '.join(declared.choices)}"
                )
            if declared.low is not None:
                check(name, value, declared.low, declared.high, open_low=declared.open_low)
        budgets = [unit for unit in BUDGETS if getattr(self, unit) is not None]
        if len(budgets) > 1:
            given = " and ".join(f"{argument(unit)}" for unit in budgets)
            raise UsageError(f"{given} are two budgets", "Give one of them")

    def usual(self, name: str) -> Any:
        """Return an option as it was asked for, or its usual value."""
        value = getattr(self, name)
        return DECLARED[name].usual if value is None else value

    def task(self) -> str:
        """Return the name of the kind of model that knows symbols, if one is asked for.

        Raises:
            UsageError: two wishes that exclude each other.
        """
        asked = {name: kind for name, kind in TASKS.items() if getattr(self, name)}
        others = [name for name in EXCLUDED if getattr(self, name)]
        if len(asked) + len(others[:1]) > 1 and asked:
            one, other = [*asked, *others][:2]
            raise UsageError(
                f"{argument(one)} and {argument(other)} exclude each other", "Give one of them"
            )
        return next(iter(asked.values()), "")

    def given(self) -> dict[str, Any]:
        """Return what was asked for, by name."""
        return {name: getattr(self, name) for name in DECLARED if getattr(self, name) is not None}

    def budget(self) -> Budget:
        """Return the budget; the usual minutes if none was asked for."""
        for unit in BUDGETS:
            amount = getattr(self, unit)
            if amount is not None:
                return Budget(amount, unit)
        return Budget(DEFAULT_MINUTES, "minutes")


BUDGETS = ("minutes", "epochs", "steps")
TASKS = {"pairs": "pairs", "tags": "tagger", "undo": "mender"}
"""Options that make a model of a kind that knows symbols, and the kind's name."""

EXCLUDED = ("bidirectional", "lines", "documents")
"""Options that say of a text that it is something else."""

DECLARED: Mapping[str, Declared] = {
    each.name: each.metadata["declared"] for each in fields(Options)
}


@dataclass(frozen=True)
class Plan:
    """A training run as it was decided: the network, the budget, and every other choice.

    Attributes:
        architecture: the network.
        budget: how long to train.
        features: whether n-grams are counted beside the network, on or off.
        order: characters of the longest of them.
        shuffle: whether documents are read in another order, none or documents.
        dropout: probability, in training, of zeroing a layer's output or a recurrent weight.
        batch: B, lanes read side by side.
        bptt: T, characters through which a gradient flows back.
        accumulate: pieces in which each batch is computed.
        recompute: whether layers are computed once more in the backward pass.
        shard: whether several processes divide the weights among them.
        lr: the highest learning rate.
        clip: the highest global norm of a gradient.
        weight_decay: of the weight matrices (AdamW; Loshchilov & Hutter 2019, arXiv:1711.05101).
        lines, documents: whether each line, or each file, is a text of its own.
        pairs, columns, target_symbols, longest, too_long: whether and how each line is a pair, see
            `chargen.text.pair_form.Form`.
        tags, undo: whether the texts have spans; which damage is undone.
        keep_share: share of the lanes that read an old text, so that it is not forgotten; 0 without
            one.
        valid_fraction: share of each file, at its end, or of the examples, that is held out.
        valid_chars: at most this many characters of it are scored at an evaluation.
        evaluations: how many, spread evenly over the budget.
        patience: stop after this many evaluations without a new best; infinity for never.
        precision: of the products; fp32, bf16, or auto for what the device does faster.
        device: where to train; auto for the best there is.
        seed: of the initial weights and of dropout.
    """

    architecture: Architecture
    budget: Budget
    features: str
    order: int
    shuffle: str
    dropout: float
    batch: int
    bptt: int
    accumulate: int
    recompute: bool
    shard: bool
    lr: float
    clip: float
    weight_decay: float
    lines: bool
    documents: bool
    pairs: bool
    tags: bool
    undo: str | None
    columns: str
    target_symbols: str
    longest: int
    too_long: str
    keep_share: float
    valid_fraction: float
    valid_chars: int
    evaluations: int
    patience: float
    precision: str
    device: str
    seed: int

    def settings(self) -> dict[str, Any]:
        """Return the plan under the names of `Options`, as checkpoints and JSON have it."""
        sizes: dict[str, Any] = {"attention": None} | self.architecture.json()
        if not self.architecture.family.attends:
            sizes |= {"heads": None, "context": None}
        sizes.setdefault("common", 0)
        if not (self.pairs or self.tags):
            # What was not asked for is not told.
            sizes |= dict.fromkeys(("longest", "too_long"))
        if not self.pairs:
            sizes |= dict.fromkeys(("columns", "target_symbols"))
        budget = dict.fromkeys(BUDGETS) | {self.budget.unit: self.budget.amount}
        patience = self.patience if math.isfinite(self.patience) else None
        # The architecture's features, of pairs, are a number.
        known = vars(self) | sizes | budget | {"patience": patience, "features": self.features}
        return {name: known[name] for name in DECLARED}
