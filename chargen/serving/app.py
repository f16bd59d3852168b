"""The application: routes, keys and limits."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from chargen.model import Model
from chargen.serving import own
from chargen.serving.completions import Answer, answer, check, filled
from chargen.serving.document import POSTS, document
from chargen.serving.page import page
from chargen.serving.refusals import RefusalError, refusal
from chargen.serving.requests import Asked, Completion, Labelled, size
from chargen.serving.service import Service, busy

log = logging.getLogger(__name__)

CODES = {404: "not_found", 405: "method_not_allowed"}

LOCAL = ("localhost", "127.0.0.1", "[::1]")
"""Names of this machine: under another name, a page of a stranger could reach the server."""

PATIENCE = 30.0
"""Seconds for a request to come, and for a reader to take what was sent."""

GRACE = 5.0
"""Seconds that an answer under way gets to end when the server ends."""

JSON = "application/json"
OPEN = ("/", "/healthz", "/openapi.json")
"""What needs no key."""

Handler = Callable[[Request], Awaitable[Response]]


class Events(EventSourceResponse):
    """An answer as a stream of events, which lets go of it in the end, whatever happens."""

    def __init__(self, reply: Answer, done: Callable[[], None]) -> None:
        super().__init__(
            reply.events(),
            headers={"Cache-Control": "no-store"},
            send_timeout=PATIENCE,
            shutdown_event=anyio.Event(),
            shutdown_grace_period=GRACE,
        )
        self.done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.done()


class Keyed:
    """Lets nobody through who does not know the key."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self.app, self.key = app, key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and scope["path"] not in OPEN:
            given = Request(scope).headers.get("authorization", "")
            kind, _, key = given.partition(" ")
            # In constant time: how long it takes tells nothing of the key.
            known = hmac.compare_digest(key.strip().encode(), self.key)
            if not (known and kind.lower() == "bearer"):
                refused = RefusalError(
                    401,
                    "the key is missing or wrong; send the header Authorization: Bearer KEY",
                    "invalid_api_key",
                )
                headers = {"WWW-Authenticate": "Bearer"}
                response = JSONResponse(refused.json(), refused.status, headers)
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)


def create(service: Service, *, local: bool = True, names: Sequence[str] = ()) -> Starlette:
    """Return the application.

    Args:
        service: what it works with.
        local: whether it is for this machine only.
        names: other names under which it may then be asked.
    """
    handlers: dict[str, Handler] = {
        "/v1/completions": _posted(service, Completion, _complete),
        "/v1/chargen/classify": _posted(service, Labelled, _classified),
    }
    measures = (own.perplexity, own.surprise, own.restore, own.translate, own.tag)
    for function in measures:
        path = f"/v1/chargen/{function.__name__}"
        handlers[path] = _posted(service, POSTS[path][0], _measured(function))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.begin()
        yield
        await asyncio.to_thread(service.end)

    middleware = (
        [Middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL, *names])] if local else []
    )
    if service.key is not None:
        middleware.append(Middleware(Keyed, key=service.key))
    return Starlette(
        routes=[
            *(Route(path, handler, methods=["POST"]) for path, handler in handlers.items()),
            Route("/", _page),
            Route("/v1/models", _counted(service, _models)),
            Route("/v1/models/{model}", _counted(service, _one_model)),
            Route("/openapi.json", _counted(service, _document)),
            Route("/healthz", _counted(service, _health)),
            Route("/metrics", _counted(service, _metrics)),
        ],
        middleware=middleware,
        lifespan=lifespan,
        exception_handlers={HTTPException: _refused},
    )


async def _refused(request: Request, error: Exception) -> Response:
    """Answer to a path or a method that there is not."""
    assert isinstance(error, HTTPException)
    said, code = f"{error.detail.lower()}; see /openapi.json", CODES.get(error.status_code)
    if request.url.path.endswith("/chat/completions"):
        said = "a model of characters knows no turns of a chat; ask for /v1/completions"
    found = RefusalError(error.status_code, said, code or "invalid_request")
    return JSONResponse(found.json(), found.status, error.headers)


def _counted(
    service: Service, handle: Callable[[Service, Request], Awaitable[Response]]
) -> Handler:
    """Return a handler that answers every error as one, and counts answers."""

    async def handler(request: Request) -> Response:
        try:
            response = await handle(service, request)
        except ClientDisconnect:
            response = Response(status_code=499)
        except Exception as error:
            found = refusal(error)
            if found.status == 500:
                log.exception("a request failed")
            headers = {"Retry-After": "1"} if found.status == 429 else None
            response = JSONResponse(found.json(), found.status, headers)
        service.figures.requests.labels(request.scope["route"].path, response.status_code).inc()
        return response

    return handler


