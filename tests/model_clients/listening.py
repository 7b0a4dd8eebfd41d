"""Where spans, events and metrics go, and what they say, times and ids aside."""

from typing import Any, NamedTuple

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

__all__ = ["Sinks", "Spans", "points_of", "sinks", "span_of"]


class Spans(SimpleSpanProcessor):
    """What has ended, and what has not."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        super().__init__(self.exporter)
        self.open: set[int] = set()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self)

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.open.add(span.context.span_id)

    def on_end(self, span: ReadableSpan) -> None:
        assert span.context is not None
        self.open.discard(span.context.span_id)
        super().on_end(span)

    @property
    def ended(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    @property
    def attributes(self) -> dict[str, Any]:
        """Those of the one span there is."""
        [span] = self.ended
        return dict(span.attributes or {})


class Sinks(NamedTuple):
    """Where it goes: new for each call."""

    spans: Spans
    reader: InMemoryMetricReader
    logs: InMemoryLogRecordExporter
    providers: dict[str, Any]


def sinks() -> Sinks:
    spans, reader, logs = Spans(), InMemoryMetricReader(), InMemoryLogRecordExporter()
    events = LoggerProvider(shutdown_on_exit=False)
    events.add_log_record_processor(SimpleLogRecordProcessor(logs))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    return Sinks(
        spans,
        reader,
        logs,
        {"tracer_provider": spans.provider, "meter_provider": meters, "logger_provider": events},
    )


def span_of(span: Any) -> Any:
    events = [(event.name, dict(event.attributes)) for event in span.events]
    status = span.status.status_code, span.status.description
    return span.name, span.kind, dict(span.attributes), status, events, span.links, span.instrumentation_scope


def points_of(reader: InMemoryMetricReader) -> list[Any]:
    data = reader.get_metrics_data()
    if data is None:
        return []
    return [
        (scope.scope, metric.name, metric.unit, dict(point.attributes), point.count, point.explicit_bounds)
        + ((point.sum,) if metric.unit == "{token}" else ())
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]
