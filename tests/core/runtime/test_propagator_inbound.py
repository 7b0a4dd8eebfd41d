"""Incoming: a run is taken from whoever may hand us one; what strangers put under our name is dropped."""

import time

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import botanu
from botanu_core import settings
from botanu_core.adapter import SCOPE_KEY, accept, from_asgi, from_header, from_mapping, propagation_fields, to_header
from botanu_core.runtime.propagator import BotanuPropagator
from botanu_core.settings import Settings
from botanu_core.wire.signature import written

RUN_ID = "0190a000-0000-7000-8000-000000000001"
LINE = f"botanu.run_id={RUN_ID},botanu.workflow=W,botanu.event_id=T-1"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
THEIRS = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
OURS = BotanuPropagator(THEIRS)


class ScopeGetter:
    """As the getters of ASGI instrumentations."""

    def get(self, carrier, key):
        return [value.decode() for name, value in carrier.get("headers", ()) if name.decode().lower() == key] or None

    def keys(self, carrier):
        return [name.decode() for name, _ in carrier.get("headers", ())]


def scope(peer="127.0.0.1", **headers):
    """An ASGI scope from a peer."""
    return {
        "type": "http",
        "client": (peer, 1234) if peer else None,
        "headers": [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()],
    }


def asked(context, ask):
    """What `ask` says with `context` current."""
    token = otel.attach(context)
    try:
        return ask()
    finally:
        otel.detach(token)


def test_a_run_from_near_is_joined(one):
    """With its run, the trace and others' baggage arrive; a span that is started there carries the run."""
    context = OURS.extract(scope(baggage=f"theirs=1,{LINE}", traceparent=TRACEPARENT), Context(), ScopeGetter())
    assert asked(context, botanu.get_run_id) == RUN_ID
    assert dict(baggage.get_all(context)) == {"theirs": "1"}
    assert trace.get_current_span(context).get_span_context().span_id == 0xB7AD6B7169203331

    def work():
        with botanu.event("W", event_id="T-1"):
            pass

    asked(context, work)
    assert one("botanu.run/W").attributes["botanu.run_id"] == RUN_ID
    assert one("botanu.run/W").context.trace_id == 0x0AF7651916CD43DD8448EB211C80319C


@pytest.mark.parametrize("peer", ["8.8.8.8", "2001:db8::1"])
def test_a_run_from_afar_is_dropped_whole(peer):
    """A stranger's members under our name are neither a run nor baggage; the rest is the application's to judge."""
    line = f"{LINE},botanu.custom=x,theirs=1"
    context = OURS.extract(scope(peer, baggage=line, traceparent=TRACEPARENT), Context(), ScopeGetter())
    assert asked(context, botanu.get_run_id) is None
    assert dict(baggage.get_all(context)) == {"theirs": "1"}
    assert trace.get_current_span(context).get_span_context().is_valid


@pytest.mark.parametrize(
    "line",
    [
        "botanu.run_id=r1,theirs=1",
        f"{LINE},botanu.event_id=T-2,theirs=1",
        "botanu.custom=x,theirs=1",
        "botanu.run_id=%FF,theirs=1",
    ],
)
def test_what_is_malformed_is_dropped_likewise(line):
    """Members under our name that make no run stay outside."""
    context = OURS.extract(scope(baggage=line), Context(), ScopeGetter())
    assert asked(context, botanu.get_run_id) is None
    assert dict(baggage.get_all(context)) == {"theirs": "1"}


def test_without_a_run_the_current_one_stays():
    """Extracting from a message without a run, inside a run, loses neither the run nor its members."""
    with botanu.event("W") as run:
        botanu.set_baggage("botanu.custom", "x")
        for given in (None, otel.get_current()):
            context = OURS.extract({"baggage": "theirs=1"}, given)
            assert asked(context, botanu.get_run_id) == run.run_id
        context = OURS.extract({})
        assert asked(context, botanu.get_run_id) == run.run_id
        assert baggage.get_baggage("botanu.custom", OURS.extract({"baggage": "theirs=1"}, otel.get_current())) == "x"


