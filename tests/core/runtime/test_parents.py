"""The parent that a message names is the one that the application's propagator finds, however it is read."""

import pytest
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from botanu_core.adapter import extracted

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PLAIN = f"00-{TRACE}-{SPAN}-01"


class EndsWithin(TraceContextTextMapPropagator):
    """One of the application's own: of what begins elsewhere it wants to know nothing."""

    def extract(self, carrier, context=None, getter=None):
        return Context()


STOCK = TraceContextTextMapPropagator()
BOTH = CompositePropagator([STOCK, W3CBaggagePropagator()])


@pytest.mark.parametrize("propagator", [STOCK, BOTH, EndsWithin(), CompositePropagator([EndsWithin(), STOCK])])
@pytest.mark.parametrize(
    "carrier",
    [
        {},
        {"traceparent": PLAIN},
        {"traceparent": f"00-{TRACE}-{SPAN}-00"},
        {"traceparent": f"00-{TRACE}-{SPAN}-ff"},
        {"traceparent": f"00-{'0' * 32}-{SPAN}-01"},
        {"traceparent": f"00-{TRACE}-{'0' * 16}-01"},
        {"traceparent": f"01-{TRACE}-{SPAN}-01-more"},
        {"traceparent": f"ff-{TRACE}-{SPAN}-01"},
        {"traceparent": f"{PLAIN}-more"},
        {"traceparent": f" {PLAIN}\n"},
        {"traceparent": PLAIN.upper()},
        {"traceparent": "nonsense"},
        {"traceparent": PLAIN, "tracestate": "vendor=1"},
        {"traceparent": PLAIN, "baggage": "tier=gold"},
        {"baggage": "tier=gold"},
    ],
    ids=str,
)
def test_a_parent_is_the_one_that_the_propagator_finds(propagator, carrier):
    """Whole: its ids, flags and state, that it is remote, and what else is in the context."""
    ours, theirs = extracted(propagator, carrier), propagator.extract(carrier, Context())
    assert get_current_span(ours).get_span_context() == get_current_span(theirs).get_span_context()
    assert ours.keys() == theirs.keys()
