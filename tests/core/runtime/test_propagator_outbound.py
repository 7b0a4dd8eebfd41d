"""Outgoing: the run goes to destinations inside and nowhere else; what others put on the wire is as it was."""

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

import botanu
from botanu_core import settings
from botanu_core.runtime import guard
from botanu_core.runtime.propagator import BotanuPropagator, destination, goes_to
from botanu_core.settings import Settings
from botanu_core.wire.baggage import MAX_HEADER_BYTES, MAX_OWN_BYTES, decode
from tests.core.runtime.outgoing import OURS, THEIRS, sent, sent_to


@pytest.fixture(autouse=True)
def recording(spans):
    """A client span says where it goes only where it is recorded."""


def test_inside_gets_the_run(one):
    """A destination inside gets the run as baggage, the step the call is made in, and the traceparent."""
    with (
        botanu.event("Customer Support", event_id="T-1", customer_id="acme", tenant_id="eu") as run,
        botanu.step("ask"),
    ):
        headers = sent_to("research")
    assert decode([headers["baggage"]]) == {
        "botanu.run_id": run.run_id,
        "botanu.workflow": "Customer Support",
        "botanu.event_id": "T-1",
        "botanu.customer_id": "acme",
        "botanu.environment": "production",
        "botanu.tenant_id": "eu",
        "botanu.step": "ask",
    }
    assert "Customer%20Support" in headers["baggage"]
    assert f"{one('GET').context.span_id:016x}" in headers["traceparent"]


@pytest.mark.parametrize("host", ["api.openai.com", "8.8.8.8", "134744072", "evil。com", ""])
def test_outside_gets_nothing_of_ours(host, their_baggage):
    """A stranger gets the traceparent and the application's own baggage, byte for byte as without us."""
    with botanu.event("W", event_id="T-1", customer_id="acme"), botanu.step("s"):
        botanu.set_baggage("botanu.custom_field", "secret")
        with trace.get_tracer("http").start_as_current_span(
            "GET", kind=SpanKind.CLIENT, attributes={"server.address": host}
        ):
            ours, stock = {}, {}
            OURS.inject(ours)
            THEIRS.inject(stock, baggage.remove_baggage("botanu.custom_field"))
    assert ours == stock
    assert "botanu" not in str(ours)


def test_inside_gets_theirs_as_well(their_baggage):
    """The application's own members travel beside the run, written as its own propagator writes them."""
    stock = {}
    THEIRS.inject(stock)
    with botanu.event("W") as run:
        headers = sent_to("research")
    assert headers["baggage"].endswith("," + stock["baggage"])
    assert decode([headers["baggage"]])["botanu.run_id"] == run.run_id


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"http.request.method": "GET"},
        {"server.address": None},
        {"server.port": 80},
        {"url.full": "not a url"},
        {"url.full": "http://["},
        {"url.full": "/relative"},
        {"url.full": "http://evil.com\\@localhost/"},
        {"url.full": "http://localhost@evil.com/"},
        {"url.full": "http://evil.com#@localhost/"},
        {"http.url": "https://api.openai.com/v1"},
        {"net.peer.name": "api.openai.com"},
        {"server.address": "api.openai.com", "url.full": "http://localhost/"},
        {"peer.service": "localhost"},
    ],
    ids=str,
)
def test_an_unknown_destination_is_outside(attributes):
    """A client span that does not say whom it calls, or says it so that clients disagree, hands on no run."""
    with botanu.event("W"):
        headers = sent({key: value for key, value in attributes.items() if value is not None})
    assert "baggage" not in headers
    assert "traceparent" in headers


@pytest.mark.parametrize(
    "attributes",
    [
        {"server.address": "localhost"},
        {"net.peer.name": "research"},
        {"url.full": "http://user:pw@127.0.0.1:8000/x?y=http://evil.com"},
        {"http.url": "https://[::1]:8000/"},
        {"server.address": "API.Internal."},
    ],
    ids=str,
)
def test_where_a_client_span_says_it_goes(attributes):
    """Current and older attributes are read, the host before the URL."""
    with botanu.event("W"):
        assert "botanu.run_id" in sent(attributes)["baggage"]


