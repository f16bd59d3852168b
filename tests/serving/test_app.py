"""What a server answers: keys, limits, errors, and chargen's own questions."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

import chargen
from chargen import checkpoint
from chargen.serving import app as serving
from chargen.serving.app import create
from chargen.serving.service import Limits, Service
from chargen.serving.shelf import Shelf
from tests.conftest import STORY, tiny_checkpoint
from tests.serving.conftest import ADDRESS

ASK = "/v1/completions"
USUAL: dict[str, Any] = {"model": "tiny", "prompt": "The ", "max_tokens": 20, "seed": 3}


def streamed(client: TestClient, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a stream; the last one says that it is done."""
    text = client.post(ASK, json=body | {"stream": True}).text
    events = [one.removeprefix("data: ") for one in text.replace("\r", "").split("\n\n") if one]
    assert events.pop() == "[DONE]"
    return [json.loads(one) for one in events]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"n": 3, "temperature": 0.7, "top_p": 0.9},
        {"prompt": ["The ", "It "], "n": 2, "stop": ["e", "o"]},
        {"logprobs": 2, "stop": "a"},
        {"logprobs": 0},
        {"echo": True, "logprobs": 1, "n": 2},
        {"echo": True, "max_tokens": 0, "logprobs": 1},
        {"echo": True},
        {"top_k": 3, "min_p": 0.1},
        {"match": "[a-z]{3,5}", "max_tokens": 9},
        {"must": ["tide"], "max_tokens": 60},
        {"prompt": None, "temperature": 0},
    ],
)
def test_a_stream_says_what_the_whole_answer_says(
    client: TestClient, models: Path, more: dict[str, Any]
) -> None:
    """Field by field, when its parts are put together; and its text is what the model writes."""
    body: dict[str, Any] = USUAL | more
    whole = client.post(ASK, json=body).json()
    events = streamed(client, body | {"stream_options": {"include_usage": True}})
    assert events[-1]["usage"] == whole["usage"]
    assert events[-1]["choices"] == []
    assert all(event["usage"] is None for event in events[:-1])
    for choice in whole["choices"]:
        parts = [
            part
            for event in events
            for part in event["choices"]
            if part["index"] == choice["index"]
        ]
        assert "".join(part["text"] for part in parts) == choice["text"]
        assert [part["finish_reason"] for part in parts[:-1]] == [None] * (len(parts) - 1)
        assert parts[-1]["finish_reason"] == choice["finish_reason"]
        assert {part["seed"] for part in parts} == {choice["seed"]}
        if choice["logprobs"] is None:
            assert all(part["logprobs"] is None for part in parts)
            continue
        for key, value in choice["logprobs"].items():
            told = [one for part in parts for one in part["logprobs"][key] or []]
            assert told == (value or [])
    if not {"match", "must"} & more.keys():
        model = chargen.load(models / "tiny")
        how = {
            key: more[name]
            for key, name in (("top_p", "top_p"), ("top_k", "top_k"), ("min_p", "min_p"))
            if name in more
        }
        prompts = body["prompt"] or ""
        stop = body.get("stop")
        alone = model.samples(
            body["max_tokens"],
            count=body.get("n", 1),
            prime=prompts,
            seed=3,
            temp=body.get("temperature", 1.0),
            stop=tuple(stop) if isinstance(stop, list) else stop,
            **how,
        )
        texts = [one.text for one in alone]
        before = prompts if body.get("echo") else ""
        assert [choice["text"] for choice in whole["choices"]] == [before + one for one in texts]


