"""``chargen sample``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chargen.cli.app import command
from chargen.cli.inputs import announce, load_all, read_bytes, read_text, unescaped
from chargen.cli.options import (
    OUT,
    BlendOption,
    LabelOption,
    MinPOption,
    ModelsOption,
    OutOption,
    TopKOption,
    TopPOption,
)
from chargen.cli.rules import (
    EachLineOption,
    EndOption,
    FaithfulOption,
    ForbidOption,
    MatchOption,
    MaxCopyOption,
    MaxLengthOption,
    MinLengthOption,
    MustOption,
    StartOption,
)
from chargen.errors import UsageError, argument
from chargen.terminal.console import Console
from chargen.terminal.page import Page
from chargen.terminal.streams import sink

if TYPE_CHECKING:
    from chargen.model import Model
    from chargen.tasks.draft import Sample

SHOWN = 8
"""Unknown characters that are listed."""


@command('chargen sample --temp 0.8 --prime "ROMEO:" --length 500')
def sample(
    console: Console,
    model: ModelsOption = None,
    blend: BlendOption = "probabilities",
    temp: Annotated[
        str,
        typer.Option(
            metavar="T[,T...]",
            help="Temperature: 0 takes the likeliest character, 1 follows the model, more is "
            "wilder; several with commas give a text for each.",
        ),
    ] = "1",
    length: Annotated[int, typer.Option(help="Characters to write in each text.")] = 1000,
    prime: Annotated[
        str, typer.Option(metavar="TEXT", help="Go on from this text; \\n, \\t and \\\\ as below.")
    ] = "",
    prime_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Go on from this file; - is standard input.")
    ] = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="Learn from the prime before going on from it, so that the text is more like it.",
        ),
    ] = False,
    with_prime: Annotated[
        bool, typer.Option("--with-prime", help="Write the prime before each text, too.")
    ] = False,
    unknown: Annotated[
        str,
        typer.Option(
            metavar="WORD",
            help="For characters of the prime that the model does not know: error, skip or "
            "replace (read each as an unknown one).",
        ),
    ] = "error",
    top_k: TopKOption = None,
    top_p: TopPOption = None,
    min_p: MinPOption = None,
    stop: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="End before this text; \\n is a new line, \\t a tab, \\\\ a backslash.",
        ),
    ] = None,
    match: MatchOption = None,
    each_line: EachLineOption = False,
    must: MustOption = None,
    forbid: ForbidOption = "",
    start: StartOption = "",
    end: EndOption = "",
    min_length: MinLengthOption = 0,
    max_length: MaxLengthOption = None,
    max_copy: MaxCopyOption = None,
    faithful: FaithfulOption = False,
    report_copies: Annotated[
        bool,
        typer.Option(
            "--report-copies",
            help="Say of each text what its longest run is that the model's corpus has, too.",
        ),
    ] = False,
    items: Annotated[
        bool,
        typer.Option(
            "--items",
            help="Write items that all differ, and none that the model learned from; for a model "
            "of lines or documents.",
        ),
    ] = False,
    rank: Annotated[
        bool, typer.Option("--rank", help="With --items: the likeliest first.")
    ] = False,
    label: LabelOption = None,
    count: Annotated[
        int, typer.Option("-n", "--count", help="Write this many texts, each with its own seed.")
    ] = 1,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of the first text, to write the same again; default: a new one each time."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", metavar="FILE", help="Write to this file; one that exists is kept."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Let -o replace a file that exists.")
    ] = False,
    append: Annotated[
        bool, typer.Option("--append", help="Let -o add to a file, under a line with the seed.")
    ] = False,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="Let control characters reach the terminal, instead of pictures of them."
        ),
    ] = False,
    out: OutOption = OUT,
) -> None:
    """Write text with a model.

    It is written character by character, as it is drawn.
    """
    import secrets

    from chargen.tasks.drawing import Sampling
    from chargen.tasks.rules import Rules

    rules = Rules(
        match=match,
        each_line=each_line,
        must=tuple(map(unescaped, must or ())),
        forbid=unescaped(forbid),
        start=unescaped(start),
        end=unescaped(end),
        min_length=min_length,
        max_length=max_length,
        max_copy=max_copy,
    )
    if rank and not items:
        raise UsageError(f"{argument('rank')} is for items", f"Add {argument('items')}")
    begin = secrets.randbelow(1 << 31) if seed is None else seed
    wanted = [
        Sampling(
            length=length,
            temp=one,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            stop=None if stop is None else unescaped(stop),
            seed=begin,
            count=count,
            rules=rules,
            faithful=faithful,
        )
        for one in temperatures(temp)
    ]
    loaded = load_all(model, out, blend)
    announce(console, loaded, model)
    prime = unescaped(prime)
    if prime_file is not None:
        prime += read_prime(prime_file, loaded)
    # Check first: opening the output file may empty it.
    loaded.require_causal()
    loaded.label_id(label)
    if items:
        check_items(console, loaded)
    if report_copies:
        loaded.grams.require_some()
    for one in wanted:
        loaded.check_rules(one)
    ids = loaded.prime(prime, unknown)
    told_unknown(console, loaded, prime, unknown)
    if adapt:
        loaded = learned(console, loaded, prime, label)
    lines = "\n" in (loaded.checkpoint.end, wanted[0].stop)
    with sink(output, force=force, append=append) as stream:
        page = Page(
            stream,
            model=loaded.name,
            lines=lines,
            several=append or count * len(wanted) > 1,
            temperatures=len(wanted) > 1,
            kept=append,
            prime=prime.encode(errors="surrogateescape") if with_prime else b"",
            safe=stream.isatty() and not raw,
        )
        for one in wanted:
            if items:
                found = loaded.draw_items(one, ids, rank=rank, label=label)
                if len(found) < count:
                    console.say(
                        f"the model repeats itself: {len(found):,} new items, not {count:,}"
                    )
                texts = iter(found)
            elif count > 1 or console.json:
                texts = loaded.draw(one, [ids], label=label)
            if console.json:
                for text in texts:
                    about = {"prime": prime} | text.json()
                    about |= (
                        {"longest_copy": loaded.longest_copy(text.text)} if report_copies else {}
                    )
                    row = json.dumps(about, ensure_ascii=False)
                    stream.write(row.encode("utf-8", "replace") + b"\n")
            elif count == 1 and not items:
                page.begin(one.temp, one.seed)
                for text in loaded.draw(one, [ids], page.write, label):
                    page.end()
                    if report_copies:
                        told_copy(console, loaded, text)
            else:
                for text in texts:
                    page.begin(text.temp, text.seed)
                    page.write(text.data)
                    page.end()
                    if report_copies:
                        told_copy(console, loaded, text)
        stream.flush()
    if seed is None:
        console.note(f"seed {begin}")


def check_items(console: Console, model: Model) -> None:
    """Make sure that a model can write new items, and say so if it cannot be sure of each.

    Raises:
        KindError: it was not trained on lines or documents.
    """
    from chargen.tasks.items import Known

    if not Known.of(model.name, model.checkpoint).whole:
        console.note("the list was so long that the model cannot tell all of its items")


def learned(console: Console, model: Model, prime: str, label: str | None) -> Model:
    """Return a model that has learned from a prime.

    Raises:
        UsageError: there is no prime.
    """
    if not prime:
        raise UsageError(
            f"{argument('adapt')} learns from a prime, and there is none",
            f"Give {argument('prime_file')} FILE",
        )
    with console.progress("learning from the prime", in_bytes=False) as progress:
        cost, reader = model.adapt(prime, label=label, progress=progress)
    console.note(
        f"learned from {cost.characters:,} characters, at {cost.nats_per_char:.3f} nats each"
    )
    return reader


def told_copy(console: Console, model: Model, text: Sample) -> None:
    """Say what a text has copied from the model's corpus."""
    run = model.longest_copy(text.text)
    shown = f", {run!r}" if run else ""
    console.say(f"seed {text.seed}: the longest copy has {len(run):,} characters{shown}")


