"""``chargen sample``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chargen.cli.app import command
from chargen.cli.inputs import announce, read_bytes, read_text, unescaped
from chargen.cli.options import OUT, LabelOption, ModelOption, OutOption
from chargen.terminal.console import Console
from chargen.terminal.streams import sink, streamer, visible

if TYPE_CHECKING:
    from chargen.model import Model


@command('chargen sample --temp 0.8 --prime "ROMEO:" --length 500')
def sample(
    console: Console,
    model: ModelOption = None,
    temp: Annotated[float, typer.Option(help="0 always takes the likeliest character.")] = 1.0,
    length: Annotated[int, typer.Option(help="Characters to write.")] = 1000,
    prime: Annotated[
        str, typer.Option(metavar="TEXT", help="Go on from this text; \\n, \\t and \\\\ as below.")
    ] = "",
    prime_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Go on from this file; - is standard input.")
    ] = None,
    unknown: Annotated[
        str, typer.Option(help="For unknown characters in the prime: error, skip or replace.")
    ] = "error",
    top_k: Annotated[int | None, typer.Option(help="Draw from the k likeliest only.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Draw from the likeliest that sum to p only.")
    ] = None,
    min_p: Annotated[
        float | None,
        typer.Option(help="Draw only from those at least p times as likely as the likeliest."),
    ] = None,
    stop: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="End before this text; \\n is a new line, \\t a tab, \\\\ a backslash.",
        ),
    ] = None,
    label: LabelOption = None,
    count: Annotated[int, typer.Option("-n", "--count", help="Write this many texts.")] = 1,
    seed: Annotated[
        int | None, typer.Option(help="For the same text again; default: a new one each time.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", metavar="FILE", help="Write to this file.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Let control characters reach the terminal.")
    ] = False,
    out: OutOption = OUT,
) -> None:
    """Write text, character by character as it is drawn."""
    import secrets

    from chargen.model import load
    from chargen.tasks.sampling import Sampling

    wanted = Sampling(
        length=length,
        temp=temp,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        stop=None if stop is None else unescaped(stop),
        seed=secrets.randbelow(1 << 31) if seed is None else seed,
        count=count,
    )
    loaded = load(model, out)
    announce(console, loaded, model)
    prime = unescaped(prime)
    if prime_file is not None:
        prime += read_prime(prime_file, loaded)
    # Check first: opening the output file empties it.
    loaded.require_causal()
    loaded.label_id(label)
    ids = loaded.prime(prime, unknown)
    with sink(output) as out_stream:
        terminal = out_stream.isatty() and not raw
        stream = None if console.json or count > 1 else streamer(out_stream, terminal)
        if terminal and stream and prime and not console.silent:
            # Shown before what follows from it, but no part of the output.
            print(visible(prime), end="", file=sys.stderr, flush=True)
        for text in loaded.samples(wanted, ids, stream, label):
            if console.json:
                line = json.dumps(text.json(), ensure_ascii=False)
                out_stream.write(line.encode("utf-8", "replace") + b"\n")
            elif count > 1:
                shown = visible(text.text).encode() if terminal else text.data
                out_stream.write(shown + b"\n")
            elif terminal and not text.data.endswith(b"\n"):
                out_stream.write(b"\n")
        out_stream.flush()
    if seed is None:
        console.note(f"seed {wanted.seed}")


def read_prime(source: str, model: Model) -> str:
    """Return a file's text to go on from; of bytes, for a model of bytes."""
    if model.as_bytes:
        return read_bytes(source).decode(errors="surrogateescape")
    return read_text(source, "prime")
