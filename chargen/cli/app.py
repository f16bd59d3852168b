"""The command line: options, and what goes to which stream. No logic of its own.

Data goes to standard output, everything meant for eyes to standard error. Heavy imports are inside
the commands, so that ``--help`` prints at once and only ``train`` pays for PyTorch.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from chargen import __version__
from chargen.errors import ChargenError, CheckpointError, CorpusError, KindError, UsageError
from chargen.options import DEFAULT_OUT, OUT_VARIABLE, check
from chargen.terminal.console import (
    Throttle,
    closed,
    console,
    emit,
    interactive,
    mute,
    progress_bar,
    say,
    sink,
    streamer,
    table,
    visible,
)

if TYPE_CHECKING:
    from chargen.model import Model
    from chargen.tasks.scoring import Score
    from chargen.terminal.progress import View
    from chargen.text.corpus import Text
    from chargen.training.loop import Trainer

INTERRUPTED = 130
OUT = Path(DEFAULT_OUT)

app = typer.Typer(
    name="chargen",
    help="Train a network on your text, character by character; let it write; score texts with it.",
    epilog="Try: chargen sample --temp 0.8",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
)
corpus_app = typer.Typer(
    help="Texts known by name: list them, fetch one, look at one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(corpus_app, name="corpus")

ModelOption = Annotated[
    str | None,
    typer.Option("-m", "--model", metavar="NAME|PATH", help="The model; default: the newest run."),
]
OutOption = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", envvar=OUT_VARIABLE, help="The folder of runs."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Print no progress, no notes.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="On an error, show where it arose.")]
LabelOption = Annotated[
    str | None, typer.Option(help="The kind of text, for a model trained with --labels.")
]
EncodingOption = Annotated[str, typer.Option(help="How the text files are encoded.")]


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        typer.echo(f"chargen {__version__}")
        raise typer.Exit


# train


@app.command(epilog="Example: chargen train corpus.txt --minutes 5 --name mine")
def train(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CORPUS]...",
            help="Files, folders, .gz, - for standard input, or a name from `chargen corpus list`; "
            "default: the Python language reference.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run's name; default: the corpus's.")] = None,
    out: OutOption = OUT,
    minutes: Annotated[float | None, typer.Option(help="Train this long (default: 2).")] = None,
    epochs: Annotated[float | None, typer.Option(help="Or: this often over the text.")] = None,
    steps: Annotated[int | None, typer.Option(help="Or: this many steps.")] = None,
    arch: Annotated[
        str | None, typer.Option(help="elman, gru, lstm or transformer.", show_default="lstm")
    ] = None,
    layers: Annotated[int | None, typer.Option(help="How many.")] = None,
    hidden: Annotated[int | None, typer.Option(help="Units a layer.")] = None,
    embed: Annotated[int | None, typer.Option(help="Size of a character's vector.")] = None,
    tied: Annotated[
        bool | None, typer.Option("--tied", help="Use the embedding as output weights, too.")
    ] = None,
    heads: Annotated[int | None, typer.Option(help="A transformer's, in each layer.")] = None,
    context: Annotated[
        int | None, typer.Option(help="Characters that a transformer's layer attends to.")
    ] = None,
    bidirectional: Annotated[
        bool | None,
        typer.Option("--bidirectional", help="See both sides, to restore; not to continue."),
    ] = None,
    dropout: Annotated[
        float | None, typer.Option(help="Of outputs and recurrent weights, 0 to 0.95.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Lanes of text read side by side.")] = None,
    bptt: Annotated[
        int | None, typer.Option(help="Characters that a gradient flows back through.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="The highest learning rate.")] = None,
    clip: Annotated[
        float | None, typer.Option(help="Highest norm of a gradient.", show_default="1")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Of the weight matrices.", show_default="0.05")
    ] = None,
    valid: Annotated[
        str | None, typer.Option(metavar="FILE", help="A text of its own to hold out.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Instead of a corpus: lines of label, tab, text; or a folder with one per label.",
        ),
    ] = None,
    valid_fraction: Annotated[
        float | None,
        typer.Option(help="Share of the corpus, at its end, to hold out.", show_default="0.1"),
    ] = None,
    valid_chars: Annotated[
        int | None,
        typer.Option(help="Score at most this much of it.", show_default="250,000"),
    ] = None,
    evaluations: Annotated[
        int | None, typer.Option(help="How many, over the budget.", show_default="20")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after this many evaluations without a new best.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto, fp32 or bf16.", show_default="auto")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda or mps.", show_default="auto")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the first weights and dropout.", show_default="1")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run --name, or the newest.")
    ] = False,
    base: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME|PATH", help="Start from this model's weights."),
    ] = None,
    encoding: EncodingOption = "utf-8",
    as_bytes: Annotated[bool, typer.Option("--bytes", help="Model bytes, not characters.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a network on a text and keep the best on held-out text."""
    given = {
        "arch": arch, "layers": layers, "hidden": hidden, "embed": embed, "tied": tied,
        "heads": heads, "context": context, "bidirectional": bidirectional, "dropout": dropout,
        "minutes": minutes, "epochs": epochs, "steps": steps, "batch": batch, "bptt": bptt,
        "lr": lr, "clip": clip, "weight_decay": weight_decay, "valid_fraction": valid_fraction,
        "valid_chars": valid_chars, "evaluations": evaluations, "patience": patience,
        "precision": precision, "device": device, "seed": seed,
    }  # fmt: skip
    quiet = quiet or as_json
    with progress_bar("starting", quiet) as progress:
        from chargen.training.prepare import Request, launch

        trainer = launch(
            Request(
                sources=corpus or [],
                given=given,
                out=out,
                name=name,
                valid=valid,
                labels=labels,
                resume=resume,
                base=base,
                encoding=encoding,
                as_bytes=as_bytes,
            ),
            note=lambda line: say(line, quiet),
            progress=progress,
        )
    with interruptible(trainer), _view(quiet) as view:
        second = Throttle()
        for report in trainer:
            if not as_json:
                view.show(report)
            elif report.event != "step" or second.due():
                _emit_or_stop({"event": report.event} | report.data, trainer)
    name = trainer.run.name if trainer.run else ""
    if report.data["stopped"] == "interrupted":
        say(f"interrupted and saved; to go on: chargen train ... --resume --name {name}", as_json)
        raise typer.Exit(INTERRUPTED)
    say(f"now try: chargen {_first_use(trainer, name)}", quiet)


