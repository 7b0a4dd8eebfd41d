"""Our own events on their way out: past the SDK's log records where that can be, by way of them where not."""

from collections.abc import Sequence
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from botanu_core.runtime import guard
from botanu_core.runtime.telemetry import SCHEMA, SCOPE
from botanu_core.sdk.encoding import Encoder, Event
from botanu_core.version import __version__

__all__ = ["EventExporter"]

_TOO_LARGE = 16 * 1024 * 1024


class EventExporter:
    """Sends events by `inner`, an OTLP exporter of log records.

    Its HTTP client takes bytes, by a private name. Where there is no such name, as in older SDKs and over gRPC, or the
    bytes cannot be made, `inner` is given log records.

    Args:
        inner: The exporter.
        resource: What the process says of itself.
    """

    def __init__(self, inner: Any, resource: Resource) -> None:
        self._inner, self._resource = inner, resource
        self._scope = InstrumentationScope(SCOPE, __version__, SCHEMA)
        self._encoder = Encoder(resource.attributes, (SCOPE, __version__), SCHEMA, resource.schema_url)
        client = getattr(inner, "_client", None)
        self._send = getattr(client, "export", None) if hasattr(client, "_compress") else None

    def export(self, batch: Sequence[Any]) -> Any:
        """Send a batch of `Event`, or of log records."""
        if not batch or not isinstance(batch[0], Event):
            return self._inner.export(batch)
        if self._send is not None and not getattr(self._inner, "_shutdown", False):
            try:
                raw = self._encoder.encode(batch)
            except Exception:  # one that is unlike the others must not cost them their way
                raw = b""
            if 0 < len(raw) <= _TOO_LARGE:
                sent = self._send(raw).success
                return LogRecordExportResult.SUCCESS if sent else LogRecordExportResult.FAILURE
        return self._inner.export([record for event in batch if (record := self._record(event)) is not None])

    def _record(self, event: Event) -> ReadableLogRecord | None:
        try:
            attributes = dict(event.attributes())
        except Exception as error:
            guard.failed("event", error)
            return None
        span = event.span_context
        record = LogRecord(
            timestamp=event.time_ns,
            observed_timestamp=event.time_ns,
            trace_id=span.trace_id,
            span_id=span.span_id,
            trace_flags=span.trace_flags,
            severity_number=SeverityNumber.INFO,
            attributes=attributes,
            event_name=event.name,
        )
        return ReadableLogRecord(record, self._resource, self._scope)

    def shutdown(self) -> None:
        """Close."""
        self._inner.shutdown()
