"""Drives a WSGI application without a server: one request is one call with a minimal environ."""

import io
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

__all__ = ["Application", "request", "spanned"]

Application = Callable[[Any, Any], Iterable[bytes]]


def request(
    application: Application,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    sink: Callable[[bytes], object] | None = None,
) -> Callable[[], None]:
    """A function that sends `GET path` through `application` and takes all of the response.

    Args:
        application: A WSGI application.
        path: What is asked for.
        headers: As the environ has them, beside those of every request.
        sink: Takes each chunk of the response; without one it is dropped.
    """
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
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
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **(headers or {}),
    }

    def write(data: bytes) -> None:
        pass

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:  # noqa: ARG001
        return write

    def call() -> None:
        body = application(environ.copy(), start_response)
        try:
            if sink is None:
                for _ in body:
                    pass
            else:
                for chunk in body:
                    sink(chunk)
        finally:
            if hasattr(body, "close"):
                body.close()

    return call


def spanned(application: Application, provider: TracerProvider) -> Application:
    """The span alone, with the attributes that every HTTP span has: what of ours is not ours to save."""
    tracer = provider.get_tracer("bench")

    def around(environ: Any, start_response: Any) -> Any:
        given = {"http.request.method": environ["REQUEST_METHOD"], "url.path": environ["PATH_INFO"]}
        with tracer.start_as_current_span("GET", kind=SpanKind.SERVER, attributes=given) as span:
            answer = application(environ, start_response)
            span.update_name("GET /tickets/<int:ticket>")
            span.set_attributes({"http.route": "/tickets/<int:ticket>", "http.response.status_code": 200})
            return answer

    return around
