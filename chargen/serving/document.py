"""The OpenAPI document: what can be asked, made from the records that requests are checked by."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec

from chargen.serving.requests import (
    Asked,
    Completion,
    Damaged,
    Labelled,
    OneText,
    Sources,
    Surprise,
    Texts,
)

POSTS: dict[str, tuple[type[Asked], str]] = {
    "/v1/completions": (Completion, "Write on from a prompt, or between it and a suffix."),
    "/v1/chargen/perplexity": (OneText, "How well a model predicts a text."),
    "/v1/chargen/surprise": (Surprise, "How surprising each part of a text is."),
    "/v1/chargen/restore": (Damaged, "The likeliest ways to fill a text's gaps."),
    "/v1/chargen/classify": (Labelled, "The label of each text."),
    "/v1/chargen/translate": (Sources, "The targets of each source, or each text mended."),
    "/v1/chargen/tag": (Texts, "The spans of each text."),
}
"""What is asked by POST: the record of the request, and what it is for."""

ERRORS = {
    400: "The request is wrong, or cannot be fulfilled by this model.",
    401: "The key is missing or wrong.",
    404: "There is no such model.",
    408: "The request did not come to its end.",
    413: "The request is too large.",
    415: "The request is no JSON.",
    429: "The server is busy; try again later.",
    500: "An internal error.",
    503: "The server is shutting down.",
}

NUMBER: dict[str, Any] = {"type": "number"}
STRING: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}


def _record(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


ERROR = _record(
    error=_record(message=STRING, type=STRING, param=_or_null(STRING), code=_or_null(STRING))
)
LOGPROBS = _record(
    tokens=_list(STRING),
    token_logprobs=_list(_or_null(NUMBER)),
    top_logprobs=_or_null(_list(_or_null({"type": "object"}))),
    text_offset=_list(WHOLE),
)
USAGE = _record(prompt_tokens=WHOLE, completion_tokens=WHOLE, total_tokens=WHOLE)
CHOICE = _record(
    text=STRING,
    index=WHOLE,
    logprobs=_or_null(LOGPROBS),
    finish_reason={"enum": ["length", "stop", None]},
    seed=WHOLE,
)
MODEL = _record(id=STRING, object={"const": "model"}, created=WHOLE, owned_by=STRING)
ANSWERS: dict[str, dict[str, Any]] = {
    "/v1/completions": _record(
        id=STRING,
        object={"const": "text_completion"},
        created=WHOLE,
        model=STRING,
        choices=_list(CHOICE),
        usage=USAGE,
    ),
    "/v1/chargen/perplexity": _record(
        model=STRING, characters=WHOLE, unknown=WHOLE, nats_per_char=NUMBER, perplexity=NUMBER
    ),
    "/v1/chargen/surprise": _record(model=STRING, rows=_list({"type": "object"})),
    "/v1/chargen/restore": _record(
        model=STRING,
        ways=_list(_record(text=STRING, fills=_list(STRING), probability=NUMBER)),
    ),
} | {
    f"/v1/chargen/{name}": _record(model=STRING, texts=_list({"type": "object"}))
    for name in ("classify", "translate", "tag")
}


def document(*, keyed: bool) -> dict[str, Any]:
    """Return the document.

    Args:
        keyed: whether requests have to bring a key.
    """
    records = [record for record, _ in POSTS.values()]
    schemas, parts = msgspec.json.schema_components(
        records, ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, Any] = {}
    for (path, (_, summary)), schema in zip(POSTS.items(), schemas, strict=True):
        content = {"application/json": {"schema": ANSWERS[path]}}
        if path == "/v1/completions":
            content["text/event-stream"] = {"schema": STRING}
        paths[path] = {
            "post": {
                "summary": summary,
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": schema}},
                },
                "responses": {"200": {"description": "The answer.", "content": content}}
                | _errors(*ERRORS),
            }
        }
    listed = _record(object={"const": "list"}, data=_list(MODEL))
    named = [{"name": "model", "in": "path", "required": True, "schema": STRING}]
    paths |= {
        "/v1/models": {"get": _get("The models.", listed, 401)},
        "/v1/models/{model}": {"get": _get("One model.", MODEL, 401, 404) | {"parameters": named}},
        "/healthz": {"get": _get("Whether the server works.", _record(status=STRING), 503)},
    }
    secured = {
        "security": [{"key": []}],
        "components": {"schemas": parts, "securitySchemes": {"key": KEY}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "chargen", "version": version("chargen")},
        "paths": paths,
    } | (secured if keyed else {"components": {"schemas": parts}})


KEY = {"type": "http", "scheme": "bearer"}


def _errors(*statuses: int) -> dict[str, Any]:
    content = {"application/json": {"schema": ERROR}}
    return {str(status): {"description": ERRORS[status], "content": content} for status in statuses}


def _get(summary: str, schema: dict[str, Any], *statuses: int) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    answers = {"200": {"description": summary, "content": content}} | _errors(*statuses)
    return {"summary": summary, "responses": answers}
