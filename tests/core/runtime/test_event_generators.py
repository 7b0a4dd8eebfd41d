"""Decorated generators: the run lasts as long as the iteration, in the body and nowhere else."""

import contextvars
import gc
import threading

import pytest

import botanu
from botanu.tracking.llm import track_llm_call


@botanu.event("W", event_id=lambda count: "T-1")
def numbers(count):
    """Counts, and says what run it is in."""
    for number in range(count):
        with botanu.step("make"):
            run_id = botanu.get_run_id()
        yield number, run_id
    return "all"


def test_the_run_lasts_as_long_as_the_iteration(one, spans):
    """The run is open until the last item, and its end is the generator's."""
    items = []
    for item in numbers(3):
        assert one_less(spans), "the run is still open"
        items.append(item)
    assert [number for number, _ in items] == [0, 1, 2]
    assert {run_id for _, run_id in items} == {one("botanu.run/W").attributes["botanu.run_id"]}
    assert one("botanu.run/W").attributes["botanu.outcome.status"] == "success"


def one_less(spans):
    return not any(span.name == "botanu.run/W" for span in spans.get_finished_spans())


def test_children_inside_consumer_outside(named, one):
    """Spans of the body are in the run; those of the code that iterates are not."""
    for _ in numbers(2):
        assert botanu.get_run_id() is None
        with botanu.step("use"):
            pass
    run = one("botanu.run/W")
    assert {span.parent.span_id for span in named("botanu.step/make")} == {run.context.span_id}
    assert all("botanu.run_id" not in span.attributes for span in named("botanu.step/use"))


def test_the_consumers_own_run_stays_the_consumers():
    """Iterated inside another run, body and consumer each see their own."""
    with botanu.event("Consumer") as consumer:
        for _, run_id in numbers(2):
            assert botanu.get_run_id() == consumer.run_id != run_id


def test_send_throw_return_and_close_pass_through(status):
    """A decorated generator is driven like any other."""

    @botanu.event("W")
    def echo():
        said = yield "ready"
        try:
            yield said
        except LookupError as error:
            yield f"caught {error}"
        return "done"

    generator = echo()
    assert next(generator) == "ready"
    assert generator.send("hello") == "hello"
    assert generator.throw(LookupError("it")) == "caught it"
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "done"
    assert status("W") == "success"


def test_return_value_through_yield_from():
    """`yield from` a decorated generator gives what it returns."""

    def outer():
        result = yield from numbers(1)
        yield result

    assert list(outer())[-1] == "all"


@pytest.mark.parametrize(("error", "expected"), [(ValueError("x"), "failed"), (TimeoutError(), "timeout")])
def test_what_the_body_raises(error, expected, status):
    """An exception in the body ends the run and reaches the consumer, the same object."""

    @botanu.event("W")
    def failing():
        yield 1
        raise error

    generator = failing()
    next(generator)
    with pytest.raises(type(error)) as caught:
        next(generator)
    assert caught.value is error
    assert status("W") == expected


def test_what_is_thrown_in(status):
    """`throw` that the body does not handle ends the run with it."""
    generator = numbers(2)
    next(generator)
    error = KeyError("x")
    with pytest.raises(KeyError) as caught:
        generator.throw(error)
    assert caught.value is error
    assert status("W") == "failed"


def test_close_cancels(status):
    """A generator closed half-way is a canceled run; its `finally` still runs inside it."""
    seen = []

    @botanu.event("W")
    def careful():
        try:
            yield 1
            yield 2
        finally:
            seen.append(botanu.get_run_id())

    generator = careful()
    next(generator)
    generator.close()
    assert status("W") == "canceled"
    assert seen[0] is not None
    generator.close()


def test_the_users_word_in_a_finally_wins(status):
    """A body that is closed early may still say how it ended."""

    @botanu.event("W")
    def careful():
        try:
            yield 1
        finally:
            botanu.emit_outcome("partial")

    generator = careful()
    next(generator)
    generator.close()
    assert status("W") == "partial"


