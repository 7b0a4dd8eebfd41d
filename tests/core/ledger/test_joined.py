"""A process that only joined a run: its entries and totals are its own, and only the opener says that it is over."""

from decimal import Decimal
from urllib.parse import quote

import httpx
import pytest
from opentelemetry.trace import SpanKind

import botanu
from botanu.tracking.llm import track_llm_call
from botanu_core.adapter import accept, from_mapping
from tests.core.ledger.arrived import entries_at, events_at
from tests.core.ledger.prices import ONE_CALL
from tests.support.servers import child

RUN = "0190f8a4-5d9e-7c3b-8f21-9a4b6c2d1e0f"
NAMED = {"workflow": "Support", "event_id": "T-1", "customer_id": "acme & söhne"}


def service(found) -> str:
    return found.resource["service.name"]


def test_two_services_one_run(receiver):
    """FastAPI asks FastAPI by httpx; each in a process of its own, which sends what it has when it ends."""
    options = "tests.core.ledger.branch", "--with-parent", "--receiver", receiver.endpoint
    with (
        child(*options) as last,
        child(*options, "--next", f"http://127.0.0.1:{last['port']}") as first,
    ):
        run_id = httpx.get(f"http://127.0.0.1:{first['port']}/first", timeout=20).json()

    entries = entries_at(receiver)
    found = sorted((service(each), each.attributes["botanu.cost.usd_exact"]) for each in entries)
    assert found == [("first", "0.003000"), ("last", "0.003000"), ("last", "0.003000"), ("last", "0.01")]
    said = {"botanu.run_id": run_id, **{f"botanu.{name}": value for name, value in NAMED.items()}}
    for entry in entries:
        assert said.items() <= entry.attributes.items()

    [completed] = events_at(receiver, "botanu.run.completed")
    assert service(completed) == "first"
    assert totals(completed) == (ONE_CALL, 1, 0, 0)
    spans = {service(span): span for span in receiver.spans() if span.kind == "SERVER"}
    assert totals(spans["first"]) == (ONE_CALL, 1, 0, 0)
    assert totals(spans["last"]) == (2 * ONE_CALL + Decimal("0.01"), 2, 1, 1)
    assert {span.attributes["botanu.run_id"] for span in spans.values()} == {run_id}
    counted = [(service(point), point.value) for point in receiver.points() if point.name == "botanu.run.completed"]
    assert counted == [("first", 1)]


def totals(found) -> tuple[Decimal, int, int, int]:
    """Dollars, model calls, duplicates and tool calls, as a span or an event says them."""
    said = found.attributes
    names = ("llm_calls", "duplicate_calls", "tool_calls")
    return Decimal(said["botanu.run.cost_usd_exact"]), *(said[f"botanu.run.{name}"] for name in names)


@pytest.mark.parametrize("joins", [True, False], ids=["joined", "opened"])
def test_who_takes_a_run_off_a_message_tells_of_it_and_does_not_complete_it(desk, joins):
    """A consumer of its own make: the same steps open a run where the message carries none, and complete that."""
    here = desk()
    members = {"run_id": RUN, **NAMED}
    baggage = ",".join(f"botanu.{name}={quote(value)}" for name, value in members.items())
    run = accept(from_mapping({"Baggage": baggage} if joins else {}))
    run.start("consume orders", SpanKind.CONSUMER)
    with run.active():
        for name in ("a", "a", "b"):
            with track_llm_call("openai", "priced") as call:
                call.set_tokens(1000, 1000).set_request_id(name)
        with track_llm_call("openai", "priced") as call:
            call.set_request_id("waits until the run ends")
    run.finish()

    assert run.joined is joins
    assert len(here.entries()) == 3
    assert {entry.attributes["botanu.run_id"] for entry in here.entries()} == {RUN if joins else run.run_id}
    for entry in here.entries():
        assert ({f"botanu.{name}": value for name, value in NAMED.items()}.items() <= entry.attributes.items()) is joins
    span = here.span("consume orders")
    assert Decimal(span["botanu.run.cost_usd_exact"]) == 2 * ONE_CALL
    assert (span["botanu.run.llm_calls"], span["botanu.run.unpriced_calls"]) == (3, 1)
    assert [event.attributes["botanu.run_id"] for event in here.completed()] == ([] if joins else [run.run_id])
    assert bool(here.sums("botanu.run.completed")) is not joins
    assert botanu.explain(run).totals.duplicate_calls == 1
