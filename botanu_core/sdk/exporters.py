"""OTLP exporters, over HTTP or gRPC; the libraries are loaded when one is made."""

from collections.abc import Mapping
from typing import Any, Literal

from botanu_core.errors import MissingExtra

__all__ = ["make"]


def make(protocol: Literal["http/protobuf", "grpc"], signal: str, endpoint: str, headers: Mapping[str, str]) -> Any:
    """An exporter of one signal.

    Args:
        protocol: ``http/protobuf`` or ``grpc``.
        signal: ``traces``, ``metrics`` or ``logs``.
        endpoint: Full URL of the signal for HTTP, of the collector for gRPC.
        headers: Sent besides those of ``OTEL_EXPORTER_OTLP_HEADERS``.

    Raises:
        MissingExtra: gRPC is asked for and its exporter not installed.
    """
    if protocol == "grpc":
        return _grpc(signal, endpoint, headers)
    return _http(signal, endpoint, headers)


def _http(signal: str, endpoint: str, headers: Mapping[str, str]) -> Any:
    options: dict[str, Any] = {"endpoint": endpoint}
    if headers:
        options["headers"] = dict(headers)
    if signal == "traces":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(**options)
    if signal == "metrics":
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        return OTLPMetricExporter(**options)
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return OTLPLogExporter(**options)


def _grpc(signal: str, endpoint: str, headers: Mapping[str, str]) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise MissingExtra("otlp_protocol='grpc'", "grpc") from None
    kind: Any = {"traces": OTLPSpanExporter, "metrics": OTLPMetricExporter, "logs": OTLPLogExporter}[signal]
    options: dict[str, Any] = {"endpoint": endpoint, "insecure": endpoint.startswith("http://")}
    if headers:
        options["headers"] = {name.lower(): value for name, value in headers.items()}
    return kind(**options)
