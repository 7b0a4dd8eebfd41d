"""Decorated async generators: as generators, and with an event loop that has its own ideas about their end."""

import asyncio
import contextlib
import gc
import logging

import pytest

import botanu
from botanu.tracking.llm import track_llm_call


@botanu.event("W")
async def numbers(count):
    """Counts, and says what run it is in."""
    for number in range(count):
        await asyncio.sleep(0)
        with botanu.step("make"):
            pass
        yield number, botanu.get_run_id()


def test_the_run_lasts_as_long_as_the_iteration(one, named):
    """Children of the body are in the run; what the consumer does between two items is not."""

    async def main():
        items = []
        async for item in numbers(3):
            assert botanu.get_run_id() is None
            with botanu.step("use"):
                await asyncio.sleep(0)
            assert named("botanu.run/W") == []
            items.append(item)
        return items

    items = asyncio.run(main())
    run = one("botanu.run/W")
    assert [number for number, _ in items] == [0, 1, 2]
    assert {run_id for _, run_id in items} == {run.attributes["botanu.run_id"]}
    assert {span.parent.span_id for span in named("botanu.step/make")} == {run.context.span_id}
    assert all("botanu.run_id" not in span.attributes for span in named("botanu.step/use"))
    assert run.attributes["botanu.outcome.status"] == "success"


def test_asend_athrow_and_their_answers(status):
    """A decorated async generator is driven like any other."""

    @botanu.event("W")
    async def echo():
        said = yield "ready"
        try:
            yield said
        except LookupError as error:
            yield f"caught {error}"

    async def main():
        generator = echo()
        assert await generator.asend(None) == "ready"
        assert await generator.asend("hello") == "hello"
        assert await generator.athrow(LookupError("it")) == "caught it"
        with pytest.raises(StopAsyncIteration):
            await anext(generator)

    asyncio.run(main())
    assert status("W") == "success"


@pytest.mark.parametrize(("error", "expected"), [(ValueError("x"), "failed"), (TimeoutError(), "timeout")])
@pytest.mark.parametrize("thrown", [False, True], ids=["raised inside", "thrown in"])
def test_what_ends_it_is_passed_on(error, expected, thrown, status):
    """An exception in the body ends the run and reaches the consumer, the same object."""

    @botanu.event("W")
    async def failing():
        yield 1
        raise error

    async def main():
        generator = failing()
        await anext(generator)
        with pytest.raises(type(error)) as caught:
            await (generator.athrow(error) if thrown else anext(generator))
        assert caught.value is error

    asyncio.run(main())
    assert status("W") == expected


def test_aclose_cancels(status):
    """Closed half-way it is canceled; its `finally`, awaits and all, runs inside the run."""
    seen = []

    @botanu.event("W")
    async def careful():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            seen.append(botanu.get_run_id())

    async def main():
        async with contextlib.aclosing(careful()) as generator:
            await anext(generator)

    asyncio.run(main())
    assert status("W") == "canceled"
    assert seen != [None]


def test_a_finally_that_raises(status):
    """What closing raises is the consumer's to see, and the run has failed."""

    @botanu.event("W")
    async def careless():
        try:
            yield 1
        finally:
            raise ValueError("while closing")

    async def main():
        generator = careless()
        await anext(generator)
        with pytest.raises(ValueError, match="while closing"):
            await generator.aclose()

    asyncio.run(main())
    assert status("W") == "failed"


def test_garbage_collection_ends_it(status):
    """Dropped half-way in a running loop, it is closed by the loop, and the run is canceled."""

    async def main():
        generator = numbers(3)
        await anext(generator)
        del generator
        gc.collect()
        for _ in range(3):
            await asyncio.sleep(0)

    asyncio.run(main())
    assert status("W") == "canceled"


@pytest.mark.parametrize("attempt", range(6))
def test_the_loops_own_closing_at_its_end(attempt, status, caplog):
    """A loop that ends closes all generators it knows at once; ours is closed once, and nothing is reported."""
    keep = []

    @botanu.event("W")
    async def slow_to_close():
        try:
            yield 1
        finally:
            await asyncio.sleep(0.001)

    async def main():
        keep.append(slow_to_close())
        await anext(keep[0])

    with caplog.at_level(logging.ERROR, "asyncio"):
        asyncio.run(main())
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
    assert status("W") == "canceled"


def test_cancelled_while_it_waits_for_an_item(status):
    """A consumer that is cancelled inside the body's await cancels the run."""

    @botanu.event("W")
    async def stuck(started):
        yield 1
        started.set()
        await asyncio.Event().wait()
        yield 2

    async def main():
        started = asyncio.Event()

        async def consume():
            async for _ in stuck(started):
                pass

        task = asyncio.create_task(consume())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert status("W") == "canceled"


def test_each_item_asked_for_by_another_task(named, one):
    """Every step may be awaited in a task of its own."""

    async def main():
        generator = numbers(3)
        items = [await asyncio.create_task(anext(generator)) for _ in range(3)]
        with pytest.raises(StopAsyncIteration):
            await asyncio.ensure_future(asyncio.wait_for(anext(generator), 30))
        return items

    items = asyncio.run(main())
    assert {run_id for _, run_id in items} == {one("botanu.run/W").attributes["botanu.run_id"]}
    assert len(named("botanu.step/make")) == 3


def test_a_tracker_open_across_yields(one):
    """A model call that streams is current in the body at every step, and nowhere else."""

    @botanu.event("W")
    async def stream():
        async with track_llm_call(provider="openai", model="gpt-4") as call:
            for number in range(3):
                await asyncio.sleep(0)
                assert botanu.get_current_span() is call.span
                yield number

    async def main():
        async for _ in stream():
            assert not botanu.get_current_span().get_span_context().is_valid

    asyncio.run(main())
    assert one("chat gpt-4").parent.span_id == one("botanu.run/W").context.span_id


def test_many_at_once(named):
    """A hundred of them iterated at the same time do not see each other's run."""

    async def consume():
        return {run_id async for _, run_id in numbers(5)}

    async def main():
        return await asyncio.gather(*(consume() for _ in range(100)))

    seen = asyncio.run(main())
    assert all(len(run_ids) == 1 for run_ids in seen)
    assert len(set.union(*seen)) == 100
    assert len(named("botanu.run/W")) == 100


def test_tasks_started_in_the_body_are_in_the_run():
    """A task that the body starts carries the run."""

    @botanu.event("W")
    async def body():
        async def child():
            return botanu.get_run_id()

        yield botanu.get_run_id(), await asyncio.create_task(child())

    async def main():
        return [pair async for pair in body()]

    ((own, childs),) = asyncio.run(main())
    assert own == childs is not None


def test_never_begun_never_opened(spans):
    """An async generator that nobody asks for an item opens no run."""

    async def main():
        await numbers(3).aclose()

    asyncio.run(main())
    assert spans.get_finished_spans() == ()
