"""``chargen tag``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from chargen.cli.app import command
from chargen.cli.inputs import announce, given, grouped, leave_out, open_sources
from chargen.cli.options import OUT, EncodingOption, ErrorsOption, ModelOption, OutOption
from chargen.errors import CorpusError, UsageError, argument
from chargen.terminal.console import Console

if TYPE_CHECKING:
    from chargen.model import Model
    from chargen.tasks.tagging import Marked

ENCODED = "utf-8"


@command('chargen tag "Ines went to Vesle." -m names', table=True)
def tag(
    console: Console,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="Files with a text on each line, texts in quotes, or - for standard input.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    conll: Annotated[
        bool, typer.Option("--conll", help="Print a word a line with its tag (IOB), instead.")
    ] = False,
    show: Annotated[
        bool,
        typer.Option("--show", help="Print the texts themselves, with their spans marked in them."),
    ] = False,
    evaluate: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Instead: measure on these tagged texts."),
    ] = None,
    encoding: EncodingOption = ENCODED,
    errors: ErrorsOption = "strict",
    out: OutOption = OUT,
) -> None:
    """Mark the spans of a text.

    A model trained with --tags finds names, places, or whatever it has learned to mark.
    """
    from chargen.model import load

    if bool(texts) == (evaluate is not None):
        raise UsageError(f"give texts, or {argument('evaluate')} FILE", "See --help for how")
    if evaluate is not None:
        leave_out({"conll": conll, "show": show}, f"does not go with {argument('evaluate')}")
    loaded = load(model, out)
    tagger = loaded.tagger
    announce(console, loaded, model)
    if evaluate is not None:
        evaluate_on(console, loaded, evaluate, encoding, errors)
        return
    first = True
    for name, group in asked(console, texts or [], encoding, errors):
        found = tagger.tag([text for _, text in group])
        for (number, text), spans in zip(group, found, strict=True):
            rows = [{"text": name, "line": number} | one.json() for one in spans]
            if console.json:
                told = [one.json() for one in spans]
                console.emit({"text": text, "spans": told, "model": loaded.name})
            elif console.csv:
                console.rows(rows, head=first)
            elif conll:
                console.show(words(text, spans))
            elif show:
                from chargen.terminal import findings

                findings.marked(text, spans, tagger.marking.labels)
            else:
                for row in rows:
                    cells = (*list(row.values())[:-1], f"{row['probability']:.4f}")
                    console.show("\t".join(str(one) for one in cells))
            first = first and not rows
        sys.stdout.flush()


def asked(
    console: Console, texts: Sequence[str], encoding: str, errors: str
) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Yield what is to be tagged, in groups, with where it is from: its file and its lines."""
    for source in texts:
        if given(source):
            yield source, [(1, source)]
        else:
            for group in grouped(console, source, encoding, errors):
                yield source, group


def words(text: str, spans: Sequence[Marked]) -> str:
    """Return the words of a text, each with its tag, and an empty line at the end."""
    from chargen.text.tagged import in_words

    told = in_words(text, [(one.start, one.end, one.label) for one in spans])
    return "".join(f"{word}\t{mark}\n" for word, mark in told)


def evaluate_on(console: Console, model: Model, source: str, encoding: str, errors: str) -> None:
    """Show how well the spans of texts are found whose spans are known."""
    from chargen.tasks.span_quality import score_spans
    from chargen.terminal import findings
    from chargen.text.examples import seen_among
    from chargen.text.tagged import tagged

    text = open_sources(console, [source], encoding, False, errors)
    examples = [example for _, example in tagged(text)]
    if not examples:
        raise CorpusError(f"{source} has no texts with tags", "Give tokens and tags, or lines")
    known = seen_among([[one.text] for one in examples], model.checkpoint.seen)
    if known:
        console.warn(
            f"{known:,} of these {len(examples):,} texts were learned from, so the figures are "
            "better than on new ones"
        )
    new = {label for one in examples for *_, label in one.spans} - set(model.tagger.marking.labels)
    if new:
        told = ", ".join(sorted(new)[:8])
        console.warn(f"the model does not know the labels {told}: it can find no such spans")
    with console.progress("tagging", in_bytes=False) as progress:
        score = score_spans(model.tagger, examples, progress)
    labels = {name: tally.json() for name, tally in score.labels.items()}
    console.result(
        score.json() | {"labels": labels, "seen": known, "model": model.name},
        lambda: [
            {"label": name} | tally.json()
            for name, tally in (*score.labels.items(), ("all", score.all))
        ],
        lambda: findings.spans(console, score),
    )
