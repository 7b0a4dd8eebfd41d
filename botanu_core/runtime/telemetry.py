"""OpenTelemetry's tracer, instruments and event logger, found again when the application changes its provider.

Only the API is used: without an SDK all of it is a no-op, in a plain OpenTelemetry set-up it is the application's.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry import _logs, metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Tracer, get_current_span

from botanu_core.runtime import guard
from botanu_core.runtime.current import SPAN_KEY
from botanu_core.runtime.instruments import SCHEMA, SCOPE, Instruments, customers
from botanu_core.version import __version__

__all__ = [
    "EmitEvent",
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

# Where the API keeps the global providers. Asking it for one that nobody has set costs a tenth of a span, for it looks
# at the environment every time; where a variable names a provider, or the place is another, it is asked all the same.
_UNKNOWN: Final = object()
_METRICS: Final = None if "OTEL_PYTHON_METER_PROVIDER" in os.environ else getattr(metrics, "_internal", None)
_LOGS: Final = None if "OTEL_PYTHON_LOGGER_PROVIDER" in os.environ else getattr(_logs, "_internal", None)


_making = threading.RLock()


def _after_fork_in_child() -> None:
    global _making
    _making = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class _Found:
    """What was found last, by the provider it came from."""

    tracer_provider: trace.TracerProvider | None = None
    tracer: Tracer | None = None
    instruments: Instruments | None = None  # set by enable()
    meter_provider: metrics.MeterProvider | None = None  # set by `use`
    global_instruments: Instruments | None = None  # on the application's meter provider
    logger_provider: _logs.LoggerProvider | None = None  # set by enable()
    put_event: "EmitEvent | None" = None  # set by enable()
    make_span: "MakeSpan | None" = None  # set by enable()
    make_record: "MakeRecord | None" = None  # set by enable()
    event_provider: _logs.LoggerProvider | None = None
    event_logger: _logs.Logger | None = None
    farewell: Callable[[], object] | None = None  # set by enable()
    watch: Callable[[], None] | None = None  # set by enable(): the application may bring its own provider later


_found: Final = _Found()


def use(
    *,
    instruments: Instruments | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    logger_provider: _logs.LoggerProvider | None = None,
    put_event: "EmitEvent | None" = None,
    make_span: "MakeSpan | None" = None,
    make_record: "MakeRecord | None" = None,
) -> None:
    """Send our metrics and events to these providers; `None` is whichever the application has made global.

    Args:
        instruments: For metrics.
        meter_provider: The same, where they are not made yet.
        logger_provider: For events.
        put_event: Takes events in its place, without the SDK's log records around them.
        make_span: Makes spans in the tracer's place, where it can.
        make_record: Makes the log records of events in the logger's place, where it can.
    """
    _found.put_event, _found.make_span, _found.make_record = put_event, make_span, make_record
    _found.instruments, _found.meter_provider = instruments, meter_provider
    _found.logger_provider = logger_provider


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
    if _found.instruments is not None:
        return _found.instruments
    if _found.meter_provider is not None:
        return _made("instruments", _found.meter_provider)
    if getattr(_METRICS, "_METER_PROVIDER", _UNKNOWN) is None:
        return None
    theirs = metrics.get_meter_provider()
    found = _found.global_instruments
    if found is not None and found.provider is theirs:
        return found
    if isinstance(theirs, metrics.NoOpMeterProvider) or type(theirs).__name__ == "_ProxyMeterProvider":
        return None
    return _made("global_instruments", theirs)


def _made(slot: str, provider: metrics.MeterProvider) -> Instruments:
    # Once a provider: the SDK hands out the first instrument of a name again, and our second would count unseen.
    with _making:
        found: Instruments | None = getattr(_found, slot)
        if found is None or found.provider is not provider:
            found = Instruments(provider)
            setattr(_found, slot, found)
        return found


def start_span(
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Any],
    context: Context | None = None,
    maker: Tracer | None = None,
    is_known: bool = False,
) -> Span:
    """Start a span; where the SDK or somebody's processor fails, one that records nothing and has its parent's ids.

    Args:
        name: Its name.
        kind: Its kind.
        attributes: What it is born with.
        context: What it is in; what is current without it.
        maker: Whose it is; our own tracer's without it.
        is_known: Whether each attribute is known to be text, a number or a boolean, or a tuple of them.
    """
    try:
        by, make = maker or tracer(), _found.make_span
        if make is not None and (span := make(by, name, kind, attributes, context, is_known)) is not None:
            return span
        return by.start_span(name, context, kind, attributes, record_exception=False, set_status_on_exception=False)
    except Exception as error:
        guard.failed("span start", error)
        return NonRecordingSpan(get_current_span(context).get_span_context())


def end_span(span: Span) -> None:
    """End a span; a processor of somebody's that fails does not reach the application."""
    try:
        span.end()
    except Exception as error:
        guard.failed("span end", error)


MakeSpan = Callable[[Tracer, str, SpanKind, Mapping[str, Any], Context | None, bool], Span | None]
MakeRecord = Callable[[_logs.Logger, _logs.LogRecord], _logs.LogRecord]
EmitEvent = Callable[[str, Callable[[], Mapping[str, Any]], SpanContext], None]
"""Takes an event's name, what tells its attributes, and the span that it belongs to. Never raises."""


def event_emitter() -> EmitEvent | None:
    """What emits OpenTelemetry events (log records with a name), untouched by any span sampler.

    `None` where nobody would take them.
    """
    if _found.put_event is not None:
        return _found.put_event
    ours = _found.logger_provider
    if ours is None and getattr(_LOGS, "_LOGGER_PROVIDER", _UNKNOWN) is None:
        return None
    provider = ours or _logs.get_logger_provider()
    if provider is not _found.event_provider:
        _found.event_provider = provider
        silent = isinstance(provider, _logs.NoOpLoggerProvider) or type(provider).__name__ == "ProxyLoggerProvider"
        _found.event_logger = None if silent else provider.get_logger(SCOPE, __version__, SCHEMA)
    return _emit if _found.event_logger is not None else None


def _emit(name: str, attributes: Callable[[], Mapping[str, Any]], span_context: SpanContext) -> None:
    try:
        logger, make = _found.event_logger, _found.make_record
        if logger is not None:
            record = _Event(
                timestamp=time.time_ns(),
                context=Context({SPAN_KEY: NonRecordingSpan(span_context)}),
                severity_number=_logs.SeverityNumber.INFO,
                event_name=name,
                attributes=attributes(),
            )
            logger.emit(record if make is None else make(logger, record))
    except Exception as error:
        guard.failed("event", error)


class _Event(_logs.LogRecord):
    """A log record that is copied as lightly as it is made: the SDK's batching keeps a copy of each.

    Left to itself `copy.copy` goes by pickle's protocol, which takes longer than all else that is done to queue it.
    """

    def __copy__(self) -> "_Event":
        same = object.__new__(_Event)
        for name, value in vars(self).items():
            setattr(same, name, value)  # not all at once: that would make a dict, one more thing that waits
        return same


def reset() -> None:
    """Forget what was found. For tests that change providers."""
    customers.clear()
    for name in (
        "tracer_provider",
        "tracer",
        "instruments",
        "global_instruments",
        "logger_provider",
        "put_event",
        "make_span",
        "make_record",
        "meter_provider",
        "watch",
        "farewell",
        "event_provider",
        "event_logger",
    ):
        setattr(_found, name, None)