def test_a_strangers_message_does_not_change_the_current_run():
    """Nor does one that tries to."""
    with botanu.event("W") as run:
        context = OURS.extract(scope("8.8.8.8", baggage=LINE), otel.get_current(), ScopeGetter())
        assert asked(context, botanu.get_run_id) == run.run_id
        context = OURS.extract(scope("8.8.8.8", baggage="botanu.custom=evil"), otel.get_current(), ScopeGetter())
        assert asked(context, lambda: botanu.get_baggage("botanu.custom")) is None


def test_the_run_of_the_message_wins_over_the_current_one():
    """A message that carries a run is of that run, wherever it is read."""
    with botanu.event("Worker"):
        context = OURS.extract({"baggage": LINE})
        assert asked(context, botanu.get_run_id) == RUN_ID


def test_a_scope_that_an_adapter_has_seen():
    """The run that an adapter has opened for a request is the one that instrumentations find, refused ones included."""
    request = scope("8.8.8.8", baggage=LINE)
    run = accept(from_asgi(request))
    request[SCOPE_KEY] = run
    assert asked(OURS.extract(request, Context(), ScopeGetter()), botanu.get_current_run) is run


def test_a_name_in_a_header_is_no_run():
    """A header of the name under which adapters keep the run is only text."""
    assert asked(OURS.extract({SCOPE_KEY: "x"}, Context()), botanu.get_run_id) is None


@pytest.mark.parametrize("carrier", [{}, {"baggage": ""}, {"baggage": None}, [], [("baggage", LINE)], None])
def test_carriers_of_every_kind(carrier):
    """A carrier that we cannot read carries no run; nothing is raised."""

    class Lenient:
        def get(self, carrier, key):
            return None

        def keys(self, carrier):
            return []

    assert asked(OURS.extract(carrier, Context(), Lenient()), botanu.get_run_id) is None


@pytest.mark.parametrize("value", ["\r\nX: y", "\x00", "é" * 100, "x" * 20_000, "%0d%0a", "%00"])
def test_hostile_values(value):
    """Whatever the header holds, extraction gives a context and no run."""
    context = OURS.extract({"baggage": f"botanu.run_id={RUN_ID},botanu.event_id={value}"}, Context())
    assert asked(context, botanu.get_run_id) is None


def test_two_hundred_members():
    """More members than OpenTelemetry reads: no run, nothing raised."""
    line = ",".join([*(f"k{number}=v" for number in range(200)), LINE])
    assert asked(OURS.extract({"baggage": line}, Context()), botanu.get_run_id) is None


def test_with_baggage_the_members_are_there_for_others():
    """Where `enable()` guards what leaves, other libraries find the run's members in OpenTelemetry's baggage."""
    settings.activate(Settings(in_baggage=True))
    context = OURS.extract({"baggage": f"{LINE},theirs=1,botanu.custom=x"}, Context())
    assert dict(baggage.get_all(context)) == {
        "theirs": "1",
        "botanu.custom": "x",
        "botanu.run_id": RUN_ID,
        "botanu.workflow": "W",
        "botanu.event_id": "T-1",
        "botanu.environment": "production",
    }
    with botanu.event("V", event_id="T-2") as run, botanu.step("s"):
        botanu.set_baggage("theirs", "2")
        with botanu.step("t"):
            members = dict(baggage.get_all())
    assert members["botanu.run_id"] == run.run_id
    assert (members["botanu.step"], members["theirs"]) == ("t", "2")
    assert dict(baggage.get_all()) == {}


# --- accept ------------------------------------------------------------------------------------------------------


def test_accept_joins_or_opens():
    """An adapter gets the run of the message, or a new implicit one."""
    joined = accept(from_mapping({"Baggage": LINE}))
    assert (joined.run_id, joined.joined, joined.is_implicit) == (RUN_ID, True, False)
    for message in ({}, {"baggage": "botanu.run_id=r1"}, {"baggage": LINE, "x-forwarded-for": "8.8.8.8"}):
        opened = accept(from_mapping(message))
        assert opened.run_id != RUN_ID
        assert (opened.joined, opened.is_implicit, opened.workflow) == (False, True, None)


