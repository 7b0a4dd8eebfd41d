"""`Run`: the identity of a transaction, its attributes, and how it is read off the wire."""

import dataclasses
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botanu_core import log
from botanu_core.model.run import MAX_ID_CHARS, RUN_MEMBERS, Run, clean, is_run_id, new_run_id

RUN_ID = "0190a000-0000-7000-8000-000000000001"
OTHER = "0190a000-0000-7000-8000-000000000002"
ROOT = "0190a000-0000-7000-8000-000000000003"

FULL = Run(
    run_id=RUN_ID, workflow="W", environment="test", event_id="T-1", customer_id="acme", tenant_id="eu",
    parent_run_id=OTHER, root_run_id=ROOT, attempt=3, retry_of_run_id=OTHER, deadline=2_000_000_000.125, cancelled=True,
    step="s",
)  # fmt: skip


def test_a_run_does_not_change():
    """A run is a value."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        FULL.workflow = "X"
    assert dataclasses.replace(FULL, workflow="X").workflow == "X"
    assert hash(FULL) == hash(dataclasses.replace(FULL))


def test_what_every_span_of_it_carries():
    """The attributes of the contract's section 2, those that are known."""
    assert FULL.attributes() == {
        "botanu.run_id": RUN_ID, "botanu.workflow": "W", "botanu.environment": "test", "botanu.event_id": "T-1",
        "botanu.customer_id": "acme", "botanu.tenant_id": "eu", "botanu.parent_run_id": OTHER,
        "botanu.root_run_id": ROOT, "botanu.attempt": 3, "botanu.step": "s",
    }  # fmt: skip
    bare = Run(run_id=RUN_ID, root_run_id=RUN_ID)
    assert bare.attributes() == {
        "botanu.run_id": RUN_ID, "botanu.workflow": "unnamed", "botanu.environment": "production",
    }  # fmt: skip


def test_what_crosses_the_wire():
    """The members of the contract's section 4, those that are set; an unnamed run has no workflow there."""
    assert FULL.members() == {
        "botanu.run_id": RUN_ID, "botanu.workflow": "W", "botanu.event_id": "T-1", "botanu.customer_id": "acme",
        "botanu.environment": "test", "botanu.tenant_id": "eu", "botanu.parent_run_id": OTHER,
        "botanu.root_run_id": ROOT, "botanu.attempt": "3", "botanu.retry_of_run_id": OTHER,
        "botanu.deadline": "2000000000.125", "botanu.cancelled": "true", "botanu.step": "s",
    }  # fmt: skip
    assert {*FULL.members(), "botanu.sig"} == RUN_MEMBERS
    assert next(iter(FULL.members())) == "botanu.run_id", "the id is never what is left out"
    bare = Run(run_id=RUN_ID, root_run_id=RUN_ID)
    assert bare.members() == {"botanu.run_id": RUN_ID, "botanu.environment": "production"}


def test_there_and_back():
    """What is written is read."""
    assert Run.from_members(FULL.members(), environment="x") == FULL
    bare = Run(run_id=RUN_ID, root_run_id=RUN_ID)
    assert Run.from_members(bare.members(), environment="x") == bare


def test_what_the_wire_does_not_say():
    """Without them, the environment is ours, the root is the run itself, and it is the first attempt."""
    run = Run.from_members({"botanu.run_id": RUN_ID}, environment="ours")
    assert run == Run(run_id=RUN_ID, root_run_id=RUN_ID, environment="ours")


@pytest.mark.parametrize("key", sorted(RUN_MEMBERS))
@pytest.mark.parametrize(
    "value", ["", "x" * 257, "a\nb", "a\x00", "\x7f", "\u202e", "\ud800", 5, b"x", ["x"]], ids=repr
)
def test_one_wrong_value_drops_the_run(key, value):
    """Every value is checked; half a run is none."""
    assert Run.from_members({**FULL.members(), key: value}, environment="x") is None


@pytest.mark.parametrize("key", ["botanu.parent_run_id", "botanu.root_run_id", "botanu.retry_of_run_id"])
@pytest.mark.parametrize("value", ["none", RUN_ID.replace("a", "A"), RUN_ID[:-1]])
def test_links_are_run_ids(key, value):
    """Parent, root and the run that is retried are UUIDs, too."""
    assert Run.from_members({**FULL.members(), key: value}, environment="x") is None