def test_garbage_collection_ends_it(status):
    """A generator that is dropped half-way ends its run as canceled."""
    generator = numbers(3)
    next(generator)
    del generator
    gc.collect()
    assert status("W") == "canceled"


def test_break_ends_it(status):
    """Leaving the loop early lets go of the generator, and the run ends."""
    for _ in numbers(3):
        break
    gc.collect()
    assert status("W") == "canceled"


def test_never_begun_never_opened(spans):
    """A generator that nobody asks for an item opens no run."""
    generator = numbers(3)
    generator.close()
    del generator
    gc.collect()
    assert spans.get_finished_spans() == ()


def test_a_body_that_ignores_close(status):
    """A body that yields when closed gets Python's own RuntimeError."""

    @botanu.event("W")
    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    generator = stubborn()
    next(generator)
    with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
        generator.close()
    assert status("W") == "failed"


def test_a_tracker_open_across_yields(one):
    """A model call that streams through a generator is current in the body at every step, and not outside."""

    @botanu.event("W")
    def stream():
        with track_llm_call(provider="openai", model="gpt-4") as call:
            for number in range(3):
                assert botanu.get_current_span() is call.span
                with botanu.step("chunk"):
                    pass
                yield number

    for _ in stream():
        assert not botanu.get_current_span().get_span_context().is_valid
    call = one("chat gpt-4")
    assert call.parent.span_id == one("botanu.run/W").context.span_id
    assert call.attributes["botanu.run_id"] == one("botanu.run/W").attributes["botanu.run_id"]


def test_iterated_from_different_threads(named, one):
    """Each item may be asked for in another thread, as WSGI servers and thread pools do; the run is one."""
    generator = numbers(4)
    items = []

    def ask():
        items.append(next(generator))
        assert botanu.get_run_id() is None

    for _ in range(4):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    closing = threading.Thread(target=generator.close)
    closing.start()
    closing.join()
    assert len({run_id for _, run_id in items}) == 1
    assert len(named("botanu.step/make")) == 4
    assert one("botanu.run/W").attributes["botanu.outcome.status"] == "canceled"


def test_iterated_from_different_contexts(status):
    """A framework may run each step in a copied context; nothing is detached where it was not attached."""
    generator = numbers(2)
    items = [contextvars.copy_context().run(next, generator) for _ in range(2)]
    with pytest.raises(StopIteration):
        contextvars.copy_context().run(next, generator)
    assert len({run_id for _, run_id in items}) == 1
    assert status("W") == "success"


def test_generators_asked_by_turns(named):
    """Two of them zipped together are two runs that do not see each other."""
    pairs = list(zip(numbers(3), numbers(3), strict=True))
    assert len({first[1] for first, _ in pairs}) == len({second[1] for _, second in pairs}) == 1
    assert pairs[0][0][1] != pairs[0][1][1]
    runs = named("botanu.run/W")
    assert len(runs) == 2
    assert all(run.parent is None for run in runs)


def test_nested_generators(one):
    """A decorated generator inside the body of another is nested in its run."""

    @botanu.event("Outer")
    def outer():
        yield from numbers(2)

    list(outer())
    assert one("botanu.run/W").attributes["botanu.parent_run_id"] == one("botanu.run/Outer").attributes["botanu.run_id"]


def test_a_recursive_generator(named):
    """One decorated generator that walks a tree by calling itself continues its run."""

    @botanu.event("Walk", event_id="T-1")
    def walk(depth):
        if depth:
            yield from walk(depth - 1)
        yield botanu.get_run_id()

    assert len(set(walk(3))) == 1
    assert len(named("botanu.run/Walk")) == 4


def test_baggage_set_between_items_stays(spans):
    """What the body makes current survives from item to item."""

    @botanu.event("W")
    def body():
        botanu.set_baggage("shop", "17")
        yield 1
        yield botanu.get_baggage("shop")

    assert list(body())[-1] == "17"
    assert botanu.get_baggage("shop") is None
