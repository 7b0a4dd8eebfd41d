"""Opened, joined, adopted, nested, continued: which run `event` gives (contract, section 1)."""

import pytest

import botanu
from botanu_core.adapter import accept, from_mapping

UPSTREAM = "0190a000-0000-7000-8000-000000000001"


# --- opened ------------------------------------------------------------------------------------------------------


def test_event_opens_a_run():
    """Outside any run, `event` opens one, with the ids it was given."""
    with botanu.event("Support", event_id="T-1", customer_id="acme", tenant_id="eu") as run:
        assert (run.workflow, run.event_id, run.customer_id, run.run.tenant_id) == ("Support", "T-1", "acme", "eu")
        assert botanu.get_run_id() == run.run_id
        assert botanu.get_workflow() == "Support"
        assert botanu.get_current_run() is run


def test_an_opened_run_is_its_own_root():
    """A run that nothing surrounds has no parent, is its own root and its first attempt."""
    with botanu.event("Support") as run:
        assert (run.run.parent_run_id, run.run.root_run_id, run.run.attempt) == (None, run.run_id, 1)


def test_after_the_run_there_is_none():
    """Once the block is left, no run, workflow, baggage or span is current."""
    with botanu.event("Support"):
        pass
    assert botanu.get_run_id() is None
    assert botanu.get_workflow() is None
    assert botanu.get_current_run() is None
    assert botanu.get_baggage("botanu.run_id") is None
    assert not botanu.get_current_span().get_span_context().is_valid


def test_two_runs_in_a_row_have_nothing_in_common(named):
    """One run after another in the same thread: two ids, two traces."""
    for _ in range(2):
        with botanu.event("Support"):
            pass
    first, second = named("botanu.run/Support")
    assert first.attributes["botanu.run_id"] != second.attributes["botanu.run_id"]
    assert first.context.trace_id != second.context.trace_id


def test_an_unnamed_run_says_so(implicit, one):
    """Until somebody names it, an implicit run's workflow is `unnamed` on spans and None when asked."""
    with implicit.active():
        assert botanu.get_workflow() is None
        with botanu.step("look"):
            pass
    assert one("botanu.step/look").attributes["botanu.workflow"] == "unnamed"


# --- joined ------------------------------------------------------------------------------------------------------


def test_a_run_on_the_wire_is_joined(joined):
    """A trusted run that arrives keeps its id, workflow and ids."""
    run = joined(event_id="T-7", customer_id="acme", environment="staging")
    assert run.joined
    assert (run.run_id, run.workflow, run.event_id) == (UPSTREAM, "Upstream", "T-7")
    assert (run.customer_id, run.run.environment) == ("acme", "staging")


def test_event_with_the_ids_of_a_joined_run_continues_it(joined, one):
    """A participant that names the same transaction stays in it, and says that it joined."""
    with joined(event_id="T-7").active(), botanu.event("Upstream", event_id="T-7") as run:
        assert run.run_id == UPSTREAM
    span = one("botanu.run/Upstream")
    assert span.attributes["botanu.run_id"] == UPSTREAM
    assert span.attributes["botanu.run.joined"] is True


def test_event_with_another_id_nests_in_a_joined_run(joined):
    """A participant that names another transaction opens one below the joined run."""
    with joined(event_id="T-7").active(), botanu.event("Upstream", event_id="T-8") as run:
        assert run.run_id != UPSTREAM
        assert (run.run.parent_run_id, run.run.root_run_id) == (UPSTREAM, UPSTREAM)


def test_a_joined_run_without_an_event_id_is_adopted(joined):
    """Where upstream named no event, this process may, whatever the workflow; the workflow of upstream stays."""
    upstream = joined()
    with upstream.active(), botanu.event("Local", event_id="T-9", customer_id="acme") as run:
        assert run is upstream
        assert (run.run_id, run.workflow, run.event_id, run.customer_id) == (UPSTREAM, "Upstream", "T-9", "acme")
        assert run.to_baggage()["botanu.event_id"] == "T-9", "the ids travel onward"


