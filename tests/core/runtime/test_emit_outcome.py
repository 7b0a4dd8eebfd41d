"""`emit_outcome`: what the user says wins, wherever in the run it is said, and nothing they say raises."""

import asyncio
import contextvars
import decimal
import fractions
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import botanu
from botanu.tracking.data import track_db_operation
from botanu.tracking.llm import track_llm_call, track_tool_call

EVERY_STATUS = ["success", "partial", "failed", "timeout", "canceled", "abandoned"]


@pytest.mark.parametrize("said", EVERY_STATUS)
@pytest.mark.parametrize("error", [None, ValueError("no"), TimeoutError()], ids=["clean", "error", "timeout"])
def test_the_users_word_wins(said, error, status):
    """What is said stands, however the run ends."""

    @botanu.event("W")
    def work():
        botanu.emit_outcome(said)
        if error is not None:
            raise error

    if error is None:
        work()
    else:
        with pytest.raises(type(error)) as caught:
            work()
        assert caught.value is error
    assert status("W") == said


def in_a_step():
    with botanu.step("s"):
        botanu.emit_outcome("partial")


def in_a_model_call():
    with track_llm_call(provider="openai", model="gpt-4"):
        botanu.emit_outcome("partial")


def in_a_tool_in_a_step():
    with botanu.step("s"), track_tool_call(tool_name="search"), track_db_operation("postgresql", "SELECT"):
        botanu.emit_outcome("partial")


def in_a_copied_context():
    contextvars.copy_context().run(botanu.emit_outcome, "partial")


def in_a_thread():
    thread = threading.Thread(target=botanu.bind(botanu.emit_outcome), args=("partial",))
    thread.start()
    thread.join()


def in_an_executor():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(botanu.bind(botanu.emit_outcome), "partial").result()


def in_a_continued_run():
    with botanu.event("W"):
        botanu.emit_outcome("partial")


def in_a_coroutine():
    async def work():
        await asyncio.to_thread(botanu.emit_outcome, "partial")

    asyncio.run(work())


def in_a_task():
    async def work():
        async def inner():
            botanu.emit_outcome("partial")

        await asyncio.create_task(inner())

    asyncio.run(work())


PLACES = [
    in_a_step, in_a_model_call, in_a_tool_in_a_step, in_a_copied_context, in_a_thread, in_an_executor,
    in_a_continued_run, in_a_coroutine, in_a_task,
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=[place.__name__ for place in PLACES])
def test_it_reaches_the_run_from_wherever_it_is_said(place, spans):
    """A step, a model call, a thread, a task: the run's own span says what was said there."""
    with botanu.event("W"):
        place()
    outermost = [span for span in spans.get_finished_spans() if span.name == "botanu.run/W"][-1]
    assert outermost.attributes["botanu.outcome.status"] == "partial"


def test_it_is_on_the_current_span_too(one):
    """The span that was current says it as well as the run's."""
    with botanu.event("W"), botanu.step("s"):
        botanu.emit_outcome("success", value_type="tickets_resolved", value_amount=1)
    for name in ("botanu.step/s", "botanu.run/W"):
        assert one(name).attributes["botanu.outcome.value_type"] == "tickets_resolved"
        assert one(name).attributes["botanu.outcome.value_amount"] == 1


def test_an_inner_run_keeps_it_to_itself(status):
    """What is said inside a nested run is said about that one."""
    with botanu.event("Outer"), botanu.event("Inner"):
        botanu.emit_outcome("abandoned")
    assert (status("Inner"), status("Outer")) == ("abandoned", "success")


def test_the_last_word_counts(one):
    """Said twice, the later status stands; what it leaves open stays as it was."""
    with botanu.event("W"):
        botanu.emit_outcome("failed", reason="first", value_type="t", metadata={"a": "1", "b": "1"})
        botanu.emit_outcome("partial", value_amount=2.5, metadata={"b": "2"})
        botanu.emit_outcome(confidence=0.5)
    attributes = one("botanu.run/W").attributes
    said = {key.removeprefix("botanu.outcome."): value for key, value in attributes.items() if "outcome" in key}
    assert said == {
        "status": "partial",
        "reason": "first",
        "value_type": "t",
        "value_amount": 2.5,
        "confidence": 0.5,
        "metadata.a": "1",
        "metadata.b": "2",
    }


def test_both_documented_forms(one):
    """A status with details, and a value alone, whose status the end decides."""
    with botanu.event("A"):
        botanu.emit_outcome("failed", reason="no stock", error_type="OutOfStock", metadata={"sku": "17"})
    with botanu.event("B"):
        botanu.emit_outcome(value_type="items_processed", value_amount=1)
    a, b = one("botanu.run/A").attributes, one("botanu.run/B").attributes
    assert (a["botanu.outcome.error_type"], a["botanu.outcome.metadata.sku"]) == ("OutOfStock", "17")
    assert (b["botanu.outcome.status"], b["botanu.outcome.value_amount"]) == ("success", 1.0)


def test_a_value_does_not_hide_a_failure(one):
    """Where only a value was said and an exception ends the run, it failed, of that class."""

    @botanu.event("W")
    def work():
        botanu.emit_outcome(value_type="items_processed", value_amount=1)
        raise KeyError

    with pytest.raises(KeyError):
        work()
    attributes = one("botanu.run/W").attributes
    assert attributes["botanu.outcome.status"] == "failed"
    assert attributes["botanu.outcome.error_type"] == "KeyError"
    assert attributes["botanu.outcome.value_amount"] == 1


