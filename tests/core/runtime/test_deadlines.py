"""Deadlines and cancellation: asked for here, seen in the services called from now on."""

import time

import pytest

import botanu


def test_a_deadline_counts_down():
    """`deadline_s` is seconds from the start of the run; what is left can be asked."""
    with botanu.event("W", deadline_s=60) as run:
        assert 50 < run.remaining_s <= 60
        assert not run.is_past_deadline
    with botanu.event("W") as run:
        assert run.remaining_s is None
        assert not run.is_past_deadline


def test_a_deadline_that_has_passed():
    """Once it is behind us the run says so; nothing is stopped for it."""
    run = botanu.RunContext.from_baggage(
        {"botanu.run_id": botanu.RunContext.create("W").run_id, "botanu.deadline": f"{time.time() - 5:.3f}"}
    )
    assert run.is_past_deadline
    assert run.remaining_s == pytest.approx(-5, abs=1)


def test_a_deadline_crosses_baggage():
    """The next process sees the same moment, to the millisecond."""
    sent = botanu.RunContext.create("W", deadline_s=60)
    got = botanu.RunContext.from_baggage(sent.to_baggage())
    assert got.run.deadline == pytest.approx(sent.run.deadline, abs=0.001)


@pytest.mark.parametrize(("inner_s", "expected"), [(5, 5), (500, 60), (None, 60)])
def test_a_nested_run_has_no_more_time_than_its_parent(inner_s, expected):
    """The earlier deadline holds; a nested run without one has its parent's."""
    with botanu.event("Outer", deadline_s=60), botanu.event("Inner", deadline_s=inner_s) as inner:
        assert inner.remaining_s == pytest.approx(expected, abs=2)


def test_cancellation_is_a_request():
    """Whoever works on the run may ask; nothing is stopped for it, and the outcome is not decided by it."""
    with botanu.event("W") as run:
        assert not run.is_cancelled
        run.request_cancellation()
        assert botanu.get_current_run().is_cancelled
        assert botanu.get_baggage("botanu.cancelled") == "true"


def test_cancellation_crosses_baggage():
    """A service called after the request to cancel knows of it; one called before does not."""
    run = botanu.RunContext.create("W")
    before = run.to_baggage()
    run.request_cancellation()
    assert "botanu.cancelled" not in before
    assert not botanu.RunContext.from_baggage(before).is_cancelled
    assert botanu.RunContext.from_baggage(run.to_baggage()).is_cancelled


def test_cancellation_reaches_runs_that_are_nested_later():
    """A run that is opened inside a cancelled one is cancelled from the start."""
    with botanu.event("Outer") as outer:
        outer.request_cancellation()
        with botanu.event("Inner") as inner:
            assert inner.is_cancelled


@pytest.mark.parametrize(
    "text", ["", "soon", "nan", "inf", "-1", "0", "1e12", "1.5.2", "٣", "true", "9" * 200], ids=lambda text: text[:10]
)
def test_a_deadline_that_is_none(text):
    """A deadline off the wire that is no moment is none; it never raises."""
    members = {"botanu.run_id": botanu.RunContext.create("W").run_id, "botanu.deadline": text}
    run = botanu.RunContext.from_baggage(members)
    assert run is None or run.remaining_s is None


@pytest.mark.parametrize("text", ["false", "1", "TRUE", "yes"])
def test_only_true_is_cancelled(text):
    """Cancellation is said with the one word `true`."""
    members = {"botanu.run_id": botanu.RunContext.create("W").run_id, "botanu.cancelled": text}
    assert not botanu.RunContext.from_baggage(members).is_cancelled


def test_how_long_it_has_lasted():
    """A run knows when this process took it up, and how long ago that is."""
    run = botanu.RunContext.create("W")
    assert 0 <= run.duration_s < 5
    assert run.started_ns == pytest.approx(time.time_ns(), abs=5e9)