@pytest.mark.parametrize("kind", [SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CONSUMER])
def test_only_a_client_knows_its_destination(kind):
    """A server's `server.address` is its own, not whom it calls; a producer's is its broker."""
    with botanu.event("W"):
        assert "baggage" not in sent_to("localhost", kind=kind)
        assert "botanu.run_id" in sent_to("localhost", kind=SpanKind.PRODUCER)["baggage"]


def test_without_a_client_span():
    """Injected by hand inside a run, with no client span, the destination is unknown; outside a run there is none."""
    for block in (botanu.event("W"), botanu.step("s")):
        with block:
            headers = {}
            OURS.inject(headers)
            assert "baggage" not in headers
    headers = {}
    OURS.inject(headers)
    assert headers == {}


def test_a_span_that_is_not_recorded_says_nothing():
    """Dropped by a sampler, a span's destination is unknown."""
    assert destination(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)) is None
    assert destination(trace.INVALID_SPAN) is None


@pytest.mark.parametrize(
    ("mode", "host", "expected"),
    [
        ("inside", "localhost", True),
        ("inside", "api.example.com", True),
        ("inside", "api.openai.com", False),
        ("inside", None, False),
        ("always", "api.openai.com", True),
        ("always", None, True),
        ("never", "localhost", False),
        ("never", "api.example.com", False),
    ],
)
def test_modes_and_patterns(mode, host, expected):
    """`inside` with the user's patterns, `always`, `never`."""
    settings.activate(Settings(propagate_mode=mode, propagate_hosts=("*.example.com",)))
    assert goes_to(host) is expected
    with botanu.event("W"):
        headers = sent_to(host) if host is not None else sent({})
    assert ("baggage" in headers) is expected


def test_outside_a_run_nothing_changes(their_baggage):
    """Without a run, headers are those of the application's propagator."""
    with trace.get_tracer("http").start_as_current_span(
        "GET", kind=SpanKind.CLIENT, attributes={"server.address": "db"}
    ):
        ours, stock = {}, {}
        OURS.inject(ours)
        THEIRS.inject(stock)
    assert ours == stock


def test_an_explicit_context(one):
    """The context that is handed in counts, not the current one."""
    with botanu.event("W") as run:
        with trace.get_tracer("http").start_as_current_span(
            "GET", kind=SpanKind.CLIENT, attributes={"server.address": "db"}
        ):
            context = otel.get_current()
    headers = {}
    OURS.inject(headers, context)
    assert run.run_id in headers["baggage"]


# --- large baggage -----------------------------------------------------------------------------------------------


def test_eight_kilobytes_of_theirs():
    """The application's 8 KB of baggage go out whole, and the run goes beside them in a header of its own."""
    context = otel.get_current()
    for number in range(4):
        context = baggage.set_baggage(f"k{number}", "v" * 2040, context)
    token = otel.attach(context)
    stock = {}
    THEIRS.inject(stock)
    assert MAX_HEADER_BYTES - 50 < len(stock["baggage"]) <= MAX_HEADER_BYTES
    with botanu.event("W") as run:
        headers = sent_to("research")
        arrived = OURS.extract(headers, Context())
    otel.detach(token)
    assert headers["baggage"] == stock["baggage"]
    assert len(headers["x-botanu-run"]) < MAX_OWN_BYTES
    assert botanu.get_run_id() is None
    with_run = otel.attach(arrived)
    assert botanu.get_run_id() == run.run_id, "and it arrives"
    assert len(baggage.get_all()) == 4
    otel.detach(with_run)


def test_a_hundred_and_eighty_members_of_theirs():
    """So it does where their members are too many to add to."""
    context = otel.get_current()
    for number in range(180):
        context = baggage.set_baggage(f"k{number}", "v", context)
    token = otel.attach(context)
    with botanu.event("W") as run:
        headers = sent_to("research")
    otel.detach(token)
    assert headers["baggage"].count(",") == 179
    assert decode([headers["x-botanu-run"]])["botanu.run_id"] == run.run_id


# --- the application's own under our prefix ----------------------------------------------------------------------