def test_outside_a_run_it_is_on_the_current_span(spans):
    """In a plain OpenTelemetry span it is written there; with no span at all it does nothing."""
    from opentelemetry import trace

    botanu.emit_outcome("success")
    with trace.get_tracer("app").start_as_current_span("plain"):
        botanu.emit_outcome("partial")
    (span,) = spans.get_finished_spans()
    assert span.attributes["botanu.outcome.status"] == "partial"


def test_after_the_end_it_changes_nothing(status):
    """Work that outlives the run may still speak; nobody listens, nothing is raised."""
    with botanu.event("W"):
        later = botanu.bind(botanu.emit_outcome)
    later("failed")
    assert status("W") == "success"


# --- what will not do --------------------------------------------------------------------------------------------


class Unwritable:
    """Cannot be written as text, nor as a number."""

    def __str__(self):
        raise RuntimeError

    __float__ = __str__

    def __repr__(self):
        return "Unwritable()"


BAD = [
    ({"status": "succes"}, "status"),
    ({"status": "Success"}, "status"),
    ({"status": 1}, "status"),
    ({"status": ["success"]}, "status"),
    ({"value_amount": math.nan}, "value_amount"),
    ({"value_amount": math.inf}, "value_amount"),
    ({"value_amount": "many"}, "value_amount"),
    ({"value_amount": True}, "value_amount"),
    ({"value_amount": 10**400}, "value_amount"),
    ({"value_amount": [1]}, "value_amount"),
    ({"value_amount": Unwritable()}, "value_amount"),
    ({"confidence": 2}, "confidence"),
    ({"confidence": -0.1}, "confidence"),
    ({"confidence": math.nan}, "confidence"),
    ({"value_type": "a\nb"}, "value_type"),
    ({"value_type": "x" * 300}, "value_type"),
    ({"value_type": Unwritable()}, "value_type"),
    ({"error_type": "\x00"}, "error_type"),
    ({"reason": Unwritable()}, "reason"),
    ({"metadata": {"key": Unwritable()}}, "metadata.key"),
    ({"metadata": {"a\nb": "x"}}, "metadata.a\nb"),
    ({"metadata": {"": "x"}}, "metadata."),
    ({"metadata": {"key": None}}, "metadata.key"),
    ({"metadata": ["a", "b"]}, "metadata.a"),
    ({"metadata": "text"}, "metadata.t"),
]


@pytest.mark.parametrize(("wrong", "attribute"), BAD, ids=[repr(each[0])[:40] for each in BAD])
def test_what_will_not_do_is_left_out_alone(wrong, attribute, one, warnings_said):
    """A mistake costs itself, and one warning: all else that is said with it is kept, and the run goes on."""
    with botanu.event("W"):
        botanu.emit_outcome(**{"status": "partial", "value_type": "kept", **wrong})
        botanu.emit_outcome(**{"status": "partial", "value_type": "kept", **wrong})
    attributes = one("botanu.run/W").attributes
    assert attributes["botanu.outcome.status"] == ("success" if "status" in wrong else "partial")
    assert attributes.get("botanu.outcome.value_type") == (None if "value_type" in wrong else "kept")
    if attribute != "status":
        assert f"botanu.outcome.{attribute}" not in attributes
    expected = 0 if wrong in ({"metadata": {"": "x"}}, {"metadata": {"key": None}}) else 1
    assert len(warnings_said()) == expected


@pytest.mark.parametrize(
    ("value", "kept"),
    [(0, 0.0), (-1.5, -1.5), (decimal.Decimal("2.5"), 2.5), (fractions.Fraction(1, 2), 0.5), ("3", 3.0)],
)
def test_whatever_is_a_number_is_one(value, kept, one):
    """Decimals, fractions and number texts are taken as the number they are."""
    with botanu.event("W"):
        botanu.emit_outcome(value_amount=value)
    assert one("botanu.run/W").attributes["botanu.outcome.value_amount"] == kept


def test_metadata_of_other_types_is_written_as_text(one):
    """Numbers, booleans, lists and objects in metadata become text; its keys, too."""
    with botanu.event("W"):
        botanu.emit_outcome(metadata={"n": 1, "b": True, "l": [1], 7: "x"})
    found = {
        key.removeprefix("botanu.outcome.metadata."): value
        for key, value in one("botanu.run/W").attributes.items()
        if key.startswith("botanu.outcome.metadata.")
    }
    assert found == {"n": "1", "b": "True", "l": "[1]", "7": "x"}


def test_metadata_is_bounded(one, warnings_said):
    """Of a thousand facts 32 are kept, and one warning says so; a long reason is cut."""
    with botanu.event("W"):
        botanu.emit_outcome(reason="x " * 5000, metadata={f"k{number}": "v" for number in range(1000)})
    attributes = one("botanu.run/W").attributes
    assert sum(key.startswith("botanu.outcome.metadata.") for key in attributes) == 32
    assert len(attributes["botanu.outcome.reason"]) <= 1024
    assert len(warnings_said()) == 1


def test_what_is_said_leaves_scrubbed(one):
    """Personal data in reason and metadata does not reach a span."""
    with botanu.event("W"):
        botanu.emit_outcome("failed", reason="no answer to jane@example.com", metadata={"to": "jane@example.com"})
    attributes = one("botanu.run/W").attributes
    assert "jane@example.com" not in attributes["botanu.outcome.reason"]
    assert "jane@example.com" not in attributes["botanu.outcome.metadata.to"]
