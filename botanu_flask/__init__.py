"""Botanu for Flask, ``BotanuFlask(app)``, and for any other WSGI application, ``BotanuMiddleware(wsgi_app)``."""

import importlib.util
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

from botanu_core import adapter
from botanu_flask._wsgi import App, Environ, StartResponse, Wsgi, current

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["BotanuFlask", "BotanuMiddleware"]


class BotanuMiddleware:
    """WSGI: one run a request, from its first byte to the end of its response body.

    Joins the run that a trusted caller sends, else opens an implicit one, which the first `event` names. Uses the
    server span of another instrumentation where one is current, else makes one.

    Args:
        app: The application inside.
        options: None is needed. ``workflow`` (a text or a function of the request), ``event_id``, ``customer_id`` and
            ``tenant_id`` (functions of the request), ``exclude``, ``response_header``, ``expose_header``,
            ``trust_inbound``, ``capture``, ``on_error``: docs/flask.md says what each does.

    Raises:
        ConfigError: An option is wrong.
        MissingExtra: A function of the request is given, and Werkzeug, whose request it gets, is not installed.
    """

    def __init__(self, app: App, **options: Unpack[adapter.Options]) -> None:
        self.app = app
        self.options = adapter.WebOptions.of(options)
        if self.options.asks and importlib.util.find_spec("werkzeug") is None:
            raise adapter.MissingExtra("a function of the request", "flask")
        if importlib.util.find_spec("flask") is not None:
            _listen()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        exchange = Wsgi.opened(self.options, environ, self._native, self._native)
        if exchange is None:
            return self.app(environ, start_response)
        return exchange.serve(self.app, start_response)

    def _native(self, environ: Environ) -> object:
        from werkzeug.wrappers import Request  # a WSGI application can do without

        return Request(adapter.bodiless(environ), populate_request=False)


class _Around(BotanuMiddleware):
    """The middleware around one Flask application: functions get that application's own kind of request."""

    def __init__(self, app: "Flask", **options: Unpack[adapter.Options]) -> None:
        from flask import request_started

        super().__init__(app.wsgi_app, **options)
        self._application = app
        if self.options.ids:
            request_started.connect(_routed, app)

    def _native(self, environ: Environ) -> object:
        return self._application.request_class(adapter.bodiless(environ), populate_request=False)


class BotanuFlask:
    """The Flask extension: `BotanuMiddleware` around ``app.wsgi_app``.

    Args:
        app: The application; without one call `init_app`.
        options: Those of `BotanuMiddleware`. They go before the application's configuration, which has them in upper
            case behind ``BOTANU_``: ``BOTANU_WORKFLOW``, ``BOTANU_EXCLUDE``.

    Raises:
        ConfigError: An option is wrong, or the application has ours with others.
    """

    def __init__(self, app: "Flask | None" = None, **options: Unpack[adapter.Options]) -> None:
        self._options = options
        adapter.WebOptions.of(options)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: "Flask") -> None:
        """Put ours around `app`; twice is as good as once. Routes may be there already or come later."""
        options: Any = {**_configured(app), **self._options}
        known = app.extensions.get("botanu")
        if known is None:
            app.extensions["botanu"] = app.wsgi_app = _Around(app, **options)  # type: ignore[method-assign]  # as Flask's own documentation does
        elif known.options != adapter.WebOptions.of(options):
            raise adapter.ConfigError(f"{app.name} has BotanuFlask already, with other options; install it once")


def _configured(app: "Flask") -> dict[str, Any]:
    # Who loads the environment into the configuration has what `enable` reads in it, too.
    found = adapter.prefixed(app.config)
    given = {
        name: value
        for name, value in found.items()
        if name in adapter.OPTIONS or f"BOTANU_{name.upper()}" not in os.environ
    }
    if problems := list(adapter.problems_of(given)):
        raise adapter.ConfigError(
            "; ".join(f"BOTANU_{each.option.upper()} in app.config: {each.text}" for each in problems)
        )
    return given


def _listen() -> None:
    """Flask tells this to a function of a module once, however often it is connected."""
    from flask import got_request_exception

    got_request_exception.connect(_caught)


def _caught(_: object, exception: BaseException, **__: Any) -> None:
    """Flask answers for what a view raised."""
    if (exchange := _exchange()) is not None:
        exchange.caught(exception)


def _routed(_: object, **__: Any) -> None:
    """Flask has found the route, and calls the view next."""
    if (exchange := _exchange()) is not None:
        exchange.routed()


def _exchange() -> Wsgi | None:
    from flask import request

    try:
        return current(request.environ)
    except Exception as failure:
        adapter.failed("flask", failure)
        return None
