"""The application's propagator with a run in it: ours goes only where it may, theirs passes as it was.

Wrapped around whatever is installed. Outgoing, the run and every ``botanu.`` member are taken out of what the inner
propagator sees, and written by our own rules towards destinations inside. Incoming, what arrives under ``botanu.`` is
taken as a run if its sender may hand us one, and dropped otherwise.
"""

import functools
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import Span, SpanKind, get_current_span

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.model.run import RUN_MEMBERS
from botanu_core.runtime import guard
from botanu_core.runtime.accept import joined_run
from botanu_core.runtime.context import RunContext
from botanu_core.runtime.current import BAGGAGE_KEY, RUN_KEY, current_run, current_step
from botanu_core.wire.baggage import MAX_HEADER_BYTES, MAX_MEMBERS
from botanu_core.wire.carrier import UNKNOWN_PEER, inbound
from botanu_core.wire.signature import written
from botanu_core.wire.trust import is_inside

__all__ = ["BotanuPropagator", "destination", "goes_to", "others", "without_ours"]

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
            is_taken = _take_back(carrier)
            members = self._members(given)
            theirs = without_ours(given)
        except Exception as error:
            guard.failed("inject", error)
            members, theirs = {}, Context({**given, BAGGAGE_KEY: {}})
        if not members:
            self.inner.inject(carrier, theirs, setter)
            return
        recorded = _Recorded(setter)
        self.inner.inject(carrier, theirs, recorded)
        ours = written(members, settings.current().baggage_keys)
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
        _mind_redirects(carrier)

    def _members(self, context: Context) -> dict[str, str]:
        if not goes_to(destination(get_current_span(context))):
            return {}
        run = current_run(context)
        members = {**run.run.members(), **run.carried} if run is not None else {}
        step = current_step(context)
        if step is not None and run is not None:
            members[sc.STEP] = step
        for name, value in _baggage(context).items():
            # Members that the application has set under our prefix; the run's own come from the run.
            if name.startswith(sc.BAGGAGE_PREFIX) and name not in RUN_MEMBERS:
                members[name] = str(value)
        return members

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """Read `carrier` into a context, with the run it carries if its sender may hand us one."""
        found = self.inner.extract(carrier, context, getter)
        try:
            before = otel.get_current() if context is None else context
            clean = without_ours(found, keep=_baggage(before))
            run = carrier.get(SCOPE_KEY) if isinstance(carrier, Mapping) else None
            if not isinstance(run, RunContext):
                run = _joined(carrier)
            if run is None:
                return clean
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


def _take_back(carrier: object) -> bool:
    """Take our members off a carrier that was written on before: a request that is tried again, or redirected outside.

    Returns:
        Whether a baggage header of the application's own stands there.
    """
    if not isinstance(carrier, MutableMapping):
        return False
    stands = False
    for name in [each for each in carrier if isinstance(each, str) and each.lower() in _HEADERS]:
        line = carrier[name]
        parts = line.split(",") if isinstance(line, str) and name.lower() == sc.BAGGAGE_HEADER else []
        theirs = [part for part in parts if not part.lstrip().startswith(sc.BAGGAGE_PREFIX)]
        if not theirs:
            del carrier[name]
            continue
        stands = True
        if len(theirs) < len(parts):
            carrier[name] = ",".join(theirs)
    return stands


_HEADERS: Final = (sc.BAGGAGE_HEADER, sc.RUN_HEADER)


def others(line: str) -> str:
    """A `baggage` line without the members that are ours."""
    if sc.BAGGAGE_PREFIX not in line:
        return line
    return ",".join(part for part in line.split(",") if not part.lstrip().startswith(sc.BAGGAGE_PREFIX))


def _mind_redirects(carrier: object) -> None:
    """See to it that `requests` takes the run off a request that is redirected to a host outside.

    It follows redirects below its instrumentor, which injects nothing there: the headers of the first request go on
    to wherever the answer points.
    """
    if not type(carrier).__module__.startswith("requests."):
        return
    mixin = getattr(sys.modules.get("requests.sessions"), "SessionRedirectMixin", None)
    # Not `rebuild_auth`: applications override it, to keep their credentials, and do not call the one below.
    original = getattr(mixin, "rebuild_method", None)
    if mixin is None or original is None or hasattr(original, _MINDED):
        return

    @functools.wraps(original)
    def rebuild_method(self: Any, prepared_request: Any, response: Any) -> None:
        original(self, prepared_request, response)
        try:
            if not goes_to(_host_of(prepared_request.url)):
                _take_back(prepared_request.headers)
        except Exception as error:
            guard.failed("redirect", error)

    setattr(rebuild_method, _MINDED, True)
    mixin.rebuild_method = rebuild_method


_MINDED: Final = "_minded_by_botanu"


def _joined(carrier: object) -> RunContext | None:
    message = inbound(carrier)
    if not message.lines:
        return None
    chosen = settings.current()
    if message.peer == UNKNOWN_PEER and chosen.trust_inbound == "auto" and not chosen.baggage_keys:
        return None  # headers without their request: whoever has the request, an adapter, decides about its sender
    run = joined_run(message)
    active = current_run()
    if run is not None and active is not None and active.run_id == run.run_id:
        return active  # what is said inside is to reach the run that an adapter holds
    return run


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


def destination(span: Span) -> str | None:
    """The host that a client span says it calls; `None` where it does not say, or is no client's.

    A span that is not recorded says nothing, so its destination is unknown.
    """
    if getattr(span, "kind", None) not in (SpanKind.CLIENT, SpanKind.PRODUCER):
        return None
    attributes: Mapping[str, Any] = getattr(span, "attributes", None) or {}
    for key in _HOST_ATTRIBUTES:
        value = attributes.get(key)
        if isinstance(value, str) and value:
            return value
    for key in _URL_ATTRIBUTES:
        value = attributes.get(key)
        if isinstance(value, str) and value:
            return _host_of(value)
    return None


_URL_ATTRIBUTES: Final = ("url.full", "http.url")
_HOST_ATTRIBUTES: Final = ("server.address", "net.peer.name")


def _host_of(url: str) -> str | None:
    if "\\" in url:
        return None  # clients do not agree on where its host ends
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def goes_to(host: str | None) -> bool:
    """Whether a run may be handed to `host`; unknown is outside."""
    chosen = settings.current()
    if chosen.propagate_mode != "inside":
        return chosen.propagate_mode == "always"
    return host is not None and is_inside(host, chosen.propagate_hosts)


def _baggage(context: Context) -> Mapping[str, object]:
    found = context.get(BAGGAGE_KEY)
    return found if isinstance(found, Mapping) else {}


def without_ours(context: Context, keep: Mapping[str, object] | None = None) -> Context:
    """`context` with no member of ours in its baggage, but those that were there in `keep`."""
    members = _baggage(context)
    if not members or not any(name.startswith(sc.BAGGAGE_PREFIX) for name in members):
        return context
    rest = {name: value for name, value in members.items() if not name.startswith(sc.BAGGAGE_PREFIX)}
    ours = {name: value for name, value in (keep or {}).items() if name.startswith(sc.BAGGAGE_PREFIX)}
    return Context({**context, BAGGAGE_KEY: {**rest, **ours}})


def _fits(others: str, ours: str) -> bool:
    joint = len(others) + 1 + len(ours)
    return joint <= MAX_HEADER_BYTES and others.count(",") + ours.count(",") + 2 <= MAX_MEMBERS
