"""Botanu for FastAPI, Starlette and any other ASGI application: ``app.add_middleware(BotanuMiddleware)``."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from opentelemetry import propagate
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, StatusCode

from botanu_core import adapter
from botanu_fastapi._route import route_of

__all__ = ["BotanuMiddleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_RESPONSE_HEADER: Final = adapter.RESPONSE_HEADER.encode()
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})

_TRAILERS: Final = "http.response.trailers"
# Messages that may be the last of a response, and what says that they are not.
_MORE: Final = {
    "http.response.body": "more_body",
    "http.response.zerocopysend": "more_body",
    "http.response.pathsend": "",
    _TRAILERS: "more_trailers",
}


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
        exchange = _exchange(scope, receive, send)
        if exchange is None:
            await self.app(scope, receive, send)
            if scope["type"] == "lifespan":
                adapter.farewell()  # uvicorn, told to stop by a signal, dies of it before Python's own exit handlers
            return
        run = exchange.run
        # What `run.active` does, without its frames: every request pays for them.
        activation = adapter.activate(run, run.span, exchange, base=exchange.context)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            adapter.deactivate(activation)
            exchange.ended(error)
            raise
        adapter.deactivate(activation)
        exchange.ended()


class _Exchange:
    """One request and its response. All state of a request is here: the middleware itself holds none."""

    __slots__ = (
        "_client_is_gone", "_is_complete", "_method", "_receive", "_scope", "_send", "_status", "_trailers", "context",
        "run",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        # A method that nobody has heard of would make a span name, and a series, of its own.
        self._method = scope["method"] if scope["method"] in _METHODS else "HTTP"
        self._status = 0
        self._trailers = self._client_is_gone = self._is_complete = False
        self.run = adapter.accept(adapter.from_asgi(scope))
        scope[adapter.SCOPE_KEY] = self.run
        theirs = adapter.server_span()
        if theirs is not None:
            self.context = adapter.without_ours(get_current())
            self.run.borrow(theirs)
            return
        self.context = adapter.without_ours(_extracted(scope))
        self.run.start(
            self._method,
            SpanKind.SERVER,
            {
                adapter.HTTP_REQUEST_METHOD: self._method if self._method != "HTTP" else "_OTHER",
                adapter.URL_PATH: scope["path"],
            },
            self.context,
        )

    async def receive(self) -> Message:
        """Pass a message on, and see whether the client has gone away."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._client_is_gone = True
        return message

    async def send(self, message: Message) -> None:
        """Pass a message on; the run ends with the last one of the response."""
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
            self._trailers = bool(message.get("trailers"))
            message = _with_header(message, self.run.run_id)
        more = _MORE.get(kind)
        is_last = more is not None and not message.get(more) and (kind == _TRAILERS or not self._trailers)
        if is_last and not self.run.owns_span:
            # Its maker ends it when this message has gone out.
            self.finish()
        try:
            await self._send(message)
        except OSError:
            self._client_is_gone = True
            raise
        if is_last:
            # Behind a 5xx there may come the exception it stands for: where this is outside of what answers for it.
            self._is_complete = True
            if self._status < 500:
                self.finish()

    def ended(self, error: BaseException | None = None) -> None:
        """The application has returned or raised; the response may have been over long before."""
        if self.run.ended:
            return
        if error is None:
            # Servers cancel the body of a client that went away, and the application then returns as if all were well.
            incomplete = "canceled" if self._client_is_gone else "failed"
            self.finish(None if self._is_complete else incomplete)
        elif self._client_is_gone and _is_of_leaving(error):
            self.finish("canceled")
        else:
            self.run.fail(error)
            self.finish(error=error)

    def finish(self, status: str | None = None, error: BaseException | None = None) -> None:
        """Write what is known, and end the run. HTTP 4xx leaves the outcome open: whose fault it is nobody knows."""
        if self.run.ended:
            return
        if status is None and error is None:
            status = "failed" if self._status >= 500 else None if self._status >= 400 else "success"
            status = "canceled" if self._client_is_gone and status != "failed" else status
        known: dict[str, str | int] = {}
        try:
            self._describe(known, error)
        except Exception as failure:
            adapter.failed("fastapi", failure)
        self.run.finish(status, error, known)

    def _describe(self, known: dict[str, str | int], error: BaseException | None) -> None:
        span = self.run.span
        if not span.is_recording():
            return
        if self._status:
            known[adapter.HTTP_RESPONSE_STATUS_CODE] = self._status
        if self._status >= 500 and error is None and self.run.owns_span:
            span.set_status(StatusCode.ERROR)
        route = route_of(self._scope, self._status)
        if route is not None:
            known[adapter.HTTP_ROUTE] = route
            if self.run.owns_span:
                span.update_name(f"{self._method} {route}")


def _is_of_leaving(error: BaseException) -> bool:
    """Whether `error` is how an application hears that nobody listens: from its server, or from a closed stream."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_of_leaving, error.exceptions))
    return isinstance(error, OSError) or any(kind.__name__ in _LEAVING for kind in type(error).__mro__)


_LEAVING: Final = frozenset(
    {"BrokenResourceError", "Cancelled", "CancelledError", "ClientDisconnect", "ClosedResourceError"}
)


def _exchange(scope: Scope, receive: Receive, send: Send) -> _Exchange | None:
    """The exchange that begins with `scope`; `None` for what is no request, has a run already, or cannot have one."""
    if scope["type"] != "http" or adapter.SCOPE_KEY in scope:
        return None
    try:
        return _Exchange(scope, receive, send)
    except Exception as failure:
        adapter.failed("fastapi", failure)
        return None


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


def _extracted(scope: Scope) -> Context:
    """The current context, with what the global propagator reads off the request."""
    context = get_current()
    if adapter.propagation_fields().isdisjoint([name.lower() for name, _ in scope.get("headers") or ()]):
        return context
    try:
        return propagate.extract(scope, context, _GETTER)
    except Exception as error:
        adapter.failed("extract", error)
        return context


def _with_header(message: Message, run_id: str) -> Message:
    # A new message: an application may send the same object for every request.
    headers = [(name, value) for name, value in message.get("headers") or () if name.lower() != _RESPONSE_HEADER]
    headers.append((_RESPONSE_HEADER, run_id.encode()))
    return {**message, "headers": headers}
