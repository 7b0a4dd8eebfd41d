"""`accept`: the door through which an adapter takes up a run."""

from typing import Any

from opentelemetry import propagate
from opentelemetry.trace import Span, SpanKind, get_current_span

from botanu_core import settings
from botanu_core.model.run import Run
from botanu_core.runtime import telemetry
from botanu_core.runtime.context import RunContext, current_run
from botanu_core.settings import TrustMode
from botanu_core.wire.carrier import Inbound
from botanu_core.wire.trust import admit

__all__ = ["accept", "propagation_fields", "server_span"]


def accept(inbound: Inbound, *, trust: TrustMode | None = None) -> RunContext:
    """Join the run that a message carries, if its sender may hand us one; else open an implicit one.

    Args:
        inbound: What the message says, from one of `wire.carrier`'s readers.
        trust: Instead of the configured ``trust_inbound``.

    Returns:
        The run, not yet active and without a span: `start` or `borrow` gives it one.
    """
    telemetry.noticed()
    chosen = settings.current()
    run = admit(inbound, chosen, trust) if inbound.lines else None
    if run is not None:
        return RunContext(run, joined=True)
    return RunContext(Run.new(environment=chosen.environment))


def server_span() -> Span | None:
    """The current span, if it is a server span that another instrumentation has opened for this request."""
    span = get_current_span()
    if getattr(span, "kind", None) is SpanKind.SERVER and span.is_recording():
        run = current_run()
        # The server span of a run that is active here belongs to another request of this process.
        return None if run is not None and run.span is span else span
    return None


def propagation_fields() -> frozenset[str]:
    """Lower-case names of the headers that the global propagator may read."""
    propagator = propagate.get_global_textmap()
    if propagator is not _fields.propagator:
        _fields.propagator = propagator
        _fields.names = frozenset(name.lower() for name in propagator.fields)
    return _fields.names


class _Fields:
    propagator: Any = None
    names: frozenset[str] = frozenset()


_fields = _Fields()
