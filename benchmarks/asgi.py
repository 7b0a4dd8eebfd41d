"""Drives an ASGI application without a server: one request is one call with a minimal scope."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from opentelemetry.trace import SpanKind, TracerProvider

__all__ = ["Application", "request", "spanned"]

Message = MutableMapping[str, Any]
Application = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

_HEADERS = [(b"host", b"127.0.0.1:8000"), (b"user-agent", b"bench/1"), (b"accept", b"*/*")]


def request(
    application: Application,
    path: str,
    headers: Sequence[tuple[bytes, bytes]] = (),
    *,
    spec_version: str = "2.4",
    sink: Callable[[bytes], object] | None = None,
) -> Callable[[], Awaitable[None]]:
    """A coroutine function that sends `GET path` through `application`.

    Args:
        application: An ASGI application.
        path: What is asked for.
        headers: Beside those of every request.
        spec_version: What the server claims to speak; uvicorn says 2.3, and applications then wait for a disconnect.
        sink: Takes each chunk of the response; without one it is dropped.
    """
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": spec_version},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*_HEADERS, *headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def connected() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def drop(message: Message) -> None:
        pass

    async def send(message: Message) -> None:
        if sink is not None and message["type"] == "http.response.body":
            sink(message["body"])

    async def call() -> None:
        waits = receive if spec_version >= "2.4" else connected
        await application(scope.copy(), waits, drop if sink is None else send)

    return call


def spanned(application: Application, provider: TracerProvider) -> Application:
    """The span alone, with the attributes that every HTTP span has: what of ours is not ours to save."""
    tracer = provider.get_tracer("bench")

    async def around(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        given = {"http.request.method": scope["method"], "url.path": scope["path"]}
        with tracer.start_as_current_span("GET", kind=SpanKind.SERVER, attributes=given) as span:
            await application(scope, receive, send)
            span.update_name("GET /tickets/{ticket}")
            span.set_attributes({"http.route": "/tickets/{ticket}", "http.response.status_code": 200})

    return around
