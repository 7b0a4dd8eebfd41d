"""Doing a whole run again: a new id, the same root, one attempt more."""

import time

import pytest

import botanu

RUN_ID = "0190a000-0000-7000-8000-000000000001"


def test_create_retry_is_the_same_transaction_again():
    """A retry has a new id, says what it does again, and keeps ids, workflow and root."""
    first = botanu.RunContext.create("Support", event_id="T-1", customer_id="acme", tenant_id="eu")
    again = botanu.RunContext.create_retry(first)
    assert again.run_id != first.run_id
    assert (again.run.retry_of_run_id, again.run.root_run_id, again.run.attempt) == (first.run_id, first.run_id, 2)
    assert (again.workflow, again.event_id, again.customer_id, again.run.tenant_id) == ("Support", "T-1", "acme", "eu")


def test_attempts_count_on():
    """The third attempt does the second again and has the root of the first."""
    first = botanu.RunContext.create("Support")
    third = botanu.RunContext.create_retry(botanu.RunContext.create_retry(first))
    assert third.run.attempt == 3
    assert third.run.root_run_id == first.run_id
    assert third.run.retry_of_run_id not in (first.run_id, third.run_id)


def test_a_retry_of_a_nested_run_keeps_parent_and_root():
    """What is done again stands where it stood."""
    outer = botanu.RunContext.create("Batch")
    inner = botanu.RunContext.create("Item", parent=outer)
    again = botanu.RunContext.create_retry(inner)
    assert (again.run.parent_run_id, again.run.root_run_id) == (outer.run_id, outer.run_id)


@pytest.mark.parametrize("kind", ["RunContext", "Run", "run id"])
def test_event_retries_whatever_names_a_run(kind, one):
    """`event(retry_of=…)` takes the context, the run or its id, and its span says so."""
    with botanu.event("Support", event_id="T-1", customer_id="acme") as first:
        pass
    given = {"RunContext": first, "Run": first.run, "run id": first.run_id}[kind]
    with botanu.event("Again", event_id="T-1", retry_of=given) as again:
        assert again.run_id != first.run_id
    attributes = one("botanu.run/Again").attributes
    assert attributes["botanu.attempt"] == 2
    assert attributes["botanu.root_run_id"] == first.run_id
    assert again.to_baggage()["botanu.retry_of_run_id"] == first.run_id


def test_a_retry_inherits_the_ids_it_is_not_given():
    """An event that retries needs only its workflow; ids that it has win."""
    with botanu.event("Support", event_id="T-1", customer_id="acme", tenant_id="eu", environment="staging") as first:
        pass
    with botanu.event("Support", customer_id="new", retry_of=first) as again:
        assert (again.event_id, again.customer_id, again.run.tenant_id) == ("T-1", "new", "eu")
        assert again.run.environment == "staging"


def test_a_retry_inside_the_run_it_retries_is_a_new_run():
    """A loop around attempts inside the failed run still counts each as one."""
    with botanu.event("Support", event_id="T-1") as first:
        with botanu.event("Support", event_id="T-1", retry_of=first) as again:
            assert again.run_id != first.run_id
        assert botanu.get_run_id() == first.run_id


def test_a_shared_retrying_event_gives_siblings():
    """The same event object entered twice is twice the second attempt, not a third."""
    first = botanu.RunContext.create("Support")
    retry = botanu.event("Support", retry_of=first)
    attempts = []
    for _ in range(2):
        with retry as run:
            attempts.append((run.run_id, run.run.attempt))
    assert [attempt for _, attempt in attempts] == [2, 2]
    assert attempts[0][0] != attempts[1][0]


def test_the_deadline_of_the_attempt_before_is_gone():
    """A deadline and a cancellation belonged to the attempt that is over."""
    first = botanu.RunContext.create("Support", deadline_s=5)
    first.request_cancellation()
    again = botanu.RunContext.create_retry(first)
    assert again.remaining_s is None
    assert not again.is_cancelled


def test_a_retry_may_have_a_deadline_of_its_own():
    """`event(retry_of=…, deadline_s=…)` sets the deadline of this attempt."""
    first = botanu.RunContext.create("Support", deadline_s=5)
    with botanu.event("Support", retry_of=first, deadline_s=60) as again:
        assert again.run.deadline == pytest.approx(time.time() + 60, abs=5)


def test_the_first_attempt_says_nothing(one):
    """`botanu.attempt` is on spans only above 1."""
    with botanu.event("Support"):
        pass
    assert "botanu.attempt" not in one("botanu.run/Support").attributes


@pytest.mark.parametrize("given", [5, "", "not a run id", RUN_ID.replace("a", "A"), b"x", object()])
def test_what_names_no_run_cannot_be_retried(given):
    """A wrong `retry_of` is refused when the event is made, with what was wanted and what came."""
    for attempt in (botanu.RunContext.create_retry, lambda it: botanu.event("Support", retry_of=it)):
        with pytest.raises(
            ValueError, match=r"RunContext, the Run or the run id .* got (another text|int|bytes|object)"
        ):
            attempt(given)
