"""Botanu for FastAPI, Starlette and any other ASGI application: ``app.add_middleware(BotanuMiddleware)``."""

import functools
import importlib.util
from typing import Unpack

from botanu_core import adapter
from botanu_fastapi._connection import App, Receive, Scope, Send, app_path, native
from botanu_fastapi._http import Http
from botanu_fastapi._websocket import Websocket

__all__ = ["BotanuMiddleware"]


class BotanuMiddleware:
    """Pure ASGI: one run a request, from its first byte to the end of its response body, and one a websocket.

    Joins the run that a trusted caller sends, else opens an implicit one, which the first `event` names. Uses the
    server span of another instrumentation where one is current, else makes one. Lifespan passes through.

    Args:
        app: The application inside.
        options: None is needed. ``workflow`` (a text or a function of the request), ``event_id``, ``customer_id`` and
            ``tenant_id`` (functions of the request), ``exclude``, ``response_header``, ``expose_header``,
            ``trust_inbound``, ``capture``, ``on_error``: docs/fastapi.md says what each does.

    Raises:
        ConfigError: An option is wrong; with `add_middleware`, when the application starts.
        MissingExtra: A function of the request is given, and Starlette is not installed.
    """

    def __init__(self, app: App, **options: Unpack[adapter.Options]) -> None:
        self.app = app
        self._options = adapter.WebOptions.of(options)
        if self._options.asks and importlib.util.find_spec("starlette") is None:
            raise adapter.MissingExtra("a function of the request", "fastapi")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        exchange = _exchange(self._options, scope, receive, send)
        if exchange is None:
            await self.app(scope, receive, send)
            if scope["type"] == "lifespan":
                adapter.farewell()  # uvicorn, told to stop by a signal, dies of it before Python's own exit handlers
            return
        # What `run.active` does, without its frames: every request pays for them.
        activation = exchange.activate()
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            adapter.deactivate(activation)
            exchange.ended(error)
            raise
        adapter.deactivate(activation)
        exchange.ended()


def _exchange(options: adapter.WebOptions, scope: Scope, receive: Receive, send: Send) -> "Http | Websocket | None":
    """The exchange that begins with `scope`; `None` for what has a run already, shall have none, or cannot."""
    kind = scope["type"]
    if kind not in ("http", "websocket") or adapter.SCOPE_KEY in scope:
        return None
    try:
        if options.excludes and adapter.is_excluded(options, app_path(scope), functools.partial(native, scope)):
            return None
        if kind == "websocket":
            return Websocket(options, scope, receive, send)
        if scope["method"] == "OPTIONS" and adapter.is_preflight("OPTIONS", functools.partial(_names, scope)):
            return None
        return Http(options, scope, receive, send)
    except Exception as failure:
        adapter.failed("fastapi", failure)
        return None


def _names(scope: Scope, name: str) -> bool:
    wanted = name.encode()
    return any(each.lower() == wanted for each, _ in scope.get("headers") or ())
