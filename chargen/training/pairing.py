"""The pairs of a training: opened, and divided into what is learned and what is held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chargen.errors import UsageError, argument
from chargen.options import Options
from chargen.text.corpus import Text
from chargen.text.pair_form import DEFAULT_COLUMNS, Form
from chargen.text.pairs import Paired, read_pairs

Note = Callable[[str], None]
"""Called with each line that the user should read."""

EXCLUDED = ("bidirectional", "lines", "documents")
"""Options that say of a text that it is something else."""


def form_of(options: Options) -> Form:
    """Return how the pairs asked for are written.

    Raises:
        UsageError: two wishes that exclude each other, or columns that are no pair.
    """
    for name in EXCLUDED:
        if getattr(options, name):
            raise UsageError(
                f"{argument('pairs')} and {argument(name)} exclude each other", "Give one of them"
            )
    return Form.of(
        options.columns or DEFAULT_COLUMNS,
        options.usual("target_symbols"),
        options.usual("longest"),
        options.usual("too_long"),
    )


def divided_pairs(text: Text, own: Text | None, options: Options, note: Note) -> Paired:
    """Return pairs to learn from, and those held out: a share of them, or a text of their own.

    Raises:
        CorpusError, UsageError: see `form_of` and `chargen.text.pairs.read_pairs`.
    """
    form = form_of(options)
    if text.as_bytes:
        raise UsageError(
            f"{argument('pairs')} and {argument('as_bytes')} exclude each other", "Give one of them"
        )
    found = read_pairs(text, form, 0 if own else options.usual("valid_fraction"), note)
    if own is None:
        return found
    held = read_pairs(own, form, 0, note)
    # A vocabulary may know held-out symbols; what they mean can only be learned from the others.
    for mine, theirs in zip(vars(found.counts).values(), vars(held.counts).values(), strict=True):
        mine.update(theirs)
    return replace(found, valid=held.train)
