"""Business context, correlation and baggage: what the application says about the run, and asks of it."""

import asyncio
import contextvars

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel

import botanu
from botanu.tracking.llm import track_llm_call

# --- set_business_context ----------------------------------------------------------------------------------------


def test_business_context_reaches_later_spans(one):
    """Team, cost centre, region and customer are on the current span, the run's own and every later one."""
    with botanu.event("W"):
        with botanu.step("before"):
            pass
        with botanu.step("during"):
            botanu.set_business_context(customer_id="acme", team="search", cost_center="CC-7", region="eu")
        with botanu.step("after"), track_llm_call(provider="openai", model="m"):
            pass
    wanted = {
        "botanu.customer_id": "acme",
        "botanu.team": "search",
        "botanu.cost_center": "CC-7",
        "botanu.region": "eu",
    }
    for name in ("botanu.step/during", "botanu.step/after", "chat m", "botanu.run/W"):
        attributes = one(name).attributes
        assert {key: attributes.get(key) for key in wanted} == wanted, name
    assert not wanted.keys() & one("botanu.step/before").attributes.keys()


def test_business_context_adds_up_and_replaces(one):
    """Said in parts it adds up; said again it replaces, the customer included."""
    with botanu.event("W", customer_id="first") as run:
        botanu.set_business_context(team="a")
        botanu.set_business_context(region="eu", customer_id="second")
        botanu.set_business_context(team="b")
        assert run.customer_id == "second"
    attributes = one("botanu.run/W").attributes
    assert (attributes["botanu.team"], attributes["botanu.region"]) == ("b", "eu")
    assert attributes["botanu.customer_id"] == "second"


def test_business_context_from_a_copied_context(one):
    """Said in a thread or task with a copied context, it reaches the run."""

    async def work():
        await asyncio.to_thread(botanu.set_business_context, team="search")

    with botanu.event("W"):
        asyncio.run(work())
        contextvars.copy_context().run(botanu.set_business_context, region="eu")
        with botanu.step("later"):
            pass
    assert one("botanu.step/later").attributes["botanu.team"] == "search"
    assert one("botanu.step/later").attributes["botanu.region"] == "eu"


def test_the_customer_travels_onward():
    """A customer named late is the one that the next service hears of."""
    with botanu.event("W") as run:
        botanu.set_business_context(customer_id="acme")
        assert run.to_baggage()["botanu.customer_id"] == "acme"
        with botanu.event("Inner") as inner:
            assert inner.customer_id == "acme"


@pytest.mark.parametrize(
    "wrong", ["", "x" * 257, "a\nb", object(), b"\xff"], ids=["empty", "long", "LF", "object", "bytes"]
)
def test_business_context_that_will_not_do(wrong, one):
    """What is no text of 1 to 256 printable characters is left out, alone; nothing is raised."""
    with botanu.event("W", customer_id="acme"):
        botanu.set_business_context(customer_id=wrong, team=wrong, region="eu")
    attributes = one("botanu.run/W").attributes
    if not isinstance(wrong, bytes):
        assert attributes["botanu.customer_id"] == "acme"
        assert "botanu.team" not in attributes
    assert attributes["botanu.region"] == "eu"


def test_business_context_outside_a_run(spans):
    """In a plain span it is on that span; with none it does nothing."""
    botanu.set_business_context(team="search")
    with trace.get_tracer("app").start_as_current_span("plain"):
        botanu.set_business_context(team="search", customer_id="acme")
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes) == {"botanu.team": "search", "botanu.customer_id": "acme"}


def test_business_context_after_the_end(one):
    """Work that outlives the run may still say it: later spans of the run carry it, nothing is raised."""
    with botanu.event("W"):
        context = contextvars.copy_context()
    context.run(botanu.set_business_context, team="late")

    def later():
        with botanu.step("late"):
            pass

    context.run(later)
    assert "botanu.team" not in one("botanu.run/W").attributes
    assert one("botanu.step/late").attributes["botanu.team"] == "late"


# --- set_correlation ---------------------------------------------------------------------------------------------


def test_correlation(one):
    """Ids of other systems are on the current span and on the run's own."""
    with botanu.event("W"), botanu.step("s"):
        botanu.set_correlation(zendesk="4711", stripe=17)
    for name in ("botanu.step/s", "botanu.run/W"):
        assert one(name).attributes["botanu.correlation.zendesk"] == "4711"
        assert one(name).attributes["botanu.correlation.stripe"] == "17"


def test_correlation_is_bounded_and_scrubbed(one):
    """A hundred of them are 32, and personal data in them does not leave."""
    with botanu.event("W"):
        botanu.set_correlation(mail="jane@example.com", **{f"k{number}": "v" for number in range(100)})
    found = {key: value for key, value in one("botanu.run/W").attributes.items() if "correlation" in key}
    assert len(found) == 32
    assert "jane" not in found["botanu.correlation.mail"]


