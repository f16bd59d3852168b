"""The process that serves, until it is told to end."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Sequence

import uvicorn

from chargen.serving.app import GRACE, create
from chargen.serving.service import Service

LAST = 10
"""Seconds after which what is still under way is cut off when the server ends."""


def run(
    service: Service, listening: socket.socket, *, local: bool, names: Sequence[str] = ()
) -> None:
    """Serve at a socket that listens, until SIGINT or SIGTERM; answers under way may end.

    Args:
        local: whether only this machine may ask.
        names: other names under which it may then be asked.
    """
    config = uvicorn.Config(
        create(service, local=local, names=names),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(LAST, int(GRACE)),
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        # The server sends itself the signal once more when it has ended.
        signal.signal(number, lambda *_: None)
    logging.getLogger("chargen").addHandler(logging.StreamHandler())
    uvicorn.Server(config).run(sockets=[listening])
