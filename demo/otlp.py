"""OTLP messages as plain values: what a test wants to ask about a span, an event or a metric point."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric, NumberDataPoint
from opentelemetry.proto.trace.v1 import trace_pb2

__all__ = ["LogEvent", "MetricPoint", "Span", "SpanEvent", "decode_logs", "decode_metrics", "decode_spans"]

Attributes = dict[str, Any]
PointKind = Literal["sum", "gauge", "histogram"]

_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUS_CODES = ("UNSET", "OK", "ERROR")


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """One event on a span."""

    name: str
    attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One exported span.

    Attributes:
        kind: ``INTERNAL``, ``SERVER``, ``CLIENT``, ``PRODUCER`` or ``CONSUMER``.
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        parent_id: Those of the parent, ``""`` for a root.
        status: ``UNSET``, ``OK`` or ``ERROR``.
        scope: Name of the instrumentation that made the span.
    """

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Attributes
    events: tuple[SpanEvent, ...]
    links: tuple[str, ...]
    status: str
    status_message: str
    start_ns: int
    end_ns: int
    resource: Attributes
    scope: str

    @property
    def service(self) -> str:
        """The ``service.name`` of the process that made it."""
        return str(self.resource.get("service.name", ""))

    @property
    def duration_ms(self) -> float:
        """From start to end, in milliseconds."""
        return (self.end_ns - self.start_ns) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One exported log record; `event_name` is ``""`` for a plain log line, the ids are ``""`` outside a span."""

    event_name: str
    body: Any
    attributes: Attributes
    severity: str
    trace_id: str
    span_id: str
    time_ns: int
    resource: Attributes
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One data point as it was exported.

    Attributes:
        value: Of a sum or a gauge; ``None`` on a histogram.
        sum: Of a histogram, as are `count`, `bounds` and `buckets` (one longer than `bounds`).
        is_cumulative: The point counts from the start of the process, not since the last export.
    """

    name: str
    unit: str
    kind: PointKind
    attributes: Attributes
    value: float | None = None
    sum: float | None = None
    count: int | None = None
    bounds: tuple[float, ...] = ()
    buckets: tuple[int, ...] = ()
    is_cumulative: bool = True
    time_ns: int = 0
    resource: Attributes
    scope: str


def decode_spans(raw: bytes) -> list[Span]:
    """Read an ``ExportTraceServiceRequest``; raises `google.protobuf.message.DecodeError` on anything else."""
    found = []
    for group in ExportTraceServiceRequest.FromString(raw).resource_spans:
        resource = _attributes(group.resource.attributes)
        for scoped in group.scope_spans:
            found += [_span(span, resource, scoped.scope.name) for span in scoped.spans]
    return found


def decode_logs(raw: bytes) -> list[LogEvent]:
    """Read an ``ExportLogsServiceRequest``; raises `google.protobuf.message.DecodeError` on anything else."""
    found = []
    for group in ExportLogsServiceRequest.FromString(raw).resource_logs:
        resource = _attributes(group.resource.attributes)
        for scoped in group.scope_logs:
            found += [_event(record, resource, scoped.scope.name) for record in scoped.log_records]
    return found


def decode_metrics(raw: bytes) -> list[MetricPoint]:
    """Read an ``ExportMetricsServiceRequest``; raises `google.protobuf.message.DecodeError` on anything else.

    Exponential histograms and summaries are left out: nothing here sends them.
    """
    found: list[MetricPoint] = []
    for group in ExportMetricsServiceRequest.FromString(raw).resource_metrics:
        resource = _attributes(group.resource.attributes)
        for scoped in group.scope_metrics:
            for metric in scoped.metrics:
                found += _points(metric, resource, scoped.scope.name)
    return found


def _span(span: trace_pb2.Span, resource: Attributes, scope: str) -> Span:
    return Span(
        name=span.name,
        kind=_KINDS[span.kind],
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=_attributes(span.attributes),
        events=tuple(SpanEvent(event.name, _attributes(event.attributes)) for event in span.events),
        links=tuple(link.span_id.hex() for link in span.links),
        status=_STATUS_CODES[span.status.code],
        status_message=span.status.message,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        resource=resource,
        scope=scope,
    )


def _event(record: LogRecord, resource: Attributes, scope: str) -> LogEvent:
    return LogEvent(
        event_name=record.event_name,
        body=_value(record.body),
        attributes=_attributes(record.attributes),
        severity=record.severity_text,
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        time_ns=record.time_unix_nano or record.observed_time_unix_nano,
        resource=resource,
        scope=scope,
    )


def _points(metric: Metric, resource: Attributes, scope: str) -> Iterator[MetricPoint]:
    match metric.WhichOneof("data"):
        case "sum":
            is_cumulative = metric.sum.aggregation_temporality == 2
            for number in metric.sum.data_points:
                yield _number(metric, "sum", number, is_cumulative, resource, scope)
        case "gauge":
            for number in metric.gauge.data_points:
                yield _number(metric, "gauge", number, True, resource, scope)
        case "histogram":
            is_cumulative = metric.histogram.aggregation_temporality == 2
            for point in metric.histogram.data_points:
                yield _histogram(metric, point, is_cumulative, resource, scope)


def _number(
    metric: Metric, kind: PointKind, point: NumberDataPoint, is_cumulative: bool, resource: Attributes, scope: str
) -> MetricPoint:
    return MetricPoint(
        name=metric.name,
        unit=metric.unit,
        kind=kind,
        attributes=_attributes(point.attributes),
        value=point.as_int if point.WhichOneof("value") == "as_int" else point.as_double,
        is_cumulative=is_cumulative,
        time_ns=point.time_unix_nano,
        resource=resource,
        scope=scope,
    )


def _histogram(
    metric: Metric, point: HistogramDataPoint, is_cumulative: bool, resource: Attributes, scope: str
) -> MetricPoint:
    return MetricPoint(
        name=metric.name,
        unit=metric.unit,
        kind="histogram",
        attributes=_attributes(point.attributes),
        sum=point.sum,
        count=point.count,
        bounds=tuple(point.explicit_bounds),
        buckets=tuple(point.bucket_counts),
        is_cumulative=is_cumulative,
        time_ns=point.time_unix_nano,
        resource=resource,
        scope=scope,
    )


def _attributes(pairs: Iterable[KeyValue]) -> Attributes:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    """A value of any kind as Python has it; bytes become hexadecimal text, so that everything fits into JSON."""
    kind = value.WhichOneof("value")
    match kind:
        case None:
            return None
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case "bytes_value":
            return value.bytes_value.hex()
        case _:
            return getattr(value, kind)
