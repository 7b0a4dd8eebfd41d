"""Where telemetry of ours leaves the process: counted, quiet while the collector is away, bounded at the end."""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from botanu_core.log import logger
from botanu_core.runtime import guard
from botanu_core.sdk.config import BotanuConfig, Signal
from botanu_core.sdk.exporters import make

__all__ = ["CountedBatch", "LogOutlet", "MetricOutlet", "Outlet", "SpanOutlet", "exporter_for"]


class _Exporter(Protocol):
    def export(self, batch: Any, /) -> Any: ...
    def shutdown(self) -> None: ...


class Outlet:
    """One signal's way out.

    A forked child makes an exporter of its own: two processes on one connection garble each other's requests.

    Args:
        signal: ``traces``, ``metrics`` or ``logs``.
        endpoint: Where it goes, for messages.
        make: Makes the exporter.
    """

    def __init__(self, signal: Signal, endpoint: str, make: Callable[[], _Exporter]) -> None:
        self.signal, self.endpoint, self._make = signal, endpoint, make
        self._pid = os.getpid()
        self._exporter = make()
        self._lock = threading.Lock()
        self.closed = False
        self.delivered = 0
        self.failed = 0
        self.overflown = 0
        self.is_away = False

    @property
    def exporter(self) -> Any:
        """This process's exporter."""
        if self._pid != os.getpid():
            self._lock = threading.Lock()
            self._pid, self._exporter = os.getpid(), self._make()
            self.delivered = self.failed = self.overflown = 0
        return self._exporter

    def send(self, batch: Any, count: int, **options: Any) -> bool:
        """Export `batch`; whatever goes wrong is counted, and said the first time."""
        exporter = self.exporter
        _quiet.on = True
        try:
            result = exporter.export(batch, **options)
            sent = getattr(result, "name", "") == "SUCCESS"
        except Exception as error:
            guard.failed(f"{self.signal} export", error)
            sent = False
        finally:
            _quiet.on = False
        with self._lock:
            if sent:
                self.delivered += count
            else:
                self.failed += count
            first = not sent and not self.is_away
            self.is_away = not sent
        if first and not self.closed:
            logger.warning(
                "the collector at %s does not take %s; they are dropped until it does (botanu.doctor() counts them)",
                self.endpoint,
                self.signal,
            )
        return sent

    def lost(self) -> int:
        """How many were given up: not taken, or pushed out of a full queue."""
        return self.failed + self.overflown

    def close(self) -> None:
        """Shut the exporter down, which also interrupts an export that is waiting to try again."""
        self.closed = True
        _quiet.on = True
        try:
            self._exporter.shutdown()
        except Exception as error:
            guard.failed(f"{self.signal} shutdown", error)
        finally:
            _quiet.on = False


class SpanOutlet(SpanExporter):
    """Spans."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet

    def export(self, spans: Any) -> SpanExportResult:
        """Send a batch."""
        return SpanExportResult.SUCCESS if self.outlet.send(spans, len(spans)) else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Close."""
        self.outlet.close()


class LogOutlet(LogRecordExporter):
    """Our own events."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet

    def export(self, batch: Any) -> LogRecordExportResult:
        """Send a batch."""
        return LogRecordExportResult.SUCCESS if self.outlet.send(batch, len(batch)) else LogRecordExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        """Nothing is held."""
        return True

    def shutdown(self) -> None:
        """Close."""
        self.outlet.close()


class MetricOutlet(MetricExporter):
    """Metrics. A collection that is not taken is not lost: sums and histograms are cumulative."""

    def __init__(self, outlet: Outlet) -> None:
        inner = outlet.exporter
        super().__init__(inner._preferred_temporality, inner._preferred_aggregation)
        self.outlet = outlet

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Send a collection."""
        sent = self.outlet.send(metrics_data, 1, timeout_millis=timeout_millis)
        return MetricExportResult.SUCCESS if sent else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing is held."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Close."""
        self.outlet.close()


class CountedBatch(BatchSpanProcessor):
    """The SDK's batching, with a count of what a full queue pushes out."""

    def __init__(self, outlet: Outlet, config: BotanuConfig) -> None:
        super().__init__(
            SpanOutlet(outlet),
            max_queue_size=config.max_queue_size,
            max_export_batch_size=min(512, config.max_queue_size),
            schedule_delay_millis=config.export_interval_s * 1000,
        )
        self.outlet = outlet
        self._limit = config.max_queue_size
        self._queued: Any = getattr(getattr(self, "_batch_processor", None), "_queue", ())

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span; a full queue pushes its oldest out, which is counted."""
        if len(self._queued) >= self._limit:
            self.outlet.overflown += 1
        super().on_end(span)


def shut_within(processor: Any, timeout_s: float) -> None:
    """Shut a batching processor down within a time of our choosing; its own `shutdown` takes 30 seconds."""
    batch = getattr(processor, "_batch_processor", None)
    try:
        if batch is not None:
            batch.shutdown(timeout_millis=int(timeout_s * 1000))
        else:
            processor.shutdown()
    except Exception as error:
        guard.failed("shutdown", error)


def exporter_for(signal: Signal, config: BotanuConfig) -> Outlet:
    """The way out of one signal, as the configuration and the standard variables say."""
    endpoint = config.endpoint_for(signal)
    headers = config.headers_for(endpoint)
    return Outlet(signal, endpoint, lambda: make(config.otlp_protocol, signal, endpoint, headers))


class _Quiet(threading.local):
    on = False


_quiet: Final = _Quiet()


class _QuietFilter(logging.Filter):
    """Keeps the exporters' own complaints out of the application's log, while they export for us."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _quiet.on


_FILTER: Final = _QuietFilter()
for _name in (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.common._exporter_metrics",
):
    logging.getLogger(_name).addFilter(_FILTER)