def _first_use(trainer: Trainer, name: str) -> str:
    """Return the command that shows what a new model is for."""
    if trainer.network.architecture.classifies:
        return f"classify -m {name} FILE"
    if trainer.settings.bidirectional:
        return f'restore -m {name} "a text with a gap [...] in it"'
    label = f" --label {shlex.quote(trainer.labels[0])}" if trainer.labels else ""
    return f"sample -m {name} --temp 0.8{label}"


def _emit_or_stop(value: dict[str, Any], trainer: Trainer) -> None:
    """Print a report; if nobody reads any more, save and end."""
    try:
        emit(value)
    except OSError as error:
        if not closed(error):
            raise
        mute()
        trainer.stop()


def _view(quiet: bool) -> View:
    from chargen.terminal.progress import Lines, Screen

    return Screen(console()) if interactive() and not quiet else Lines(console(quiet))


@contextmanager
def interruptible(trainer: Trainer) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end training after the step under way; a second one ends at once."""
    before = {}

    def handle(_number: int, _frame: object) -> None:
        if trainer.stopping:
            raise KeyboardInterrupt
        trainer.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# sample


@app.command(epilog='Example: chargen sample --temp 0.8 --prime "ROMEO:" --length 500')
def sample(
    model: ModelOption = None,
    temp: Annotated[float, typer.Option(help="0 always takes the likeliest character.")] = 1.0,
    length: Annotated[int, typer.Option(help="Characters to write.")] = 1000,
    prime: Annotated[str, typer.Option(metavar="TEXT", help="Go on from this text.")] = "",
    prime_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Go on from this file; - is standard input.")
    ] = None,
    unknown: Annotated[
        str, typer.Option(help="For strange characters in the prime: error, skip or replace.")
    ] = "error",
    top_k: Annotated[int | None, typer.Option(help="Only the k likeliest.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Only the likeliest that sum to p.")] = None,
    min_p: Annotated[
        float | None, typer.Option(help="Only those p times as likely as the likeliest.")
    ] = None,
    stop: Annotated[
        str | None, typer.Option(metavar="TEXT", help="End before this text; \\n is a new line.")
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
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Write text, character by character as it is drawn."""
    from chargen.model import load
    from chargen.tasks.sampling import Sampling

    wanted = Sampling(
        length=length,
        temp=temp,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        stop=stop.replace("\\n", "\n") if stop else stop,
        seed=fresh_seed() if seed is None else seed,
        count=count,
    )
    loaded = load(model, out)
    quiet = quiet or as_json
    say(f"model {_describe(loaded)}", quiet)
    if prime_file is not None:
        prime += _read_prime(prime_file, loaded)
    # Before a file is opened to write to: it would be emptied.
    loaded.continues()
    loaded.label_id(label)
    ids = loaded.prime(prime, unknown)
    with sink(output) as out_stream:
        terminal = out_stream.isatty() and not raw
        stream = None if as_json or count > 1 else streamer(out_stream, terminal)
        if terminal and stream and prime and not quiet:
            # Shown before what follows from it, but no part of the output.
            print(visible(prime), end="", file=sys.stderr, flush=True)
        for text in loaded.samples(wanted, ids, stream, label):
            if as_json:
                line = json.dumps(text.json(), ensure_ascii=False)
                out_stream.write(line.encode("utf-8", "replace") + b"\n")
            elif count > 1:
                shown = visible(text.text).encode() if terminal else text.data
                out_stream.write(shown + b"\n")
            elif terminal and not text.data.endswith(b"\n"):
                out_stream.write(b"\n")
        out_stream.flush()
    if seed is None:
        say(f"seed {wanted.seed}", quiet)


