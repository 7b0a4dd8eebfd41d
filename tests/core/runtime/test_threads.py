"""Threads, executors and tasks: where the run goes by itself, and `bind` where it does not."""

import asyncio
import contextvars
import functools
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import context as otel

import botanu


def seen():
    """The run, and what is current."""
    return botanu.get_run_id()


def in_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def in_pool(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def in_executor_of_a_loop(function):
    async def main():
        return await asyncio.get_running_loop().run_in_executor(None, function)

    return asyncio.run(main())


def in_to_thread(function):
    return asyncio.run(asyncio.to_thread(function))


def in_timer(function):
    results = []
    timer = threading.Timer(0, lambda: results.append(function()))
    timer.start()
    timer.join()
    return results[0]


def in_callback(function):
    async def main():
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon_threadsafe(lambda: done.set_result(function()))
        return await done

    return asyncio.run(main())


CARRIERS = [in_thread, in_pool, in_executor_of_a_loop, in_to_thread, in_timer, in_callback]


@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda carrier: carrier.__name__)
def test_a_bound_function_runs_in_the_run(carrier, one):
    """`bind` takes the run along wherever the function is called, and its spans hang below the run's."""
    with botanu.event("W") as run:

        @botanu.bind
        @botanu.step("work")
        def work():
            return seen()

        assert carrier(work) == run.run_id
    assert one("botanu.step/work").parent.span_id == one("botanu.run/W").context.span_id


@pytest.mark.parametrize("carrier", [in_thread, in_pool, in_executor_of_a_loop], ids=lambda carrier: carrier.__name__)
def test_what_copies_nothing_has_no_run(carrier):
    """Without `bind` a plain thread is in no run: ours is never in a thread that nobody handed it to."""
    with botanu.event("W"):
        assert carrier(seen) is None


@pytest.mark.parametrize("carrier", [in_to_thread, in_callback], ids=lambda carrier: carrier.__name__)
def test_what_copies_the_context_has_the_run(carrier):
    """`asyncio.to_thread` and callbacks copy the context themselves."""
    with botanu.event("W") as run:
        assert carrier(seen) == run.run_id


def test_bind_is_a_snapshot():
    """It is the context of the moment of binding, not of the call."""
    with botanu.event("A") as a:
        bound = botanu.bind(seen)
    with botanu.event("B"):
        assert bound() == a.run_id
    outside = botanu.bind(seen)
    with botanu.event("C"):
        assert outside() is None


def test_each_call_has_a_copy_of_its_own():
    """A bound function may run in fifty threads at once, and what one call sets no other sees."""
    together = threading.Barrier(50)
    mark = contextvars.ContextVar("mark", default=None)

    def work(number):
        before = mark.get()
        mark.set(number)
        together.wait(timeout=30)
        return before, mark.get() == number, botanu.get_run_id()

    with botanu.event("W") as run:
        bound = botanu.bind(work)
    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(bound, range(50))) == {(None, True, run.run_id)}


def test_arguments_results_and_exceptions_pass():
    """A bound function is the function, with its name and signature."""

    def work(a, *, b=2):
        """Adds."""
        if a < 0:
            raise ValueError(a)
        return a + b

    bound = botanu.bind(work)
    assert bound(1, b=3) == 4
    with pytest.raises(ValueError, match="-1"):
        bound(-1)
    assert (bound.__name__, bound.__doc__, str(inspect.signature(bound))) == ("work", "Adds.", "(a, *, b=2)")
    assert botanu.bind(functools.partial(work, 1))(b=1) == 2


def test_a_bound_function_inside_itself():
    """Recursion through the bound name works."""

    def count(left):
        return 0 if left == 0 else 1 + bound(left - 1)

    bound = botanu.bind(count)
    assert bound(5) == 5


def test_the_callers_context_is_untouched():
    """What a bound call opens and leaves open stays in its copy."""
    bound = botanu.bind(lambda: botanu.event("W").__enter__() and None)
    before = otel.get_current()
    bound()
    assert otel.get_current() is before
    assert botanu.get_run_id() is None


def test_a_decorated_function_in_a_pool_is_a_run_each(named):
    """Without an outer run, each call in a pool opens its own."""
    work = botanu.event("W")(seen)
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: work(), range(40)))
    assert len(set(ids)) == 40
    assert {span.attributes["botanu.run_id"] for span in named("botanu.run/W")} == set(ids)


def test_tasks_and_task_groups_are_in_the_run():
    """Tasks copy the context: children of a run's code are in the run."""

    async def child():
        await asyncio.sleep(0)
        return botanu.get_run_id()

    async def main():
        async with botanu.event("W") as run:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(child()) for _ in range(5)]
            gathered = await asyncio.gather(child(), child())
        return {run.run_id}, {task.result() for task in tasks} | set(gathered)

    own, theirs = asyncio.run(main())
    assert own == theirs


def test_coroutines_sent_to_the_loop_of_another_thread():
    """`run_coroutine_threadsafe` takes the context of its caller along, and the run with it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def child():
        return botanu.get_run_id()

    try:
        with botanu.event("W") as run:
            assert asyncio.run_coroutine_threadsafe(child(), loop).result(timeout=30) == run.run_id
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
