"""`accept`: the door through which an adapter takes up a run."""

from collections.abc import Mapping
from typing import Any

from opentelemetry import context as otel
from opentelemetry import propagate
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, get_current_span

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.model.run import Run
from botanu_core.runtime import telemetry
from botanu_core.runtime.context import RunContext
from botanu_core.runtime.current import REFUSED_KEY, current_run, current_step
from botanu_core.settings import TrustMode
from botanu_core.wire.carrier import Inbound
from botanu_core.wire.signature import written
from botanu_core.wire.trust import admit

__all__ = ["accept", "joined_run", "propagation_fields", "server_span", "to_header"]


def accept(inbound: Inbound, *, trust: TrustMode | None = None, lifetime_s: float | None = None) -> RunContext:
    """Join the run that a message carries, if its sender may hand us one; else open an implicit one.

    Args:
        inbound: What the message says, from one of `wire.carrier`'s readers.
        trust: Instead of the configured ``trust_inbound``.
        lifetime_s: Instead of the configured ``signature_lifetime_s``: a task may wait in its queue for hours.

    Returns:
        The run, not yet active and without a span: `start` or `borrow` gives it one.
    """
    telemetry.noticed()
    chosen = settings.current()
    joined = joined_run(inbound, trust=trust, lifetime_s=lifetime_s) if inbound.lines else None
    if joined is not None:
        return joined
    opened = RunContext(Run.new(environment=chosen.environment))
    opened.refused = tuple(inbound.lines)
    return opened


def to_header(run: RunContext, besides: Mapping[str, str] | None = None) -> str:
    """`run` as one header value, signed where there is a key: for messages that have a header of their own for it.

    `from_header` and `accept` read it; they check the signature, and `lifetime_s` says how long a message may wait.

    Args:
        run: What is written.
        besides: Members for this message alone; they arrive in `RunContext.carried`.
    """
    members = {**run.members(), **(besides or {}), **run.carried}
    step = current_step(otel.get_current())
    if step is not None:
        members[sc.STEP] = step
    return written(members, settings.current().baggage_keys)


def joined_run(
    inbound: Inbound, *, trust: TrustMode | None = None, lifetime_s: float | None = None
) -> RunContext | None:
    """The run that a message carries, joined, if its sender may hand us one; a refusal is counted, once a message.

    Args:
        inbound: As in `accept`.
        trust: As in `accept`.
        lifetime_s: As in `accept`.
    """
    if trust is None and _was_refused(tuple(inbound.lines)):
        return None
    found = admit(inbound, settings.current(), trust, lifetime_s)
    if found.run is not None:
        joined = RunContext(found.run, joined=True)
        joined.carried = found.carried
        return joined
    if found.refused is not None:
        instruments = telemetry.instruments()
        if instruments is not None:
            instruments.inbound_refused.add(((sc.INBOUND_REASON, found.refused),))
    return None


def _was_refused(lines: tuple[str, ...]) -> bool:
    """Whether another instrumentation around or inside of the adapter has had the same message refused already."""
    context = otel.get_current()
    if context.get(REFUSED_KEY) == lines:
        return True
    active = current_run(context)
    return active is not None and active.refused == lines


def server_span() -> Span | None:
    """The current span, if it is a server span that another instrumentation has opened for this request.

    One that its sampler has dropped counts: a span of ours beside it would be sampled anew, in a trace of its own.
    """
    span = get_current_span()
    if span is INVALID_SPAN:
        return None  # as mostly: nobody stands around the adapter
    if span.is_recording():
        if getattr(span, "kind", None) is not SpanKind.SERVER:
            return None
    elif not (context := span.get_span_context()).is_valid or context.is_remote:
        return None
    run = current_run()
    # The server span of a run that is active here belongs to another request of this process.
    return None if run is not None and run.span is span else span


def propagation_fields() -> frozenset[bytes]:
    """Names of the headers that the global propagator may read, in lower case, as ASGI writes them."""
    propagator = propagate.get_global_textmap()
    if propagator is not _fields.propagator:
        _fields.propagator = propagator
        _fields.names = frozenset(name.lower().encode("latin-1") for name in propagator.fields)
    return _fields.names


class _Fields:
    propagator: Any = None
    names: frozenset[bytes] = frozenset()


_fields = _Fields()
