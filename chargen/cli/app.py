"""The application: its commands in groups, one console a command, every error on one line."""

from __future__ import annotations

import atexit
import errno
import gc
import inspect
import logging
import os
import shlex
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from chargen import __version__
from chargen.cli.options import expanded, flag, rebuilt
from chargen.errors import ChargenError, RunError, UsageError, argument, spelled
from chargen.files import reason
from chargen.ranks import place
from chargen.terminal.console import Console
from chargen.terminal.streams import closed, mute, open_standard_streams

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What the system says of a disk that takes no more."""

AFTER = 2.0
"""Seconds that each process but the first waits before it prints an error. Most errors are those of
all, and ``torchrun`` ends the others as soon as the first has printed it."""

PANELS = {
    "Train and use": (
        "train",
        "sample",
        "perplexity",
        "restore",
        "classify",
        "translate",
        "tag",
        "compress",
        "decompress",
        "serve",
        "write",
    ),
    "Look into": ("surprise", "novelty", "compare", "plot"),
    "Runs and models": ("runs", "info", "export", "import", "rename", "delete"),
    "Texts": ("corpus",),
}  # fmt: skip
"""The commands, in the groups and the order in which ``chargen --help`` lists them."""

JSON = "--json"
JsonOption = Annotated[
    bool, typer.Option(JSON, help="Print JSON and nothing else; errors are JSON as well.")
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print the table as CSV.")]
QuietOption = Annotated[
    bool, typer.Option("-q", "--quiet", help="Print no progress and no notes, only errors.")
]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="On an error, show where in the code it arose.")
]


class Panels(TyperGroup):
    """A group of commands whose help lists them under headings."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Click's signature
        """Return the commands in the order of `PANELS`."""
        return [name for names in PANELS.values() for name in names if name in self.commands]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands and their summaries, a section for each panel."""
        width = max(map(len, self.list_commands(ctx)))
        limit = formatter.width - 6 - width
        for panel, names in PANELS.items():
            with formatter.section(panel):
                formatter.write_dl(
                    [
                        (name.ljust(width), self.commands[name].get_short_help_str(limit))
                        for name in names
                    ]
                )


app = typer.Typer(
    name="chargen",
    cls=Panels,
    help="Train a network on your text, character by character; let it write; score texts with it.",
    epilog="Try: chargen sample --temp 0.8",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Print the version, if that is asked for."""
    if version:
        typer.echo(f"chargen {__version__}")
        raise typer.Exit


Function = Callable[..., None]


def command(
    example: str, *, name: str | None = None, group: typer.Typer = app, table: bool = False
) -> Callable[[Function], Function]:
    """Make a command of a function whose first parameter is its `Console`.

    The command gets the function's other parameters, and the options that every command has. A
    parameter of the type `Options` becomes one option for each of its fields. An error that the
    function raises is printed as one line.

    Args:
        example: one real command line, for the end of the help.
        name: the command's name, if it is not the function's.
        group: the group of commands that it belongs to.
        table: whether it prints a table, and so can print CSV.
    """
    common = {"as_json": JsonOption, "quiet": QuietOption, "debug": DebugOption}
    if table:
        common = {"as_csv": CsvOption} | common

    def made(function: Function) -> Function:
        signature = inspect.signature(function, eval_str=True)
        _console, *own = signature.parameters.values()
        parameters = expanded(own)
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters += [
            inspect.Parameter(each, keyword, default=False, annotation=annotation)
            for each, annotation in common.items()
        ]

        def run(
            as_json: bool, quiet: bool, debug: bool, as_csv: bool = False, **given: Any
        ) -> None:
            console = Console(quiet, as_json and not as_csv, as_csv, debug)
            if debug:
                logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
            else:
                logging.getLogger("chargen").addHandler(logging.NullHandler())
            with reported(console):
                if as_json and as_csv:
                    raise UsageError("--json and --csv exclude each other", "Give one of them")
                function(console, **rebuilt(own, given))
                sys.stdout.flush()

        run.__doc__ = function.__doc__
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions may have one
        group.command(name or function.__name__, epilog=f"Example: {example}")(run)
        return function

    return made


