"""Drives an ASGI application without a server: one request is one call with a minimal scope."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

__all__ = ["Application", "request"]

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
