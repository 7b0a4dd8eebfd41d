"""One request as WSGI leads it: which response it got, which route served it, and when its body is over."""

import sys
from collections.abc import Callable, Iterable, MutableMapping
from contextvars import Context, ContextVar, copy_context
from typing import Any, ClassVar, Final

from botanu_core import adapter

__all__ = ["App", "Environ", "StartResponse", "Wsgi", "current"]

Environ = MutableMapping[str, Any]
Write = Callable[[bytes], object]
StartResponse = Callable[..., Write]
Native = Callable[[Environ], object]
App = Callable[[Any, Any], Iterable[bytes]]


class Wsgi(adapter.EnvironExchange):
    """An exchange that a WSGI server leads: it stands between the server's `start_response` and the application.

    Args:
        options: Of the middleware.
        environ: Of the request.
        native: Makes a request of an environ, for functions of the application.
    """

    framework: ClassVar[str] = "flask"
    __slots__ = ("_inside", "_length", "_make", "_respond", "_write")

    def __init__(self, options: adapter.WebOptions, environ: Environ, native: Native) -> None:
        self._make = native
        self._inside: Any = None
        self._length: int | None = None
        super().__init__(options, environ)

    def serve(self, app: App, start_response: StartResponse) -> Iterable[bytes]:
        """What `app` answers.

        The application and its body have one context to themselves, in whatever threads the server asks for chunks:
        what is entered in a view may be left in the body, as Flask's `stream_with_context` does, and nothing of it
        stays in the server's thread.
        """
        self._respond = start_response
        context = copy_context()
        try:
            return context.run(self._served, app, context)
        except BaseException as error:
            self.ended(error)
            raise

    def _served(self, app: App, context: Context) -> Iterable[bytes]:
        self.inhabit()
        _current.set(self)
        body = app(self.environ, self.start)
        if _is_file(body, self.environ.get("wsgi.file_wrapper")):
            self._watch(body)
            return body
        return adapter.body_of(self, body, context, self._length)

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Write:
        """The application's `start_response`: the same, with our header."""
        try:
            self.find_route()
            self.started(int(status[:3]))
            self._length = _length(headers)
            headers = adapter.with_run(headers, self.options, self.run.run_id)
        except Exception as failure:
            adapter.failed("flask", failure)
        self._write = self._respond(status, headers, exc_info) if exc_info else self._respond(status, headers)
        return self.write

    def write(self, data: bytes) -> None:
        """The application's `write`; it fails where the client has gone."""
        try:
            self._write(data)
        except OSError:
            self.client_is_gone = True
            raise

    def _watch(self, file: Any) -> None:
        """The server sends `file` by itself, and only the very object it made: its `close` tells of the end."""
        inner = getattr(file, "close", None)

        def close() -> None:
            try:
                if inner is not None:
                    inner()
            finally:
                # Servers close what they could not send while they handle why.
                self.client_is_gone = isinstance(sys.exc_info()[1], OSError)
                self.finish()

        try:
            file.close = close
        except (AttributeError, TypeError):
            self.finish()

    # --- what Flask knows of it ---------------------------------------------------------------------------------

    def find_route(self) -> None:
        """Flask's request is in the environ while its context is pushed; without Flask there is none, or no rule."""
        request = self.environ.get("werkzeug.request")
        if getattr(request, "url_rule", None) is not None:
            self._inside = request

    def routed(self) -> None:
        self.find_route()
        # Out of Flask's context: looking at the session before the view has would add `Vary: Cookie` to the response.
        Context().run(super().routed)

    def caught(self, error: BaseException) -> None:
        self.find_route()
        super().caught(error)

    def route(self) -> str | None:
        return None if self._inside is None else str(self._inside.url_rule.rule)

    def native(self) -> object:
        inside = self._inside
        if inside is None:
            return self._make(self.environ)
        copied = type(inside)(adapter.bodiless(self.environ), populate_request=False)
        copied.url_rule, copied.view_args = inside.url_rule, inside.view_args
        return copied


_current: Final[ContextVar[Wsgi | None]] = ContextVar("botanu_flask", default=None)


def current(environ: Environ) -> Wsgi | None:
    """The exchange that the request of `environ` belongs to; `None` for one that is made inside of it, without us."""
    exchange = _current.get()
    return exchange if exchange is not None and environ.get(adapter.SCOPE_KEY) is exchange.run else None


def _is_file(body: object, wrapper: Any) -> bool:
    if wrapper is None:
        return False
    # uWSGI's is a function that gives back the file itself.
    return isinstance(body, wrapper) if isinstance(wrapper, type) else hasattr(body, "fileno")


def _length(headers: Iterable[tuple[str, str]]) -> int | None:
    for name, value in headers:
        if name.lower() == "content-length":
            return int(value)
    return None