@contextmanager
def reported(console: Console) -> Iterator[None]:
    """Turn every error into one line and an exit code."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except ChargenError as error:
        fail(error, console)
    except OSError as error:
        if closed(error):
            mute()
            sys.exit(1)
        if error.errno in FULL:
            mute()
            fail(
                RunError(f"the output cannot be written: {reason(error)}", "Free some space"),
                console,
            )
        defect(error, console)
    except Exception as error:  # noqa: BLE001 - the last line of defence, for people
        defect(error, console)


def defect(error: Exception, console: Console) -> NoReturn:
    """Report an error that nobody foresaw, or that there is too little memory."""
    if out_of_memory(error):
        fail(
            ChargenError(
                "there is not enough memory",
                f"Try a smaller {argument('hidden')}, {argument('layers')}, "
                f"{argument('batch')} or {argument('bptt')}",
            ),
            console,
        )
    what = f"{type(error).__name__}: {error}".replace("\n", " ")
    report = f"`{shlex.join(['chargen', *sys.argv[1:]])}` and --debug ({versions()})"
    fail(ChargenError(f"a defect of chargen: {what}", f"Please report it with {report}"), console)


def fail(error: ChargenError, console: Console) -> NoReturn:
    """Print an error as one line, or after its traceback, and exit."""
    rank, size = place()
    if size > 1 and not rank:
        # When another process has ended, torchrun ends this one; it has yet to say why.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if rank:
        time.sleep(AFTER)
    if console.debug:
        traceback.print_exc()
    report(error, console)
    sys.exit(error.exit_code)


def report(error: ChargenError, console: Console) -> None:
    """Print an error as one line, of JSON if that is asked for."""
    message, hint = (spelled(part, flag) for part in error.marked)
    about = {"type": type(error).__name__, "exit_code": error.exit_code}
    record = {"error": about | {"message": message, "hint": hint}}
    said = "error: " + " ".join(spelled(error.message, flag).splitlines())
    rank, _ = place()
    console.complain(record, f"rank {rank}: {said}" if rank else said)


def program() -> str:
    """Return how this program can be called again: by its name only if the shell finds it so."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        called = Path(sys.executable)
    bare = called.name.removesuffix(".exe")
    found = shutil.which(bare)
    if found is not None and os.path.abspath(found) == os.path.abspath(called):
        name = bare
    elif called.is_relative_to(Path.cwd()):
        name = str(called.relative_to(Path.cwd()))
    else:
        name = str(called)
    module = " -m chargen" if sys.argv[0].endswith("__main__.py") else ""
    return shlex.quote(name) + module


def out_of_memory(error: Exception) -> bool:
    """Return whether there was too little memory; PyTorch has its own error for that."""
    foreign = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or foreign


def versions() -> str:
    """Return the versions of all that a defect may lie in."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = [f"chargen {__version__}", f"Python {platform.python_version()}", platform.platform()]
    for name in ("torch", "numpy", "numba", "safetensors", "filelock", "typer", "rich"):
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)


def main() -> None:
    """Run the command that the process was called with."""
    open_standard_streams()
    # At the end, Python would look for garbage among all objects, which takes half a second.
    atexit.register(gc.freeze)
    if JSON not in sys.argv:
        app()
        return
    # What cannot be parsed is an error, too, and is to be JSON.
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except typer.Abort:
        sys.exit(1)
    except TyperException as error:
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        about = {"type": UsageError.__name__, "exit_code": UsageError.exit_code}
        about |= {"message": said.strip().rstrip("."), "hint": "See --help for how"}
        Console(json=True).complain({"error": about}, said)
        sys.exit(UsageError.exit_code)
