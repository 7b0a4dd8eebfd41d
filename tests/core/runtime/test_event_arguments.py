"""Wrong arguments: refused where they are written, in words that name what was wanted and what came."""

import math
import warnings
from enum import Enum, StrEnum

import pytest
from opentelemetry.trace import SpanKind

import botanu

WRONG = [
    ({"workflow": None}, TypeError, "workflow must be a text, got NoneType"),
    ({"workflow": 5}, TypeError, "workflow must be a text, got int"),
    ({"workflow": b"W"}, TypeError, "workflow must be a text, got bytes"),
    ({"workflow": ""}, ValueError, "workflow must be 1 to 256 printable characters, got none"),
    ({"workflow": "  "}, ValueError, "workflow must be 1 to 256 printable characters, got none"),
    ({"workflow": "x" * 257}, ValueError, "workflow must be 1 to 256 printable characters, got 257"),
    ({"workflow": "a\nb"}, ValueError, "workflow must be 1 to 256 .* got 3, not all of them printable"),
    ({"event_id": True}, TypeError, "event_id must be a text, an integer, a UUID or a function .* got bool"),
    ({"event_id": 1.5}, TypeError, "event_id must be .* got float"),
    ({"event_id": ["T-1"]}, TypeError, "event_id must be .* got list"),
    ({"customer_id": {"id": 1}}, TypeError, "customer_id must be .* got dict"),
    ({"tenant_id": b"eu"}, TypeError, "tenant_id must be .* got bytes"),
    ({"environment": 5}, TypeError, "environment must be a text, got int"),
    ({"environment": ""}, ValueError, "environment must be 1 to 256 printable characters, got none"),
    ({"version": 2}, TypeError, "version must be a text, got int"),
    ({"version": "v\x00"}, ValueError, "version must be 1 to 256"),
    ({"span_kind": "SERVER"}, TypeError, "span_kind must be an opentelemetry.trace.SpanKind, got str"),
    ({"span_kind": 2}, TypeError, "span_kind must be an opentelemetry.trace.SpanKind, got int"),
    ({"deadline_s": "5"}, TypeError, "deadline_s must be a number of seconds, got str"),
    ({"deadline_s": True}, TypeError, "deadline_s must be a number of seconds, got bool"),
    ({"deadline_s": 0}, ValueError, "deadline_s must be a positive number of seconds, got 0"),
    ({"deadline_s": -1.5}, ValueError, "deadline_s must be a positive number of seconds, got -1.5"),
    ({"deadline_s": math.nan}, ValueError, "deadline_s must be a positive number of seconds, got nan"),
    ({"deadline_s": math.inf}, ValueError, "deadline_s must be a positive number of seconds, got inf"),
    ({"retry_of": "T-1"}, ValueError, "a retry needs the RunContext, the Run or the run id .* got another text"),
    ({"retry_of": 5}, ValueError, "a retry needs the RunContext, the Run or the run id .* got int"),
    ({"evnt_id": "T-1"}, TypeError, "unexpected keyword argument 'evnt_id'"),
]


@pytest.mark.parametrize(("given", "kind", "says"), WRONG, ids=[str(each[0])[:40] for each in WRONG])
@pytest.mark.parametrize("spelling", ["event", "botanu_workflow", "botanu_use_case", "run_botanu"])
def test_wrong_arguments_are_refused(spelling, given, kind, says):
    """Every spelling refuses the same mistakes in the same words, before anything is opened."""
    arguments = {"workflow": "W", **given}
    name = arguments.pop("workflow")
    with pytest.raises(kind, match=says):
        getattr(botanu, spelling)(name, **arguments)
    assert botanu.get_run_id() is None


@pytest.mark.parametrize("spelling", ["event", "botanu_workflow", "botanu_use_case", "run_botanu", "step"])
def test_no_name_at_all(spelling):
    """A run or a step needs a name."""
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        getattr(botanu, spelling)()


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        (None, TypeError, "name must be a text, got NoneType"),
        (5, TypeError, "name must be a text, got int"),
        ("", ValueError, "name must be 1 to 256 printable characters, got none"),
        ("a\tb", ValueError, "name must be 1 to 256 printable characters, got 3, not all of them printable"),
        ("x" * 257, ValueError, "name must be 1 to 256 printable characters, got 257"),
    ],
)
def test_wrong_steps(name, kind, says):
    """A step's name is checked likewise."""
    with pytest.raises(kind, match=says):
        botanu.step(name)


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ({"workflow": ""}, ValueError, "workflow must be 1 to 256 printable characters, got 0"),
        ({"workflow": None}, ValueError, "workflow must be 1 to 256 printable characters, got NoneType"),
        ({"workflow": "x" * 300}, ValueError, "workflow must be 1 to 256 printable characters, got 300"),
        ({"deadline_s": 0}, ValueError, "deadline_s must be a positive number of seconds, got 0"),
        ({"deadline_s": "5"}, TypeError, "deadline_s must be a number of seconds, got str"),
        ({"deadline_s": math.nan}, ValueError, "deadline_s must be a positive number of seconds, got nan"),
    ],
)
def test_wrong_contexts(given, kind, says):
    """`RunContext.create` refuses the same."""
    with pytest.raises(kind, match=says):
        botanu.RunContext.create(**{"workflow": "W", **given})


def test_the_message_never_quotes_data():
    """What came may be personal: a text is described, not shown."""
    with pytest.raises(ValueError, match="workflow must be") as wrong:
        botanu.event("jane@example.com\n")
    assert "jane" not in str(wrong.value)


class Queue(StrEnum):
    """A text, too."""

    BILLING = "billing"


@pytest.mark.parametrize(
    "given",
    [
        {"event_id": ""},
        {"event_id": None, "customer_id": None},
        {"event_id": "x" * 10_000},
        {"event_id": Queue.BILLING},
        {"span_kind": SpanKind.CONSUMER},
        {"deadline_s": 0.5},
        {"version": "v1.2"},
    ],
    ids=lambda given: str(given)[:30],
)
def test_right_arguments_are_taken(given):
    """What may come at run time, such as an empty id, is no mistake of the code."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with botanu.event("W", **given) as run:
            assert run.workflow == "W"


def test_names_with_spaces_and_letters_of_all_kinds(one):
    """A workflow is a name for people."""
    with botanu.event("Kundenbetreuung für 顧客 🙂"):
        pass
    assert one("botanu.run/Kundenbetreuung für 顧客 🙂").attributes["botanu.workflow"] == "Kundenbetreuung für 顧客 🙂"


class Plan(Enum):
    """No text; its `str()` is ``Plan.TEAM``."""

    TEAM = "team"


def test_a_member_of_an_enumeration_is_written_as_its_value_is():
    with botanu.event("W") as run:
        botanu.set_business_context(customer_id=Plan.TEAM)
    assert run.customer_id == "team"
