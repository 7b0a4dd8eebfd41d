"""OpenTelemetry's tracer, instruments and event logger, found again when the application changes its provider.

Only the API is used: without an SDK all of it is a no-op, in a plain OpenTelemetry set-up it is the application's.
"""

import decimal
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from opentelemetry import _logs, metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Tracer, get_current_span

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.runtime import guard
from botanu_core.runtime.current import SPAN_KEY
from botanu_core.version import __version__

__all__ = [
    "SCHEMA",
    "SCOPE",
    "EmitEvent",
    "Instruments",
    "customer_label",
    "end_span",
    "event_emitter",
    "farewell",
    "instruments",
    "noticed",
    "on_farewell",
    "reset",
    "start_span",
    "tracer",
    "use",
    "watch",
]

SCOPE: Final = "botanu"
"""Name of our tracer, meter and event logger."""
SCHEMA: Final = "https://opentelemetry.io/schemas/1.37.0"

# Bucket boundaries of the GenAI conventions (gen-ai-metrics.md).
_TOKEN_BUCKETS: Final[Sequence[float]] = tuple(4**power for power in range(14))
_SECOND_BUCKETS: Final[Sequence[float]] = tuple(0.01 * 2**power for power in range(14))
_RUN_SECOND_BUCKETS: Final[Sequence[float]] = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


# Where the API keeps the global providers. Asking it for one that nobody has set costs a tenth of a span, for it looks
# at the environment every time; where a variable names a provider, or the place is another, it is asked all the same.
_UNKNOWN: Final = object()
_METRICS: Final = None if "OTEL_PYTHON_METER_PROVIDER" in os.environ else getattr(metrics, "_internal", None)
_LOGS: Final = None if "OTEL_PYTHON_LOGGER_PROVIDER" in os.environ else getattr(_logs, "_internal", None)


class Instruments:
    """The eight instruments, on one meter provider."""

    __slots__ = (
        "attempts",
        "inbound_refused",
        "llm_unpriced",
        "operation_duration",
        "provider",
        "run_completed",
        "run_cost",
        "run_duration",
        "token_usage",
    )

    def __init__(self, provider: metrics.MeterProvider) -> None:
        meter = provider.get_meter(SCOPE, __version__, SCHEMA)
        self.provider = provider
        self.token_usage = meter.create_histogram(
            sc.METRIC_TOKEN_USAGE,
            unit="{token}",
            description="Tokens used by model calls.",
            explicit_bucket_boundaries_advisory=_TOKEN_BUCKETS,
        )
        self.operation_duration = meter.create_histogram(
            sc.METRIC_OPERATION_DURATION,
            unit="s",
            description="Duration of model calls.",
            explicit_bucket_boundaries_advisory=_SECOND_BUCKETS,
        )
        self.attempts = _TalliedCounter(
            meter, sc.METRIC_ATTEMPTS, "{attempt}", "Model calls attempted, retries included."
        )
        self.run_duration = meter.create_histogram(
            sc.METRIC_RUN_DURATION,
            unit="s",
            description="Duration of runs, by the process that opened them.",
            explicit_bucket_boundaries_advisory=_RUN_SECOND_BUCKETS,
        )
        self.run_completed = _TalliedCounter(meter, sc.METRIC_RUN_COMPLETED, "{run}", "Runs completed.")
        self.inbound_refused = _TalliedCounter(
            meter, sc.METRIC_INBOUND_REFUSED, "{run}", "Runs on the wire that were not taken, by reason."
        )
        self.run_cost = _TalliedCounter(meter, sc.METRIC_RUN_COST, "{USD}", "What calls cost, each counted once.")
        self.llm_unpriced = _TalliedCounter(
            meter, sc.METRIC_LLM_UNPRICED, "{call}", "Calls whose price or usage nobody knows."
        )


# Money is summed exactly and becomes a float when it is read.
_EXACT: Final = decimal.Context(prec=200)


