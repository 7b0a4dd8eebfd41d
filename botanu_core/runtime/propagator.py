"""The application's propagator with a run in it: ours goes only where it may, theirs passes as it was.

Wrapped around whatever is installed. Outgoing, the run and every ``botanu.`` member are taken out of what the inner
propagator sees, and written by our own rules towards destinations inside. Incoming, what arrives under ``botanu.`` is
taken as a run if its sender may hand us one, and dropped otherwise.
"""

from collections.abc import Mapping
from typing import Final

from opentelemetry import context as otel
from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import Span

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.model.run import RUN_MEMBERS
from botanu_core.runtime import guard, redirects
from botanu_core.runtime.accept import joined_run
from botanu_core.runtime.context import RunContext
from botanu_core.runtime.current import BAGGAGE_KEY, REFUSED_KEY, RUN_KEY, SPAN_KEY, current_run, current_step
from botanu_core.runtime.destination import destination, goes_to, is_insider, others, take_back, withhold_trace
from botanu_core.wire.baggage import MAX_HEADER_BYTES, MAX_MEMBERS
from botanu_core.wire.carrier import UNKNOWN_PEER, inbound
from botanu_core.wire.signature import written

__all__ = ["BotanuPropagator", "destination", "goes_to", "inner_propagator", "others", "without_ours"]

SCOPE_KEY: Final = "botanu.run"
"""Where an ASGI scope or WSGI environ holds the run that an adapter has opened for it."""


class BotanuPropagator(TextMapPropagator):
    """`inner`, with runs.

    Args:
        inner: The application's propagator; its fields, order and format stay as they are.
    """

    def __init__(self, inner: TextMapPropagator) -> None:
        self.inner = inner

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """Write `context` on `carrier`, and the run if the destination may have it."""
        given = otel.get_current() if context is None else context
        is_taken = False
        try:
            is_taken = take_back(carrier)
            members, theirs = _parted(given)
            ours = written(members, settings.current().baggage_keys) if members else ""
        except Exception as error:
            guard.failed("inject", error)
            hidden = (BAGGAGE_KEY, SPAN_KEY) if settings.current().withhold_trace_context else (BAGGAGE_KEY,)
            ours, theirs = "", Context({key: value for key, value in given.items() if key not in hidden})
        if not ours:
            if SPAN_KEY not in theirs and SPAN_KEY in given:
                withhold_trace(carrier, self.inner.fields)
            self.inner.inject(carrier, theirs, setter)
            if settings.current().withhold_trace_context:
                redirects.mind()
            return
        recorded = _Recorded(setter)
        self.inner.inject(carrier, theirs, recorded)
        others = recorded.baggage
        if not others and not is_taken:
            setter.set(carrier, sc.BAGGAGE_HEADER, ours)
        elif others and _fits(others, ours):
            setter.set(carrier, sc.BAGGAGE_HEADER, f"{ours},{others}")
        else:
            # Readers drop a header that is too long as a whole, theirs included: ours goes beside it. It does likewise
            # where the application has written a header of its own.
            if others:
                setter.set(carrier, sc.BAGGAGE_HEADER, others)
            setter.set(carrier, sc.RUN_HEADER, ours)
        redirects.mind()

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """Read `carrier` into a context, with the run it carries if its sender may hand us one."""
        found = self.inner.extract(carrier, context, _Others(getter))
        try:
            before = otel.get_current() if context is None else context
            clean = without_ours(found, keep=_baggage(before))
            run = carrier.get(SCOPE_KEY) if isinstance(carrier, Mapping) else None
            refused: tuple[str, ...] = ()
            if not isinstance(run, RunContext):
                run, refused = _joined(carrier)
            if run is None:
                return Context(clean, **{REFUSED_KEY: refused}) if refused else clean
            baggage = _baggage(clean)
            if settings.current().in_baggage:
                baggage = {**run.carried, **baggage, **run.run.members()}
            return Context({**clean, RUN_KEY: run, BAGGAGE_KEY: baggage})
        except Exception as error:
            guard.failed("extract", error)
            return otel.get_current() if context is None else context

    @property
    def fields(self) -> set[str]:
        """The inner propagator's, and ours."""
        return {*self.inner.fields, sc.BAGGAGE_HEADER, sc.RUN_HEADER}