def test_logprobs_are_what_the_model_says(client: TestClient, models: Path) -> None:
    """Of each character, from where it stands; nothing is said of the first one of all."""
    body = USUAL | {"echo": True, "logprobs": 3}
    choice = client.post(ASK, json=body).json()["choices"][0]
    told = choice["logprobs"]
    assert "".join(told["tokens"]) == choice["text"]
    assert told["text_offset"] == list(range(len(choice["text"])))
    assert told["token_logprobs"][0] is None
    costs = chargen.load(models / "tiny").nats(choice["text"])
    assert told["token_logprobs"][1:] == pytest.approx((-costs[1:]).tolist(), abs=0.02)
    for token, cost, top in list(
        zip(told["tokens"], told["token_logprobs"], told["top_logprobs"], strict=True)
    )[1:]:
        assert top[token] == cost
        assert len(top) in (3, 4)
    text = client.post(ASK, json=body | {"echo": False}).json()["choices"][0]
    assert text["logprobs"]["text_offset"][0] == len("The ")


@pytest.mark.parametrize(
    ("body", "status", "code", "param", "says"),
    [
        ({"prompt": "x"}, 400, "invalid_value", None, "missing required field `model`"),
        (USUAL | {"model": "none"}, 404, "model_not_found", "model", "there are: "),
        (USUAL | {"model": "../served/tiny"}, 404, "model_not_found", "model", "no model"),
        (USUAL | {"best": 1}, 400, "unsupported_parameter", "best", "unknown field"),
        (USUAL | {"best_of": 4}, 400, "unsupported_parameter", "best_of", "not supported"),
        (USUAL | {"logit_bias": {"1": 2}}, 400, "unsupported_parameter", "logit_bias", "not"),
        (USUAL | {"presence_penalty": 1}, 400, "unsupported_parameter", "presence_penalty", "n"),
        (USUAL | {"n": 17}, 400, "invalid_value", "n", "<= 16"),
        (USUAL | {"n": "2"}, 400, "invalid_value", "n", "`int"),
        (USUAL | {"temperature": -1}, 400, "invalid_value", "temperature", ">= 0"),
        (USUAL | {"stop": list("abcde")}, 400, "invalid_value", "stop", "<= 4"),
        (USUAL | {"stop": ["a", ""]}, 400, "invalid_value", None, "`stop` is empty"),
        (USUAL | {"max_tokens": 30_001}, 400, "invalid_value", "max_tokens", "30,000"),
        (USUAL | {"max_tokens": 20_000, "n": 2}, 400, "invalid_value", "max_tokens", "40,000"),
        (USUAL | {"prompt": "x" * 5001}, 413, "too_large", None, "5,000"),
        (USUAL | {"prompt": ["y" * 3000] * 2}, 413, "too_large", None, "5,000"),
        (USUAL | {"prompt": "y" * 20_000}, 413, "too_large", None, "20,000 bytes"),
        (USUAL | {"prompt": "Ω"}, 400, "invalid_value", None, "never seen: 'Ω'"),
        (USUAL | {"label": "sea"}, 400, "invalid_value", None, "no labels"),
        (USUAL | {"model": "gaps"}, 400, "invalid_value", None, "gaps"),
        (USUAL | {"match": "(", "max_tokens": 5}, 400, "invalid_value", None, "("),
        (USUAL | {"match": "[0-9]"}, 400, "invalid_value", None, "no text that keeps"),
        (USUAL | {"max_copy": 9}, 400, "invalid_value", "max_copy", "nothing is kept"),
        (USUAL | {"stream_options": {}}, 400, "invalid_value", "stream_options", "stream"),
        (USUAL | {"suffix": "a", "seed": 1}, 400, "invalid_value", "seed", "suffix"),
        ({"model": "tiny", "suffix": "a"}, 400, "invalid_value", "prompt", "one prompt"),
        (USUAL | {"prompt": []}, 400, "invalid_value", "prompt", ">= 1"),
        (USUAL | {"match": "a{99999999999}"}, 400, "invalid_value", None, "cannot be understood"),
        (USUAL | {"match": "a" * 201}, 400, "invalid_value", "match", "<= 200"),
        (USUAL | {"stop": "a" * 101}, 400, "invalid_value", "stop", "<= 100"),
        (USUAL | {"prompt": [1, 2]}, 400, "invalid_value", "prompt", "`str`"),
    ],
)
def test_errors_name_what_is_wrong(
    client: TestClient, body: dict[str, Any], status: int, code: str, param: str | None, says: str
) -> None:
    """As objects with the fields of OpenAI's API; a stream is refused before it begins."""
    for more in ({}, {"stream": True} if "stream_options" not in body else {}):
        answer = client.post(ASK, json=body | more)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (status, code, param), error
        assert says in error["message"]
        assert error["type"] == "invalid_request_error"


