"""`Outcome`: what was said, what the end decides, and how the two are one."""

import asyncio

import pytest

from botanu_core.model.outcome import STATUSES, Outcome, outcome_of, status_of

SAID = Outcome(
    status="partial",
    value_type="items",
    value_amount=0.0,
    confidence=0.0,
    reason="",
    error_type="E",
    metadata={"k": "v"},
)


def test_attributes_are_what_was_said():
    """Only what was said is written; zero and an empty reason were said."""
    assert SAID.attributes() == {
        "botanu.outcome.status": "partial", "botanu.outcome.value_type": "items", "botanu.outcome.value_amount": 0.0,
        "botanu.outcome.confidence": 0.0, "botanu.outcome.reason": "", "botanu.outcome.error_type": "E",
        "botanu.outcome.metadata.k": "v",
    }  # fmt: skip
    assert Outcome().attributes() == {}
    assert Outcome(status="success").attributes() == {"botanu.outcome.status": "success"}
    assert Outcome(value_amount=0.0).attributes() == {"botanu.outcome.value_amount": 0.0}


@pytest.mark.parametrize("status", STATUSES)
def test_bare_is_a_status_alone(status):
    """Most runs say a status and nothing else."""
    assert Outcome(status=status).is_bare
    assert Outcome().is_bare
    assert not Outcome(status=status, value_amount=0.0).is_bare
    assert not Outcome(metadata={"k": "v"}).is_bare


@pytest.mark.parametrize("said", STATUSES)
@pytest.mark.parametrize(
    ("status", "error"), [(None, None), ("failed", None), (None, ValueError()), ("timeout", TimeoutError())]
)
def test_what_was_said_wins(said, status, error):
    """A status that the user said is not touched by the end."""
    outcome = Outcome(status=said)
    assert outcome_of(outcome, status, error) is outcome


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (None, None, Outcome()),
        ("success", None, Outcome(status="success")),
        ("made up", None, Outcome(status="made up")),
        (None, ValueError(), Outcome(status="failed", error_type="ValueError")),
        ("canceled", ValueError(), Outcome(status="canceled", error_type="ValueError")),
        (None, SystemExit(0), Outcome(status="success")),
        (None, asyncio.CancelledError(), Outcome(status="canceled", error_type="CancelledError")),
    ],
)
def test_else_the_end_decides(status, error, expected):
    """How it ended, else the exception, else nothing."""
    assert outcome_of(Outcome(), status, error) == expected


def test_the_end_adds_to_what_was_said():
    """A value without a status keeps its details, and an error type of the user's own stays."""
    said = Outcome(value_type="items", error_type="Mine", metadata={"k": "v"})
    ended = outcome_of(said, None, ValueError())
    assert ended == Outcome(status="failed", value_type="items", error_type="Mine", metadata={"k": "v"})


class Cancelled(Exception):
    """As several libraries name theirs."""


class Deeper(Cancelled):
    """A kind of it."""


class SlowTask(TimeoutError, ValueError):
    """Both."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Deeper(), "canceled"),
        (SlowTask(), "timeout"),
        (OSError(110, "timed out"), "timeout"),
        (OSError(5, "io"), "failed"),
    ],
)
def test_families_of_exceptions(error, expected):
    """A subclass is what its parent is; the operating system's ETIMEDOUT is a TimeoutError."""
    assert status_of(error) == expected
