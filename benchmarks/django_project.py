"""A Django project of one view, and its handlers: one for each kind of telemetry, called without a server."""

import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import django
import structlog
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

__all__ = ["Handler", "handler", "sentry", "set_up", "with_otel", "wsgi_call"]

PATH = "/tickets/7"
Handler = Callable[..., Any]


def view(request: HttpRequest, ticket: int) -> HttpResponse:  # noqa: ARG001 - what a view is called with
    """Answers with the number of the ticket."""
    return HttpResponse(str(ticket), content_type="text/plain")


class Urls:
    """A URL configuration."""

    urlpatterns = (path("tickets/<int:ticket>", view),)


class BareWsgi(WSGIHandler):
    """What Django's own handler is before anybody patches its class, as sentry-sdk does for the whole process."""

    __call__ = WSGIHandler.__call__
    get_response = WSGIHandler.get_response
    load_middleware = WSGIHandler.load_middleware
    make_view_atomic = WSGIHandler.make_view_atomic


def set_up() -> None:
    """Configure Django, once a process."""
    settings.configure(
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="x" * 50,
        ROOT_URLCONF=Urls,
        INSTALLED_APPS=["django_guid", "django_structlog"],
        DJANGO_GUID={},
        LOGGING_CONFIG=None,
        USE_TZ=True,
    )
    django.setup()
    # What a logging middleware does up to the line of text is measured, and where it writes it is not.
    logging.getLogger().addHandler(logging.NullHandler())
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.JSONRenderer()],
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=True,
    )


def handler(middleware: Sequence[str] = (), kind: type = BareWsgi) -> Handler:
    """Django's handler with this middleware in it."""
    with override_settings(MIDDLEWARE=list(middleware)):
        made: Handler = kind()
        return made


def with_otel(provider: Any) -> Handler:
    """A handler with the middleware of OpenTelemetry's instrumentor."""
    from opentelemetry.instrumentation.django import DjangoInstrumentor

    with override_settings(MIDDLEWARE=[]):
        DjangoInstrumentor().instrument(tracer_provider=provider)
        made: Handler = BareWsgi()
        return made


def sentry() -> tuple[Handler, Callable[[], Any]]:
    """A handler under sentry-sdk with all traces sampled and sent nowhere, and what switches it on for a round."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            pass

    live_receivers = Signal._live_receivers  # which it patches too
    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Nowhere, traces_sample_rate=1.0)
    client, patched = sentry_sdk.get_client(), Signal._live_receivers
    made = handler(kind=WSGIHandler)

    @contextmanager
    def on() -> Iterator[None]:
        sentry_sdk.get_global_scope().set_client(client)
        Signal._live_receivers = patched
        try:
            yield
        finally:
            off()

    def off() -> None:
        sentry_sdk.get_global_scope().set_client(None)
        Signal._live_receivers = live_receivers

    off()
    return made, on


def wsgi_call(application: Handler, headers: Mapping[str, str] | None = None) -> Callable[[], None]:
    """A function that sends one request as gunicorn does, and takes the response to its end."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": PATH,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_USER_AGENT": "bench/1",
        "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **(headers or {}),
    }

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        pass

    def call() -> None:
        body = application(environ.copy(), start_response)
        for _ in body:
            pass
        body.close()

    return call
