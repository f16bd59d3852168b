"""Commands as forks of one process that has imported everything, which takes seconds.

Each is a process of its own all the same: with its own arguments, folder, environment, standard
streams and exit code. The process that forks computes nothing, so that it has no threads.

Beside chargen itself, another module can be such a command (``tests.training.together``).

``python -m tests.forked FD`` serves requests from a socket, one at a time.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

LIMIT = 120.0
"""Seconds that a command may take."""

REQUEST = 1 << 20
"""Bytes of a request, at most."""

COMMAND = "chargen.cli.app"
"""The module whose ``main`` is called."""


class Forks:
    """Runs commands of chargen.

    Args:
        environment: of the process that forks; what is read when libraries are loaded, such as the
            number of threads, is the same for all commands.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(LIMIT)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
            env=environment,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        stdin: bytes = b"",
        module: str = COMMAND,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command, and return what it has printed.

        Args:
            module: whose ``main`` is called.

        Raises:
            TimeoutError: it takes too long; then all is over.
        """
        asked = {"arguments": arguments, "folder": str(folder), "environment": dict(environment)}
        asked |= {"module": module}
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as printed,
            tempfile.TemporaryFile() as said,
        ):
            given.write(stdin)
            given.seek(0)
            streams = [given.fileno(), printed.fileno(), said.fileno()]
            socket.send_fds(self.socket, [json.dumps(asked).encode()], streams)
            code = int(self.socket.recv(REQUEST))
            printed.seek(0)
            said.seek(0)
            return subprocess.CompletedProcess(list(arguments), code, printed.read(), said.read())

    def close(self) -> None:
        """End the process that forks."""
        self.socket.close()
        self.process.wait()


def serve(asking: socket.socket) -> None:
    """Run what is asked for, until nobody asks any more."""
    while True:
        data, streams, _, _ = socket.recv_fds(asking, REQUEST, 3)
        if not data:
            return
        asked = json.loads(data)
        child = os.fork()
        if child == 0:
            asking.close()
            become(asked, streams)
        for stream in streams:
            os.close(stream)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        asking.sendall(str(code).encode())


def become(asked: dict[str, Any], streams: Sequence[int]) -> None:
    """Be a command from now on."""
    import chargen

    code = 70
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = [str(Path(chargen.__file__).with_name("__main__.py")), *asked["arguments"]]
        importlib.import_module(asked["module"]).main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        atexit._run_exitfuncs()
        for printed in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                printed.flush()
        os._exit(code)


def load() -> None:
    """Import what commands need."""
    import numba  # noqa: F401
    import torch  # noqa: F401

    import chargen.cli
    import chargen.kernels
    import chargen.model
    import chargen.training.follow
    import chargen.training.prepare
    import chargen.training.resume  # noqa: F401


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as mine:
        load()
        serve(mine)
