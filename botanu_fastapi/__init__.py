"""Botanu for FastAPI, Starlette and any other ASGI application: ``app.add_middleware(BotanuMiddleware)``."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, StatusCode

from botanu_core import adapter

__all__ = ["BotanuMiddleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_RESPONSE_HEADER: Final = adapter.RESPONSE_HEADER.encode()
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})


class BotanuMiddleware:
    """Pure ASGI: one run a request, from its first byte to the end of its response body.

    Joins the run that a trusted caller sends, else opens an implicit one, which the first `event` names. Uses the
    server span of another instrumentation where one is current, else makes one. Websockets and lifespan pass through.

    Args:
        app: The application inside.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or adapter.SCOPE_KEY in scope:
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        try:
            with exchange.run.active(exchange.context):
                await self.app(scope, receive, exchange.send)
        except BaseException as error:
            exchange.ended(error)
            raise
        exchange.ended()


class _Exchange:
    """One request and its response. All state of a request is here: the middleware itself holds none."""

    __slots__ = ("_method", "_root_path", "_scope", "_send", "_status", "_trailers", "context", "run")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._root_path: str = scope.get("root_path", "")
        # A method that nobody has heard of would make a span name, and a series, of its own.
        self._method = scope["method"] if scope["method"] in _METHODS else "HTTP"
        self._status = 0
        self._trailers = False
        self.run = adapter.accept(adapter.from_asgi(scope))
        scope[adapter.SCOPE_KEY] = self.run
        self.context: Context | None = None
        theirs = adapter.server_span()
        if theirs is not None:
            self.run.borrow(theirs)
            return
        self.context = _extracted(scope)
        self.run.start(
            self._method,
            SpanKind.SERVER,
            {
                adapter.HTTP_REQUEST_METHOD: self._method if self._method != "HTTP" else "_OTHER",
                adapter.URL_PATH: scope["path"],
            },
            self.context,
        )

    async def send(self, message: Message) -> None:
        """Pass a message on; the run ends with the last one of the response."""
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
            self._trailers = bool(message.get("trailers"))
            _add_header(message, self.run.run_id)
        await self._send(message)
        if self._is_last(kind, message):
            self.finish()

    def _is_last(self, kind: str, message: Message) -> bool:
        if kind == "http.response.body" or kind == "http.response.zerocopysend":
            return not message.get("more_body", False) and not self._trailers
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        return kind == "http.response.pathsend"

    def ended(self, error: BaseException | None = None) -> None:
        """The application has returned or raised; the response may have been over long before."""
        if self.run.ended:
            return
        if error is not None:
            self.run.fail(error)
            self.finish(error=error)
        else:
            # Servers cancel the body of a client that went away, and the application then returns as if all were well.
            self.finish("canceled")

    def finish(self, status: str | None = None, error: BaseException | None = None) -> None:
        """Write what is known now, and end the run. HTTP 4xx leaves the outcome open: whose fault it is nobody knows."""
        if status is None and error is None:
            status = "failed" if self._status >= 500 else None if self._status >= 400 else "success"
        try:
            self._describe()
        except Exception as failure:
            adapter.failed("fastapi", failure)
        self.run.finish(status, error)

    def _describe(self) -> None:
        span = self.run.span
        if not span.is_recording():
            return
        if self._status:
            span.set_attribute(adapter.HTTP_RESPONSE_STATUS_CODE, self._status)
        if self._status >= 500 and self.run.owns_span:
            span.set_status(StatusCode.ERROR)
        route = _route(self._scope, self._root_path)
        if route is not None:
            span.set_attribute(adapter.HTTP_ROUTE, route)
            if self.run.owns_span:
                span.update_name(f"{self._method} {route}")


class _AsgiGetter(Getter[Scope]):
    """Case-blind, and joins repeated headers: several `baggage` lines are one."""

    def get(self, carrier: Scope, key: str) -> list[str] | None:
        wanted = key.lower().encode("latin-1")
        found = [value.decode("latin-1") for name, value in carrier["headers"] if name.lower() == wanted]
        return [",".join(found)] if found else None

    def keys(self, carrier: Scope) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier["headers"]]


_GETTER: Final = _AsgiGetter()


def _extracted(scope: Scope) -> Context | None:
    """What the global propagator reads off the request; `None` where there is nothing for it to read."""
    fields = adapter.propagation_fields()
    if not any(name.decode("latin-1").lower() in fields for name, _ in scope.get("headers") or ()):
        return None
    try:
        return propagate.extract(scope, getter=_GETTER)
    except Exception as error:
        adapter.failed("extract", error)
        return None


def _add_header(message: Message, run_id: str) -> None:
    headers = [(name, value) for name, value in message.get("headers") or () if name.lower() != _RESPONSE_HEADER]
    headers.append((_RESPONSE_HEADER, run_id.encode()))
    message["headers"] = headers


def _route(scope: Scope, root_path: str) -> str | None:
    """The template of the route that served the request; `None` for a 404. Never the path itself.

    A mounted application is told its mount's path with the parameters filled in; they are put back.
    """
    template = getattr(scope.get("route"), "path", None)
    if not isinstance(template, str):
        return None
    mount = scope.get("root_path", "")
    mount = mount[len(root_path) :] if mount.startswith(root_path) else ""
    if not mount:
        return template
    names = {str(value): name for name, value in (scope.get("path_params") or {}).items()}
    segments = (f"{{{names[part]}}}" if part in names else part for part in mount.split("/"))
    return "/".join(segments) + template