class _TalliedCounter:
    """A counter that adds into a dict and is read when metrics are collected.

    A synchronous SDK counter costs half a span at every `add`; a dict costs next to nothing. On the wire it is the
    same monotonic sum.
    """

    # The SDK's own cardinality limit; beyond it everything is one series, as the specification says.
    _MAX_SERIES: Final = 2000
    _OVERFLOW: Final = (("otel.metric.overflow", True),)

    def __init__(self, meter: metrics.Meter, name: str, unit: str, description: str) -> None:
        self._sums: dict[tuple[tuple[str, Any], ...], int | Decimal] = {}
        # Reentrant, as all locks of ours on the way of a call: garbage may be collected while one is held, and what is
        # collected may be a generator or a stream, whose end comes by here.
        self._lock = threading.RLock()
        meter.create_observable_counter(name, callbacks=[self._observe], unit=unit, description=description)
        _tallies.add(self)

    def add(self, labels: tuple[tuple[str, Any], ...], amount: int | Decimal = 1) -> None:
        with self._lock:
            before = self._sums.get(labels)
            if before is None and len(self._sums) >= self._MAX_SERIES:
                labels = self._OVERFLOW
                before = self._sums.get(labels)
            if before is None:
                self._sums[labels] = amount
            else:
                self._sums[labels] = before + amount if type(amount) is int else _EXACT.add(before, amount)

    def _observe(self, _options: metrics.CallbackOptions) -> list[metrics.Observation]:
        with self._lock:
            sums = dict(self._sums)
        return [
            metrics.Observation(total if type(total) is int else float(total), dict(labels))
            for labels, total in sums.items()
        ]

    def forget(self) -> None:
        """In a forked child: what the parent counted is the parent's to report."""
        self._lock = threading.RLock()
        self._sums = {}


_customers: Final[set[str]] = set()


def customer_label(customer: str | None) -> str | None:
    """A customer as a metric label: the first so many that were asked for, the rest as ``other``; `None` for none."""
    limit = settings.current().customer_metric_limit
    if customer is None or not limit:
        return None
    if customer not in _customers:
        if len(_customers) >= limit:
            return "other"
        _customers.add(customer)
    return customer


_tallies: "weakref.WeakSet[_TalliedCounter]" = weakref.WeakSet()
_making = threading.RLock()


def _after_fork_in_child() -> None:
    global _making
    _making = threading.RLock()
    _customers.clear()
    for tally in _tallies:
        tally.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class _Found:
    """What was found last, by the provider it came from."""

    tracer_provider: trace.TracerProvider | None = None
    tracer: Tracer | None = None
    instruments: Instruments | None = None  # on enable()'s meter provider
    global_instruments: Instruments | None = None  # on the application's meter provider
    meter_provider: metrics.MeterProvider | None = None  # set by enable()
    logger_provider: _logs.LoggerProvider | None = None  # set by enable()
    put_event: "PutEvent | None" = None  # set by enable()
    event_provider: _logs.LoggerProvider | None = None
    event_logger: _logs.Logger | None = None
    farewell: Callable[[], object] | None = None  # set by enable()
    watch: Callable[[], None] | None = None  # set by enable(): the application may bring its own provider later


_found: Final = _Found()


def use(
    *,
    meter_provider: metrics.MeterProvider | None = None,
    logger_provider: _logs.LoggerProvider | None = None,
    put_event: "PutEvent | None" = None,
) -> None:
    """Send our metrics and events to these providers; `None` is whichever the application has made global.

    Args:
        meter_provider: For metrics.
        logger_provider: For events.
        put_event: Takes events in its place, without the SDK's log records around them.
    """
    _found.put_event = put_event
    _found.meter_provider = meter_provider
    _found.logger_provider = logger_provider
    _found.instruments = None


def watch(callback: Callable[[], None] | None) -> None:
    """Call `callback` whenever a run is opened; it must be quick."""
    _found.watch = callback


def noticed() -> None:
    """Let `enable()` see whether the application has changed its provider since."""
    watch = _found.watch
    if watch is not None:
        try:
            watch()
        except Exception as error:
            guard.failed("look", error)


def on_farewell(callback: Callable[[], object] | None) -> None:
    """Call `callback` when an adapter hears that its server is about to end the process."""
    _found.farewell = callback


def farewell() -> None:
    """The server has said that it ends. Some kill the process at once: what is waiting must leave now."""
    callback = _found.farewell
    if callback is not None:
        try:
            callback()
        except Exception as error:
            guard.failed("farewell", error)