def fresh_seed() -> int:
    """Return a seed that differs each time."""
    import secrets

    return secrets.randbelow(1 << 31)


def _describe(model: Model) -> str:
    figures = model.checkpoint.figures
    perplexity = figures.get("perplexity")
    quality = f", held-out perplexity {perplexity:.3f}" if isinstance(perplexity, float) else ""
    return f"{model.name} ({model.checkpoint.architecture}{quality})"


def _read_prime(source: str, model: Model) -> str:
    if model.as_bytes:
        return _read_bytes(source).decode(errors="surrogateescape")
    return _read_text(source, "prime")


def _read_text(source: str, what: str) -> str:
    data = _read_bytes(source)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{source} is not utf-8 text: byte 0x{data[error.start]:02x} at offset {error.start}",
            f"Save the {what} as UTF-8",
        ) from None


def _read_bytes(source: str) -> bytes:
    from chargen.text.corpus import STDIN, unreadable

    try:
        return sys.stdin.buffer.read() if source == STDIN else Path(source).read_bytes()
    except OSError as error:
        raise unreadable(source, error) from error


# perplexity


@app.command(epilog="Example: chargen perplexity held_out.txt --json")
def perplexity(
    texts: Annotated[
        list[str],
        typer.Argument(metavar="TEXT...", help="Files, folders, .gz, a corpus's name, or -."),
    ],
    model: ModelOption = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="One pass, no lanes: slower, no approximation.")
    ] = False,
    label: LabelOption = None,
    encoding: EncodingOption = "utf-8",
    out: OutOption = OUT,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Score texts: perplexity per character, bits per character, bits per UTF-8 byte."""
    from chargen.model import load
    from chargen.terminal import tables

    loaded = load(model, out)
    quiet = quiet or as_json
    say(f"model {_describe(loaded)}", quiet)
    scores: list[tuple[str, Score]] = []
    for source in texts:
        text = _open([source], encoding, loaded.as_bytes, quiet)
        with progress_bar(f"scoring {source}", quiet, in_bytes=False) as progress:
            scores.append((source, loaded.score(text, exact=exact, label=label, progress=progress)))
    total = scores[0][1]
    for _, score in scores[1:]:
        total += score
    if as_json:
        rows = [{"text": name} | score.json() | {"model": loaded.name} for name, score in scores]
        whole = total.json() | {"model": loaded.name}
        emit(rows[0] if len(rows) == 1 else {"texts": rows, "total": whole})
        return
    tables.scores(scores + ([("total", total)] if len(scores) > 1 else []))


def _open(sources: list[str], encoding: str, as_bytes: bool, quiet: bool) -> Text:
    from chargen.text import catalog
    from chargen.text.corpus import open_text

    with progress_bar(f"reading {sources[0]}", quiet) as progress:
        return open_text(
            [catalog.resolve(source) for source in sources],
            encoding=encoding,
            as_bytes=as_bytes,
            progress=progress,
            skipped=lambda name: say(f"skipped {name}: not text", quiet),
        )


# restore


@app.command(epilog='Example: chargen restore "To be, or [...] to be" -n 5')
def restore(
    damaged: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT]",
            help="The text, or a file, or -: with [...] for a gap, [?] for one character, [5] for "
            "five, \\[ for a bracket.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    count: Annotated[int, typer.Option("-n", "--count", help="Show so many ways.")] = 1,
    beam: Annotated[int, typer.Option(help="Hypotheses followed side by side.")] = 20,
    evaluate: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Instead: make gaps in this held-out text, and count."),
    ] = None,
    gaps: Annotated[int, typer.Option(help="With --evaluate: how many.")] = 300,
    unknown_length: Annotated[
        bool, typer.Option("--unknown-length", help="With --evaluate: do not tell their length.")
    ] = False,
    seed: Annotated[int, typer.Option(help="With --evaluate: of their places.")] = 0,
    encoding: EncodingOption = "utf-8",
    out: OutOption = OUT,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Fill the gaps of a damaged text; best with a model trained with --bidirectional."""
    from chargen.model import load
    from chargen.terminal import tables

    if (damaged is None) == (evaluate is None):
        raise UsageError("give a text with gaps, or --evaluate FILE", "See --help for how")
    loaded = load(model, out)
    quiet = quiet or as_json
    say(f"model {loaded.name} ({loaded.checkpoint.architecture})", quiet)
    if evaluate is not None:
        held_out = _open([evaluate], encoding, loaded.as_bytes, quiet)
        with progress_bar("filling gaps", quiet, in_bytes=False) as progress:
            judged = loaded.judge(
                held_out.span(),
                gaps=gaps, seed=seed, unknown=unknown_length, beam=beam, progress=progress,
            )  # fmt: skip
        rows = [quality.json() for quality in judged]
        if as_json:
            emit({"lengths": rows[:-1], "total": rows[-1], "model": loaded.name})
        else:
            tables.gaps(rows)
        return
    assert damaged is not None
    text = _damaged(damaged, encoding, loaded.as_bytes, quiet)
    with progress_bar("restoring", quiet, in_bytes=False) as progress:
        ways = loaded.restore(text, count, beam=beam, progress=progress)
    if as_json:
        emit({"restorations": [way.json() for way in ways], "model": loaded.name})
        return
    tables.restorations(ways)