def test_correlation_that_will_not_do(one):
    """What cannot be written as text is left out, alone."""

    class Unwritable:
        def __str__(self):
            raise RuntimeError

    with botanu.event("W"):
        botanu.set_correlation(bad=Unwritable(), none=None, good="1")
    found = {key for key in one("botanu.run/W").attributes if "correlation" in key}
    assert found == {"botanu.correlation.good"}


# --- baggage -----------------------------------------------------------------------------------------------------


def test_the_runs_own_members_can_be_asked():
    """`get_baggage` answers for what the run carries, changes included."""
    with botanu.event("W", event_id="T-1", tenant_id="eu") as run:
        assert botanu.get_baggage("botanu.run_id") == run.run_id
        assert botanu.get_baggage("botanu.tenant_id") == "eu"
        assert botanu.get_baggage("botanu.customer_id") is None
        botanu.set_business_context(customer_id="acme")
        assert botanu.get_baggage("botanu.customer_id") == "acme"


def test_the_documented_custom_field():
    """`set_baggage("botanu.custom_field", …)` is there to the end of the block, in tasks and nested runs, too."""

    async def asked():
        return botanu.get_baggage("botanu.custom_field")

    with botanu.event("W"):
        botanu.set_baggage("botanu.custom_field", "my_value")
        assert botanu.get_baggage("botanu.custom_field") == "my_value"
        assert asyncio.run(asked()) == "my_value"
        with botanu.event("Inner"), botanu.step("s"):
            assert botanu.get_baggage("botanu.custom_field") == "my_value"
    assert botanu.get_baggage("botanu.custom_field") is None


def test_baggage_ends_with_the_block_it_was_set_in():
    """What a step sets, the rest of the run does not have."""
    with botanu.event("W"):
        with botanu.step("s"):
            botanu.set_baggage("shop", "17")
        assert botanu.get_baggage("shop") is None


def test_a_token_ends_it_earlier():
    """The token that comes back is OpenTelemetry's own."""
    token = botanu.set_baggage("shop", "17")
    assert botanu.get_baggage("shop") == "17"
    otel.detach(token)
    assert botanu.get_baggage("shop") is None


def test_others_members_are_untouched():
    """Members that others set before, inside and around a run stay as they are."""
    token = otel.attach(baggage.set_baggage("theirs", "a value, with = and ;"))
    try:
        before = dict(baggage.get_all())
        with botanu.event("W"):
            assert dict(baggage.get_all()) == before, "a run puts nothing into theirs while nobody guards what leaves"
            botanu.set_baggage("ours", "1")
            assert baggage.get_baggage("theirs") == botanu.get_baggage("theirs") == "a value, with = and ;"
        assert dict(baggage.get_all()) == before
    finally:
        otel.detach(token)


REFUSED = [
    ("botanu.run_id", "x"),
    ("botanu.workflow", "x"),
    ("botanu.cancelled", "true"),
    ("", "x"),
    ("a b", "x"),
    ("a,b=c", "x"),
    ("a=b", "x"),
    ("a;b", "x"),
    ("schlüssel", "x"),
    ("a\r\nb", "x"),
    (5, "x"),
    (None, "x"),
    ("key", None),
    ("key", ""),
    ("key", "a\r\nb"),
    ("key", "x" * 257),
    ("key", "\ud800"),
]


@pytest.mark.parametrize(("key", "value"), REFUSED, ids=[f"{key!r}={value!r}"[:30] for key, value in REFUSED])
def test_baggage_that_will_not_do(key, value, warnings_said):
    """The run's own members, names that are no token and unfit values are refused, and said once; nothing is raised."""
    before = otel.get_current()
    assert botanu.set_baggage(key, value) is None
    assert botanu.set_baggage(key, value) is None
    assert otel.get_current() is before
    assert 0 < len(warnings_said()) <= 2
    assert all("\r" not in said and "x" * 50 not in said for said in warnings_said())


@pytest.mark.parametrize("key", ["nobody", "botanu.nobody", "", 5, None])
def test_baggage_that_is_not_there(key):
    """What nobody set is None, inside and outside a run."""
    assert botanu.get_baggage(key) is None
    with botanu.event("W"):
        assert botanu.get_baggage(key) is None


def test_values_of_others_are_given_as_text():
    """OpenTelemetry's baggage may hold any object; what is asked for comes as text."""
    token = otel.attach(baggage.set_baggage("count", 17))
    assert botanu.get_baggage("count") == "17"
    otel.detach(token)


def test_the_current_span(spans):
    """`get_current_span` is OpenTelemetry's."""
    assert botanu.get_current_span() is trace.get_current_span()
    with botanu.event("W"), botanu.step("s") as span:
        assert botanu.get_current_span() is span is trace.get_current_span()