@pytest.mark.parametrize(
    ("text", "attempt"),
    [
        ("1", 1),
        ("2", 2),
        ("007", 7),
        ("999999", 999_999),
        ("0", 1),
        ("-1", 1),
        ("1.5", 1),
        ("x", 1),
        ("1" * 7, 1),
        ("٣", 1),
        ("²", 1),
    ],
)
def test_attempts_off_the_wire(text, attempt):
    """What counts no attempt is taken for the first."""
    assert Run.from_members({**FULL.members(), "botanu.attempt": text}, environment="x").attempt == attempt


def test_others_members_are_ignored():
    """Members that are not the run's, ours or others', change nothing."""
    members = {**FULL.members(), "botanu.custom": "\x00", "theirs": object(), "botanu.workflow ": "Y"}
    assert Run.from_members(members, environment="x") == FULL


@given(st.dictionaries(st.sampled_from(sorted(RUN_MEMBERS)), st.text(max_size=300) | st.integers() | st.none()))
def test_no_members_raise(members):
    """Whatever arrives is a run that can be written again, or none."""
    run = Run.from_members(members, environment="x")
    if run is not None:
        assert Run.from_members(run.members(), environment="x") == run


# --- made here ---------------------------------------------------------------------------------------------------


def test_a_new_run():
    """A run without a parent is its own root."""
    run = Run.new(environment="test", workflow="W", event_id="T-1", deadline=5.0)
    assert is_run_id(run.run_id)
    assert (run.root_run_id, run.parent_run_id, run.attempt, run.deadline) == (run.run_id, None, 1, 5.0)


@pytest.mark.parametrize(("own", "expected"), [(None, 10.0), (5.0, 5.0), (50.0, 10.0)])
def test_a_nested_run(own, expected):
    """It has the parent's customer, tenant and cancellation, and no more time; its event is its own."""
    parent = dataclasses.replace(FULL, deadline=10.0)
    run = Run.new(environment="test", workflow="V", parent=parent, deadline=own)
    assert (run.parent_run_id, run.root_run_id, run.customer_id, run.tenant_id) == (RUN_ID, ROOT, "acme", "eu")
    assert (run.event_id, run.attempt, run.retry_of_run_id, run.step) == (None, 1, None, None)
    assert (run.cancelled, run.deadline) == (True, expected)
    assert Run.new(environment="test", customer_id="b", parent=parent).customer_id == "b"


def test_done_again():
    """A retry keeps what identifies the transaction and drops what belonged to the attempt."""
    again = FULL.retried()
    assert again == dataclasses.replace(
        FULL, run_id=again.run_id, retry_of_run_id=RUN_ID, attempt=4, deadline=None, cancelled=False, step=None
    )


def test_filled_in():
    """Only what was missing is filled in."""
    bare = Run(run_id=RUN_ID, root_run_id=RUN_ID, workflow="W")
    filled = bare.filled(workflow="X", event_id="T-1", customer_id=None, tenant_id="eu")
    assert (filled.workflow, filled.event_id, filled.customer_id, filled.tenant_id) == ("W", "T-1", None, "eu")


# --- ids ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("T-1", "T-1"),
        (17, "17"),
        (1.5, "1.5"),
        (True, "True"),
        (uuid.UUID(RUN_ID), RUN_ID),
        ("x" * MAX_ID_CHARS, "x" * 256),
        ("a b", "a b"),
    ],
)
def test_what_may_travel_as_an_id(value, text):
    """Texts, and whatever has a text of its own."""
    assert clean(value, "event_id") == text
    assert log.counted() == {}


class Plain:
    """Has no text of its own: what Python writes for it is its address."""


class Raising:
    """Raises when written."""

    def __str__(self):
        raise RuntimeError("quoting jane@example.com")


@pytest.mark.parametrize(
    "value", ["x" * 257, "a\nb", "\x00", "\u202ex", "\ud800", "a\u2028b", Plain(), object(), Raising()]
)
def test_what_may_not(value, caplog):
    """What would do harm is left out and said once, without quoting it."""
    assert clean(value, "event_id") is None
    assert clean(value, "event_id") is None
    assert log.counted() == {"id.event_id": 2}
    (record,) = caplog.records
    assert "event_id" in record.getMessage()
    assert "jane" not in record.getMessage()


@pytest.mark.parametrize("value", [None, ""])
def test_what_is_not_there(value):
    """Nothing is no id, and no mistake."""
    assert clean(value, "event_id") is None
    assert log.counted() == {}


@given(st.text(max_size=400))
def test_an_id_is_what_was_given_or_nothing(text):
    """No id is ever changed."""
    assert clean(text, "event_id") in (text, None)


def test_new_ids_are_ids():
    """What we make is what we take."""
    assert all(is_run_id(new_run_id()) for _ in range(1000))
