"""A server under load for a long time: nothing is lost, and nothing grows.

``python -m tests.benchmarks.soak MODEL [MINUTES] [CLIENTS]`` starts ``chargen serve`` and lets
clients ask for texts of all kinds: streamed and whole, short and long, with stops, rules and other
seeds; one in ten goes away before its answer is there. A text that is asked for again must be the
same. Each minute, a line says how many answers there were, how many were other than before, and
how much memory the server takes.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

KINDS = 500
"""Different requests."""


def wish(number: int, model: str) -> dict[str, Any]:
    """Return a request; the same number gives the same one."""
    drawn = random.Random(number)
    about: dict[str, Any] = {
        "model": model,
        "prompt": "The sea " * drawn.randrange(9),
        "seed": number,
        "max_tokens": drawn.choice([1, 20, 200, 1000]),
        "temperature": drawn.choice([0, 0.5, 1.0]),
        "n": drawn.choice([1, 1, 1, 3]),
    }
    about |= drawn.choice([{}, {}, {"stop": ["\n", "."]}, {"logprobs": 2}, {"top_p": 0.9}])
    about |= drawn.choice([{}, {}, {}, {"match": "[a-z ]{5,40}", "max_tokens": 60}])
    return {k: v for k, v in about.items() if k != "stop" or "match" not in about}


def asked(client: httpx.Client, url: str, body: dict[str, Any], stream: bool) -> list[str]:
    """Return the texts of an answer."""
    if not stream:
        answer = client.post(url, json=body)
        answer.raise_for_status()
        return [choice["text"] for choice in answer.json()["choices"]]
    texts = [""] * body["n"]
    with client.stream("POST", url, json=body | {"stream": True}) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    texts[choice["index"]] += choice["text"]
    return texts


def leave(client: httpx.Client, url: str, body: dict[str, Any]) -> None:
    """Ask for a long text, and go away when it begins."""
    long = body | {"stream": True, "max_tokens": 20_000}
    with client.stream("POST", url, json=long) as answer:
        next(answer.iter_lines(), None)


def resident(pid: int) -> float:
    """Return how many megabytes a process takes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> None:
    """Load a server, and say what happens."""
    model, minutes, clients = (*sys.argv[1:], "60", "8")[:3]
    server = subprocess.Popen(
        [sys.executable, "-m", "chargen", "serve", "--port", "0", "--json", "-m", model, "-q"],
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    url = json.loads(server.stdout.readline())["url"] + "/v1/completions"
    until = time.monotonic() + 60 * float(minutes)
    known: dict[int, list[str]] = {}
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    def load(number: int) -> None:
        drawn = random.Random(number)
        with httpx.Client(timeout=120) as client:
            while time.monotonic() < until:
                which = drawn.randrange(KINDS)
                body = wish(which, model)
                if drawn.random() < 0.1 and "match" not in body:
                    leave(client, url, body)
                    counts["left"] += 1
                    continue
                try:
                    texts = asked(client, url, body, drawn.random() < 0.5)
                except httpx.HTTPError as error:
                    counts[f"failed: {error}"] += 1
                    continue
                with lock:
                    counts["answers"] += 1
                    counts["characters"] += sum(map(len, texts))
                    counts["other"] += known.setdefault(which, texts) != texts

    with ThreadPoolExecutor(int(clients)) as pool:
        for number in range(int(clients)):
            pool.submit(load, number)
        while time.monotonic() < until:
            time.sleep(min(60.0, max(0.0, until - time.monotonic())))
            told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
            print(f"{told}; {resident(server.pid):,.1f} MB", flush=True)
    server.terminate()
    print(f"ended with {server.wait()}")


if __name__ == "__main__":
    main()