def tracer() -> Tracer:
    """Our tracer on the global provider of this moment."""
    provider = trace.get_tracer_provider()
    if provider is _found.tracer_provider and _found.tracer is not None:
        return _found.tracer
    found = provider.get_tracer(SCOPE, __version__, SCHEMA)
    _found.tracer_provider, _found.tracer = provider, found
    return found


def instruments() -> Instruments | None:
    """Our instruments on the provider given to `use`, else on the global one of this moment.

    `None` where nobody would take what they record.
    """
    ours = _found.meter_provider
    if ours is not None:
        found = _found.instruments
        return found if found is not None and found.provider is ours else _make_instruments("instruments", ours)
    if getattr(_METRICS, "_METER_PROVIDER", _UNKNOWN) is None:
        return None
    theirs = metrics.get_meter_provider()
    found = _found.global_instruments
    if found is not None and found.provider is theirs:
        return found
    if isinstance(theirs, metrics.NoOpMeterProvider) or type(theirs).__name__ == "_ProxyMeterProvider":
        return None
    return _make_instruments("global_instruments", theirs)


def _make_instruments(slot: str, provider: metrics.MeterProvider) -> Instruments:
    # Once a provider: the SDK hands out the first instrument of a name again, and our second would count unseen.
    with _making:
        found: Instruments | None = getattr(_found, slot)
        if found is None or found.provider is not provider:
            found = Instruments(provider)
            setattr(_found, slot, found)
        return found


def start_span(name: str, kind: SpanKind, attributes: Mapping[str, Any], context: Context | None = None) -> Span:
    """Start a span; where the SDK or somebody's processor fails, one that records nothing and has its parent's ids."""
    try:
        return tracer().start_span(
            name, context, kind, attributes, record_exception=False, set_status_on_exception=False
        )
    except Exception as error:
        guard.failed("span start", error)
        return NonRecordingSpan(get_current_span(context).get_span_context())


def end_span(span: Span) -> None:
    """End a span; a processor of somebody's that fails does not reach the application."""
    try:
        span.end()
    except Exception as error:
        guard.failed("span end", error)


PutEvent = Callable[[str, int, Callable[[], Mapping[str, Any]], SpanContext], None]
EmitEvent = Callable[[str, Callable[[], Mapping[str, Any]], SpanContext], None]
"""Takes an event's name, what tells its attributes, and the span that it belongs to."""


def event_emitter() -> EmitEvent | None:
    """What emits OpenTelemetry events (log records with a name), untouched by any span sampler.

    `None` where nobody would take them.
    """
    if _found.put_event is not None:
        return _put
    ours = _found.logger_provider
    if ours is None and getattr(_LOGS, "_LOGGER_PROVIDER", _UNKNOWN) is None:
        return None
    provider = ours or _logs.get_logger_provider()
    if provider is not _found.event_provider:
        _found.event_provider = provider
        silent = isinstance(provider, _logs.NoOpLoggerProvider) or type(provider).__name__ == "ProxyLoggerProvider"
        _found.event_logger = None if silent else provider.get_logger(SCOPE, __version__, SCHEMA)
    return _emit if _found.event_logger is not None else None


def _put(name: str, attributes: Callable[[], Mapping[str, Any]], span_context: SpanContext) -> None:
    try:
        put = _found.put_event
        if put is not None:
            put(name, time.time_ns(), attributes, span_context)
    except Exception as error:
        guard.failed("event", error)


def _emit(name: str, attributes: Callable[[], Mapping[str, Any]], span_context: SpanContext) -> None:
    try:
        logger = _found.event_logger
        if logger is not None:
            logger.emit(
                _logs.LogRecord(
                    timestamp=time.time_ns(),
                    context=Context({SPAN_KEY: NonRecordingSpan(span_context)}),
                    severity_number=_logs.SeverityNumber.INFO,
                    event_name=name,
                    attributes=dict(attributes()),
                )
            )
    except Exception as error:
        guard.failed("event", error)


def reset() -> None:
    """Forget what was found. For tests that change providers."""
    _customers.clear()
    for name in (
        "tracer_provider",
        "tracer",
        "instruments",
        "global_instruments",
        "meter_provider",
        "logger_provider",
        "put_event",
        "watch",
        "farewell",
        "event_provider",
        "event_logger",
    ):
        setattr(_found, name, None)
