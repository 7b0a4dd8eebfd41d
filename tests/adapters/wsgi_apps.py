"""Flask and bare WSGI applications that serve `PAGES`."""

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask, Response, request
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from werkzeug.wrappers import Request

from botanu_flask import BotanuFlask, BotanuMiddleware
from tests.adapters.pages import PAGES, Page
from tests.adapters.wsgi import WsgiHarness

__all__ = ["flask_async", "flask_configured", "flask_propagating", "flask_sync", "pages_on_wsgi", "wsgi_wrapped"]

ROUTES = {path: re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)) for path in PAGES}


def _answer(page: Page) -> Response:
    if isinstance(page, tuple):
        return Response(page[1], page[0], content_type="text/plain")
    return Response(page, content_type="text/plain")


def _view(page: Callable[..., Page], *, is_async: bool) -> Any:
    def view(**parameters: str) -> Response:
        return _answer(page(**parameters))

    async def async_view(**parameters: str) -> Response:
        await asyncio.sleep(0)
        return _answer(page(**parameters))

    return async_view if is_async else view


def _flask(*, is_async: bool = False) -> Flask:
    app = Flask("pages")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True  # a traceback for each page that fails
    for path, page in PAGES.items():
        rule = re.sub(r"{(\w+)}", r"<\1>", path)
        app.add_url_rule(rule, endpoint=path, view_func=_view(page, is_async=is_async))
    app.add_url_rule("/upload", view_func=lambda: str(len(request.get_data())), endpoint="upload", methods=["POST"])
    return app


class _Answering(WsgiHarness):
    """Flask answers for what its views raise; what breaks a stream reaches the server."""

    reraises = False


def flask_sync(exporter: InMemorySpanExporter, *, installs: int = 1, **options: Any) -> WsgiHarness:
    """Options given to the extension."""
    app = _flask()
    for _ in range(installs):
        BotanuFlask(app, **options)
    return _Answering(exporter, app)


def flask_async(exporter: InMemorySpanExporter, *, installs: int = 1, **options: Any) -> WsgiHarness:
    """Async views, which Flask runs in another thread's loop; ours around the whole application."""
    app: Any = _flask(is_async=True)
    for _ in range(installs):
        app = BotanuMiddleware(app, **options)
    return _Answering(exporter, app)


def flask_configured(exporter: InMemorySpanExporter, *, installs: int = 1, **options: Any) -> WsgiHarness:
    """Options in the configuration, the extension made before the application."""
    extension, app = BotanuFlask(), _flask()
    app.config.from_mapping({f"BOTANU_{name.upper()}": value for name, value in options.items()})
    for _ in range(installs):
        extension.init_app(app)
    return _Answering(exporter, app)


def flask_propagating(exporter: InMemorySpanExporter, *, installs: int = 1, **options: Any) -> WsgiHarness:
    """As in tests: exceptions of views reach the server."""
    app = _flask()
    app.testing, app.config["PROPAGATE_EXCEPTIONS"] = True, None
    for _ in range(installs):
        BotanuFlask().init_app(app) if not options else BotanuFlask(app, **options)
    return WsgiHarness(exporter, app)


def pages_on_wsgi(environ: Any, start_response: Any) -> Any:
    """The pages without any framework."""
    respond = lambda code: start_response(f"{code} Some Reason", [("content-type", "text/plain")])  # noqa: E731
    if environ["PATH_INFO"] == "/upload":
        respond(200)
        return [str(len(Request(environ).get_data())).encode()]
    for path, pattern in ROUTES.items():
        if found := pattern.fullmatch(environ["PATH_INFO"]):
            environ["wsgiorg.routing_args"] = ((), found.groupdict())
            page = PAGES[path](**found.groupdict())
            respond(page[0] if isinstance(page, tuple) else 200)
            return [page[1].encode()] if isinstance(page, tuple) else _encoded(page)
    respond(404)
    return []


def _encoded(chunks: Iterator[str]) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk.encode()


def wsgi_wrapped(exporter: InMemorySpanExporter, *, installs: int = 1, **options: Any) -> WsgiHarness:
    """No framework at all."""
    app: Any = pages_on_wsgi
    for _ in range(installs):
        app = BotanuMiddleware(app, **options)
    return WsgiHarness(exporter, app)
