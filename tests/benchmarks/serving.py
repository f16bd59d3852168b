"""Many clients of one server beside one client: characters a second, and the wait for the first.

``python -m tests.benchmarks.serving MODEL [CLIENTS] [SECONDS] [CHARACTERS]`` starts ``chargen
serve`` and lets clients ask for texts, each its next one as soon as it has the last, all streamed.
With ``whole`` behind, answers come whole. The clients run in a process of their own, on the same
processor. MODEL is a name of a run here, or ``starter``.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np

HEAD = "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@dataclass
class Found:
    """What clients measured."""

    characters: int = 0
    texts: int = 0
    first: list[float] = field(default_factory=list)
    each: dict[int, int] = field(default_factory=dict)


async def client(
    port: int, number: int, about: dict[str, object], until: float, found: Found
) -> None:
    """Ask again and again, until the time is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seed = number * 100_000
    while time.perf_counter() < until:
        body = json.dumps(about | {"seed": seed}).encode()
        seed += 1
        began = time.perf_counter()
        writer.write(f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head + await reader.read(300)
        seen = False
        drawn = 0
        if b"chunked" in head:
            while True:
                size = int(await reader.readline(), 16)
                data = await reader.readexactly(size + 2)
                if not size:
                    break
                if not seen and b'"text":"' in data:
                    found.first.append(time.perf_counter() - began)
                    seen = True
                if b"completion_tokens" in data:
                    drawn = int(data.split(b'"completion_tokens":')[1].split(b",")[0])
        else:
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            answer = json.loads(await reader.readexactly(length))
            drawn = answer["usage"]["completion_tokens"]
        if time.perf_counter() < until:
            found.characters += drawn
            found.texts += 1
            found.each[number] = found.each.get(number, 0) + drawn
    writer.close()


async def load(port: int, clients: int, about: dict[str, object], seconds: float) -> Found:
    """Return what so many clients measure together."""
    found = Found()
    until = time.perf_counter() + seconds
    await asyncio.gather(*(client(port, at, about, until, found) for at in range(clients)))
    return found


def main() -> None:
    """Measure one client and many, in turns."""
    model, *rest = [one for one in sys.argv[1:] if one != "whole"]
    clients, seconds, characters = (
        kind(given) for kind, given in zip((int, float, int), [*rest, 64, 10, 500][:3], strict=True)
    )
    about: dict[str, object] = {"model": model, "prompt": "ROMEO:", "max_tokens": characters}
    if "whole" not in sys.argv:
        about |= {"stream": True, "stream_options": {"include_usage": True}}
    server = subprocess.Popen(
        [sys.executable, "-m", "chargen", "serve", "--port", "0", "--json", "-m", model, "-q"],
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    port = int(json.loads(server.stdout.readline())["url"].rpartition(":")[2])
    try:
        asyncio.run(load(port, 2, about, 2))
        rates: dict[int, list[float]] = {1: [], clients: []}
        first: list[float] = []
        for _ in range(5):
            for count, measured in rates.items():
                found = asyncio.run(load(port, count, about, seconds))
                measured.append(found.characters / seconds)
                if count == clients:
                    first += found.first
                    shares = sorted(found.each.values())
                print(f"{count} clients: {measured[-1]:,.0f} characters/s", flush=True)
    finally:
        server.terminate()
        server.wait()
    one, many = (float(np.median(measured)) for measured in rates.values())
    print(f"one {one:,.0f}, {clients} together {many:,.0f} characters/s: {many / one:.1f} times")
    if first:
        told = np.percentile(first, [50, 99]) * 1000
        print(f"first character after {told[0]:.0f} ms, 99 % within {told[1]:.0f} ms")
    print(f"in the last round a client got {shares[0]:,} to {shares[-1]:,} characters")


if __name__ == "__main__":
    main()