def test_what_is_no_request_is_refused(client: TestClient) -> None:
    """Another type, half a body, another path, another method, another host."""
    told = json.dumps(USUAL)
    plain = client.post(ASK, content=told, headers={"content-type": "text/plain"})
    assert (plain.status_code, plain.json()["error"]["code"]) == (415, "invalid_content_type")
    half = client.post(ASK, content=told[:9], headers={"content-type": "application/json"})
    assert half.status_code == 400
    odd = client.post(
        ASK, content=b'{"model": "\xff"}', headers={"content-type": "application/json"}
    )
    assert odd.status_code == 400
    assert client.get("/v2").json()["error"]["code"] == "not_found"
    assert client.get(ASK).status_code == 405
    assert client.post(ASK, json=USUAL, headers={"host": "evil.example"}).status_code == 400
    assert "access-control-allow-origin" not in client.get("/v1/models").headers


def test_a_seed_may_be_below_zero(client: TestClient) -> None:
    """As OpenAI's clients may send it; it writes the same text each time."""
    texts = [client.post(ASK, json=USUAL | {"seed": -7}).json()["choices"][0] for _ in range(2)]
    assert texts[0]["text"] == texts[1]["text"]
    assert texts[0]["seed"] >= 0


def test_chats_are_told_what_there_is(client: TestClient) -> None:
    """Who asks for a chat, or by another method, learns what to ask for."""
    found = client.post("/v1/chat/completions", json={"messages": []})
    assert found.status_code == 404
    assert "ask for /v1/completions" in found.json()["error"]["message"]
    assert client.get(ASK).json()["error"]["code"] == "method_not_allowed"


def test_prompts_that_are_told_of_often_have_a_limit(client: TestClient) -> None:
    """The answer would have each character of the prompt once for each text."""
    body = USUAL | {"prompt": "y" * 4000, "echo": True, "logprobs": 1, "n": 9}
    assert client.post(ASK, json=body).status_code == 400
    assert client.post(ASK, json=body | {"n": 1}).status_code == 200


def test_offsets_of_bytes_are_those_of_their_characters(tmp_path: Path) -> None:
    """A character of two bytes stands in one place."""
    saved = tiny_checkpoint("".join(map(chr, range(256))))
    (tmp_path / "bytes").mkdir()
    checkpoint.write(
        tmp_path / "bytes" / "best.safetensors",
        replace(saved, vocabulary=replace(saved.vocabulary, as_bytes=True)),
    )
    body = {"model": "bytes", "prompt": "Größe", "echo": True, "logprobs": 0, "max_tokens": 0}
    with TestClient(create(Service(Shelf(tmp_path, None, 1e9))), base_url=ADDRESS) as client:
        told = client.post(ASK, json=body).json()["choices"][0]["logprobs"]
    assert told["text_offset"] == [0, 1, 2, 2, 3, 3, 4]


