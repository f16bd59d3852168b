"""``chargen compress`` and ``chargen decompress``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chargen.cli.app import command
from chargen.cli.inputs import announce, keep, read_bytes
from chargen.cli.options import OUT, LabelOption, ModelOption, OutOption
from chargen.errors import UsageError, argument
from chargen.terminal.console import Console
from chargen.terminal.streams import sink

if TYPE_CHECKING:
    from chargen.model import Model

SUFFIX = ".cgz"

FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A file, or - for standard input.")
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o",
        metavar="FILE",
        help=f"Write to this file; default: the same name with {SUFFIX}, or without it.",
    ),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Let the result replace a file that exists.")
]


@command("chargen compress novel.txt -m novel")
def compress(
    console: Console,
    file: FileArgument,
    model: ModelOption = None,
    output: OutputOption = None,
    force: ForceOption = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check", help="Read the result back, to be sure; it takes as long again."
        ),
    ] = True,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt", help="Learn from the file while it is read: smaller for most files."
        ),
    ] = False,
    label: LabelOption = None,
    out: OutOption = OUT,
) -> None:
    """Make a file small by a model.

    Files like those that it has learned from become smallest. Any file can be compressed, and comes
    back as it was; the same model is needed for that.
    """
    from chargen.model import load
    from chargen.text.sources import STDIN

    data = read_bytes(file)
    loaded = load(model, out)
    announce(console, loaded, model)
    into = output or (None if file == STDIN else Path(file + SUFFIX))
    keep(into, force)
    with console.progress("compressing", in_bytes=False) as progress:
        packed = loaded.compress(data, label=label, adapt=adapt, progress=progress)
    with sink(into, force=True) as stream:
        stream.write(packed)
    if check:
        # A file that does not come back as it was does not fit its checksum.
        with console.progress("checking", in_bytes=False) as progress:
            written = into.read_bytes() if into is not None and into.is_file() else packed
            loaded.decompress(written, label=label, progress=progress)
    told(console, loaded, file, data, packed, free=into is not None)


def told(
    console: Console, loaded: Model, file: str, data: bytes, packed: bytes, *, free: bool
) -> None:
    """Say how small a file became.

    Args:
        free: whether standard output is free for JSON, because the data are not there.
    """
    bits = 8 * len(packed) / max(1, len(data))
    about = {
        "file": file,
        "bytes": len(data),
        "compressed": len(packed),
        "bits_per_byte": bits,
        "model": loaded.name,
    }
    if console.json and free:
        console.emit(about)
    elif console.json:
        console.complain(about, "")
    else:
        console.note(
            f"{file}: {len(data):,} bytes became {len(packed):,} ({bits:.3f} bits per byte)"
        )


@command("chargen decompress novel.txt.cgz -m novel")
def decompress(
    console: Console,
    file: FileArgument,
    model: ModelOption = None,
    output: OutputOption = None,
    force: ForceOption = False,
    label: LabelOption = None,
    out: OutOption = OUT,
) -> None:
    """Get back what compress made small."""
    from chargen.model import load
    from chargen.text.sources import STDIN

    packed = read_bytes(file)
    loaded = load(model, out)
    announce(console, loaded, model)
    into = output
    if into is None and file != STDIN:
        if not file.endswith(SUFFIX):
            raise UsageError(
                f"the name {file} does not end in {SUFFIX}",
                f"Name the file to write by {argument('output')}",
            )
        into = Path(file.removesuffix(SUFFIX))
    keep(into, force)
    with console.progress("decompressing", in_bytes=False) as progress:
        data = loaded.decompress(packed, label=label, progress=progress)
    with sink(into, force=True) as stream:
        stream.write(data)