def test_accept_with_a_trust_of_its_own():
    """An adapter that knows better than the configuration says so."""
    message = from_mapping({"baggage": LINE}, peer="8.8.8.8")
    assert accept(message).run_id != RUN_ID
    assert accept(message, trust="always").run_id == RUN_ID
    assert accept(from_mapping({"baggage": LINE}), trust="never").run_id != RUN_ID


def test_two_baggage_lines_are_one():
    """A run in the second of two header lines is found."""
    request = {"type": "http", "headers": [(b"baggage", b"theirs=1"), (b"baggage", LINE.encode())]}
    assert accept(from_asgi(request)).run_id == RUN_ID


def test_custom_members_come_along():
    """What the application set under our prefix upstream can be asked for here."""
    with accept(from_mapping({"baggage": f"{LINE},botanu.custom=a%20b"})).active():
        assert botanu.get_baggage("botanu.custom") == "a b"
        assert botanu.get_baggage("botanu.event_id") == "T-1"
    assert botanu.get_baggage("botanu.custom") is None


def test_the_headers_that_may_be_read():
    """An adapter learns from the propagator that is installed which headers to hand over."""
    assert {b"baggage", b"traceparent"} <= propagation_fields()


# --- a header of its own -------------------------------------------------------------------------------------------


def test_a_message_with_a_header_of_its_own_for_the_run():
    """One text, the run's members in it; what is no text, or nothing, carries no run."""
    with botanu.event("W", event_id="T-1", customer_id="acme") as run, botanu.step("s"):
        header = to_header(run)
    taken = accept(from_header(header))
    assert (taken.run_id, taken.event_id, taken.customer_id, taken.joined) == (run.run_id, "T-1", "acme", True)
    assert taken.run.step == "s"
    assert [accept(from_header(value)).joined for value in ("", None, b"x", 7, "botanu.run_id=x")] == [False] * 5


def test_it_is_signed_where_there_is_a_key(monkeypatch):
    """An altered one is refused; one that has waited longer than a request may is taken where the queue says so."""
    settings.activate(Settings(baggage_keys=(b"k" * 32,)))
    with botanu.event("W", customer_id="acme") as run:
        header = to_header(run)
        monkeypatch.setattr("time.time", lambda real=time.time: real() - 5000)
        old = to_header(run)
        monkeypatch.undo()
    assert accept(from_header(header)).run_id == run.run_id
    assert not accept(from_header(header.replace("acme", "evil"))).joined
    assert not accept(from_header(old)).joined
    assert accept(from_header(old), lifetime_s=86_400).run_id == run.run_id


def test_a_run_that_was_named_after_it_came_is_signed_anew(spans):
    """The signature that it came with vouched for less, is in nobody's baggage, and is not what goes on."""
    settings.activate(Settings(baggage_keys=(b"k" * 32,), in_baggage=True))
    came = written({"botanu.run_id": RUN_ID}, (b"k" * 32,))
    context = OURS.extract({"baggage": f"{came},theirs=1"}, Context())
    assert dict(baggage.get_all(context)).keys() == {"botanu.run_id", "botanu.environment", "theirs"}

    def call():
        with botanu.event("W", event_id="T-1"):
            assert botanu.get_baggage("botanu.sig") is None
            assert botanu.set_baggage("botanu.sig", "1.forged") is None
            with trace.get_tracer("x").start_as_current_span(
                "GET", kind=trace.SpanKind.CLIENT, attributes={"server.address": "desk"}
            ):
                headers = {}
                OURS.inject(headers)
        return headers

    headers = asked(context, call)
    assert came.partition("botanu.sig=")[2] not in headers["baggage"]
    onward = accept(from_mapping(headers))
    assert (onward.run_id, onward.workflow, onward.event_id) == (RUN_ID, "W", "T-1")