def test_only_the_opener_says_completed(joined, one):
    """A joined run that is adopted here is no second time started or completed."""
    with joined().active(), botanu.event("Local", event_id="T-9"):
        pass
    assert [event.name for event in one("botanu.run/Local").events] == []


# --- adopted -----------------------------------------------------------------------------------------------------


def test_event_adopts_an_implicit_run(implicit, one):
    """`event` inside a run that only an adapter has opened names it: same id, ids filled in, one transaction."""
    before = implicit.run_id
    with implicit.active():
        with botanu.event("Support", event_id="T-1", customer_id="acme", tenant_id="eu") as run:
            assert run is implicit
        assert (implicit.run_id, implicit.workflow, implicit.event_id) == (before, "Support", "T-1")
        with botanu.step("afterwards"):
            pass
    later = one("botanu.step/afterwards").attributes
    assert (later["botanu.workflow"], later["botanu.event_id"]) == ("Support", "T-1")
    assert (later["botanu.customer_id"], later["botanu.tenant_id"]) == ("acme", "eu")


def test_the_adapters_own_span_gets_the_ids(implicit, one):
    """What adoption fills in reaches the span that the adapter started before anybody knew."""
    from opentelemetry.trace import SpanKind

    implicit.start("GET /x", SpanKind.SERVER)
    with implicit.active(), botanu.event("Support", event_id="T-1", customer_id="acme"):
        pass
    implicit.finish("success")
    attributes = one("GET /x").attributes
    assert (attributes["botanu.workflow"], attributes["botanu.event_id"]) == ("Support", "T-1")
    assert attributes["botanu.customer_id"] == "acme"
    assert attributes["botanu.run_id"] == one("botanu.run/Support").attributes["botanu.run_id"]


def test_an_adopted_run_ends_as_its_event_did(implicit, one):
    """An event that fails inside a request that answers 200 is a failed run."""
    from opentelemetry.trace import SpanKind

    implicit.start("GET /x", SpanKind.SERVER)
    with implicit.active(), pytest.raises(LookupError), botanu.event("Support"):
        raise LookupError("no such ticket")
    implicit.finish("success")
    attributes = one("GET /x").attributes
    assert attributes["botanu.outcome.status"] == "failed"
    assert attributes["botanu.outcome.error_type"] == "LookupError"


def test_a_second_event_in_an_adopted_run_nests(implicit):
    """An implicit run is named once; the next transaction in the same request is nested in it."""
    with implicit.active():
        with botanu.event("Support", event_id="T-1"):
            pass
        with botanu.event("Support", event_id="T-2") as second:
            assert second.run_id != implicit.run_id
            assert second.run.parent_run_id == implicit.run_id


# --- nested and continued ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workflow", "event_id"),
    [("Support", "T-2"), ("Billing", "T-1"), ("Billing", "T-2"), ("Billing", None)],
)
def test_other_ids_nest(workflow, event_id):
    """Another event or workflow inside a named run is a run of its own, with its parent and root."""
    with botanu.event("Support", event_id="T-1", customer_id="acme", tenant_id="eu") as outer:
        with botanu.event(workflow, event_id=event_id) as inner:
            assert inner.run_id != outer.run_id
            assert (inner.run.parent_run_id, inner.run.root_run_id) == (outer.run_id, outer.run_id)
            assert (inner.customer_id, inner.run.tenant_id) == ("acme", "eu"), "whom it is for is inherited"
            assert inner.event_id == event_id, "what it is about is not"
        assert botanu.get_run_id() == outer.run_id


@pytest.mark.parametrize(
    ("workflow", "event_id"), [("Support", "T-1"), ("Support", None)], ids=["the same ids", "no id of its own"]
)
def test_the_same_ids_continue(workflow, event_id, named):
    """The same event and workflow, or the workflow alone, inside a run is that run."""
    with botanu.event("Support", event_id="T-1") as outer, botanu.event(workflow, event_id=event_id) as inner:
        assert inner is outer
    below, above = named("botanu.run/Support")
    assert below.attributes["botanu.run_id"] == above.attributes["botanu.run_id"]
    assert below.parent.span_id == above.context.span_id
    assert [event.name for event in below.events] == [], "a run is started and completed once"