def test_the_documented_custom_field_travels():
    """`set_baggage("botanu.custom_field", …)` goes where the run goes, and is read there."""
    with botanu.event("W"):
        botanu.set_baggage("botanu.custom_field", "my value")
        headers = sent_to("research")
    arrived = otel.attach(OURS.extract(headers, Context()))
    assert botanu.get_baggage("botanu.custom_field") == "my value"
    with botanu.event("Other", event_id="T-2"):
        assert botanu.get_baggage("botanu.custom_field") == "my value"
        onward = sent_to("third")
        assert decode([onward["baggage"]])["botanu.custom_field"] == "my value"
        botanu.set_baggage("botanu.custom_field", "changed")
        assert botanu.get_baggage("botanu.custom_field") == "changed"
        assert decode([sent_to("third")["baggage"]])["botanu.custom_field"] == "changed"
    otel.detach(arrived)


def test_nobody_forges_the_run_through_baggage():
    """Members of the run's names that the application's baggage holds are not what is sent."""
    token = otel.attach(
        baggage.set_baggage("botanu.customer_id", "forged", baggage.set_baggage("botanu.run_id", "forged"))
    )
    assert "botanu" not in str(sent_to("db"))
    with botanu.event("W", customer_id="acme") as run:
        read = decode([sent_to("db")["baggage"]])
    otel.detach(token)
    assert (read["botanu.run_id"], read["botanu.customer_id"]) == (run.run_id, "acme")


@pytest.mark.parametrize("key", ["botanu.a b", "botanu.a,b=c", "botanu.ü", "botanu.a\r\nX-Evil: 1"])
@pytest.mark.parametrize("value", ["x", "\ud800", "a\r\nb", "v" * 2000])
def test_members_that_would_break_the_header(key, value):
    """Names and values set through OpenTelemetry's baggage that no header can hold cost themselves, not the request."""
    token = otel.attach(baggage.set_baggage("botanu.ok", value, baggage.set_baggage(key, "x")))
    with botanu.event("W") as run:
        headers = sent_to("db")
    otel.detach(token)
    assert headers["baggage"].isascii()
    assert headers["baggage"].isprintable()
    assert decode([headers["baggage"]])["botanu.run_id"] == run.run_id
    assert key not in decode([headers["baggage"]])


def test_a_failure_of_ours_sends_theirs(in_production, their_baggage):
    """Where something of ours fails, the request goes out without the run, and without a member of ours."""

    class Broken:
        def __str__(self):
            raise RuntimeError

    token = otel.attach(baggage.set_baggage("botanu.broken", Broken()))
    with botanu.event("W"):
        headers = sent_to("db")
    otel.detach(token)
    assert "traceparent" in headers
    assert "botanu" not in str(headers)
    guard.strict(True)


def test_a_failure_of_ours_does_not_bare_a_withheld_trace(in_production):
    """Where the destination cannot be told for a failure, outsiders might be it."""

    class Broken:
        def __str__(self):
            raise RuntimeError

    settings.activate(Settings(withhold_trace_context=True))
    token = otel.attach(baggage.set_baggage("botanu.broken", Broken()))
    with botanu.event("W"):
        headers = sent_to("db")
    otel.detach(token)
    assert headers == {}
    guard.strict(True)


@pytest.mark.parametrize("host", ["db", "api.example.com"])
def test_the_trace_can_be_withheld_in_any_format(host):
    """Not by the name of a header: what the application's propagator writes about a span is not written."""

    class B3ish:
        fields = frozenset({"b3"})

        def inject(self, carrier, context=None, setter=None):
            span = trace.get_current_span(context).get_span_context()
            if span.is_valid:
                setter.set(carrier, "b3", f"{span.trace_id:032x}")

    settings.activate(Settings(withhold_trace_context=True))
    headers = {"B3": "of the first try"}
    with trace.get_tracer("http").start_as_current_span(
        "GET", kind=SpanKind.CLIENT, attributes={"server.address": host}
    ):
        BotanuPropagator(B3ish()).inject(headers)
    assert ("b3" in headers) is (host == "db")
    assert ("B3" in headers) is (host == "db")


def test_the_fields():
    """The headers that may be written are those of the application's propagator and ours."""
    assert OURS.fields == {*THEIRS.fields, "baggage", "x-botanu-run"}
