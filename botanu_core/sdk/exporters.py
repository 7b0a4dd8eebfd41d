"""OTLP exporters, over HTTP or gRPC; the libraries are loaded when one is made."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Final, Literal

from opentelemetry.util.re import parse_env_headers

from botanu_core.errors import MissingExtra
from botanu_core.sdk.sources import HEADER_VARIABLES

__all__ = ["make"]


def make(
    protocol: Literal["http/protobuf", "grpc"],
    signal: str,
    endpoint: str,
    headers: Mapping[str, str],
    *,
    standard_headers: bool = True,
) -> Any:
    """An exporter of one signal.

    Args:
        protocol: ``http/protobuf`` or ``grpc``.
        signal: ``traces``, ``metrics`` or ``logs``.
        endpoint: Full URL of the signal for HTTP, of the collector for gRPC.
        headers: What is sent with every export.
        standard_headers: Whether those of ``OTEL_EXPORTER_OTLP_HEADERS`` or its variant for this signal are sent too.
            They belong to the endpoint of the standard variables and to no other.

    Raises:
        MissingExtra: gRPC is asked for and its exporter not installed.
    """
    kind = _grpc(signal) if protocol == "grpc" else _http(signal)
    options: dict[str, Any] = {"endpoint": endpoint}
    if headers:
        # Over gRPC, and over HTTP in older SDKs, an exporter that is given headers does not read the variables.
        theirs = _standard_headers(signal) if standard_headers else {}
        options["headers"] = {**theirs, **{name.lower(): value for name, value in headers.items()}}
    if protocol == "grpc" and "://" in endpoint:
        # An address alone says nothing about TLS: OTEL_EXPORTER_OTLP_INSECURE does, and is read only where we are mute.
        options["insecure"] = endpoint.lower().startswith("http://")
    with nullcontext() if standard_headers else _without_standard_headers():
        return kind(**options)


def _http(signal: str) -> Any:
    if signal == "traces":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter
    if signal == "metrics":
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        return OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return OTLPLogExporter


def _grpc(signal: str) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise MissingExtra("otlp_protocol='grpc'", "grpc") from None
    return {"traces": OTLPSpanExporter, "metrics": OTLPMetricExporter, "logs": OTLPLogExporter}[signal]


def _standard_headers(signal: str) -> Mapping[str, str]:
    general = os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    return parse_env_headers(os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_HEADERS") or general, liberal=True)


_lock = threading.Lock()
_hidden: Final[dict[str, str]] = {}


@contextmanager
def _without_standard_headers() -> Iterator[None]:
    """Keep the standard header variables out of sight of an exporter that is being made.

    The exporters read them when they are made and have no way to be told not to: what is in them, mostly a key of
    another vendor, would be sent to our endpoint. They are gone for that moment only, for the application's own
    exporters want them.
    """
    with _lock:
        _hidden.update({name: os.environ[name] for name in HEADER_VARIABLES if name in os.environ})
        try:
            for name in _hidden:
                os.environ.pop(name, None)
            yield
        finally:
            _show_again()


def _show_again() -> None:
    for name, value in _hidden.items():
        os.environ.setdefault(name, value)
    _hidden.clear()


def _after_fork_in_child() -> None:
    # Another thread of the parent may have been in the middle of making one when the process was copied.
    global _lock
    _lock = threading.Lock()
    _show_again()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
