"""Entered here and left there: copied contexts, other threads, wrong order. Nothing is logged, nothing stays behind."""

import asyncio
import contextvars
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry import context as otel
from opentelemetry.context import Context

import botanu
from botanu.tracking.llm import track_llm_call


def in_fresh_context(function):
    """Runs `function` in an empty context, and says what is left current in it."""

    def run():
        function()
        return botanu.get_run_id(), dict(otel.get_current())

    return contextvars.Context().run(run)


def test_left_in_a_copied_context(status):
    """Entered here, left in a copy: the copy holds no run afterwards."""

    def enter_and_leave():
        event = botanu.event("W")
        event.__enter__()

        def leave():
            event.__exit__(None, None, None)
            return botanu.get_run_id(), dict(otel.get_current())

        assert contextvars.copy_context().run(leave) == (None, {})

    in_fresh_context(enter_and_leave)
    assert status("W") == "success"


@pytest.mark.parametrize("make", [lambda: botanu.event("W"), lambda: botanu.step("s")], ids=["event", "step"])
def test_entered_in_one_thread_and_left_in_another(make, spans):
    """A framework that runs the halves of a generator dependency in two threads: ended once, both threads clean."""
    block = make()
    left = {}

    def enter():
        block.__enter__()

    def leave():
        block.__exit__(None, None, None)
        left["here"] = (botanu.get_run_id(), dict(otel.get_current()))

    for half in (enter, leave):
        thread = threading.Thread(target=half)
        thread.start()
        thread.join()
    assert left["here"] == (None, {})
    assert len(spans.get_finished_spans()) == 1
    block.__exit__(None, None, None)
    assert len(spans.get_finished_spans()) == 1, "left twice, ended once"


def test_halves_in_copies_of_a_context_that_holds_another_run(status):
    """As Starlette does it: the copies know an outer run, and leave it alone."""
    with botanu.event("Outer") as outer, ThreadPoolExecutor(1) as pool:
        inner = botanu.event("Inner")
        pool.submit(contextvars.copy_context().run, inner.__enter__).result()
        assert botanu.get_run_id() == outer.run_id
        pool.submit(contextvars.copy_context().run, inner.__exit__, None, None, None).result()
        assert botanu.get_run_id() == outer.run_id
        assert pool.submit(botanu.get_run_id).result() is None
    assert (status("Inner"), status("Outer")) == ("success", "success")


def test_a_plain_generator_with_a_run_inside(status):
    """`with event` in an undecorated generator, each step in a copied context, as thread pools do."""

    def generator():
        with botanu.event("W"):
            yield 1
            yield 2

    def consume():
        steps = generator()
        for _ in range(2):
            contextvars.copy_context().run(next, steps)
        with pytest.raises(StopIteration):
            contextvars.copy_context().run(next, steps)

    assert in_fresh_context(consume) == (None, {})
    assert status("W") == "success"


def test_plain_generators_asked_by_turns(named):
    """Undecorated generators with runs inside, ended in the order they began: nothing is left current."""

    def generator(name):
        with botanu.event(name), botanu.step("s"), track_llm_call(provider="openai", model="gpt-4"):
            yield 1

    for order in ("abc", "bca", "cab", "cba", "acb", "bac"):

        def by_turns(order=order):
            opened = {name: generator(name) for name in "abc"}
            for name in "abc":
                next(opened[name])
            for name in order:
                opened[name].close()

        assert in_fresh_context(by_turns) == (None, {}), order
    assert len(named("botanu.run/a")) == len(named("botanu.run/c")) == 6


@given(st.randoms(use_true_random=False), st.integers(2, 5))
def test_plain_generators_in_any_order(chance, count):
    """However undecorated generators with runs and steps inside are interleaved and closed, nothing stays behind."""

    def generator(depth):
        yield
        if depth:
            with chance.choice([botanu.event, botanu.step])(f"w{depth}"):
                yield from generator(depth - 1)
            yield

    def interleaved():
        generators = [generator(chance.randrange(4)) for _ in range(count)]
        while generators:
            asked = chance.choice(generators)
            if chance.random() < 0.1:
                asked.close()
                generators.remove(asked)
            elif next(asked, "ended") == "ended":
                generators.remove(asked)

    assert in_fresh_context(interleaved) == (None, {})


