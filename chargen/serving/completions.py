"""Completions, as OpenAI's API has them."""

from __future__ import annotations

import asyncio
import codecs
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from chargen.errors import CheckpointError
from chargen.model import Model
from chargen.serving.jobs import Job, Piece, Told, Wish
from chargen.serving.refusals import RefusalError, refusal
from chargen.serving.requests import SEEDS, Completion
from chargen.serving.service import Service
from chargen.tasks import restoring
from chargen.tasks.beam import Gap
from chargen.tasks.draft import pieces_of
from chargen.tasks.drawing import Sampling
from chargen.tasks.rules import NAMES, Rules
from chargen.text.grams import Grams

USUAL_LENGTH = 16
"""Characters that are written if nobody says how many, as OpenAI's API has it."""

LOOK = 0.5
"""Seconds between two looks whether somebody who waits for a whole answer is still there."""

DRAWN = ("temperature", "top_p", "top_k", "min_p", "logprobs", "echo", "stop", "seed", "label")
"""What does not go with a suffix: the likeliest fillings are searched for, not drawn."""

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "logit_bias": (None, {}),
}
"""What chargen does not do, and the values that change nothing."""


def check(asked: Completion) -> None:
    """Make sure that nothing is asked for that chargen does not do.

    Raises:
        RefusalError: something is.
    """
    neutral = NEUTRAL | {"best_of": (None, asked.n or 1)}
    for name, harmless in neutral.items():
        if getattr(asked, name) not in harmless:
            raise RefusalError(
                400, f"{name} is not supported; leave it out", "unsupported_parameter", name
            )
    if asked.stream_options is not None and not asked.stream:
        raise RefusalError(
            400, "stream_options is for stream; leave it out", "invalid_value", "stream_options"
        )
    if asked.suffix:
        for name in (*DRAWN, *sorted(NAMES & set(asked.__struct_fields__))):
            if getattr(asked, name) not in (None, False, "", [], 0):
                raise RefusalError(
                    400, f"{name} does not go with suffix; leave it out", "invalid_value", name
                )
        if not isinstance(asked.prompt, str):
            raise RefusalError(400, "with suffix, give one prompt", "invalid_value", "prompt")