def _parted(context: Context) -> tuple[dict[str, str], Context]:
    """What is ours and may go where the current client span goes, and what of `context` is theirs."""
    chosen = settings.current()
    theirs = without_ours(context)
    run = current_run(context)
    is_ours = run is not None or theirs is not context
    if not is_ours and not chosen.withhold_trace_context:
        return {}, theirs
    span = context.get(SPAN_KEY)
    host = destination(span) if isinstance(span, Span) else None
    if chosen.withhold_trace_context and not is_insider(host):
        theirs = Context({key: value for key, value in theirs.items() if key != SPAN_KEY})
    if not is_ours or not goes_to(host):
        return {}, theirs
    members = {**run.members(), **run.carried} if run is not None else {}
    step = current_step(context)
    if step is not None and run is not None:
        members[sc.STEP] = step
    if theirs is not context:
        baggage = _baggage(context)
        # Members that the application has set under our prefix; the run's own come from the run.
        for name in baggage.keys() - RUN_MEMBERS:
            if name.startswith(sc.BAGGAGE_PREFIX):
                members[name] = str(baggage[name])
    return members, theirs


def _joined(carrier: object) -> tuple[RunContext | None, tuple[str, ...]]:
    """The run that a message carries; where it was not taken, the lines that it stood in."""
    message = inbound(carrier)
    if not message.lines:
        return None, ()
    chosen = settings.current()
    if message.peer == UNKNOWN_PEER and chosen.trust_inbound == "auto" and not chosen.baggage_keys:
        return None, ()  # headers without their request: whoever has the request, an adapter, decides about its sender
    run = joined_run(message)
    if run is None:
        return None, tuple(message.lines)
    active = current_run()
    if active is not None and active.run_id == run.run_id:
        return active, ()  # what is said inside is to reach the run that an adapter holds
    return run, ()


class _Others(Getter[CarrierT]):
    """Reads everything but what is ours, which the inner propagator need not parse, count or complain about."""

    def __init__(self, getter: Getter[CarrierT]) -> None:
        self._getter = getter

    def get(self, carrier: CarrierT, key: str) -> list[str] | None:
        found = self._getter.get(carrier, key)
        if not found or key.lower() != sc.BAGGAGE_HEADER or sc.BAGGAGE_PREFIX not in str(found):
            return found
        return [rest for line in found if (rest := others(line))] or None

    def keys(self, carrier: CarrierT) -> list[str]:
        return self._getter.keys(carrier)


class _Recorded(Setter[CarrierT]):
    """Passes everything on but the baggage header, which it keeps."""

    def __init__(self, setter: Setter[CarrierT]) -> None:
        self._setter = setter
        self.baggage = ""

    def set(self, carrier: CarrierT, key: str, value: str) -> None:
        if key.lower() == sc.BAGGAGE_HEADER:
            self.baggage = value
        else:
            self._setter.set(carrier, key, value)


def _baggage(context: Context) -> Mapping[str, object]:
    found = context.get(BAGGAGE_KEY)
    return found if isinstance(found, Mapping) else {}


def without_ours(context: Context, keep: Mapping[str, object] | None = None) -> Context:
    """`context` with no member of ours in its baggage, but those that were there in `keep`."""
    members = context.get(BAGGAGE_KEY)
    if not members or not isinstance(members, Mapping):
        return context
    rest = {name: value for name, value in members.items() if not name.startswith(sc.BAGGAGE_PREFIX)}
    if len(rest) == len(members):
        return context
    if keep:
        rest.update((name, value) for name, value in keep.items() if name.startswith(sc.BAGGAGE_PREFIX))
    return Context(context, **{BAGGAGE_KEY: rest})


def inner_propagator() -> TextMapPropagator:
    """The application's own propagator, for messages on which the run has a header of its own.

    The whole one where a trace must not go everywhere, which it sees to, or where somebody has wrapped it.
    """
    found = propagate.get_global_textmap()
    if isinstance(found, BotanuPropagator) and not settings.current().withhold_trace_context:
        return found.inner
    return found


def _fits(others: str, ours: str) -> bool:
    joint = len(others) + 1 + len(ours)
    return joint <= MAX_HEADER_BYTES and others.count(",") + ours.count(",") + 2 <= MAX_MEMBERS