def _damaged(source: str, encoding: str, as_bytes: bool, quiet: bool) -> str:
    """Return what is to be restored: a file's text if there is such a file, or what was given."""
    from chargen.tasks.restoring import MARK
    from chargen.text.corpus import STDIN
    from chargen.text.labelled import as_text

    if source == STDIN or os.path.isfile(source):
        text = _open([source], encoding, as_bytes, quiet)
        return as_text(text, 0, text.characters)
    if not MARK.search(source):
        raise UsageError(
            f"{source!r} is neither a file nor a text with a gap",
            "Write [...] where the gap is, or [?], or [5] for five",
        )
    return source


# classify


@app.command(epilog="Example: chargen classify letter.txt -m austen -m dickens")
def classify(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="Files, or -; of each, or of each line, 10,000 characters are read.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="NAME|PATH",
            help="One model for each kind, or one trained with --labels; default: the newest run.",
            show_default=False,
        ),
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Tell each line apart.")] = False,
    evaluate: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Instead: count over what was held out of these labelled texts; n-grams learn the "
            "rest.",
        ),
    ] = None,
    examples: Annotated[int, typer.Option(help="With --evaluate: at most so many.")] = 2000,
    sharpness: Annotated[
        float | None,
        typer.Option(help="How sure to be; what --evaluate found.", show_default="the model's"),
    ] = None,
    encoding: EncodingOption = "utf-8",
    out: OutOption = OUT,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Tell which kind of text it is: which author, language, or whatever the labels say."""
    from chargen.model import judge, load
    from chargen.options import Settings
    from chargen.tasks import classifying
    from chargen.terminal import tables
    from chargen.text.labelled import read_labelled

    check("--sharpness", sharpness, 0, math.inf)
    if bool(texts) == (evaluate is not None):
        raise UsageError("give texts, or --evaluate FILE", "See --help for how")
    loaded = [load(model, out) for model in models] if models else [load(None, out)]
    told, fitted = judge(loaded)
    quiet = quiet or as_json
    as_bytes = loaded[0].as_bytes
    name = ", ".join(model.name for model in loaded)
    say(f"model {name}: {', '.join(told.names)}", quiet)
    if evaluate is not None:
        with progress_bar(f"reading {evaluate}", quiet) as progress:
            labelled = read_labelled(
                evaluate,
                loaded[0].held_out if len(loaded) == 1 else Settings.valid_fraction,
                encoding=encoding,
                as_bytes=as_bytes,
                progress=progress,
                skipped=lambda one: say(f"skipped {one}: not text", quiet),
            )
        with progress_bar("telling", quiet, in_bytes=False) as progress:
            ways = classifying.evaluate(name, told, labelled, examples, progress)
        if as_json:
            given = {"examples": int(ways[0].confusion.sum()), "labels": list(told.names)}
            emit(given | {"ways": [way.json() for way in ways], "model": name})
        else:
            tables.verdicts(ways, told.names)
        return
    found: list[tuple[str, str]] = []
    for source in texts or []:
        text = _open([source], encoding, as_bytes, quiet)
        found += classifying.to_tell(source, text, lines)
    with progress_bar("telling", quiet, in_bytes=False) as progress:
        logs = classifying.weigh_all(told, [text for _, text in found], progress)
    shares = classifying.probabilities(logs, fitted if sharpness is None else sharpness)
    ranked = [
        sorted(zip(told.names, row.tolist(), strict=True), key=lambda pair: -pair[1])
        for row in shares
    ]
    if as_json:
        for (source, _), ranking in zip(found, ranked, strict=True):
            one = [{"label": label, "probability": share} for label, share in ranking]
            emit({"text": source, "labels": one, "model": name})
        return
    tables.labels([(source, row) for (source, _), row in zip(found, ranked, strict=True)])


# compare


@app.command(epilog="Example: chargen compare gru lstm --text held_out.txt --plot memory.svg")
def compare(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Runs or files.", show_default=False)
    ],
    text: Annotated[str, typer.Option(metavar="FILE", help="Held-out text to measure on.")],
    places: Annotated[int, typer.Option(help="At how many places of it.")] = 512,
    seed: Annotated[int, typer.Option(help="Of the places.")] = 0,
    label: LabelOption = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it, too: a .png, .svg or .pdf.")
    ] = None,
    encoding: EncodingOption = "utf-8",
    out: OutOption = OUT,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what each model remembers: bits by length of context, and how far a gradient reaches."""
    from chargen.model import load
    from chargen.terminal import tables

    quiet = quiet or as_json
    loaded = [load(model, out) for model in models]
    if len({model.as_bytes for model in loaded}) > 1:
        raise KindError("some of the models are of bytes, some of characters", "Compare like ones")
    for model in loaded:
        model.continues()
    numbers = [model.label_id(label) for model in loaded]
    opened = _open([text], encoding, loaded[0].as_bytes, quiet)
    from chargen.tasks import comparing

    if plot is not None:
        comparing.drawable(plot)
    stretches = comparing.places(opened.span(), places, seed)
    measured = []
    for model, number in zip(loaded, numbers, strict=True):
        with progress_bar(f"measuring {model.name}", quiet, in_bytes=False) as progress:
            measured.append(comparing.remember(model.checkpoint, stretches, number, progress))
    names = [model.name for model in loaded]
    if as_json:
        rows = [
            memory.json() | {"model": name} for name, memory in zip(names, measured, strict=True)
        ]
        emit({"text": text, "places": places, "models": rows})
    else:
        tables.memories(names, [memory.json() for memory in measured], places)
    if plot is not None:
        comparing.plot(plot, list(zip(names, measured, strict=True)))


