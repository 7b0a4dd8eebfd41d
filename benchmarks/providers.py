"""The two OpenTelemetry set-ups that figures are taken in, with exporters that do nothing."""

from collections.abc import Sequence
from typing import Any, Literal

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.harness import BARE, Contender

__all__ = [
    "CONFIGS",
    "Config",
    "NoopSpanExporter",
    "bare_span",
    "flush",
    "prepare",
    "span_processor",
    "tracer_provider",
]

Config = Literal["spans", "everything"]
CONFIGS: tuple[Config, ...] = ("spans", "everything")


class NoopSpanExporter(SpanExporter):
    """Takes spans and forgets them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002 - the interface's name
        return SpanExportResult.SUCCESS


class _NoopMetricExporter(MetricExporter):
    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:  # noqa: ARG002
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Nothing to close."""


_batching: list[BatchSpanProcessor | BatchLogRecordProcessor] = []


def flush() -> None:
    """Empty the queues. A queue that is full drops and complains, which is not what is to be measured."""
    for processor in _batching:
        processor.force_flush()
    force_flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if force_flush is not None:
        force_flush()


def span_processor(config: Config) -> SpanProcessor:
    """The span processor of `config` on a no-op exporter: simple for spans only, batching for everything on."""
    exporter = NoopSpanExporter()
    if config == "spans":
        return SimpleSpanProcessor(exporter)
    processor = BatchSpanProcessor(exporter)
    _batching.append(processor)
    return processor


def tracer_provider(config: Config) -> TracerProvider:
    """A tracer provider with the processor of `config`, not set as the global one."""
    provider = TracerProvider()
    provider.add_span_processor(span_processor(config))
    return provider


def prepare(config: Config, *, with_tracer: bool = True) -> None:
    """Set the global providers of `config`; call it once a process.

    Args:
        config: ``"spans"``: a tracer provider alone. ``"everything"``: meter and logger provider as well.
        with_tracer: False where a peer's set-up has made and set its tracer provider itself.
    """
    if with_tracer:
        trace.set_tracer_provider(tracer_provider(config))
    if config == "everything":
        reader = PeriodicExportingMetricReader(_NoopMetricExporter())
        metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
        _set_logger_provider()


class _NoopLogExporter(LogRecordExporter):
    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:  # noqa: ARG002
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 10_000) -> bool:  # noqa: ARG002
        return True

    def shutdown(self) -> None:
        """Nothing to close."""


def _set_logger_provider() -> None:
    provider = LoggerProvider()
    processor = BatchLogRecordProcessor(_NoopLogExporter())
    _batching.append(processor)
    provider.add_log_record_processor(processor)
    _logs.set_logger_provider(provider)


def bare_span() -> Contender:
    """The unit: a bare span of a provider of its own, with the simple processor, whatever the configuration.

    The same unit for both configurations makes their columns comparable.
    """
    tracer = tracer_provider("spans").get_tracer("bench")

    def call() -> None:
        with tracer.start_as_current_span("x"):
            pass

    return Contender(BARE, call)
