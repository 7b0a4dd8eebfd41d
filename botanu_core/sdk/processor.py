"""`LedgerProcessor`: hands the model calls that other people's instrumentations see to the ledger."""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import Span, StatusCode

from botanu_core import semconv as sc
from botanu_core.ledger.call import Call
from botanu_core.ledger.foreign import KNOWN_SCOPES, looks_billable, sighting_of
from botanu_core.ledger.open_spans import open_spans
from botanu_core.ledger.scopes import HANDLER_SCOPES
from botanu_core.runtime import billing, guard
from botanu_core.runtime.calling import also_seen
from botanu_core.runtime.current import current_run
from botanu_core.runtime.publishing import publish
from botanu_core.runtime.spans import attributes_of, kept_by
from botanu_core.sdk.sampler import scope_of

__all__ = ["LedgerProcessor"]

_OURS: Final = "botanu"
_UNNAMED: Final = "_OTHER"  # what OpenTelemetry calls an error without a class
_NOTHING: Final[Mapping[str, Any]] = {}


class LedgerProcessor(SpanProcessor):
    """Knows which open spans are model calls, or are inside one, and reads those of others when they end.

    Trackers of ours open and end their calls themselves; of our spans only what is around and inside them matters.
    """

    def __init__(self) -> None:
        self.active = True
        self._hears_endings = False

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Open a call, or remember that the span is inside one."""
        if not self.active:
            return
        try:
            scope = scope_of(span)
            if scope == _OURS and not open_spans.held:
                return  # as the span of a request, mostly: inside of no call
            parent = getattr(span, "parent", None)
            parent_id = parent.span_id if parent is not None else 0
            if scope != _OURS and (
                scope in KNOWN_SCOPES or looks_billable(getattr(span, "name", ""), attributes_of(span))
            ):
                run, step = current_run(parent_context), attributes_of(span).get(sc.STEP)
                call = billing.open_call(run, span.get_span_context().span_id, parent_id, step, scope)
                if scope in HANDLER_SCOPES:
                    also_seen(call, scope)
            elif (around := open_spans.get(parent_id)) is not None and (around := around.nearest_open()) is not None:
                open_spans.put(span.get_span_context().span_id, around)
        except Exception as error:
            guard.failed("ledger", error)

    def _on_ending(self, span: Any) -> None:
        # The SDK's own name for the moment in which a span can still be written on.
        self._hears_endings = True
        if open_spans.held or scope_of(span) != _OURS:
            self._ended(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Read the span here where the provider does not say that one is ending."""
        if not self._hears_endings:
            self._ended(span)

    def _ended(self, span: Any) -> None:
        if not self.active:
            return
        try:
            span_context = span.get_span_context()
            call = open_spans.take(span_context.span_id)
            is_call = call is not None and call.span_id == span_context.span_id
            if call is not None and is_call and call.span is not None:
                _write(span, billing.end_told(call, _duration_s(span)))
                return
            scope = scope_of(span)
            if scope == _OURS:
                return
            if call is not None and is_call and not call.is_open:
                if call.state == "left out":
                    _write(span, {sc.COST_DUPLICATE: True})
                return
            attributes = attributes_of(span)
            if call is not None and is_call:
                self._book(call, span, scope, attributes)
            elif looks_billable(span.name, attributes):  # it did not say so when it began
                run = current_run()
                ledger = run.ledger() if run is not None else billing.outside()
                self._book(ledger.open(call, span_id=span_context.span_id, run=run), span, scope, attributes)
        except Exception as error:
            guard.failed("ledger", error)

    def _book(self, call: Call, span: Any, scope: str, attributes: Mapping[str, Any]) -> None:
        name = span.name
        seen = sighting_of(name, scope, attributes, _error_type(span, attributes))
        if seen is None:
            publish(call.ledger.end(call, None))
            return
        said = billing.end_call(
            call,
            seen,
            name=name,
            span_context=span.get_span_context(),
            duration_s=_duration_s(span),
        )
        _write(span, said)

    def shutdown(self) -> None:
        """Stop reading."""
        self.active = False


def _write(span: Any, said: Mapping[str, Any]) -> None:
    """Write on a span that is ending: most SDKs take nothing any more by then, though the hook is meant for it."""
    if span.is_recording():
        span.set_attributes(said)
    elif (known := kept_by(span)) is not None:
        known.update(said)  # beyond the limit if need be: what is there stays, and so does the cost


def _error_type(span: Any, attributes: Mapping[str, Any]) -> str | None:
    named = attributes.get(sc.ERROR_TYPE)
    if isinstance(named, str):
        return named
    if getattr(getattr(span, "status", None), "status_code", None) is not StatusCode.ERROR:
        return None
    for event in reversed(getattr(span, "events", ())):
        kind = (event.attributes or _NOTHING).get(sc.EXCEPTION_TYPE)
        if isinstance(kind, str):
            return kind.rpartition(".")[2]
    return _UNNAMED


def _duration_s(span: Any) -> float:
    began, ended = getattr(span, "start_time", None), getattr(span, "end_time", None)
    return max(0.0, (ended - began) / 1e9) if began and ended else 0.0
