"""Where telemetry of ours leaves the process: counted, quiet while the collector is away, bounded at the end."""

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sized
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from opentelemetry.sdk._logs import ReadWriteLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext

from botanu_core.log import warn_once
from botanu_core.runtime import guard
from botanu_core.sdk.config import BotanuConfig, Signal
from botanu_core.sdk.encoding import Event
from botanu_core.sdk.ending import shut_within, within
from botanu_core.sdk.scrubbing import scrubbed

__all__ = [
    "CountedBatch",
    "CountedEvents",
    "LogOutlet",
    "Outlet",
    "SpanOutlet",
]


class _Exporter(Protocol):
    def export(self, batch: Any, /) -> Any: ...
    def shutdown(self) -> None: ...


class Outlet:
    """One signal's way out.

    A forked child makes an exporter of its own: two processes on one connection garble each other's requests.

    Args:
        signal: ``traces``, ``metrics`` or ``logs``.
        endpoint: Where it goes.
        make: Makes the exporter.

    Attributes:
        endpoint: Where it goes, for messages: what follows a ``?`` may be a key.
        preferred: The exporter's temporality and aggregation; only that of metrics has any.
        is_away: Whether the collector has refused, or was not there, when last asked.
    """

    def __init__(self, signal: Signal, endpoint: str, make: Callable[[], _Exporter]) -> None:
        self.signal, self.endpoint, self._make = signal, endpoint.partition("?")[0], make
        self._exporter: Any = make()
        self.preferred = (
            getattr(self._exporter, "_preferred_temporality", None),
            getattr(self._exporter, "_preferred_aggregation", None),
        )
        self._inherited: list[Any] = []
        self._begin()
        _outlets.add(self)

    def _begin(self) -> None:
        self._lock = threading.RLock()  # a span that garbage collection ends may come by while it is held
        self.is_ending = self.closed = self.is_away = False
        self.failed = self.overflown = self._on_the_way = 0

    def begin_in_child(self) -> None:
        """Forget what the parent has sent and lost, and leave its connection alone: the parent goes on with it."""
        self._begin()
        self._inherited.append(self._exporter)
        self._exporter = None

    @property
    def collector(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else self.endpoint

    @property
    def exporter(self) -> Any:
        """This process's exporter."""
        if self._exporter is None:
            self._exporter = self._make()
        return self._exporter

    def send(self, batch: Any, count: int, **options: Any) -> bool:
        """Export `batch`; whatever goes wrong is counted, and said the first time."""
        with self._lock:
            self._on_the_way += count
        _quiet.on, _quiet.outlet = True, self
        try:
            result = self.exporter.export(batch, **options)
            sent = getattr(result, "name", "") == "SUCCESS"
        except Exception as error:
            guard.failed(f"{self.signal} export", error)
            sent = False
        finally:
            _quiet.on, _quiet.outlet = False, None
        with self._lock:
            self._on_the_way -= count
            self.is_away = not sent
            if not sent:
                self.failed += count
        if not sent and not self.is_ending:
            warn_once("collector.away", "the collector at %s is away; what it does not take is dropped", self.collector)
        return sent

    def overflow(self) -> None:
        """Count one that a full queue has pushed out."""
        with self._lock:
            self.overflown += 1

    def abandon(self, count: int) -> None:
        """Count those that were still queued at the end."""
        with self._lock:
            self.failed += count

    def lost(self) -> int:
        """How many were given up: not taken, pushed out of a full queue, or still on the way at the end."""
        return self.failed + self.overflown + (self._on_the_way if self.closed else 0)

    def close(self) -> None:
        """Shut the exporter down, which also interrupts an export that is waiting to try again."""
        self.closed = True
        _quiet.on = True
        try:
            if self._exporter is not None:
                self._exporter.shutdown()
        except Exception as error:
            guard.failed(f"{self.signal} shutdown", error)
        finally:
            _quiet.on = False


_outlets: "weakref.WeakSet[Outlet]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for outlet in list(_outlets):
        outlet.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class SpanOutlet(SpanExporter):
    """Spans; `scrub`: without what people said on those that others made."""

    def __init__(self, outlet: Outlet, *, scrub: bool) -> None:
        self.outlet = outlet
        self._scrub = scrub

    def export(self, spans: Any) -> SpanExportResult:
        """Send a batch."""
        if self._scrub:
            spans = scrubbed(spans)
        return SpanExportResult.SUCCESS if self.outlet.send(spans, len(spans)) else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Close."""
        self.outlet.close()


class LogOutlet(LogRecordExporter):
    """Our own events; `settle`: adds up what metrics have been told meanwhile."""

    def __init__(self, outlet: Outlet, settle: Callable[[], None]) -> None:
        self.outlet, self._settle = outlet, settle

    def export(self, batch: Any) -> LogRecordExportResult:
        """Send a batch."""
        self._settle()
        return LogRecordExportResult.SUCCESS if self.outlet.send(batch, len(batch)) else LogRecordExportResult.FAILURE

    def force_flush(self, *_: Any, **__: Any) -> bool:
        """Nothing is held."""
        return True

    def shutdown(self) -> None:
        """Close."""
        self.outlet.close()


class CountedBatch(BatchSpanProcessor):
    """The SDK's batching, with a count of what a full queue pushes out, and ends that do not take half a minute."""

    def __init__(self, outlet: Outlet, config: BotanuConfig) -> None:
        super().__init__(
            SpanOutlet(outlet, scrub=config.scrub_spans),
            **_batching(config),
        )
        self.outlet = outlet
        self._timeout_s = config.shutdown_timeout_s
        self._limit = config.max_queue_size
        self._queued = _queue_of(self)
        self._emit: Callable[[ReadableSpan], None] = getattr(_batch_of(self), "emit", super().on_end)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span; a full queue pushes its oldest out, which is counted."""
        if not (span.context and span.context.trace_flags.sampled):
            return
        if len(self._queued) < self._limit:
            self._emit(span)
        else:
            _push_out(self.outlet, self._emit, span)

    def force_flush(self, timeout_millis: int | None = None) -> bool:
        """Send what is queued; the SDK's waits for as long as the collector likes."""
        return within(super().force_flush, self._timeout_s if timeout_millis is None else timeout_millis / 1000)

    def shutdown(self) -> None:
        """Send what is left, within the configured time: the application's provider calls this at its own end."""
        shut_within(self, self._timeout_s)


class CountedEvents(BatchLogRecordProcessor):
    """The same for our own events.

    Bills are made from them, and they are small: unless it is configured, their queue is several times that of spans.
    """

    def __init__(self, outlet: Outlet, config: BotanuConfig, settle: Callable[[], None]) -> None:
        is_configured = "max_queue_size" in config.model_fields_set
        self._limit = config.max_queue_size * (1 if is_configured else _EVENTS_FOR_A_SPAN)
        super().__init__(
            LogOutlet(outlet, settle),
            max_queue_size=self._limit,
            max_export_batch_size=min(2048, self._limit),
            schedule_delay_millis=config.export_interval_s * 1000,
        )
        self.outlet = outlet
        self._queued = _queue_of(self)
        self._crowded = self._limit // _CROWDED_SHARE
        self._emit: Callable[[Any], None] | None = getattr(_batch_of(self), "emit", None)

    @property
    def put(self) -> Callable[[str, Callable[[], Mapping[str, Any]], SpanContext], None] | None:
        """Queues an event without the SDK's log record around it; `None` where this SDK has no such way."""
        return self._put if self._emit is not None else None

    def _put(self, name: str, attributes: Callable[[], Mapping[str, Any]], span_context: SpanContext) -> None:
        try:
            event, emit = Event(name, time.time_ns(), attributes, span_context), self._emit
            if emit is None:
                return
            waiting = len(self._queued)
            if waiting < self._limit:
                emit(event)
                if waiting > self._crowded and not self.outlet.is_away:
                    time.sleep(0)  # lets the thread run that sends: among many that compute its turn comes too seldom
            else:
                _push_out(self.outlet, emit, event)
        except Exception as error:
            guard.failed("event", error)

    def force_flush(self, timeout_millis: int = 5000) -> bool:
        """Send what is queued; the SDK's waits for as long as the collector likes."""
        return within(super().force_flush, timeout_millis / 1000)

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue an event; a full queue pushes its oldest out, which is counted."""
        if len(self._queued) < self._limit:
            super().on_emit(log_record)
        else:
            _push_out(self.outlet, super().on_emit, log_record)


_EVENTS_FOR_A_SPAN: Final = 8
_CROWDED_SHARE: Final = 8


def _batching(config: BotanuConfig) -> dict[str, Any]:
    return {
        "max_queue_size": config.max_queue_size,
        "max_export_batch_size": min(512, config.max_queue_size),
        "schedule_delay_millis": config.export_interval_s * 1000,
    }


def _batch_of(processor: Any) -> Any:
    """What does the SDK's batching; `None` where this SDK keeps it elsewhere."""
    return getattr(processor, "_batch_processor", None)


def _queue_of(processor: Any) -> Sized:
    queue: Sized = getattr(_batch_of(processor), "_queue", ())
    return queue


def _push_out(outlet: Outlet, emit: Callable[[Any], None], item: Any) -> None:
    outlet.overflow()
    _quiet.on = True  # the SDK would say so on the caller's thread
    try:
        emit(item)
    finally:
        _quiet.on = False


# --- quiet ------------------------------------------------------------------------------------------------------


class _Quiet(threading.local):
    on = False
    outlet: Outlet | None = None


_quiet: Final = _Quiet()


class _QuietFilter(logging.Filter):
    """Keeps the exporters' own complaints out of the application's log, while they export for us."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not _quiet.on:
            return True
        if _quiet.outlet is not None and record.levelno >= logging.WARNING:
            # They try again for ten seconds before they give up; this is how we know at once.
            _quiet.outlet.is_away = True
        return False


_FILTER: Final = _QuietFilter()
for _name in (
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.sdk._shared_internal",
):
    logging.getLogger(_name).addFilter(_FILTER)
