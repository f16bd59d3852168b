"""``chargen serve``."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from chargen.cli import completion
from chargen.cli.app import command
from chargen.cli.options import OUT, OutOption
from chargen.errors import RunError, UsageError, argument
from chargen.files import reason
from chargen.terminal.console import Console

KEY_VARIABLE = "CHARGEN_API_KEY"
PORT = 8000
MEMORY = 4.0
SHORTEST_KEY = 8


@command("chargen serve --port 8000")
def serve(
    console: Console,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="NAME|PATH",
            autocompletion=completion.models,
            help="A model to offer, under its name; several times for several.",
            show_default="all runs, and the starter model",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for all of this machine.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")
    ] = PORT,
    api_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"A file with the key that requests must bring; or set {KEY_VARIABLE}.",
            show_default="no key",
        ),
    ] = None,
    memory: Annotated[
        float, typer.Option(help="Gigabytes that loaded models may take together.")
    ] = MEMORY,
    most_text: Annotated[int, typer.Option(help="Characters of text in a request.")] = 100_000,
    most_length: Annotated[
        int, typer.Option(help="Characters that one request may ask for.")
    ] = 100_000,
    most_requests: Annotated[int, typer.Option(help="Requests at the same time.")] = 256,
    most_queue: Annotated[int, typer.Option(help="Texts that may wait for their turn.")] = 1024,
    out: OutOption = OUT,
) -> None:
    """Serve models to programs and browsers.

    Programs ask by OpenAI's API for completions, or by chargen's own; browsers get a page to play
    in. The address /openapi.json says all that can be asked. Ctrl-C ends it.
    """
    for name, value in (
        ("most_text", most_text),
        ("most_length", most_length),
        ("most_requests", most_requests),
        ("most_queue", most_queue),
        ("memory", memory),
    ):
        if value <= 0:
            raise UsageError(f"{argument(name)} is {value}", "Give more than 0")
    try:
        from chargen.serving import server
    except ImportError as error:
        raise UsageError(
            f"serving needs {error.name}", "Install it: pip install 'chargen[serve]'"
        ) from error
    from chargen import runs
    from chargen.serving.service import Limits, Service
    from chargen.serving.shelf import Shelf

    chosen = None
    if models:
        files = [runs.find(one, out) for one in models]
        chosen = {runs.label(path): path for path in files}
        if len(chosen) < len(files):
            raise UsageError("two models to serve have the same name", "Rename one of them")
    shelf = Shelf(out, chosen, memory * 1e9)
    limits = Limits(text=most_text, length=most_length, requests=most_requests, queue=most_queue)
    service = Service(shelf, limits, key_of(api_key))
    local = is_local(host)
    listening = listen(host, port)
    address, taken = listening.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    url = f"http://{shown}:{taken}"
    names = list(shelf.files())
    if console.json:
        console.emit({"event": "start", "url": url, "models": names})
    console.note(f"serving {', '.join(names[:8])}{' …' if len(names) > 8 else ''} at {url}")
    if not local and service.key is None:
        console.warn(
            f"everybody who reaches {url} can use it; a key keeps others out ({KEY_VARIABLE})"
        )
    server.run(service, listening, local=local, names=[shown])


def key_of(file: Path | None) -> str | None:
    """Return the key, from a file or from the environment; it is never an argument.

    Raises:
        RunError: the file cannot be read.
        UsageError: the key is too short to be one.
    """
    key = os.environ.get(KEY_VARIABLE)
    key = None if key is None else key.strip()
    if file is not None:
        try:
            key = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            said = reason(error) if isinstance(error, OSError) else "it is no text"
            raise RunError(f"{file} cannot be read: {said}", "Give the file of the key") from error
    if key is not None and not (key.isascii() and key.isprintable()):
        raise UsageError(
            "the key has other characters than those of ASCII", "Give letters and digits"
        )
    if key is not None and len(key) < SHORTEST_KEY:
        raise UsageError(
            f"the key has {len(key)} characters", f"Give one of {SHORTEST_KEY} or more"
        )
    return key


def is_local(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        RunError: the address is taken, or is not this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # With the protocol named, small answers are sent at once (TCP_NODELAY, set by asyncio).
        family, kind, protocol, _, address = found[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(1024)
    except OSError as error:
        raise RunError(
            f"cannot listen at {host}, port {port}: {reason(error)}",
            f"Give another {argument('port')} or {argument('host')}",
        ) from error
    return made
