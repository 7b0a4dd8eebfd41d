"""Spans and log records of ours as the SDK makes them, without what it looks for in every argument.

Ours have no links, and names, kinds and attributes that are known to be right, the run's above all, which are the same
for all that a run says: to look at them each time takes two fifths of what it takes to start a span, and more than half
of an event. Where this SDK's are made of other parts than those that are written here, it makes them itself.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from importlib import import_module
from typing import Any, Final

from opentelemetry._logs import LogRecord
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Tracer, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from botanu_core.runtime.current import SPAN_KEY
from botanu_core.runtime.spans import fitting_in
from botanu_core.sdk.sampler import RunSampler

__all__ = ["make_record", "make_span"]

_UNSET: Final = Status(StatusCode.UNSET)
_SAMPLED, _RANDOM = 1, 2
_EXPORTED, _DROPPED = Decision.RECORD_AND_SAMPLE, Decision.DROP  # a member is looked for each time it is named
_FLAGS: Final = tuple(TraceFlags(flags) for flags in range(4))
_start_span: Final = Tracer.start_span  # who puts his own in its place wants to hear of every span

_Blank = Callable[[Any, str, SpanKind, SpanContext, SpanContext | None, Callable[[], None]], Any]


def make_span(
    tracer: Any,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Any],
    context: Context | None,
    is_known: bool = False,
) -> Span | None:
    """Start a span, asking a tracer's sampler, id generator and processors as that would itself.

    Args:
        tracer: Any tracer.
        name: The span's name.
        kind: Its kind.
        attributes: What it is born with.
        context: What it is in; `None` for what is current.
        is_known: Whether each attribute is known to be text, a number or a boolean, or a tuple of them.

    Returns:
        The span; `None` where its tracer is to make it: one that is not the SDK's own, or is patched or switched off,
        or makes spans of other parts.
    """
    if type(tracer) is not Tracer or Tracer.start_span is not _start_span:
        return None
    if (blank := _blank()) is None or not tracer._is_enabled():
        return None
    around: Any = (get_current() if context is None else context).get(SPAN_KEY)
    parent: SpanContext | None = around.get_span_context() if around is not None else None
    ids, sampler = tracer.id_generator, tracer.sampler
    given: Mapping[str, Any] | None = None
    # A tuple, whose properties take a call each.
    trace_id, _, is_remote, flags, state, is_valid = parent or INVALID_SPAN_CONTEXT
    if is_valid:
        random = flags & _RANDOM
        if type(sampler) is RunSampler and not is_remote:
            given = sampler.as_around(flags, attributes, context)
    else:
        parent, trace_id, random = None, ids.generate_trace_id(), _RANDOM if ids.is_trace_id_random() else 0
    if given is not None:
        decision = _EXPORTED
    else:
        answer: Any = sampler.should_sample(context, trace_id, name, kind, attributes, ())
        decision, given, state = answer.decision, answer.attributes, answer.trace_state
    flags = _FLAGS[(_SAMPLED if decision is _EXPORTED else 0) | random]
    span_context = SpanContext(trace_id, ids.generate_span_id(), False, flags, state)
    when_ended = tracer._tracer_metrics.start_span(parent, decision)
    if decision is _DROPPED:
        return NonRecordingSpan(span_context)
    span = blank(tracer, name, kind, span_context, parent, when_ended)
    if given:
        _fill(span, dict(given), is_known and given is attributes)
    tracer.span_processor.on_start(span, parent_context=context)
    return span  # type: ignore[no-any-return]  # of the SDK's own class


def _fill(span: Any, given: dict[str, Any], is_known: bool) -> None:
    fitting = fitting_in(span._attributes, given, is_known=is_known)
    if type(fitting) is dict:
        span._attributes._dict = fitting
    else:
        span.set_attributes(given)


def _ending_lighter(kind: type[Any]) -> type[Any]:
    """`kind`, an SDK's span, but what goes on of it when it has ended has plain tuples of its events and links.

    It waits among hundreds until it is sent, and all that hangs on it counts towards the next full garbage collection,
    which stops every request: a list of the SDK, mostly an empty one, is three objects.
    """
    new = object.__new__

    def readable(span: Any) -> ReadableSpan:
        ended: Any = new(ReadableSpan)
        ended._name, ended._context, ended._kind, ended._parent = span._name, span._context, span._kind, span._parent
        ended._instrumentation_info = span._instrumentation_info
        ended._instrumentation_scope = span._instrumentation_scope
        ended._start_time, ended._end_time = span._start_time, span._end_time
        ended._attributes, ended._resource, ended._status = span._attributes, span._resource, span._status
        # How many were dropped, only the SDK's own list can say.
        events, links = span._events, span._links
        ended._events = events if events.dropped else tuple(events._dq)
        ended._links = links if links.dropped else tuple(links._dq)
        return ended  # type: ignore[no-any-return]  # of the SDK's own class

    return type(kind.__name__, (kind,), {"__module__": kind.__module__, "_readable_span": readable})


@cache
def _blank() -> _Blank | None:
    """What makes a span that has just begun, held against one that the SDK has made."""
    provider = TracerProvider(resource=Resource({}), sampler=ALWAYS_ON, shutdown_on_exit=False)
    try:
        tracer: Any = provider.get_tracer("botanu")
        theirs: Any = tracer.start_span("example")
        kind, attributes, items = _ending_lighter(type(theirs)), type(theirs._attributes), type(theirs._events)
        new, Lock = object.__new__, threading.Lock

        def blank(
            tracer: Any,
            name: str,
            span_kind: SpanKind,
            span_context: SpanContext,
            parent: SpanContext | None,
            when_ended: Callable[[], None],
        ) -> Any:
            limits = tracer._span_limits
            kept, events, links, span = new(attributes), new(items), new(items), new(kind)
            kept._dict, kept.dropped, kept._immutable, kept._lock = {}, 0, False, Lock()
            kept.maxlen, kept.max_value_len = limits.max_span_attributes, limits.max_span_attribute_length
            events.dropped, events._dq, events._lock = 0, deque(maxlen=limits.max_events), Lock()
            links.dropped, links._dq, links._lock = 0, deque(maxlen=limits.max_links), Lock()
            span.__dict__ = {
                "_name": name,
                "_context": span_context,
                "_kind": span_kind,
                "_instrumentation_info": tracer.instrumentation_info,
                "_instrumentation_scope": tracer._instrumentation_scope,
                "_parent": parent,
                "_start_time": time.time_ns(),
                "_end_time": None,
                "_attributes": kept,
                "_events": events,
                "_links": links,
                "_resource": tracer.resource,
                "_status": _UNSET,
                "_sampler": tracer.sampler,
                "_trace_config": None,
                "_record_exception": False,
                "_set_status_on_exception": False,
                "_span_processor": tracer.span_processor,
                "_limits": limits,
                "_lock": Lock(),
                "_record_end_metrics": when_ended,
            }
            return span

        # All that `make_span` asks of a tracer and of a parent, asked once.
        there = theirs.get_span_context()
        in_order = (
            there.trace_id, there.span_id, there.is_remote, there.trace_flags, there.trace_state, there.is_valid
        )  # fmt: skip
        asked = (
            tracer._is_enabled(),
            tracer.id_generator.is_trace_id_random(),
            theirs.context.trace_flags.random_trace_id,
        )
        decision = tracer.sampler.should_sample(None, 1, "example").decision
        when_ended = tracer._tracer_metrics.start_span(None, decision)
        ours = blank(tracer, "example", SpanKind.INTERNAL, theirs.get_span_context(), None, when_ended)
        is_the_same = all(
            _parts(our) == _parts(their)
            for our, their in (
                (ours, theirs), (ours._attributes, theirs._attributes), (ours._events, theirs._events),
                (ours._links, theirs._links),
            )
        )  # fmt: skip
        # And what goes on of it: the same, but for the lists.
        ended = vars(theirs._readable_span()) | {"_events": (), "_links": ()}
        is_known = (
            is_the_same
            and {type(each) for each in asked} == {bool}
            and (*there,) == in_order
            and vars(kind._readable_span(theirs)) == ended
        )
        theirs.end()  # the SDK may count those that are open
        when_ended()
    except (AttributeError, TypeError):
        return None
    return blank if is_known and _start_span.__module__ == Tracer.__module__ else None


def _parts(span: Any) -> dict[str, type]:
    return {name: type(part) for name, part in vars(span).items()}


# --- log records ------------------------------------------------------------------------------------------------


def make_record(logger: Any, record: LogRecord) -> Any:
    """What `logger` is to be given for an event.

    Args:
        logger: Any logger.
        record: The event.

    Returns:
        The SDK's own log record, where it is known how that is made; else `record`, which the logger makes it of.
    """
    given, written = record.attributes, _written(type(logger))  # type: ignore[arg-type]  # a class is hashable
    limits = getattr(logger, "_log_record_limits", None)
    if written is None or limits is None or not given:
        return record
    record.attributes = None
    made = written(record, logger._resource, logger._instrumentation_scope, limits)
    kept: Any = record.attributes
    known = getattr(kept, "_dict", None)
    if not isinstance(known, dict) or (fitting := fitting_in(kept, given)) is None:
        record.attributes = given
        return record
    known.update(fitting)
    return made


@cache
def _written(kind: type) -> Callable[..., Any] | None:
    """What a logger of this kind makes of a record; `None` where it is not the SDK's, or makes it of other parts."""
    if kind.__module__ != f"{_LOGS}._internal":
        return None
    # Only now: the SDK adds a filter to the process's warnings with this import.
    logs = import_module(_LOGS)
    parts = [each.name for each in fields(logs.ReadWriteLogRecord)]
    is_known = parts == ["log_record", "resource", "instrumentation_scope", "limits"]
    return logs.ReadWriteLogRecord if is_known and kind is logs.Logger else None


_LOGS: Final = "opentelemetry.sdk._logs"
