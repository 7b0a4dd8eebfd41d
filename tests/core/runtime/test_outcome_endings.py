"""The outcome that a run has where nobody says one: every way to end."""

import asyncio
import concurrent.futures
import functools

import pytest
from opentelemetry.trace import StatusCode

import botanu


class SoftTimeLimitExceeded(Exception):
    """As Celery's, which is known by its name."""


class Cancelled(BaseException):
    """As trio's."""


class GreenletExit(BaseException):
    """As gevent's."""


class ClientDisconnect(Exception):
    """As Starlette's."""


ENDINGS = [
    (ValueError("no"), "failed", "ValueError"),
    (ExceptionGroup("several", [ValueError("no")]), "failed", "ExceptionGroup"),
    (SystemExit(1), "failed", "SystemExit"),
    (SystemExit("went wrong"), "failed", "SystemExit"),
    (TimeoutError(), "timeout", "TimeoutError"),
    (TimeoutError(), "timeout", "TimeoutError"),
    (concurrent.futures.TimeoutError(), "timeout", "TimeoutError"),
    (SoftTimeLimitExceeded(), "timeout", "SoftTimeLimitExceeded"),
    (asyncio.CancelledError(), "canceled", "CancelledError"),
    (concurrent.futures.CancelledError(), "canceled", "CancelledError"),
    (Cancelled(), "canceled", "Cancelled"),
    (GreenletExit(), "canceled", "GreenletExit"),
    (ClientDisconnect(), "canceled", "ClientDisconnect"),
    (GeneratorExit(), "canceled", "GeneratorExit"),
    (KeyboardInterrupt(), "canceled", "KeyboardInterrupt"),
    (SystemExit(0), "success", None),
    (SystemExit(None), "success", None),
]


@pytest.mark.parametrize(("error", "expected", "error_type"), ENDINGS, ids=[repr(each[0]) for each in ENDINGS])
@pytest.mark.parametrize("spelling", ["with", "decorator", "async with", "async decorator"])
def test_how_it_ended_decides(error, expected, error_type, spelling, one):
    """The exception that leaves a run gives it its status, is passed on as it is, and its class is named."""

    @botanu.event("W")
    def decorated():
        raise error

    @botanu.event("W")
    async def async_decorated():
        raise error

    async def async_with():
        async with botanu.event("W"):
            raise error

    def in_a_with():
        with botanu.event("W"):
            raise error

    calls = {
        "with": in_a_with,
        "decorator": decorated,
        "async with": functools.partial(driven, async_with),
        "async decorator": functools.partial(driven, async_decorated),
    }
    with pytest.raises(BaseException) as caught:
        calls[spelling]()
    assert caught.value is error
    span = one("botanu.run/W")
    assert span.attributes["botanu.outcome.status"] == expected
    assert span.attributes.get("botanu.outcome.error_type") == error_type


def driven(function):
    """Runs a coroutine that never suspends, without a loop that would handle what it raises."""
    try:
        function().send(None)
    except StopIteration:
        pytest.fail("nothing was raised")


@pytest.mark.parametrize(("error", "expected", "_"), ENDINGS, ids=[repr(each[0]) for each in ENDINGS])
def test_only_a_failure_is_an_error_on_the_span(error, expected, _, one):
    """The span is marked ERROR where the run failed or timed out, and left unset where it was canceled."""
    with pytest.raises(type(error)), botanu.event("W"):
        raise error
    span = one("botanu.run/W")
    is_error = expected in ("failed", "timeout")
    assert span.status.status_code is (StatusCode.ERROR if is_error else StatusCode.UNSET)
    assert span.attributes.get("error.type") == (type(error).__name__ if is_error else None)
    assert ("exception" in [event.name for event in span.events]) is is_error


def test_a_clean_end_is_success(status, one):
    """A run that nothing leaves is a success, with its duration."""
    with botanu.event("W"):
        pass
    assert status("W") == "success"
    assert one("botanu.run/W").attributes["botanu.run.duration_ms"] >= 0


def test_an_exception_caught_inside_is_no_failure(status):
    """What the application handles inside the run is its own affair."""
    with botanu.event("W"):
        try:
            raise ValueError
        except ValueError:
            pass
    assert status("W") == "success"


