"""Drives a WSGI application without a server, so that headers may say what no server would let through."""

import io
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opentelemetry import context as otel
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import botanu
from tests.adapters.harness import Answer, Call

__all__ = ["WsgiHarness", "environ_of"]


def environ_of(call: Call, **more: Any) -> dict[str, Any]:
    """The environ of a request, as gunicorn makes it."""
    path, _, query = call.path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(call.body)),
        "REMOTE_ADDR": call.peer or "",
        "HTTP_HOST": "shop:8000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(call.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in call.headers:
        key = "HTTP_" + name.upper().replace("-", "_")
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ | more


class WsgiHarness:
    """A WSGI application, its spans ending in `exporter`."""

    reraises = True

    def __init__(self, exporter: InMemorySpanExporter, app: Any) -> None:
        self.app = app
        self._exporter = exporter

    def start(self) -> None:
        """It has started when it is made."""

    def send(self, call: Call, **environ: Any) -> Answer:
        """Send one request; afterwards the thread must be as it was."""
        self._exporter.clear()
        answer = self._led(call, environ)
        return Answer(
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            error=answer.error,
            spans=self._exporter.get_finished_spans(),
        )

    def send_all(self, calls: Sequence[Call]) -> Sequence[Answer]:
        """Send them at the same time, each in a thread."""
        self._exporter.clear()
        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(lambda call: self._led(call, {}), calls))

    def _led(self, call: Call, environ: dict[str, Any]) -> Answer:
        before = otel.get_current()
        started: list[tuple[str, list[tuple[str, str]]]] = []
        chunks: list[bytes] = []
        error: BaseException | None = None

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            assert not started or exc_info, "a second response was begun"
            started.append((status, headers))
            return chunks.append

        try:
            body: Iterable[bytes] = self.app(environ_of(call, **environ), start_response)
            try:
                for chunk in body:
                    if chunk:
                        chunks.append(chunk)
                    if call.leaves_after is not None and len(chunks) >= call.leaves_after:
                        break
            finally:
                if hasattr(body, "close"):
                    body.close()
        except Exception as raised:
            error = raised
        assert otel.get_current() == before, "a context was left attached"
        assert botanu.get_current_run() is None, "a run was left current"
        status, headers = started[-1] if started else ("500" if error else "0", [])
        return Answer(
            status=int(status.split()[0]),
            headers=[(name.lower(), value) for name, value in headers],
            body=b"".join(chunks).decode("latin-1"),
            error=error,
        )