def test_values_that_change_nothing_are_taken(client: TestClient) -> None:
    """Clients send them of their own accord."""
    harmless = {"best_of": 1, "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}}
    more = harmless | {"user": "me", "suffix": None, "logprobs": None, "stop": None, "n": 1}
    texts = [client.post(ASK, json=body).json()["choices"] for body in (USUAL, USUAL | more)]
    assert texts[0] == texts[1]


def test_a_gap_is_filled_between_prompt_and_suffix(client: TestClient, models: Path) -> None:
    """As by `restore`; what is longer than asked for is cut and says so."""
    body = {"model": "gaps", "prompt": "The ", "suffix": " went", "n": 2}
    found = client.post(ASK, json=body).json()
    ways = chargen.load(models / "gaps").restore("The [...] went", 2)
    assert [one["text"] for one in found["choices"]] == [way.fills[0] for way in ways]
    assert found["usage"]["prompt_tokens"] == 9
    long = max(len(way.fills[0]) for way in ways)
    if long:
        cut = client.post(ASK, json=body | {"max_tokens": long - 1}).json()["choices"]
        assert "length" in {one["finish_reason"] for one in cut}


def test_the_own_questions_are_answered_as_from_python(client: TestClient, models: Path) -> None:
    """What texts cost, what is missing, what they are, what they become."""
    text = STORY[:100]

    def ask(what: str, **body: Any) -> Any:
        answer = client.post(f"/v1/chargen/{what}", json=body)
        assert answer.status_code == 200, answer.json()
        return answer.json()

    tiny = chargen.load(models / "tiny")
    found = ask("perplexity", model="tiny", text=text)
    assert found == {"model": "tiny"} | tiny.perplexity(text=text).json()
    rows = ask("surprise", model="tiny", text=text, per="word")["rows"]
    assert sum(row["bits"] for row in rows) == pytest.approx(found["bpc"] * 100, rel=1e-4)
    ways = ask("restore", model="gaps", text="The [2]de", n=3)["ways"]
    expected = chargen.load(models / "gaps").restore("The [2]de", 3)
    assert ways == [way.json() for way in expected]
    guess = ask("classify", model="teller", texts=[text])["texts"][0]
    assert guess["label"] in ("sea", "land")
    target = ask("translate", model="pairs", texts=["abc"], n=2)["texts"][0]
    assert target["source"] == "abc"
    assert len(target["targets"]) == 2
    mended = ask("translate", model="mends", texts=["ab cd"])["texts"][0]
    assert set(mended) == {"text", "changed"}
    spans = ask("tag", model="tags", texts=["ab cd", "a"])["texts"]
    assert [one["text"] for one in spans] == ["ab cd", "a"]
    wrong = client.post("/v1/chargen/tag", json={"model": "tiny", "texts": ["a"]})
    assert wrong.status_code == 400
    unit = client.post("/v1/chargen/surprise", json={"model": "tiny", "text": "a", "per": "x"})
    assert "unknown `per` 'x'" in unit.json()["error"]["message"]


def test_models_are_listed(client: TestClient) -> None:
    """As OpenAI's API lists them, one by one as well."""
    listed = client.get("/v1/models").json()
    names = {one["id"] for one in listed["data"]}
    assert names == {"tiny", "gaps", "teller", "pairs", "tags", "mends", "starter"}
    assert client.get("/v1/models/tiny").json() in listed["data"]
    assert client.get("/v1/models/none").status_code == 404


def test_a_key_keeps_others_out(models: Path) -> None:
    """Of all but the health and the document, which say nothing of the models."""
    service = Service(Shelf(models, None, 1e9), key="a secret of mine")
    with TestClient(create(service), base_url=ADDRESS) as client:
        for given in (None, "Bearer", "Bearer a secret", "Basic a secret of mine", "Bearer x"):
            headers = {} if given is None else {"Authorization": given}
            for path in ("/v1/models", "/metrics", "/v1/none"):
                answer = client.get(path, headers=headers)
                assert answer.status_code == 401
                assert answer.json()["error"]["code"] == "invalid_api_key"
        right = {"Authorization": "Bearer a secret of mine"}
        assert client.get("/v1/models", headers=right).status_code == 200
        assert client.post(ASK, json=USUAL, headers=right).status_code == 200
        assert client.get("/healthz").json() == {"status": "ok"}
        assert "security" in client.get("/openapi.json").json()


def test_the_smallest_share_harms_nobody(client: TestClient) -> None:
    """It keeps the likeliest character alone, however it is rounded."""
    texts = [
        client.post(ASK, json=USUAL | more).json()["choices"][0]["text"]
        for more in ({"top_p": 1e-300}, {"temperature": 0})
    ]
    assert texts[0] == texts[1]


def test_a_busy_server_says_so(models: Path) -> None:
    """When too many texts wait, or too many requests are open; later it answers again."""
    limits = Limits(length=100_000, requests=1, rows=1, queue=1)
    service = Service(Shelf(models, None, 1e9), limits)
    with TestClient(create(service), base_url=ADDRESS) as client:
        full = client.post(ASK, json=USUAL | {"n": 3})
        assert (full.status_code, full.headers["retry-after"]) == (429, "1")
        assert full.json()["error"]["type"] == "rate_limit_error"
        assert service.open == 0
        assert not service.worker.jobs
        service.open = 1
        assert client.post(ASK, json=USUAL).status_code == 429
        service.open = 0
        assert client.post(ASK, json=USUAL).status_code == 200


def test_health_fails_when_nothing_is_written_any_more(
    client: TestClient, service: Service
) -> None:
    """Then requests are refused, too."""
    assert client.get("/healthz").status_code == 200
    service.worker.close()
    assert client.get("/healthz").status_code == 503
    assert client.post(ASK, json=USUAL).json()["error"]["type"] == "server_error"


def test_a_defect_is_not_shown_and_hurts_nobody(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client learns that there is one; the next request is answered."""

    def fails(*_: object) -> None:
        raise RuntimeError("the inside")

    with monkeypatch.context() as patch:
        patch.setattr(serving, "answer", fails)
        answer = client.post(ASK, json=USUAL)
    assert answer.status_code == 500
    assert "inside" not in answer.text
    assert client.post(ASK, json=USUAL).status_code == 200


def test_figures_are_counted(client: TestClient) -> None:
    """Requests by path and status, characters written, the wait for the first one."""
    client.post(ASK, json=USUAL)
    streamed(client, USUAL)
    client.get("/v1/models/none")
    told = client.get("/metrics").text
    assert 'chargen_requests_total{path="/v1/completions",status="200"} 2.0' in told
    assert 'chargen_requests_total{path="/v1/models/{model}",status="404"} 1.0' in told
    assert "chargen_characters_total 40.0" in told
    assert "chargen_first_character_seconds_count 1.0" in told
    assert "chargen_texts 0.0" in told


async def ask(
    app: Starlette, body: dict[str, Any], *, leave_after: int | None
) -> list[dict[str, Any]]:
    """Ask in this loop; the client goes away after some messages, or before there is any."""
    sent: list[dict[str, Any]] = []
    gone = asyncio.Event()
    given = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

    async def receive() -> dict[str, Any]:
        if given:
            return given.pop()
        if leave_after is not None:
            await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if leave_after is not None and len(sent) >= leave_after:
            gone.set()

    scope = {
        "type": "http",
        "method": "POST",
        "path": ASK,
        "raw_path": ASK.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(b"content-type", b"application/json"), (b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)  # type: ignore[arg-type]  # dictionaries, as ASGI has them
    return sent


@pytest.mark.parametrize(("stream", "leave_after"), [(True, 3), (False, None)])
def test_a_client_that_goes_away_is_forgotten(
    service: Service, stream: bool, leave_after: int | None
) -> None:
    """What it asked for is written no more, whether it read along or waited for all."""
    app = create(service)
    body = USUAL | {"max_tokens": 30_000, "stream": stream}

    async def try_it() -> None:
        service.begin()
        try:
            async with asyncio.timeout(20):
                await ask(app, body, leave_after=leave_after)
            assert service.open == 0
            assert not service.worker.jobs
            assert not service.waiting
        finally:
            service.end()

    asyncio.run(try_it())
