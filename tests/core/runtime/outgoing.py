"""Calls that leave: client spans, and the headers that the propagator writes for them."""

from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from botanu_core.runtime.propagator import BotanuPropagator

__all__ = ["OURS", "THEIRS", "sent", "sent_to"]

THEIRS = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
OURS = BotanuPropagator(THEIRS)


def sent(attributes, kind=SpanKind.CLIENT, propagator=OURS, carrier=None):
    """The headers of a call, made by a client span with these attributes."""
    headers = {} if carrier is None else carrier
    with trace.get_tracer("http").start_as_current_span("GET", kind=kind, attributes=attributes):
        propagator.inject(headers)
    return headers


def sent_to(host, **rest):
    """The headers of a call to a host."""
    return sent({"server.address": host}, **rest)
