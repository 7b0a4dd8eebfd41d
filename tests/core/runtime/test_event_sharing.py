"""One event object for everybody: re-entrant, and shared by threads and tasks."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

import botanu

SHARED = botanu.event("Shared", event_id=lambda number: number)


def test_entered_again_inside_itself(named):
    """An event entered inside itself continues its run, and is left once for each time."""
    event = botanu.event("W", event_id="T-1")
    with event as first:
        with event as second:
            with event:
                pass
            assert botanu.get_run_id() == first.run_id
        assert second is first
    assert botanu.get_run_id() is None
    assert len(named("botanu.run/W")) == 3


def test_used_again_and_again(named):
    """A kept object gives a new run each time."""
    event = botanu.event("W")
    seen = set()
    for _ in range(3):
        with event as run:
            seen.add(run.run_id)
    assert len(seen) == 3


def test_one_object_in_every_spelling_at_once():
    """The same object as block and as decorator, nested."""
    event = botanu.event("W", event_id="T-1")

    @event
    def inner():
        return botanu.get_run_id()

    with event as run:
        assert inner() == run.run_id
    assert inner() != run.run_id


def test_a_step_object_is_shared_too(named):
    """A step may be kept, entered inside itself and used from a stack."""
    step = botanu.step("s")
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(step)
        assert len({botanu.get_current_span()}) == 1
    assert len(named("botanu.step/s")) == 3
    assert not botanu.get_current_span().get_span_context().is_valid


def test_fifty_threads(named):
    """Fifty threads in the same event at once never see each other's run."""
    inside = threading.Barrier(50)
    seen = {}

    @SHARED
    def handle(number):
        before = botanu.get_run_id()
        inside.wait(timeout=30)
        with botanu.step(f"step-{number}"):
            inside.wait(timeout=30)
        assert botanu.get_run_id() == before
        assert botanu.get_current_run().event_id == str(number)
        botanu.emit_outcome(value_amount=number)
        seen[number] = before

    threads = [threading.Thread(target=handle, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen.values())) == 50
    for span in named("botanu.run/Shared"):
        number = int(span.attributes["botanu.event_id"])
        assert span.attributes["botanu.run_id"] == seen[number]
        assert span.attributes["botanu.outcome.value_amount"] == number
        (step,) = named(f"botanu.step/step-{number}")
        assert step.attributes["botanu.run_id"] == seen[number]


def test_fifty_threads_with_the_same_block(named):
    """The same object in fifty `with` statements at once."""
    inside = threading.Barrier(50)
    event = botanu.event("W")

    def handle(_):
        with event as run:
            inside.wait(timeout=30)
            assert botanu.get_run_id() == run.run_id
            inside.wait(timeout=30)
        assert botanu.get_run_id() is None
        return run.run_id

    with ThreadPoolExecutor(50) as pool:
        run_ids = set(pool.map(handle, range(50)))
    assert len(run_ids) == len(named("botanu.run/W")) == 50
    assert {span.attributes["botanu.run_id"] for span in named("botanu.run/W")} == run_ids


@pytest.mark.parametrize("spelling", ["decorator", "async with", "with"])
def test_a_hundred_tasks(spelling, named):
    """A hundred tasks in the same event at once never see each other's run, however they end."""
    event = botanu.event("W")

    async def body(number, gate):
        own = botanu.get_run_id()
        await gate.wait()
        for _ in range(number % 5):
            await asyncio.sleep(0)
        assert botanu.get_run_id() == own
        botanu.emit_outcome(value_amount=number)
        if number % 3 == 0:
            raise ValueError
        return own

    async def in_async_with(number, gate):
        async with event:
            return await body(number, gate)

    async def in_with(number, gate):
        with event:
            return await body(number, gate)

    handle = {"decorator": event(body), "async with": in_async_with, "with": in_with}[spelling]

    async def main():
        gate = asyncio.Event()
        tasks = [asyncio.create_task(handle(number, gate)) for number in range(100)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.wait(tasks)
        assert botanu.get_run_id() is None
        return {number: task.result() for number, task in enumerate(tasks) if task.exception() is None}

    ids = asyncio.run(main())
    runs = named("botanu.run/W")
    assert len({span.attributes["botanu.run_id"] for span in runs}) == 100
    assert {span.attributes["botanu.outcome.value_amount"] for span in runs} == set(range(100))
    for span in runs:
        number = int(span.attributes["botanu.outcome.value_amount"])
        assert span.attributes["botanu.outcome.status"] == ("failed" if number % 3 == 0 else "success")
        assert span.parent is None
        if number % 3:
            assert span.attributes["botanu.run_id"] == ids[number]


def test_one_run_worked_on_by_many_threads(one):
    """Fifty threads that say things about one run at once lose none of them."""
    together = threading.Barrier(50)

    def work(number):
        together.wait(timeout=30)
        botanu.emit_outcome(metadata={f"k{number % 10}": "v"})
        botanu.set_business_context(team=f"team-{number % 10}")

    with botanu.event("W"), ThreadPoolExecutor(50) as pool:
        bound = [pool.submit(botanu.bind(work), number) for number in range(50)]
        for each in bound:
            each.result()
    attributes = one("botanu.run/W").attributes
    assert sum(key.startswith("botanu.outcome.metadata.") for key in attributes) == 10
    assert attributes["botanu.team"].startswith("team-")
