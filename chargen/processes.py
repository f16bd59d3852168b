"""Work for a process of its own, while this one does something else.

`multiprocessing` is not used: it would run the script of a program that calls chargen once more.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

T = TypeVar("T")


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def working(work: Callable[..., Iterable[T]], *given: object) -> Iterator[Iterator[T]]:
    """Call a function in another process; yield an iterator of what the function yields there.

    If that process cannot be started, fails or is killed, the iterator ends early. Whoever misses
    something then does the work here, so that an error is raised here.

    Args:
        work: a function of a module.
        given: its arguments; like what it yields, they can be pickled.
    """
    task = pickle.dumps((work, given))
    process = _started()
    if process is None:
        yield iter(())
        return
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with suppress(OSError), process.stdin:
                process.stdin.write(task)
            yield _received(process.stdout)
        finally:
            process.kill()


def _started() -> subprocess.Popen[bytes] | None:
    """Return another process of this Python; None where there can be none."""
    program = Path(sys.executable or "").name.lower()
    if not program.startswith(("python", "pypy")):
        # Python runs inside some other program.
        return None
    here = str(Path(__file__).parents[1])
    with suppress(OSError):
        return subprocess.Popen(
            # Modules are found where this process finds them, and not in the current folder.
            [sys.executable, "-P", "-m", __name__],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([*filter(None, sys.path), here])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    return None


def _received(stream: IO[bytes]) -> Iterator[T]:
    with suppress(EOFError, pickle.UnpicklingError):
        while True:
            yield pickle.load(stream)


def main() -> None:
    """Do what the standard input asks for; write what is found to the standard output."""
    # All is read before anything is imported, because the other process waits for that.
    work, given = pickle.loads(sys.stdin.buffer.read())
    for found in work(*given):
        pickle.dump(found, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