@dataclass
class Choice:
    """One text of an answer while it comes.

    Attributes:
        index: its number.
        prompt: what it goes on from, if that is part of the answer.
        offset: where its next character is, counted from the prompt's beginning.
    """

    index: int
    prompt: str
    offset: int

    def __post_init__(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")
        self.decoder, self.counted = decoder("replace"), decoder("replace")

    def json(
        self, text: str, logprobs: dict[str, Any] | None, finish: str | None, seed: int
    ) -> dict[str, Any]:
        """Return a part of it, or all."""
        about = {"text": text, "index": self.index, "logprobs": logprobs}
        return about | {"finish_reason": finish, "seed": seed}


class Answer:
    """The answer to one request for completions.

    Args:
        service: what the server works with.
        asked: the request.
        model: the model.
        prompts: to go on from.
        sampling: how.
        wishes: one for each prompt.
    """

    def __init__(
        self,
        service: Service,
        asked: Completion,
        model: Model,
        prompts: Sequence[str],
        sampling: Sampling,
        wishes: Sequence[Wish],
    ) -> None:
        self.service, self.asked, self.sampling = service, asked, sampling
        self.prompts, self.wishes = prompts, wishes
        self.vocabulary = model.checkpoint.vocabulary
        self.characters = pieces_of(self.vocabulary)
        self.began = time.perf_counter()
        self.head = head(model)
        count = sampling.count
        self.choices = [
            Choice(at, prompts[at // count] if asked.echo else "", len(prompts[at // count]))
            for at in range(count * len(prompts))
        ]
        self.jobs = service.submit(
            model.engine_for(asked.label, writing=True), self.vocabulary, wishes
        )

    def leave(self) -> None:
        """Let go of what was not finished, and count."""
        self.service.figures.characters.inc(self._written())
        self.service.leave(self.jobs)

    def _written(self) -> int:
        return sum(row.drawn for job in self.jobs for row in job.rows)

    def usage(self) -> dict[str, int]:
        """Return how many characters were read and written."""
        read = sum(len(wish.prompt) for wish in self.wishes)
        written = self._written()
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }

    async def parts(self, patience: float | None = None) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield parts of choices as they come."""
        first = True
        async for ready in self.service.pieces(self.jobs, patience):
            if ready and first and self.asked.stream:
                self.service.figures.first.observe(time.perf_counter() - self.began)
                first = False
            yield [self._part(self.jobs[number], number, piece) for number, piece in ready]

    def _part(self, job: Job, number: int, piece: Piece) -> dict[str, Any]:
        """Return a piece as a part of its choice."""
        choice = self.choices[number * self.sampling.count + piece.row]
        text = choice.decoder.decode(piece.data, final=piece.finish is not None)
        told, begins = piece.told, False
        if choice.prompt and self.asked.echo:
            text, choice.prompt, begins = choice.prompt + text, "", True
        logprobs = None
        if self.asked.logprobs is not None:
            if begins:
                choice.offset = 0
                told = job.echoed + told
            logprobs = self._logprobs(choice, told, begins)
        return choice.json(text, logprobs, piece.finish, self.sampling.seed + piece.row)

    def _logprobs(self, choice: Choice, told: Sequence[Told], begins: bool) -> dict[str, Any]:
        """Return what characters cost; nothing is said of the first one, as nothing is before."""
        tokens, offsets = [], []
        for one in told:
            tokens.append(self._token(one.id))
            offsets.append(choice.offset)
            # A character of several bytes counts once, when its last byte has come.
            choice.offset += len(choice.counted.decode(self._data(one.id)))
        costs: list[float | None] = [-one.nats for one in told]
        tops: list[dict[str, float] | None] = [
            {self._token(index): -nats for index, nats in (*one.top, (one.id, one.nats))}
            for one in told
        ]
        if begins and told:
            costs[0], tops[0] = None, None
        return {
            "tokens": tokens,
            "token_logprobs": costs,
            "top_logprobs": tops if self.asked.logprobs else None,
            "text_offset": offsets,
        }

    def _token(self, index: int) -> str:
        """Return a character; a byte that is none by itself as OpenAI's API writes it."""
        data = self._data(index)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)

    def _data(self, index: int) -> bytes:
        """Return the bytes of a character; none for "no character"."""
        return self.characters[index] if index < len(self.characters) else b""

    async def whole(self, gone: Callable[[], Awaitable[bool]]) -> dict[str, Any] | None:
        """Return the whole answer; None if nobody waits for it any more."""
        choices: dict[int, dict[str, Any]] = {}
        async for parts in self.parts(LOOK):
            if not parts and await gone():
                return None
            for part in parts:
                index = part["index"]
                choices[index] = _joined(choices[index], part) if index in choices else part
        told = [choices[choice.index] for choice in self.choices]
        return self.head | {"choices": told, "usage": self.usage()}

    async def events(self) -> AsyncIterator[str]:
        """Yield the answer as events: parts of choices, the usage if it is asked for, the end."""
        options = self.asked.stream_options
        wanted = options is not None and options.include_usage
        nothing: dict[str, Any] = {"usage": None} if wanted else {}
        try:
            async for parts in self.parts():
                for part in parts:
                    yield encoded(self.head | {"choices": [part]} | nothing)
        except Exception as error:  # noqa: BLE001 - the answer has begun, so it is told in it
            yield encoded(refusal(error).json())
        else:
            if wanted:
                yield encoded(self.head | {"choices": [], "usage": self.usage()})
        yield "[DONE]"


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return two parts of a choice as one."""
    logprobs = other["logprobs"]
    if one["logprobs"] is not None:
        logprobs = {
            key: None if value is None else value + logprobs[key]
            for key, value in one["logprobs"].items()
        }
    return other | {"text": one["text"] + other["text"], "logprobs": logprobs}


def encoded(value: dict[str, Any]) -> str:
    """Return a value as JSON."""
    return msgspec.json.encode(value).decode()


def head(model: Model) -> dict[str, Any]:
    """Return what all parts of an answer have."""
    return {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": model.name,
    }


def answer(service: Service, asked: Completion, model: Model) -> Callable[[], Answer]:
    """Return what begins an answer; all that takes time is done before.

    Raises:
        RefusalError: too much is asked for.
        ChargenError: it can never work, see `chargen.model.Model.samples`.
    """
    given = "" if asked.prompt is None else asked.prompt
    prompts = [given] if isinstance(given, str) else given
    length = USUAL_LENGTH if asked.max_tokens is None else asked.max_tokens
    count = asked.n or 1
    within(service, "max_tokens", length * count * len(prompts))
    if asked.echo and asked.logprobs is not None:
        # Each of the n texts repeats the figures of its prompt.
        within(service, "max_tokens", count * (length * len(prompts) + sum(map(len, prompts))))
    # OpenAI's clients may send numbers below zero.
    seed = secrets.randbelow(1 << 31) if asked.seed is None else asked.seed % SEEDS
    own = {name: getattr(asked, name) for name in NAMES if hasattr(asked, name)}
    own["must"] = tuple(asked.must)
    temp = 1.0 if asked.temperature is None else asked.temperature
    stop = tuple(asked.stop) if isinstance(asked.stop, list) else asked.stop
    sampling = Sampling(
        length=length,
        temp=temp,
        top_k=asked.top_k,
        top_p=asked.top_p,
        min_p=asked.min_p,
        stop=stop or None,
        seed=seed,
        count=count,
        end=model.checkpoint.end,
        rules=Rules(**own),
    )
    planned, plan = sampling.planned(model.checkpoint.vocabulary, _grams(asked, model))
    model.engine_for(asked.label, writing=True)
    wish = Wish(
        prompt=model.prime(""),
        sampling=planned,
        plan=plan,
        tell=asked.logprobs,
        echo=bool(asked.echo),
        live=bool(asked.stream),
    )
    wishes = [replace(wish, prompt=model.prime(prompt, asked.unknown)) for prompt in prompts]
    return lambda: Answer(service, asked, model, prompts, planned, wishes)


def _grams(asked: Completion, model: Model) -> Grams | None:
    """Return what is known of the model's corpus, if a rule needs it.

    Raises:
        RefusalError: nothing is known.
    """
    if asked.max_copy is None:
        return None
    try:
        return model.grams
    except CheckpointError:
        raise RefusalError(
            400,
            "nothing is kept of the text that this model learned from; leave max_copy out",
            "invalid_value",
            "max_copy",
        ) from None


def within(service: Service, name: str, characters: int) -> None:
    """Make sure that not too much is to be written.

    Raises:
        RefusalError: it is.
    """
    most = service.limits.length
    if characters > most:
        raise RefusalError(
            400,
            f"{characters:,} characters are asked for in all, and {most:,} are the most; give a "
            f"smaller {name} or n",
            "invalid_value",
            name,
        )


async def filled(service: Service, asked: Completion, model: Model) -> dict[str, Any]:
    """Return ways to fill the gap between a prompt and a suffix, the likeliest first.

    Raises:
        ChargenError: the model cannot fill gaps.
    """
    assert isinstance(asked.prompt, str)
    assert asked.suffix is not None
    pieces = [one for one in (asked.prompt, Gap(None), asked.suffix) if one != ""]
    vocabulary = model.checkpoint.vocabulary

    def find() -> list[restoring.Restoration]:
        return restoring.restore(model.reader, vocabulary, pieces, asked.n or 1)

    async with service.measuring:
        ways = await asyncio.to_thread(find)
    choices = []
    for index, way in enumerate(ways):
        text, finish = way.fills[0], "stop"
        if asked.max_tokens is not None and len(text) > asked.max_tokens:
            text, finish = text[: asked.max_tokens], "length"
        choices.append(Choice(index, "", 0).json(text, None, finish, 0))
    read = len(asked.prompt) + len(asked.suffix)
    written = sum(len(choice["text"]) for choice in choices)
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return head(model) | {"choices": choices, "usage": usage}
