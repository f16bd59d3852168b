"""``chargen translate``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chargen.cli import completion
from chargen.cli.app import command
from chargen.cli.inputs import given, grouped, leave_out, open_sources
from chargen.cli.options import OUT, EncodingOption, ErrorsOption, OutOption
from chargen.errors import CorpusError, UsageError, argument
from chargen.terminal.console import Console

if TYPE_CHECKING:
    from chargen.model import Model
    from chargen.tasks.translating import Translator, Written
    from chargen.text.examples import Prints
    from chargen.text.pair_form import Pair

ENCODED = "utf-8"

PIECE = 1 << 16
"""Characters of a running text that are mended together, at least."""


@command('chargen translate "chargen" -m phones -n 3', table=True)
def translate(
    console: Console,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="Files with a source on each line, texts in quotes, or -; of a model with "
            "features: source, tab, features.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="NAME|PATH",
            autocompletion=completion.models,
            help="A model trained with --pairs; of several, the probabilities are averaged.",
            show_default="the newest run",
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("-n", "--count", help="How many targets to show for each source.")
    ] = 1,
    beam: Annotated[
        int | None,
        typer.Option(
            help="Beginnings of targets that are followed side by side.", show_default="5"
        ),
    ] = None,
    features: Annotated[
        str, typer.Option(help="Features of a text in quotes, with a semicolon between two.")
    ] = "",
    evaluate: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Instead: measure on these pairs, source and target."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="What the columns of --evaluate are, if they are not those of the training.",
            show_default=False,
        ),
    ] = None,
    align: Annotated[
        bool,
        typer.Option("--align", help="Show which characters each symbol was written from."),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw that as a picture: a .png, .svg or .pdf."),
    ] = None,
    encoding: EncodingOption = ENCODED,
    errors: ErrorsOption = "strict",
    out: OutOption = OUT,
) -> None:
    """Translate texts, or mend damaged ones.

    A model trained with --pairs writes what it has learned to: sounds, forms, spellings. One
    trained with --undo puts back what running text has lost.
    """
    from chargen.model import load
    from chargen.tasks.translating import BEAM, translator

    if bool(texts) == (evaluate is not None):
        raise UsageError(f"give texts, or {argument('evaluate')} FILE", "See --help for how")
    loaded = [load(model, out) for model in models] if models else [load(None, out)]
    name = ", ".join(model.name for model in loaded)
    console.note(f"model {name}")
    shown = {"align": align, "plot": plot, "count": count > 1, "features": features}
    if mends(loaded[0]):
        asked_for = shown | {"columns": columns, "beam": beam is not None}
        leave_out(asked_for, f"is for a model trained with {argument('pairs')}")
        mend_all(console, loaded, texts or [], evaluate, encoding, errors)
        return
    turns = translator([(model.name, model.checkpoint) for model in loaded])
    beam = BEAM if beam is None else beam
    if evaluate is None:
        leave_out({"columns": columns}, f"is for {argument('evaluate')}")
        leave_out({"align": align and (console.json or console.csv)}, "is for a terminal")
    else:
        leave_out(shown, f"does not go with {argument('evaluate')}")
        seen = [model.checkpoint.seen for model in loaded]
        evaluate_on(console, turns, name, evaluate, columns, beam, seen, encoding, errors)
        return
    if align or plot is not None:
        turns.require_attention()
    if plot is not None:
        from chargen.terminal import plots

        plots.drawable(plot)
    number = 0
    for group in asked(console, turns, texts or [], features, encoding, errors):
        for pair, best in zip(group, turns.translate(group, count, beam), strict=True):
            show(console, pair, best, name, several=count > 1, first=number == 0)
            if best and (align or (plot is not None and number == 0)):
                picture(console, turns, pair, best[0], align, plot if number == 0 else None)
            number += 1


def mends(model: Model) -> bool:
    """Return whether a model undoes damage, instead of translating line by line."""
    marking = model.checkpoint.vocabulary.marking
    return marking is not None and bool(marking.undo)


def mend_all(
    console: Console,
    models: Sequence[Model],
    texts: Sequence[str],
    evaluate: str | None,
    encoding: str,
    errors: str,
) -> None:
    """Mend running texts, of any length; or show how well a text that is right is mended."""
    from chargen.terminal import findings
    from chargen.text.corpus import read_all

    model, *others = models
    if [one.mender for one in others]:
        raise UsageError("a text is mended by one model", f"Give {argument('model')} once")
    if evaluate is not None:
        text = open_sources(console, [evaluate], encoding, False, errors)
        score = model.mender.score(read_all(text.blocks(0, text.characters)))
        console.result(
            score.json() | {"model": model.name},
            lambda: [{"model": model.name} | score.json()],
            lambda: findings.mending(console, score),
        )
        return
    changed = characters = 0
    for source in texts:
        quoted = given(source)
        pieces = iter([source]) if quoted else pieces_of(console, source, encoding, errors)
        parts = []
        here = read = 0
        for piece in pieces:
            done = model.mender.mend(piece)
            here, read = here + done.changed, read + done.characters
            if console.json:
                parts.append(done.text)
            else:
                sys.stdout.write(done.text)
        changed, characters = changed + here, characters + read
        if console.json:
            about = {"characters": read, "changed": here, "model": model.name}
            console.emit({"text": "".join(parts)} | about)
        elif quoted:
            sys.stdout.write("\n")
    console.note(f"mended at {changed:,} of {characters:,} characters")


def pieces_of(console: Console, source: str, encoding: str, errors: str) -> Iterator[str]:
    """Yield a text in pieces that end at an end of a line, where there is one."""
    from chargen.text.corpus import read_all

    text = open_sources(console, [source], encoding, False, errors)
    kept = ""
    for block in text.blocks(0, text.characters):
        kept += read_all([block])
        whole, end, rest = kept.rpartition("\n")
        if len(whole) >= PIECE:
            yield whole + end
            kept = rest
    if kept:
        yield kept


def show(
    console: Console, pair: Pair, best: Sequence[Written], name: str, *, several: bool, first: bool
) -> None:
    """Print the targets of a source."""
    source = {"source": pair.source}
    if pair.features:
        source["features"] = ";".join(pair.features)
    if console.json:
        console.emit({**source, "targets": [one.json() for one in best], "model": name})
    elif console.csv:
        console.rows([source | one.json() for one in best], head=first)
    elif several:
        for one in best:
            console.show("\t".join((*source.values(), one.text, f"{one.probability:.4g}")))
    else:
        console.show(best[0].text if best else "")
    sys.stdout.flush()


def asked(
    console: Console,
    turns: Translator,
    texts: Sequence[str],
    features: str,
    encoding: str,
    errors: str,
) -> Iterator[list[Pair]]:
    """Yield what is to be translated, in groups: texts in quotes, and the lines of files."""
    from chargen.text.pair_form import FEATURES, Pair

    form = turns.form
    known = set(turns.symbols.features)

    def checked(pair: Pair, where: str) -> Pair:
        if not form.fits(pair):
            console.warn(f"{where} is cut to {form.longest:,} characters")
        new = [one for one in pair.features if one not in known]
        if new and known:
            console.warn(f"{where} has features that the model does not know: {', '.join(new)}")
        return pair

    for source in texts:
        if given(source):
            yield [checked(Pair(source, form.features(features)), f"{source[:40]!r}")]
            continue
        if features and known:
            console.warn(
                f"{argument('features')} is for texts in quotes: in {source}, write a tab and them"
            )
        for group in grouped(console, source, encoding, errors):
            pairs = []
            for number, line in group:
                if not line.strip():
                    continue
                where = f"line {number:,} of {source}"
                pairs.append(checked(form.question(line, where), where))
            yield pairs
    if features and FEATURES not in form.columns:
        console.warn("this model knows no features: what was given was not used")


def picture(
    console: Console, turns: Translator, pair: Pair, best: Written, align: bool, plot: Path | None
) -> None:
    """Show from which characters a target was written, as lines or as a picture."""
    from dataclasses import replace

    from chargen.terminal import findings, plots

    shares = turns.looked(replace(pair, target=best.symbols))
    if align:
        findings.alignment(console, pair.source, best.symbols, shares)
    if plot is not None:
        plots.alignment(plot, pair.source, best.symbols, shares)


def evaluate_on(
    console: Console,
    turns: Translator,
    name: str,
    source: str,
    columns: str | None,
    beam: int,
    seen: Sequence[Prints | None],
    encoding: str,
    errors: str,
) -> None:
    """Show how well sources are translated whose targets are known."""
    from dataclasses import replace

    from chargen.tasks.pair_quality import score_pairs
    from chargen.terminal import findings
    from chargen.text.examples import seen_among
    from chargen.text.pair_form import Form
    from chargen.text.pairs import numbered

    form = turns.form
    if columns is not None:
        form = replace(form, columns=Form.of(columns, "").columns)
    text = open_sources(console, [source], encoding, False, errors)
    pairs = [form.pair(line, where) for where, _, line in numbered(text)]
    if not pairs:
        raise CorpusError(f"{source} has no pairs", "Give lines of source, tab, target")
    parts = [[pair.source, "\t", *pair.features] for pair in pairs]
    known = max(seen_among(parts, prints) for prints in seen)
    if known:
        console.warn(
            f"{known:,} of these {len(pairs):,} sources were learned from, so the figures are "
            "better than on new ones"
        )
    cut = sum(len(pair.source) > form.longest for pair in pairs)
    if cut:
        console.warn(f"{cut:,} sources are cut to {form.longest:,} characters")
    new = {one for pair in pairs for one in pair.features} - set(turns.symbols.features)
    if new and turns.symbols.features:
        told = ", ".join(sorted(new)[:8])
        console.warn(f"{len(new):,} features that the model does not know were left out: {told}")
    with console.progress("translating", in_bytes=False) as progress:
        score = score_pairs(turns, pairs, beam, progress)
    console.result(
        score.json() | score.details() | {"seen": known, "model": name},
        lambda: [{"model": name} | score.json()],
        lambda: findings.pairs(console, score, turns.form),
    )