# runs, info


@app.command(epilog="Example: chargen runs --json")
def runs(
    out: OutOption = OUT,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """List what has been trained here, newest first."""
    import datetime

    from chargen import checkpoint
    from chargen import runs as folder
    from chargen.terminal import tables

    starter = folder.Run(folder.STARTER)
    rows = []
    for run in folder.runs(out) + ([starter] if starter.model.exists() else []):
        try:
            saved = checkpoint.read(run.model, weights=False)
        except CheckpointError as error:
            say(f"{run.name}: {error}", quiet)
            continue
        when = datetime.datetime.fromtimestamp(run.touched()).isoformat(" ", "minutes")
        rows.append(tables.summary(run.name, saved) | {"path": str(run.model), "when": when})
    if as_json:
        emit(rows)
        return
    tables.runs(rows)


@app.command(epilog="Example: chargen info shakespeare")
def info(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="A run or a file; default: the newest.")
    ] = None,
    out: OutOption = OUT,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Tell all about one model: network, corpus, settings, figures, and how it learned."""
    from dataclasses import asdict

    from chargen.model import load
    from chargen.terminal import tables

    loaded = load(model, out)
    saved = loaded.checkpoint
    vocabulary = saved.vocabulary
    about = {
        "model": loaded.name,
        "path": str(loaded.path),
        "architecture": asdict(saved.architecture),
        "parameters": saved.parameters,
        "vocabulary": {
            "size": len(vocabulary),
            "as_bytes": vocabulary.as_bytes,
            "escape": vocabulary.escape,
            "characters": vocabulary.characters,
        },
        "corpus": saved.corpus,
        "labels": list(saved.labels),
        "settings": saved.settings,
        "figures": saved.figures,
        "history": saved.history,
    }
    if as_json:
        emit(about)
        return
    tables.model(loaded.name, str(loaded.path), saved)


# corpus


@corpus_app.command("list", epilog="Example: chargen corpus list")
def corpus_list(
    as_json: JsonOption = False, quiet: QuietOption = False, debug: DebugOption = False
) -> None:
    """List the texts known by name."""
    from chargen.text import catalog

    known = catalog.entries().values()
    if as_json:
        emit([entry.json() for entry in known])
        return
    rows = [
        (
            entry.name,
            "yes" if entry.here else "no",
            f"{entry.size:,}" if entry.size else "",
            entry.about,
        )
        for entry in known
    ]
    table(rows, ("name", "here", "size", "about"), left=(0, 3))


@corpus_app.command("get", epilog="Example: chargen corpus get tinyshakespeare")
def corpus_get(
    name: Annotated[str, typer.Argument(help="A name from `chargen corpus list`.")],
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Fetch a text, check its sha256, and print where it is."""
    from chargen.text import catalog

    wanted = catalog.entry(name)
    with progress_bar(f"fetching {name}", quiet or as_json) as progress:
        path = catalog.fetch(wanted, progress)
    if as_json:
        emit(wanted.json())
    else:
        typer.echo(name if wanted.made else path)


