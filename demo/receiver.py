"""An OTLP receiver that keeps what it gets: traces, metrics and logs, over HTTP (protobuf, gzip or plain) and gRPC.

In a test it is a context manager; as ``python -m demo.receiver`` it is a process of its own that answers
``GET /spans``, ``/events`` and ``/points`` with JSON. gRPC is there when ``grpcio`` is installed.
"""

import argparse
import gzip
import importlib
import importlib.util
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from demo.loopback import Handler, LoopbackServer, announce, child_arguments, stop_requested
from demo.otlp import LogEvent, MetricPoint, Span, decode_logs, decode_metrics, decode_spans

# Typed as Any, so that the types are the same with and without grpcio.
grpc: Any = importlib.import_module("grpc") if importlib.util.find_spec("grpc") else None

__all__ = ["LogEvent", "MetricPoint", "Receiver", "Span"]

_PATHS = {"/v1/traces": "trace", "/v1/metrics": "metrics", "/v1/logs": "logs"}
_ANSWERS = {
    "trace": ExportTraceServiceResponse().SerializeToString(),
    "metrics": ExportMetricsServiceResponse().SerializeToString(),
    "logs": ExportLogsServiceResponse().SerializeToString(),
}
_GRPC_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


class Receiver:
    """Receives while the ``with`` block lasts; every method may be called from any thread."""

    def __init__(self, *, port: int = 0, grpc_port: int = 0) -> None:
        self._spans: list[Span] = []
        self._events: list[LogEvent] = []
        self._points: list[MetricPoint] = []
        self._requests = 0
        self._changed = threading.Condition()
        self._status = 200
        self._stalled_until = 0.0
        self._ports = (port, grpc_port)
        self._http: _ReceiverServer | None = None
        self._grpc: Any = None

    def __enter__(self) -> Self:
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()

    @property
    def port(self) -> int:
        """The HTTP port; it stays the same over `pause` and `resume`."""
        return self._ports[0]

    @property
    def endpoint(self) -> str:
        """What ``OTEL_EXPORTER_OTLP_ENDPOINT`` wants for ``http/protobuf``."""
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def grpc_endpoint(self) -> str:
        """What ``OTEL_EXPORTER_OTLP_ENDPOINT`` wants for ``grpc``; raises `RuntimeError` without ``grpcio``."""
        if grpc is None:
            raise RuntimeError("the receiver speaks gRPC when grpcio is installed: pip install grpcio")
        return f"http://127.0.0.1:{self._ports[1]}"

    # What came in.

    def spans(self) -> list[Span]:
        """The spans so far, in the order of arrival."""
        with self._changed:
            return list(self._spans)

    def events(self) -> list[LogEvent]:
        """The log records so far, in the order of arrival."""
        with self._changed:
            return list(self._events)

    def points(self) -> list[MetricPoint]:
        """The metric points so far, each as often as it was exported."""
        with self._changed:
            return list(self._points)

    @property
    def requests(self) -> int:
        """How many exports were tried here, those that were refused included."""
        with self._changed:
            return self._requests

    def clear(self) -> None:
        """Forget what came in; fault modes stay."""
        with self._changed:
            self._spans.clear()
            self._events.clear()
            self._points.clear()
            self._requests = 0

    def wait_for(self, predicate: Callable[["Receiver"], bool], timeout: float) -> bool:
        """Wait until `predicate` holds, asked again after each export; False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: predicate(self), timeout)

    # How it behaves.

    def answer(self, status: int) -> None:
        """Refuse every export with this HTTP status, or its gRPC counterpart, until ``answer(200)``."""
        with self._changed:
            self._status = status
            self._changed.notify_all()

    def stall(self, seconds: float) -> None:
        """Hold every answer back until `seconds` from now; ``stall(0)`` lets go of those that are waiting."""
        with self._changed:
            self._stalled_until = time.monotonic() + seconds
            self._changed.notify_all()

    def pause(self) -> None:
        """Stop listening: connections are cut, new ones refused."""
        self.stall(0)
        http, self._http = self._http, None
        rpc, self._grpc = self._grpc, None
        if http is not None:
            http.stop()
        if rpc is not None:
            rpc.stop(grace=None).wait()

    def resume(self) -> None:
        """Listen, on the same ports as before."""
        if self._http is None:
            self._http = _ReceiverServer(self, port=self._ports[0])
            self._http.start()
            self._ports = (self._http.port, self._ports[1])
        if self._grpc is None and grpc is not None:
            self._grpc, port = _grpc_server(self, self._ports[1])
            self._ports = (self._ports[0], port)

    def take(self, signal: str, raw: bytes) -> int:
        """Keep one export (``trace``, ``metrics`` or ``logs``) and return the HTTP status that answers it."""
        with self._changed:
            self._requests += 1
            self._changed.notify_all()
            while (left := self._stalled_until - time.monotonic()) > 0:
                self._changed.wait(left)
            if self._status != 200:
                return self._status
        try:
            self._keep(signal, raw)
        except DecodeError:
            return 400
        return 200

    def _keep(self, signal: str, raw: bytes) -> None:
        spans = decode_spans(raw) if signal == "trace" else []
        points = decode_metrics(raw) if signal == "metrics" else []
        events = decode_logs(raw) if signal == "logs" else []
        with self._changed:
            self._spans += spans
            self._points += points
            self._events += events
            self._changed.notify_all()


class _ReceiverServer(LoopbackServer):
    def __init__(self, receiver: Receiver, *, port: int) -> None:
        super().__init__(_ReceiverHandler, port=port)
        self.receiver = receiver


class _ReceiverHandler(Handler):
    server: _ReceiverServer

    def do_POST(self) -> None:
        raw = self.read_body()
        signal = _PATHS.get(urlsplit(self.path).path)
        if signal is None:
            self.answer(404, b"", content_type="text/plain")
            return
        try:
            body = gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw
        except (OSError, EOFError, zlib.error):
            self.answer(400, b"not gzip", content_type="text/plain")
            return
        status = self.server.receiver.take(signal, body)
        self.answer(status, _ANSWERS[signal] if status == 200 else b"", content_type="application/x-protobuf")

    def do_GET(self) -> None:
        receiver = self.server.receiver
        pages: dict[str, Callable[[], Sequence[Any]]] = {
            "/spans": receiver.spans,
            "/events": receiver.events,
            "/points": receiver.points,
        }
        page = pages.get(urlsplit(self.path).path)
        if page is None:
            self.answer_json(404, {"error": f"no such page: {self.path}"})
        else:
            self.answer_json(200, [asdict(row) for row in page()])


def _grpc_server(receiver: Receiver, port: int) -> tuple[Any, int]:
    """Start a server for the three services, from their names: generated code would tie us to grpcio's version."""
    server = grpc.server(ThreadPoolExecutor(4, thread_name_prefix="demo-grpc"))
    for signal, title in (("trace", "Trace"), ("metrics", "Metrics"), ("logs", "Logs")):
        service = f"opentelemetry.proto.collector.{signal}.v1.{title}Service"
        method = grpc.unary_unary_rpc_method_handler(_export(receiver, signal))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": method}),))
    picked = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, picked


def _export(receiver: Receiver, signal: str) -> Callable[[bytes, Any], bytes]:
    def export(raw: bytes, context: Any) -> bytes:
        status = receiver.take(signal, raw)
        if status != 200:
            code = getattr(grpc.StatusCode, _GRPC_STATUS.get(status, "UNAVAILABLE"))
            context.abort(code, f"the receiver was told to answer {status}")
        return _ANSWERS[signal]

    return export


def main() -> None:
    """Receive until SIGTERM or SIGINT; the first line on standard output is ``{"port": …, "grpc_port": …}``."""
    parser = argparse.ArgumentParser(prog="python -m demo.receiver", description=__doc__)
    parser.add_argument("--grpc-port", type=int, default=0, help="gRPC port; 0 picks a free one (default)")
    wanted = child_arguments(parser)
    asked_to_stop = stop_requested()
    with Receiver(port=wanted.port, grpc_port=wanted.grpc_port) as receiver:
        announce(port=receiver.port, grpc_port=int(receiver.grpc_endpoint.rpartition(":")[2]) if grpc else None)
        asked_to_stop.wait()


if __name__ == "__main__":
    main()
