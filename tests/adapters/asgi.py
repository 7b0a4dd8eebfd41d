"""Drives an ASGI application without a server, so that headers may say what no server would let through."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Literal

from opentelemetry import context as otel
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import botanu
from tests.adapters.harness import Answer, Call

__all__ = ["App", "AsgiHarness", "Conversation", "http_scope"]

Message = MutableMapping[str, Any]
App = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


def http_scope(call: Call, **more: Any) -> dict[str, Any]:
    """The scope of a request, as uvicorn makes it."""
    path, _, query = call.path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": call.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"shop:8000"), *((name.encode("latin-1"), value) for name, value in call.headers)],
        "client": None if call.peer is None else (call.peer, 50_000),
        "server": ("127.0.0.1", 8000),
        **more,
    }


class Conversation:
    """One request as a server leads it.

    Args:
        call: What the client sends, and when it goes away.
        gone: What `send` does once the client is gone: ``"quiet"`` as uvicorn, ``"raises"`` `OSError` as ASGI 2.4
            asks for.
        scope: Beside what every scope holds.
    """

    def __init__(self, call: Call, *, gone: Literal["quiet", "raises"] = "quiet", **scope: Any) -> None:
        spec_version = "2.4" if gone == "raises" else "2.3"
        self.scope = http_scope(call, asgi={"version": "3.0", "spec_version": spec_version}, **scope)
        self.sent: list[Message] = []
        self.error: BaseException | None = None
        self._call, self._gone = call, gone
        self._over, self._asked = asyncio.Event(), False

    async def receive(self) -> Message:
        """The body of the request; after it the end of the connection."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": self._call.body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Keep what the client would get."""
        if self._has_left():
            if self._gone == "raises":
                raise OSError("the client is gone")
            return
        self.sent.append(message)
        is_body = message["type"] == "http.response.body"
        if self._has_left() or (is_body and not message.get("more_body")):
            self._over.set()

    def _has_left(self) -> bool:
        return self._call.leaves_after is not None and len(self.chunks) >= self._call.leaves_after

    @property
    def chunks(self) -> list[bytes]:
        """The bodies that were not empty."""
        return [each["body"] for each in self.sent if each["type"] == "http.response.body" and each.get("body")]

    async def lead(self, app: App) -> Answer:
        """Call `app`; afterwards the task that called it must be as it was."""
        before = otel.get_current()
        try:
            await app(self.scope, self.receive, self.send)
        except Exception as error:
            self.error = error
        assert otel.get_current() == before, "a context was left attached"
        assert botanu.get_current_run() is None, "a run was left current"
        starts = [message for message in self.sent if message["type"] == "http.response.start"]
        assert len(starts) <= 1, "a second response was begun"
        start = starts[0] if starts else {"status": 0, "headers": ()}
        return Answer(
            status=start["status"],
            headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"]],
            body=b"".join(self.chunks).decode("latin-1"),
            error=self.error,
        )


class AsgiHarness:
    """An ASGI application, its spans ending in `exporter`."""

    reraises = True
    conversation = Conversation

    def __init__(self, exporter: InMemorySpanExporter, app: App) -> None:
        self.app = app
        self._exporter = exporter

    def start(self) -> None:
        """Lead the lifespan of the application, where it has one."""
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        refusals: list[Message] = []

        async def receive() -> Message:
            return messages.pop(0)

        async def send(message: Message) -> None:
            if message["type"].endswith(".failed"):
                refusals.append(message)

        async def lifespan() -> None:
            await self.app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

        asyncio.run(lifespan())
        assert refusals == []

    def send(self, call: Call, **conversation: Any) -> Answer:
        """Send one request, in an event loop of its own."""

        async def alone() -> Answer:
            return await self.conversation(call, **conversation).lead(self.app)

        self._exporter.clear()
        answer = asyncio.run(alone())
        return Answer(
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            error=answer.error,
            spans=self._exporter.get_finished_spans(),
        )

    def send_all(self, calls: Sequence[Call]) -> Sequence[Answer]:
        """Send them at the same time, in one event loop."""

        async def together() -> list[Answer]:
            return await asyncio.gather(*(self.conversation(call).lead(self.app) for call in calls))

        self._exporter.clear()
        return asyncio.run(together())