Asking = Callable[[Service, Request, Any], Awaitable[Response]]


def _posted(service: Service, record: type[Asked], handle: Asking) -> Handler:
    """Return a handler of requests of a record's form."""
    decoder = msgspec.json.Decoder(record)

    async def handler(service: Service, request: Request) -> Response:
        if not service.worker.alive or service.worker.closing:
            raise RefusalError(503, "the server is shutting down", "unavailable")
        asked = decoder.decode(await _body(request, service.limits.body))
        if size(asked) > service.limits.text:
            most = service.limits.text
            raise RefusalError(
                413, f"the texts have more than {most:,} characters; give fewer", "too_large"
            )
        if service.open >= service.limits.requests:
            raise busy()
        service.open += 1
        response = None
        try:
            response = await handle(service, request, asked)
        finally:
            # A stream goes on after this.
            if not isinstance(response, Events):
                service.open -= 1
        return response

    return _counted(service, handler)


async def _body(request: Request, most: int) -> bytes:
    """Return the body of a request.

    Raises:
        RefusalError: it is no JSON, is too large, or does not come.
    """
    # A page of a stranger can send other types without asking.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise RefusalError(415, f"send {JSON}", "invalid_content_type")
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise RefusalError(
                        413, f"the request has more than {most:,} bytes", "too_large"
                    )
    except TimeoutError:
        raise RefusalError(408, "the request did not come to its end", "timeout") from None
    return bytes(body)


async def _complete(service: Service, request: Request, asked: Completion) -> Response:
    """Answer a request for completions."""
    check(asked)
    model = await service.model(asked.model)
    if asked.suffix:
        found = await filled(service, asked, model)
        return JSONResponse(found)
    begin = await service.loop.run_in_executor(service.preparing, answer, service, asked, model)
    reply = begin()
    if asked.stream:

        def done() -> None:
            reply.leave()
            service.open -= 1

        return Events(reply, done)
    try:
        whole = await reply.whole(request.is_disconnected)
    finally:
        reply.leave()
    return Response(status_code=499) if whole is None else JSONResponse(whole)


def _measured(function: Callable[[Model, Any], dict[str, Any]]) -> Asking:
    """Return what answers by a function of a model, in a thread."""

    async def handle(service: Service, _: Request, asked: Asked) -> Response:
        model = await service.model(asked.model)
        async with service.measuring:
            found = await asyncio.to_thread(function, model, asked)
        return JSONResponse({"model": model.name} | found)

    return handle


async def _classified(service: Service, _: Request, asked: Labelled) -> Response:
    """Answer which label texts have."""
    model, *others = [await service.model(name) for name in (asked.model, *asked.others)]
    async with service.measuring:
        found = await asyncio.to_thread(own.classify, model, asked, others)
    return JSONResponse({"model": model.name} | found)


async def _models(service: Service, _: Request) -> Response:
    """List the models."""
    return JSONResponse({"object": "list", "data": await asyncio.to_thread(_listed, service)})


def _listed(service: Service) -> list[dict[str, Any]]:
    listed = []
    for name, path in service.shelf.files().items():
        try:
            created = int(path.stat().st_mtime)
        except OSError:
            continue
        listed.append({"id": name, "object": "model", "created": created, "owned_by": "chargen"})
    return listed


async def _one_model(service: Service, request: Request) -> Response:
    """Tell of one model."""
    name = request.path_params["model"]
    for one in await asyncio.to_thread(_listed, service):
        if one["id"] == name:
            return JSONResponse(one)
    raise RefusalError(404, f"there is no model {name!r}", "model_not_found", "model")


async def _page(_: Request) -> Response:
    """Show the page to play in."""
    content, headers = page()
    return Response(content, media_type="text/html", headers=headers)


async def _document(service: Service, _: Request) -> Response:
    return JSONResponse(document(keyed=service.key is not None))


async def _health(service: Service, _: Request) -> Response:
    if not service.worker.alive:
        raise RefusalError(503, "the writing thread has stopped; restart the server", "unavailable")
    return JSONResponse({"status": "ok"})


async def _metrics(service: Service, _: Request) -> Response:
    service.figures.texts.set(service.worker.texts)
    return Response(service.figures.text(), media_type="text/plain; version=0.0.4")
