"""Tools, databases, storage and messages cost what a contract's `units` say: entries, spans, totals; else nothing."""

from contextlib import suppress
from decimal import Decimal

import pytest

import botanu
from botanu.tracking.data import track_db_operation, track_messaging_operation, track_storage_operation
from botanu.tracking.llm import track_tool_call
from botanu_core.pricing import Contract, UnitPrice


def tool():
    with track_tool_call("search") as used:
        used.set_result(items_returned=4, bytes_processed=10)


def database():
    with track_db_operation("postgresql", "SELECT") as used:
        used.set_result(rows_returned=3)


def storage():
    with track_storage_operation("s3", "PUT") as used:
        used.set_result(objects_count=1, bytes_written=5_000_000)


def messaging():
    with track_messaging_operation("sqs", "publish", "orders") as used:
        used.set_result(message_count=7)


USES = {
    "tool": (tool, "execute_tool search", "search", {"items": 4, "bytes": 10}, "0.01"),
    "database": (database, "SELECT postgresql", "postgresql/SELECT", {"rows": 3, "rows_returned": 3}, "0.003"),
    "storage": (storage, "PUT s3", "s3/PUT", {"objects": 1, "bytes_written": 5_000_000}, "0.005"),
    "messaging": (messaging, "publish orders", "sqs/publish", {"messages": 7}, "0.014"),
}
each = pytest.mark.parametrize("kind", USES)


@each
def test_a_use_with_a_price_has_an_entry_and_its_span_and_its_run_say_what_it_cost(desk, kind):
    use, span, name, counts, usd = USES[kind]
    here = desk()
    with botanu.event(workflow="W", customer_id="c") as run, botanu.step("s"):
        use()
    [entry] = here.entries()
    said = entry.attributes
    assert (said["botanu.entry_kind"], said["botanu.entry_name"]) == (kind, name)
    assert Decimal(said["botanu.cost.usd_exact"]) == Decimal(usd)
    assert (said["botanu.cost.source"], said["botanu.call.status"]) == ("contract", "ok")
    assert said["botanu.price.id"].startswith("acme")
    assert (said["botanu.run_id"], said["botanu.customer_id"], said["botanu.step"]) == (run.run_id, "c", "s")
    assert {key.removeprefix("botanu.units."): said[key] for key in said if key.startswith("botanu.units.")} == counts
    assert {"botanu.cost.usd": float(usd), "botanu.cost.source": "contract"}.items() <= here.span(span).items()
    totals = here.span("botanu.run/W")
    assert Decimal(totals["botanu.run.cost_usd_exact"]) == Decimal(usd)
    assert (totals["botanu.run.llm_calls"], totals["botanu.run.unpriced_calls"]) == (0, 0)
    assert totals["botanu.run.tool_calls"] == (kind == "tool")


@each
def test_a_use_without_a_price_has_no_entry_and_its_span_says_nothing_of_money(desk, kind):
    use, span, *_ = USES[kind]
    here = desk(price_contracts=[])
    with botanu.event(workflow="W") as run:
        use()
    assert here.entries() == []
    assert not [key for key in here.span(span) if key.startswith("botanu.cost")]
    totals = botanu.explain(run).totals
    assert (totals.cost_usd, totals.unpriced_calls, totals.tool_calls) == (0, 0, kind == "tool")


@each
def test_a_use_that_was_not_counted_is_unpriced_and_not_free(desk, kind):
    """The contract asks for a price by what nobody has counted."""
    use, span, name, *_ = USES[kind]
    other = {"tool": "rows", "database": "bytes_scanned", "storage": "bytes_read", "messaging": "bytes"}[kind]
    here = desk(price_contracts=[Contract(name="acme", units=(UnitPrice(kind=kind, prices={other: "1"}),))])
    with botanu.event(workflow="W") as run:
        use()
    [entry] = here.entries()
    assert (entry.attributes["botanu.cost.source"], "botanu.cost.usd_exact" in entry.attributes) == ("none", False)
    assert (here.span(span)["botanu.cost.source"], "botanu.cost.usd" in here.span(span)) == ("none", False)
    assert botanu.explain(run).totals.unpriced_calls == 1
    assert botanu.doctor().counts[f"unpriced {name}"] == 1


@each
def test_a_use_that_failed_is_paid_and_says_how_it_failed(desk, kind):
    """Whoever runs it asks for the money all the same: it was called."""
    here = desk(price_contracts=[Contract(name="acme", units=(UnitPrice(kind=kind, prices={"calls": "0.5"}),))])
    trackers = {
        "tool": lambda: track_tool_call("search"),
        "database": lambda: track_db_operation("postgresql", "SELECT"),
        "storage": lambda: track_storage_operation("s3", "PUT"),
        "messaging": lambda: track_messaging_operation("sqs", "publish", "orders"),
    }
    with suppress(LookupError), botanu.event(workflow="W"), trackers[kind]():
        raise LookupError
    [entry] = here.entries()
    assert Decimal(entry.attributes["botanu.cost.usd_exact"]) == Decimal("0.5")
    assert (entry.attributes["botanu.call.status"], entry.attributes["error.type"]) == ("error", "LookupError")


def test_a_use_by_the_second_costs_what_it_took(desk):
    prices = (UnitPrice(kind="tool", prices={"seconds": "3"}),)
    here = desk(price_contracts=[Contract(name="acme", units=prices)])
    with track_tool_call("render"):
        pass
    [entry] = here.entries()
    took = Decimal(str(entry.attributes["botanu.call.duration_s"]))
    assert Decimal(entry.attributes["botanu.cost.usd_exact"]) == 3 * took > 0


def test_a_customers_own_price_is_the_customers(desk):
    rows = (
        UnitPrice(kind="storage", prices={"calls": "1"}),
        UnitPrice(kind="storage", customer="big", prices={"calls": "0.1"}),
    )
    here = desk(price_contracts=[Contract(name="acme", units=rows)])
    for customer in ("big", "small"):
        with botanu.event(workflow="W", customer_id=customer):
            storage()
    found = {
        entry.attributes["botanu.customer_id"]: entry.attributes["botanu.cost.usd_exact"] for entry in here.entries()
    }
    assert {customer: Decimal(usd) for customer, usd in found.items()} == {"big": Decimal("0.1"), "small": 1}


def test_all_of_them_in_one_run_and_the_same_thing_twice_add_up(desk):
    here = desk()
    with botanu.event(workflow="W") as run:
        for use, *_ in USES.values():
            use()
            use()
    entries = here.entries()
    assert len({entry.attributes["botanu.entry_id"] for entry in entries}) == len(entries) == 8
    assert botanu.explain(run).totals.cost_usd == here.total() == Decimal("0.064")
