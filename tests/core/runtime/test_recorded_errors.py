"""Exceptions on spans: in full once, named on all, scrubbed, and the application's own object untouched."""

import asyncio
import traceback

import pytest
from opentelemetry.trace import StatusCode

import botanu
from botanu.tracking.data import track_db_operation
from botanu.tracking.llm import track_llm_call, track_tool_call


class OutOfStock(Exception):
    """One of the application's."""


def exceptions_on(span):
    return [event for event in span.events if event.name == "exception"]


def test_one_exception_through_every_span(spans, one):
    """An exception that crosses a call, a step and the run is written in full where it began, and named on all."""
    error = OutOfStock("sku 17")
    with (
        pytest.raises(OutOfStock) as caught,
        botanu.event("W"),
        botanu.step("s"),
        track_tool_call(tool_name="t"),
        track_llm_call(provider="openai", model="m"),
        track_db_operation("postgresql", "SELECT"),
    ):
        raise error
    assert caught.value is error
    for span in spans.get_finished_spans():
        assert span.status.status_code is StatusCode.ERROR, span.name
        assert span.attributes["error.type"] == "OutOfStock", span.name
    in_full = [span.name for span in spans.get_finished_spans() if exceptions_on(span)]
    assert in_full == [spans.get_finished_spans()[0].name], "on the innermost only"
    (event,) = exceptions_on(spans.get_finished_spans()[0])
    assert event.attributes["exception.type"] == f"{OutOfStock.__module__}.OutOfStock"
    assert event.attributes["exception.message"] == "sku 17"
    assert "raise error" in event.attributes["exception.stacktrace"]


def test_the_exception_object_is_unchanged():
    """Nothing is hung on the exception: same arguments, notes, cause and context as without us."""

    def fail():
        try:
            raise KeyError("inner")
        except KeyError as cause:
            raise OutOfStock("sku", 17) from cause

    def shape(function):
        try:
            function()
        except OutOfStock as error:
            return (
                error.args, vars(error), repr(error.__cause__), repr(error.__context__), error.__suppress_context__,
                traceback.extract_tb(error.__traceback__)[-1].name,
            )  # fmt: skip

    plain = shape(fail)
    assert shape(botanu.event("W")(botanu.step("s")(fail))) == plain


def test_two_exceptions_are_two(named):
    """Another exception in the same run is written in full again; the same one raised again is not."""
    error = OutOfStock("first")
    with botanu.event("W"):
        for raised in (error, OutOfStock("second"), error):
            with pytest.raises(OutOfStock), botanu.step("s"):
                raise raised
    messages = [
        [event.attributes["exception.message"] for event in exceptions_on(span)] for span in named("botanu.step/s")
    ]
    assert messages == [["first"], ["second"], []]


def test_a_translated_exception_is_one_of_its_own(one):
    """What is raised from another is another: each in full where it began."""

    @botanu.event("W")
    def work():
        try:
            with botanu.step("s"):
                raise KeyError("k")
        except KeyError as error:
            raise OutOfStock("o") from error

    with pytest.raises(OutOfStock):
        work()
    assert [event.attributes["exception.message"] for event in exceptions_on(one("botanu.step/s"))] == ["'k'"]
    assert [event.attributes["exception.message"] for event in exceptions_on(one("botanu.run/W"))] == ["o"]


def test_across_tasks(one, named):
    """An exception raised in two tasks of a run and gathered by it is in full once for each."""

    @botanu.step("s")
    async def fail(name):
        raise OutOfStock(name)

    @botanu.event("W")
    async def work():
        async with asyncio.TaskGroup() as group:
            group.create_task(fail("a"))
            group.create_task(fail("b"))

    with pytest.raises(ExceptionGroup):
        asyncio.run(work())
    assert all(len(exceptions_on(span)) == 1 for span in named("botanu.step/s"))
    assert one("botanu.run/W").attributes["error.type"] == "ExceptionGroup"


def test_a_reused_address_is_no_acquaintance(named):
    """A new exception at the address of an old one is written in full."""
    with botanu.event("W"):
        for number in range(50):
            with pytest.raises(OutOfStock), botanu.step("s"):
                raise OutOfStock(str(number))
    assert [len(exceptions_on(span)) for span in named("botanu.step/s")] == [1] * 50


def test_secrets_in_messages_do_not_leave(spans):
    """Message, status and stack trace of an exception leave scrubbed."""
    with pytest.raises(OutOfStock), botanu.event("W"):
        raise OutOfStock("no answer to jane@example.com")
    (span,) = spans.get_finished_spans()
    (event,) = exceptions_on(span)
    everything = f"{span.status.description}{dict(event.attributes)}{dict(span.attributes)}"
    assert "jane@example.com" not in everything


def test_a_long_message_is_cut(one):
    """A megabyte of message and a stack a thousand deep are bounded."""

    def deep(level):
        if level:
            deep(level - 1)
        raise OutOfStock("x " * 500_000)

    with pytest.raises(OutOfStock), botanu.event("W"):
        deep(300)
    (event,) = exceptions_on(one("botanu.run/W"))
    assert len(event.attributes["exception.message"]) <= 2048
    assert len(event.attributes["exception.stacktrace"]) <= 16_384
    assert len(one("botanu.run/W").status.description) <= 2100


@pytest.mark.parametrize(("error", "description"), [(OutOfStock(), "OutOfStock"), (OutOfStock("a"), "OutOfStock: a")])
def test_the_status_says_what_it_was(error, description, one):
    """The span's status is the class and its message."""
    with pytest.raises(OutOfStock), botanu.event("W"):
        raise error
    assert one("botanu.run/W").status.description == description


def test_an_exception_that_cannot_be_written(one):
    """One whose text raises is recorded by its class, and passed on."""

    class Broken(Exception):
        def __str__(self):
            raise RuntimeError

        __repr__ = __str__

    error = Broken()
    with pytest.raises(Broken) as caught, botanu.event("W"), botanu.step("s"):
        raise error
    assert caught.value is error
    assert one("botanu.run/W").attributes["error.type"] == "Broken"
    assert one("botanu.run/W").attributes["botanu.outcome.status"] == "failed"


def test_fail_marks_without_ending(one):
    """An adapter may say what went wrong before the run is over."""
    from opentelemetry.trace import SpanKind

    run = botanu.RunContext.create("W")
    run.start("botanu.run/W", SpanKind.SERVER)
    error = OutOfStock("x")
    run.fail(error)
    run.finish(error=error)
    span = one("botanu.run/W")
    assert len(exceptions_on(span)) == 1
    assert span.attributes["botanu.outcome.status"] == "failed"


def test_nothing_of_an_exception_is_kept(spans):
    """Once the run is over, the exception and what it held on to are free."""
    import gc
    import weakref

    gone = []

    def work():
        error = OutOfStock("x")
        gone.append(weakref.ref(error))
        raise error

    with botanu.event("W") as run:
        try:
            with botanu.step("s"):
                work()
        except OutOfStock:
            pass
    gc.collect()
    assert run.ended
    assert gone[0]() is None