def test_a_cancelled_task_is_a_canceled_run(status):
    """`task.cancel()` ends the run as canceled; the task is cancelled as it would be without us."""

    @botanu.event("W")
    async def work(started):
        started.set()
        await asyncio.Event().wait()

    async def main():
        started = asyncio.Event()
        task = asyncio.create_task(work(started))
        await started.wait()
        task.cancel("by the user")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("by the user",)
        assert task.cancelled()

    asyncio.run(main())
    assert status("W") == "canceled"


def test_asyncio_timeout_outside_the_run_cancels_it(status):
    """The run inside `asyncio.timeout` is cancelled, as the code in it is; outside it is a TimeoutError."""

    async def work():
        async with asyncio.timeout(0.001):
            async with botanu.event("W"):
                await asyncio.Event().wait()

    async def main():
        with pytest.raises(TimeoutError):
            await work()
        assert botanu.get_run_id() is None
        assert not botanu.get_current_span().get_span_context().is_valid

    asyncio.run(main())
    assert status("W") == "canceled"


def test_asyncio_timeout_inside_the_run_times_it_out(status):
    """A TimeoutError that leaves the run is a timeout."""

    async def main():
        async with botanu.event("W"):
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert status("W") == "timeout"


def test_wait_for_inside_a_step(status, one):
    """`wait_for` cancels what it waits for: the step is canceled, the run around it timed out."""

    @botanu.step("slow")
    async def slow():
        await asyncio.Event().wait()

    @botanu.event("W")
    async def work():
        await asyncio.wait_for(slow(), 0.001)

    with pytest.raises(TimeoutError):
        asyncio.run(work())
    assert status("W") == "timeout"
    assert one("botanu.step/slow").status.status_code is StatusCode.UNSET


def test_wait_for_around_a_run(status):
    """A run that `wait_for` gives up on is canceled, and the waiting task is in no run afterwards."""

    @botanu.event("W")
    async def work():
        await asyncio.Event().wait()

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(work(), 0.001)
        with botanu.event("Next") as following:
            assert following.run.parent_run_id is None

    asyncio.run(main())
    assert status("W") == "canceled"
    assert status("Next") == "success"


def test_a_task_group_that_fails_cancels_its_other_runs(named):
    """In a TaskGroup the run that raises has failed, and those cancelled for it are canceled."""

    @botanu.event("W", event_id=lambda name, both: name)
    async def work(name, both):
        await both.wait()
        if name == "bad":
            raise ValueError
        await asyncio.Event().wait()

    async def main():
        both = asyncio.Barrier(2)
        async with asyncio.TaskGroup() as group:
            group.create_task(work("bad", both))
            group.create_task(work("good", both))

    with pytest.raises(ExceptionGroup):
        asyncio.run(main())
    said = {
        span.attributes["botanu.event_id"]: span.attributes["botanu.outcome.status"] for span in named("botanu.run/W")
    }
    assert said == {"bad": "failed", "good": "canceled"}


def test_ending_twice_counts_once(one):
    """The second `finish` changes nothing."""
    run = botanu.RunContext.create("W")
    from opentelemetry.trace import SpanKind

    run.start("botanu.run/W", SpanKind.SERVER)
    assert run.finish("success") is True
    assert run.finish("failed", ValueError()) is False
    assert one("botanu.run/W").attributes["botanu.outcome.status"] == "success"


def test_an_open_outcome_stays_open(one):
    """Where neither the user nor the end says anything (HTTP 4xx), no status is written."""
    from opentelemetry.trace import SpanKind

    run = botanu.RunContext.create("W")
    run.start("botanu.run/W", SpanKind.SERVER)
    run.finish()
    assert "botanu.outcome.status" not in one("botanu.run/W").attributes


class HTTPException(Exception):  # the name that Starlette and Werkzeug have given it
    """What web frameworks raise to answer with a status."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


@pytest.mark.parametrize(("code", "expected"), [(404, None), (422, None), (500, "failed"), (503, "failed")])
def test_an_http_exception_is_an_answer_unless_it_is_the_servers_fault(spans, code, expected):
    """4xx leaves the outcome open: whose fault it is nobody knows."""
    with pytest.raises(HTTPException), botanu.event(workflow="W"):
        raise HTTPException(code)
    [span] = spans.get_finished_spans()
    assert span.attributes.get("botanu.outcome.status") == expected
    assert ("error.type" in span.attributes) == (expected == "failed")
