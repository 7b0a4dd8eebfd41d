"""Code that outlives its run: it still says whose it was, and changes nothing about it."""

import asyncio
import contextvars
import gc
import threading

import botanu
from botanu.tracking.llm import track_llm_call


def test_a_task_that_outlives_its_run(named, one):
    """A task started in a run and finished after it carries the run's id, and the run is completed once."""

    async def late(gate):
        await gate.wait()
        with botanu.step("late"), track_llm_call(provider="openai", model="m") as call:
            call.set_tokens(input_tokens=1, output_tokens=1)
            botanu.emit_outcome("failed", reason="too late")
            botanu.set_business_context(team="t")
            botanu.set_correlation(a="b")
        return botanu.get_run_id()

    async def main():
        gate = asyncio.Event()
        async with botanu.event("W") as run:
            task = asyncio.create_task(late(gate))
            await asyncio.sleep(0)
        gate.set()
        return run.run_id, await task

    run_id, late_id = asyncio.run(main())
    assert run_id == late_id
    assert one("botanu.step/late").attributes["botanu.run_id"] == run_id
    assert one("chat m").attributes["botanu.run_id"] == run_id
    run = one("botanu.run/W")
    assert run.attributes["botanu.outcome.status"] == "success"
    assert [event.name for event in run.events].count("botanu.run.completed") == 1


def test_a_thread_that_outlives_its_run(one):
    """The same in a thread that was handed the run."""
    gate = threading.Event()
    seen = []

    def late():
        gate.wait(timeout=30)
        seen.append(botanu.get_run_id())
        botanu.emit_outcome("failed")

    with botanu.event("W") as run:
        thread = threading.Thread(target=botanu.bind(late))
        thread.start()
    gate.set()
    thread.join()
    assert seen == [run.run_id]
    assert one("botanu.run/W").attributes["botanu.outcome.status"] == "success"


def test_trackers_of_late_code_leave_the_run_where_it_was():
    """After a step and a call of its own, late code still knows its run."""

    async def late(gate):
        await gate.wait()
        seen = []
        for _ in range(3):
            with botanu.step("s"), track_llm_call(provider="openai", model="m"):
                pass
            seen.append(botanu.get_run_id())
        return seen

    async def main():
        gate = asyncio.Event()
        with botanu.event("W") as run:
            botanu.set_baggage("shop", "17")
            task = asyncio.create_task(late(gate))
            await asyncio.sleep(0)
        gate.set()
        assert await task == [run.run_id] * 3

    asyncio.run(main())


def test_an_exception_after_the_end(one):
    """Late code that fails is recorded on its own spans, in full, and the run stays as it ended."""
    with botanu.event("W"):

        @botanu.bind
        @botanu.step("late")
        def late():
            raise ValueError("late")

    try:
        late()
    except ValueError:
        pass
    assert [event.name for event in one("botanu.step/late").events] == ["exception"]
    assert one("botanu.run/W").attributes["botanu.outcome.status"] == "success"


def test_another_event_in_late_code_is_a_run_of_its_own(one):
    """A transaction that begins in late code is nested in the run it came from, and completed by itself."""
    with botanu.event("W", event_id="T-1") as run:

        @botanu.bind
        @botanu.event("Other", event_id="T-2")
        def late():
            return botanu.get_current_run()

    other = late()
    assert other.run.parent_run_id == run.run_id
    assert one("botanu.run/Other").attributes["botanu.outcome.status"] == "success"


def test_the_same_event_in_late_code_neither_reopens_nor_ends_it_again(named):
    """The same ids after the end are the same run, which is not started or completed a second time."""
    with botanu.event("W", event_id="T-1") as run:

        @botanu.bind
        @botanu.event("W", event_id="T-1")
        def late():
            return botanu.get_run_id()

    assert late() == run.run_id
    said = [event.name for span in named("botanu.run/W") for event in span.events]
    assert said.count("botanu.run.completed") == 1


def test_nothing_is_logged_about_ended_spans(caplog):
    """Late code that speaks to a run's ended span makes no warning of OpenTelemetry's."""
    with botanu.event("W") as run, botanu.step("s"):
        late = botanu.bind(botanu.emit_outcome)
        business = botanu.bind(botanu.set_business_context)
    late("failed", reason="x")
    business(team="t", customer_id="acme")
    run.fail(ValueError())
    run.request_cancellation()
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("opentelemetry")] == []


def test_a_loop_that_outlives_its_run_opens_a_run_for_each_item(spans):
    """Work started by a request goes on for ever: its items are transactions of their own, below the one that ended."""
    with botanu.event(workflow="W", event_id="request") as ended:
        context = contextvars.copy_context()

    def item(event_id: str | None) -> botanu.RunContext:
        with botanu.event(workflow="W", event_id=event_id) as run:
            return run

    first, second = context.run(item, None), context.run(item, None)
    assert len({ended.run_id, first.run_id, second.run_id}) == 3
    assert first.run.parent_run_id == second.run.parent_run_id == ended.run_id
    assert context.run(item, "request").run_id == ended.run_id