def temperatures(given: str) -> list[float]:
    """Return one temperature, or several with commas between them.

    Raises:
        UsageError: something else is given.

    Example:
        >>> temperatures("0.3,0.8")
        [0.3, 0.8]
    """
    try:
        return [float(one) for one in given.split(",")]
    except ValueError:
        raise UsageError(
            f"{argument('temp')} is {given!r}", "Give a number, or several with commas: 0.3,0.8"
        ) from None


def told_unknown(console: Console, model: Model, prime: str, unknown: str) -> None:
    """Say what was done with the characters of a prime that the model does not know."""
    unseen = model.checkpoint.vocabulary.unknown(prime)
    if unseen:
        done = {"replace": "read as unknown ones", "skip": "left out"}[unknown]
        shown = ", ".join(f"{one!r} (U+{ord(one):04X})" for one in unseen[:SHOWN])
        more = f" and {len(unseen) - SHOWN} more" if len(unseen) > SHOWN else ""
        count = sum(prime.count(one) for one in unseen)
        console.note(
            f"{count:,} characters of the prime are new to the model and {done}: {shown}{more}"
        )


def read_prime(source: str, model: Model) -> str:
    """Return a file's text to go on from; of bytes, for a model of bytes."""
    if model.as_bytes:
        return read_bytes(source).decode(errors="surrogateescape")
    return read_text(source, "prime")
