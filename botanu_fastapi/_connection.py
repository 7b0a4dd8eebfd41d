"""What HTTP requests and websockets have in common: an ASGI scope, its headers, its route."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar, Final

from opentelemetry import propagate
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import Getter

from botanu_core import adapter
from botanu_fastapi._route import route_of

__all__ = ["App", "Connection", "Message", "Receive", "Scope", "Send", "app_path"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Connection(adapter.Exchange):
    """An exchange that an ASGI server leads: it stands between the server's `receive` and `send` and the application.

    Args:
        options: Of the middleware.
        scope: Of the connection.
        receive: The server's.
        send: The server's.
    """

    framework: ClassVar[str] = "fastapi"
    __slots__ = ("_code", "_is_over", "_names", "_receive", "_scope", "_send", "_trailers")

    def __init__(self, options: adapter.WebOptions, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._trailers = self._is_over = False
        self._code: int | None = None
        # All names in one text: most requests bring nothing of ours, and one look at it says so.
        self._names = names = b"\n".join([name for name, _ in scope.get("headers") or ()]).lower()
        inbound = adapter.from_asgi(scope) if b"baggage" in names or b"x-botanu-run" in names else _NOTHING
        super().__init__(options, scope, inbound, scope.get("method", "GET"), scope["path"])

    def native(self) -> object:
        return native(self._scope)

    def route(self) -> str | None:
        return route_of(self._scope, self.status)

    def extracted(self) -> Context:
        context = get_current()
        names = self._names
        for field in adapter.propagation_fields():
            if field in names:
                break
        else:
            return context
        try:
            return propagate.extract(self._scope, context, _GETTER)
        except Exception as error:
            adapter.failed("extract", error)
            return context

    def with_run(self, message: Message) -> Message:
        """A message that begins a response, with our header: a new one, for applications may send theirs again."""
        options = self.options
        if options.response_header is None:
            return message
        key = options.header_line
        headers = [pair for pair in message.get("headers") or () if pair[0].lower() != key]
        headers.append((key, self.run.run_id.encode()))
        if options.expose_header:
            exposed = b", ".join(value for other, value in headers if other.lower() == _EXPOSE)
            headers = [pair for pair in headers if pair[0].lower() != _EXPOSE]
            headers.append(
                (_EXPOSE, adapter.exposing(exposed.decode("latin-1"), options.response_header).encode("latin-1"))
            )
        return {**message, "headers": headers}


_NOTHING: Final = adapter.Inbound()
_EXPOSE: Final = adapter.EXPOSE.lower().encode()


def native(scope: Scope) -> object:
    """Starlette's request, which is FastAPI's too; without `receive`, so that nobody can reach its body."""
    from starlette.requests import HTTPConnection, Request  # a raw ASGI application can do without

    return Request(scope) if scope["type"] == "http" else HTTPConnection(scope)


def app_path(scope: Scope) -> str:
    """The path as the application's routes are written: without what a proxy or a mount stands for."""
    path: str = scope["path"]
    root: str = scope.get("root_path") or ""
    rest = path.removeprefix(root)
    return rest if root and rest.startswith("/") else path


class _AsgiGetter(Getter[Scope]):
    """Case-blind, and joins repeated headers: several `baggage` lines are one."""

    def get(self, carrier: Scope, key: str) -> list[str] | None:
        wanted = key.lower().encode("latin-1")
        found = [value.decode("latin-1") for name, value in carrier["headers"] if name.lower() == wanted]
        if not found:
            return None
        # What is ours has been read: `accept` decides about it, and nobody else has to parse it or complain.
        return [adapter.others(",".join(found)) if key == adapter.BAGGAGE_HEADER else ",".join(found)]

    def keys(self, carrier: Scope) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier["headers"]]


_GETTER: Final = _AsgiGetter()