def test_continuing_fills_in_what_is_missing_and_overwrites_nothing():
    """A continued run takes ids it has not; a customer that is known stays."""
    with botanu.event("Support", customer_id="acme") as outer:
        with botanu.event("Support", event_id="T-1", customer_id="other", tenant_id="eu"):
            pass
        assert (outer.event_id, outer.customer_id, outer.run.tenant_id) == ("T-1", "acme", "eu")


def test_the_root_is_the_outermost_run(one):
    """Three runs deep, the parent is the next one out and the root the first."""
    with botanu.event("A") as a, botanu.event("B") as b, botanu.event("C"):
        pass
    attributes = one("botanu.run/C").attributes
    assert attributes["botanu.parent_run_id"] == b.run_id
    assert attributes["botanu.root_run_id"] == a.run_id
    assert "botanu.root_run_id" not in one("botanu.run/A").attributes, "a root does not name itself"


def test_a_nested_run_has_its_own_outcome(status):
    """A nested run that fails, and is caught, does not fail the run around it."""
    with botanu.event("Outer"):
        try:
            with botanu.event("Inner"):
                raise ValueError
        except ValueError:
            pass
    assert status("Inner") == "failed"
    assert status("Outer") == "success"


def test_siblings_have_one_parent():
    """Runs nested one after another in the same run are siblings, not nested in each other."""
    with botanu.event("Batch") as batch:
        parents = []
        for number in range(3):
            with botanu.event("Item", event_id=number) as item:
                parents.append(item.run.parent_run_id)
    assert parents == [batch.run_id] * 3


# --- by hand -----------------------------------------------------------------------------------------------------


def test_a_run_carried_by_hand_is_the_same_run():
    """`to_baggage` and `from_baggage` carry a run over any channel."""
    sent = botanu.RunContext.create("Support", event_id="T-1", customer_id="acme", tenant_id="eu", deadline_s=60)
    got = botanu.RunContext.from_baggage(sent.to_baggage())
    assert got is not None
    assert got.joined
    assert got.run_id == sent.run_id
    assert got.run == botanu.Run.from_members(sent.to_baggage(), environment="x")
    assert got.remaining_s == pytest.approx(60, abs=5)


def test_what_is_no_run_gives_none():
    """Members without an id, or with a wrong one, are no run."""
    assert botanu.RunContext.from_baggage({}) is None
    assert botanu.RunContext.from_baggage({"botanu.run_id": "r1"}) is None
    assert botanu.RunContext.from_baggage({"botanu.run_id": UPSTREAM, "botanu.workflow": "a\nb"}) is None


def test_a_run_is_active_only_inside_its_block(implicit):
    """A run lives from `accept` to `finish` and is current only in between, where it is made active."""
    assert botanu.get_run_id() is None
    for _ in range(2):
        with implicit.active() as run:
            assert run is implicit
            assert botanu.get_run_id() == implicit.run_id
        assert botanu.get_run_id() is None
    assert implicit.finish() is True
    assert implicit.finish() is False, "ending twice counts once"


def test_active_again_inside_itself(implicit):
    """A run made active inside itself is left once for each time it was entered."""
    with implicit.active():
        with implicit.active():
            pass
        assert botanu.get_run_id() == implicit.run_id


def test_a_parent_given_by_hand():
    """`create(parent=…)` nests without being inside."""
    parent = botanu.RunContext.create("Batch", customer_id="acme")
    child = botanu.RunContext.create("Item", parent=parent)
    assert (child.run.parent_run_id, child.run.root_run_id) == (parent.run_id, parent.run_id)
    assert child.customer_id == "acme"


def test_no_message_opens_a_run_of_its_own():
    """Two messages that carry nothing are two runs."""
    assert accept(from_mapping({})).run_id != accept(from_mapping({})).run_id
