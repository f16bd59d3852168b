"""What is shown of translated pairs, of spans that were found, and of mended texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from chargen.terminal.console import Console
from chargen.terminal.streams import visible

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chargen.tasks.mending import MendScore
    from chargen.tasks.pair_quality import PairScore
    from chargen.tasks.span_quality import SpanScore
    from chargen.tasks.tagging import Marked
    from chargen.text.pair_form import Form

NOTHING = "∅"
"""Stands where there is no symbol."""

SHADES = " ░▒▓█"
COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")


def pairs(console: Console, score: PairScore, form: Form) -> None:
    """Show how well pairs were translated, what was confused most often, and the worst."""
    console.show(
        f"{score.pairs:,} pairs: exactly right {score.exact:.1%} ± {score.exact_error:.1%} "
        f"(word error rate {score.wer:.1%}), "
        f"character error rate {score.cer:.2%} ± {score.cer_error:.2%}"
    )
    if score.impossible:
        console.show(f"{score.impossible:,} targets have a symbol that the model cannot write")
    confused = [
        (right or NOTHING, written or NOTHING, f"{times:,}")
        for right, written, times in score.confusions()
    ]
    if confused:
        console.show("\nthe commonest confusions")
        console.table(confused, ("right", "written", "times"), left=(0, 1))
    worst = [
        (
            " ".join((one.pair.source, *one.pair.features)),
            form.written(one.pair.target or ()),
            one.written.text or NOTHING,
            f"{one.written.probability:.1%}",
        )
        for one in score.worst()
    ]
    if worst:
        console.show("\nthe worst")
        console.table(worst, ("source", "right", "written", "sure"), left=(0, 1, 2))


def alignment(
    console: Console, source: str, symbols: Sequence[str], shares: NDArray[np.float64]
) -> None:
    """Show from which characters each symbol was written: a line a symbol, darker for more."""
    width = max([cell_len(one) for one in symbols], default=0)
    console.show(" " * width + "  " + source)
    for symbol, row in zip(symbols, shares.tolist(), strict=True):
        blocks = "".join(
            SHADES[min(len(SHADES) - 1, int(share * len(SHADES)))] * max(1, cell_len(character))
            for character, share in zip(source, row, strict=True)
        )
        console.show(f"{symbol}{' ' * (width - cell_len(symbol))}  {blocks}".rstrip())


def spans(console: Console, score: SpanScore) -> None:
    """Show how well spans were found, by label and in all."""
    console.show(f"{score.texts:,} texts, F1 of spans {score.all.f1:.1%} ± {score.error:.1%}")
    rows = [
        (
            name,
            f"{tally.there:,}",
            f"{tally.precision:.1%}",
            f"{tally.recall:.1%}",
            f"{tally.f1:.1%}",
        )
        for name, tally in (*score.labels.items(), ("all", score.all))
    ]
    console.table(rows, ("label", "spans", "precision", "recall", "F1"))


def marked(text: str, found: Sequence[Marked], labels: Sequence[str]) -> None:
    """Print a text with its spans in brackets, each label of the model in its own colour."""
    from rich.console import Console as Rich
    from rich.text import Text

    shown, last = Text(), 0
    for one in found:
        style = f"bold {COLOURS[labels.index(one.label) % len(COLOURS)]}"
        shown.append(visible(text[last : one.start]))
        shown.append(f"[{visible(one.label)} {visible(one.text)}]", style)
        last = one.end
    shown.append(visible(text[last:]))
    Rich(highlight=False, soft_wrap=True).print(shown)


def mending(console: Console, score: MendScore) -> None:
    """Show how well a damaged text was mended."""
    figures = score.json()
    console.show(
        f"{score.words:,} words: {score.exact:.2%} ± {figures['words_right_error']:.2%} are right, "
        f"{figures['before']:.2%} were before"
    )
    console.show(
        f"{figures['precision']:.1%} of the changes made are right; {figures['recall']:.1%} of the "
        f"needed changes were made (F1 {figures['f1']:.1%})"
    )
    console.show(f"of the words that were right, {figures['untouched']:.2%} still are")
