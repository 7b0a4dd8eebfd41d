"""Spans and our own events on their way out: past the SDK's encoders where that can be, by way of them where not."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, set_span_in_context

from botanu_core.runtime import guard
from botanu_core.runtime.instruments import SCHEMA, SCOPE
from botanu_core.sdk.encoding import Event, EventEncoder, SpanEncoder
from botanu_core.version import __version__

__all__ = ["DirectEvents", "DirectSpans"]

_TOO_LARGE: Final = 16 * 1024 * 1024


class _Direct:
    """Sends by `inner`, an exporter of the SDK.

    Its HTTP client takes bytes, by a private name. Where there is no such name, as in older SDKs and over gRPC, or the
    bytes cannot be made, `inner` is asked in its own terms.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        client = getattr(inner, "_client", None)
        self._send = getattr(client, "export", None) if hasattr(client, "_compress") else None

    def _sent(self, encode: Callable[[Any], bytes], batch: Sequence[Any]) -> bool | None:
        """Whether the collector took the batch; `None` where it is for `inner` to send."""
        if self._send is None or getattr(self._inner, "_shutdown", False):
            return None
        try:
            raw = encode(batch)
        except Exception:  # one that is unlike the others must not cost them their way
            return None
        return bool(self._send(raw).success) if 0 < len(raw) <= _TOO_LARGE else None

    def shutdown(self) -> None:
        """Close."""
        self._inner.shutdown()


class DirectSpans(_Direct):
    """Spans.

    Args:
        inner: An OTLP exporter of spans.
    """

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._encoder = SpanEncoder()

    def export(self, batch: Sequence[Any]) -> Any:
        """Send a batch."""
        sent = self._sent(self._encoder.encode, batch)
        if sent is None:
            return self._inner.export(batch)
        return SpanExportResult.SUCCESS if sent else SpanExportResult.FAILURE


class DirectEvents(_Direct):
    """Events, or log records.

    Args:
        inner: An OTLP exporter of log records.
        resource: What the process says of itself.
    """

    def __init__(self, inner: Any, resource: Resource) -> None:
        super().__init__(inner)
        self._resource, self._scope = resource, InstrumentationScope(SCOPE, __version__, SCHEMA)
        self._encoder = EventEncoder(resource, self._scope)

    def export(self, batch: Sequence[Any]) -> Any:
        """Send a batch of `Event`, or of log records."""
        if not batch or not isinstance(batch[0], Event):
            return self._inner.export(batch)
        sent = self._sent(self._encoder.encode, batch)
        if sent is None:
            return self._inner.export([record for event in batch if (record := self._record(event)) is not None])
        return LogRecordExportResult.SUCCESS if sent else LogRecordExportResult.FAILURE

    def _record(self, event: Event) -> ReadableLogRecord | None:
        try:
            attributes = dict(event.attributes())
        except Exception as error:
            guard.failed("event", error)
            return None
        record = LogRecord(
            timestamp=event.time_ns,
            observed_timestamp=event.time_ns,
            context=set_span_in_context(NonRecordingSpan(event.span_context), Context()),
            severity_number=SeverityNumber.INFO,
            attributes=attributes,
            event_name=event.name,
        )
        return ReadableLogRecord(record, self._resource, self._scope)