@corpus_app.command("stats", epilog="Example: chargen corpus stats corpus.txt")
def corpus_stats(
    text: Annotated[list[str], typer.Argument(metavar="TEXT...", help="As for train.")],
    encoding: EncodingOption = "utf-8",
    as_bytes: Annotated[bool, typer.Option("--bytes", help="Count bytes.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what a text looks like to the trainer."""
    from chargen.terminal import tables

    opened = _open(text, encoding, as_bytes, quiet or as_json)
    about = opened.statistics()
    if as_json:
        emit(about | {"counts": {chr(point): count for point, count in opened.ranking()}})
        return
    tables.statistics(about, "".join(chr(point) for point, _ in opened.ranking()))


# The way in.


def main() -> None:
    """Run a command; turn every error into one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A console of another encoding must not make a character of the text an error. The types
        # of both streams are wider than what they are in a process.
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    debug = "--debug" in sys.argv
    try:
        app()
    except ChargenError as error:
        fail(error, debug)
    except Exception as error:  # noqa: BLE001 - the last line of defence, for people
        if out_of_memory(error):
            fail(
                ChargenError(
                    "there is not enough memory",
                    "Try a smaller --hidden, --layers, --batch or --bptt",
                ),
                debug,
            )
        what = f"{type(error).__name__}: {error}".replace("\n", " ")
        report = f"`{shlex.join(['chargen', *sys.argv[1:]])}` and --debug ({versions()})"
        fail(ChargenError(f"a defect of chargen: {what}", f"Please report it with {report}"), debug)


def out_of_memory(error: Exception) -> bool:
    """Return whether there was too little memory; PyTorch has a word of its own for it."""
    foreign = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or foreign


def versions() -> str:
    """Return the versions of all that a defect may lie in."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = [f"chargen {__version__}", f"Python {platform.python_version()}", platform.platform()]
    for name in ("torch", "numpy", "numba", "safetensors", "typer", "rich"):
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)


def fail(error: ChargenError, debug: bool) -> NoReturn:
    """Print an error as one line, or with its traceback, and exit."""
    if debug:
        traceback.print_exc()
    say("error: " + " ".join(str(error).splitlines()))
    sys.exit(error.exit_code)


__all__ = ["app", "main"]
