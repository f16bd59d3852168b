"""OpenAI's own client, against the command as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

import chargen
from tests.conftest import command, posix_only

KEY = "a secret of mine"

STARTING = 60
"""Seconds that a process may take to start, on a machine that is busy."""


@contextmanager
def serving(
    environment: dict[str, str], *options: str | Path, key: str = KEY
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run ``chargen serve`` at a free port; yield the process and its address."""
    process = subprocess.Popen(
        command(["serve", "--port", "0", "--json", *options]),
        env=environment | ({"CHARGEN_API_KEY": key} if key else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        begun = process.stdout.readline()
        assert begun, process.communicate()
        yield process, json.loads(begun)["url"]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def address(environment: dict[str, str], models: Path) -> Iterator[str]:
    with serving(environment, "--out", models) as (_, url):
        yield url


def client_of(address: str, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=address + "/v1", api_key=key, timeout=STARTING, max_retries=0)


def test_its_client_works_as_with_its_own_server(address: str, models: Path) -> None:
    """It lists, completes, streams, and raises its own errors."""
    client = client_of(address)
    assert "tiny" in {one.id for one in client.models.list()}
    assert client.models.retrieve("tiny").owned_by == "chargen"
    model = chargen.load(models / "tiny")
    expected = [one.text for one in model.samples(30, count=2, prime="The ", seed=5, temp=0.8)]
    made = client.completions.create(
        model="tiny", prompt="The ", max_tokens=30, n=2, seed=5, temperature=0.8, logprobs=1
    )
    assert [choice.text for choice in made.choices] == expected
    assert {choice.finish_reason for choice in made.choices} == {"length"}
    assert made.usage is not None
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (4, 60)
    logprobs = made.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens is not None
    assert "".join(logprobs.tokens) == expected[0]
    stream = client.completions.create(
        model="tiny", prompt="The ", max_tokens=30, n=2, seed=5, temperature=0.8, stream=True
    )
    texts = ["", ""]
    for part in stream:
        for choice in part.choices:
            texts[choice.index] += choice.text
    assert texts == expected
    ruled = client.completions.create(
        model="tiny", max_tokens=9, prompt="", extra_body={"match": "[a-e]{3,5}"}
    )
    assert set(ruled.choices[0].text) <= set("abcde")
    with pytest.raises(openai.NotFoundError) as unknown:
        client.completions.create(model="none", prompt="")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="tiny", prompt="", presence_penalty=1)
    assert refused.value.param == "presence_penalty"
    with pytest.raises(openai.AuthenticationError):
        client_of(address, "another key").models.list()


def test_many_at_once_get_what_each_would_get_alone(address: str, models: Path) -> None:
    """Different temperatures, stops, rules and seeds, in one batch."""
    model = chargen.load(models / "tiny")
    wishes = [
        {"seed": seed, "temperature": (0, 0.5, 1.0, 1.5)[seed % 4], "max_tokens": 50 + seed}
        | ({"stop": ["e", "oa"]} if seed % 3 == 0 else {})
        for seed in range(24)
    ]

    def ask(wish: dict[str, object]) -> str:
        made = client_of(address).completions.create(model="tiny", prompt="It ", **wish)  # type: ignore[call-overload]  # names of arguments
        return str(made.choices[0].text)

    with ThreadPoolExecutor(24) as pool:
        texts = list(pool.map(ask, wishes))
    for wish, text in zip(wishes, texts, strict=True):
        alone = model.samples(
            wish["max_tokens"],  # type: ignore[arg-type]  # a number
            prime="It ",
            seed=wish["seed"],  # type: ignore[arg-type]  # a number
            temp=wish["temperature"],  # type: ignore[arg-type]  # a number
            stop=tuple(wish["stop"]) if "stop" in wish else None,  # type: ignore[arg-type]  # texts
        )
        assert text == next(iter(alone)).text


@posix_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_ends_in_bounded_time(
    environment: dict[str, str], models: Path, number: signal.Signals
) -> None:
    """A long answer under way is cut off, and the process ends well, without saying the key."""
    with serving(environment, "--out", models) as (process, url):
        stream = client_of(url).completions.create(
            model="tiny", prompt="", max_tokens=100_000, stream=True
        )
        next(iter(stream))
        began = time.monotonic()
        os.kill(process.pid, number)
        said = process.communicate(timeout=STARTING)[1].decode()
        assert time.monotonic() - began < 30
        assert process.returncode == 0, said
        assert "Traceback" not in said
        assert KEY not in said