def test_two_streams_zipped_outside_a_run():
    """Two undecorated generators with a model call each, zipped: no ended span stays current."""

    def stream(items):
        with track_llm_call(provider="openai", model="gpt-4"):
            yield from range(items)

    def consume():
        for _ in zip(stream(2), stream(3), strict=False):
            pass

    assert in_fresh_context(consume) == (None, {})


def test_left_in_the_wrong_order(status):
    """The outer block left first: the inner goes on in its run, and after both there is none."""

    def wrong_order():
        outer, inner = botanu.event("Outer"), botanu.event("Inner")
        outer.__enter__()
        run = inner.__enter__()
        outer.__exit__(None, None, None)
        assert botanu.get_run_id() == run.run_id
        inner.__exit__(None, None, None)

    assert in_fresh_context(wrong_order) == (None, {})
    assert (status("Outer"), status("Inner")) == ("success", "success")


def test_what_is_attached_inside_and_never_detached_goes_with_the_run():
    """Baggage and spans that the application attaches inside a run and forgets are gone after it."""

    def forgetful():
        with botanu.event("W"):
            otel.attach(baggage.set_baggage("theirs", "1"))
            otel.attach(trace.set_span_in_context(trace.get_tracer("app").start_span("forgotten")))
            botanu.set_baggage("shop", "17")

    assert in_fresh_context(forgetful) == (None, {})


def test_a_context_wiped_inside_keeps_the_run(one):
    """An instrumentation that starts from an empty context does not lose the run."""
    with botanu.event("W") as run:
        token = otel.attach(Context())
        try:
            assert botanu.get_run_id() == run.run_id
            with botanu.step("s"):
                assert botanu.get_run_id() == run.run_id
        finally:
            otel.detach(token)
    assert one("botanu.step/s").attributes["botanu.run_id"] == run.run_id


def test_an_explicit_context_hands_the_run_on(spans):
    """A context taken inside a run and attached in a thread that copied nothing brings the run along."""
    with botanu.event("W") as run:
        taken = otel.get_current()
    seen = []

    def work():
        token = otel.attach(taken)
        seen.append(botanu.get_run_id())
        with botanu.step("s"):
            seen.append(botanu.get_run_id())
        otel.detach(token)
        seen.append(botanu.get_run_id())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [run.run_id, run.run_id, None]


def test_what_was_current_before_is_current_after():
    """The application's own span and baggage around a run are there again after it."""
    with trace.get_tracer("app").start_as_current_span("theirs") as theirs:
        token = otel.attach(baggage.set_baggage("shop", "17"))
        before = otel.get_current()
        with botanu.event("W"):
            assert baggage.get_baggage("shop") == "17", "and inside, too"
        assert otel.get_current() is before
        assert trace.get_current_span() is theirs
        otel.detach(token)


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, SystemExit, GeneratorExit, KeyboardInterrupt])
def test_nothing_stays_however_it_ends(error):
    """The thread, the task and the loop hold no run after any ending."""

    async def fail():
        async with botanu.event("W"), botanu.step("s"):
            raise error

    async def in_a_task():
        with pytest.raises(error):
            await fail()
        return botanu.get_run_id(), dict(otel.get_current())

    def in_a_thread():
        with pytest.raises(error), botanu.event("W"), botanu.step("s"):
            raise error

    assert in_fresh_context(in_a_thread) == (None, {})
    assert asyncio.run(in_a_task()) == (None, {})


def test_tasks_that_start_each_other_do_not_grow(spans):
    """A job that starts the next one from inside its run does not hold all that went before."""
    begun = []

    async def job(left):
        with botanu.event("Job", event_id=left) as run:
            begun.append(weakref.ref(botanu.get_current_span()))
            assert run.event_id == str(left)
            if left:
                return asyncio.create_task(job(left - 1))
        await asyncio.sleep(0)
        gc.collect()
        return sum(span() is not None for span in begun)

    async def main():
        result = job(50)
        while not isinstance(result, int):
            result = await result
        return result

    assert asyncio.run(main()) < 5
