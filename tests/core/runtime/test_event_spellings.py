"""`event` and its other spellings as `with`, `async with` and decorator, on every kind of function."""

import asyncio
import functools
import inspect
import weakref
from types import SimpleNamespace

import pytest

import botanu

SPELLINGS = [
    lambda: botanu.event("W"),
    lambda: botanu.event(workflow="W"),
    lambda: botanu.botanu_workflow("W"),
    lambda: botanu.botanu_workflow(name="W"),
    lambda: botanu.botanu_use_case(name="W"),
    lambda: botanu.botanu_use_case("W"),
    lambda: botanu.run_botanu("W"),
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_engine_behind_every_spelling(spelling, named):
    """Each documented spelling serves as block, async block and decorator, and gives the same span."""

    async def in_async():
        async with spelling() as run:
            return run.run_id

    with spelling() as run:
        assert botanu.get_run_id() == run.run_id
    assert asyncio.run(in_async()) != run.run_id
    assert spelling()(lambda: botanu.get_workflow())() == "W"
    assert len(named("botanu.run/W")) == 3


def test_every_spelling_takes_the_ids():
    """The ids go by the same names in each."""
    ids = {"event_id": "T-1", "customer_id": "acme", "tenant_id": "eu", "environment": "test", "deadline_s": 5}
    for spelling in (botanu.event, botanu.botanu_workflow, botanu.botanu_use_case, botanu.run_botanu):
        with spelling("W", **ids) as run:
            assert (run.event_id, run.customer_id, run.run.tenant_id) == ("T-1", "acme", "eu")
            assert run.run.environment == "test"
            assert run.remaining_s > 0


def test_names_and_signatures_survive():
    """A decorated function keeps its name, text, signature and kind."""

    @botanu.event("W")
    def plain(a: int, *, b: str = "x") -> str:
        """Says something."""

    @botanu.event("W")
    async def coroutine():
        """."""

    @botanu.event("W")
    def generator():
        yield

    @botanu.event("W")
    async def async_generator():
        yield

    assert (plain.__name__, plain.__doc__) == ("plain", "Says something.")
    assert str(inspect.signature(plain)) == "(a: int, *, b: str = 'x') -> str"
    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(async_generator)


def test_results_pass_through():
    """What a function returns is returned, the same object."""
    thing = object()
    assert botanu.event("W")(lambda: thing)() is thing

    @botanu.event("W")
    async def coroutine():
        return thing

    assert asyncio.run(coroutine()) is thing


def test_decorating_starts_nothing(spans):
    """Neither decorating nor calling a generator or coroutine function opens a run; beginning it does."""

    @botanu.event("W")
    def generator():
        yield

    @botanu.event("W")
    async def coroutine():
        pass

    generator()
    coroutine().close()
    assert spans.get_finished_spans() == ()


class Desk:
    """Methods of every kind, decorated."""

    @botanu.event("W", event_id=lambda self, ticket: ticket)
    def method(self, ticket):
        return botanu.get_current_run().event_id

    @staticmethod
    @botanu.event("W", event_id=lambda ticket: ticket)
    def static(ticket):
        return botanu.get_current_run().event_id

    @classmethod
    @botanu.event("W", event_id=lambda cls, ticket: f"{cls.__name__}-{ticket}")
    def of_class(cls, ticket):
        return botanu.get_current_run().event_id

    @property
    @botanu.event("W")
    def attribute(self):
        return botanu.get_workflow()

    @botanu.event("W")
    def __call__(self):
        return botanu.get_workflow()


def test_methods():
    """Methods, static and class methods, properties and `__call__` are decorated like functions."""
    desk = Desk()
    assert desk.method("T-1") == Desk.static("T-1") == desk.static(ticket="T-1") == "T-1"
    assert Desk.of_class("T-1") == "Desk-T-1"
    assert desk.attribute == desk() == "W"


def test_partials_lambdas_builtins_and_callable_objects():
    """Whatever can be called is decorated by what it does."""

    class Callable:
        def __call__(self, number):
            return number, botanu.get_workflow()

    class AsyncCallable:
        async def __call__(self, number):
            return number, botanu.get_workflow()

    async def coroutine(a, b):
        return a, botanu.get_workflow()

    def generator(a, b):
        yield a, botanu.get_workflow()

    decorate = botanu.event("W")
    assert decorate(Callable())(1) == (1, "W")
    assert asyncio.run(decorate(AsyncCallable())(1)) == (1, "W")
    assert asyncio.run(decorate(functools.partial(coroutine, 1))(2)) == (1, "W")
    assert list(decorate(functools.partial(generator, 1))(2)) == [(1, "W")]
    assert decorate(functools.partial(lambda a, b: (a, b), 1))(2) == (1, 2)
    assert decorate(len)([1, 2]) == 2


@pytest.mark.parametrize(
    "thing",
    [type("Thing", (), {}), staticmethod(len), classmethod(len), 5, "text", None],
    ids=lambda it: type(it).__name__,
)
def test_what_is_no_function_is_refused(thing):
    """Decorating a class or a staticmethod object is a mistake that says what to do instead."""
    with pytest.raises(TypeError, match=r"event decorates functions and methods, got \w+; put it below @staticmethod"):
        botanu.event("W")(thing)


def test_without_parentheses():
    """`@event` without parentheses says how to write it."""
    with pytest.raises(TypeError, match=r"workflow must be a text, got function; write @event\(workflow=…\)"):

        @botanu.event
        def handle():
            pass


# --- functions that return something to await --------------------------------------------------------------------


def test_a_plain_function_that_returns_a_coroutine(one):
    """The run lasts until the coroutine is done, and is current in it, and nowhere else."""

    async def work():
        await asyncio.sleep(0)
        return botanu.get_run_id()

    @botanu.event("W")
    def start():
        return work()

    async def main():
        pending = start()
        assert inspect.iscoroutine(pending)
        assert botanu.get_run_id() is None, "a run that nobody awaits yet is not current"
        with botanu.step("between"):
            pass
        return await pending

    run_id = asyncio.run(main())
    assert run_id == one("botanu.run/W").attributes["botanu.run_id"]
    assert "botanu.run_id" not in one("botanu.step/between").attributes


@pytest.mark.parametrize(("error", "expected"), [(ValueError(), "failed"), (TimeoutError(), "timeout")])
def test_its_failure_is_the_runs(error, expected, status):
    """What the coroutine raises ends the run and reaches the caller as it is."""

    async def work():
        raise error

    with pytest.raises(type(error)) as caught:
        asyncio.run(botanu.event("W")(lambda: work())())
    assert caught.value is error
    assert status("W") == expected


def test_a_coroutine_cancelled_before_its_first_step(status):
    """A task that never got to run ends its run all the same."""

    async def work():
        raise AssertionError("never started")

    @botanu.event("W")
    def start():
        return work()

    async def main():
        task = asyncio.create_task(start())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with pytest.warns(RuntimeWarning, match="coroutine .*work.* was never awaited"):
        asyncio.run(main())
    assert status("W") == "canceled"


def test_a_coroutine_that_is_thrown_away(status):
    """A coroutine that is closed unawaited ends the run; that it was never awaited, Python says as ever."""

    async def work():
        raise AssertionError("never started")

    with pytest.warns(RuntimeWarning, match="coroutine .*work.* was never awaited"):
        botanu.event("W")(lambda: work())().close()
    assert status("W") == "canceled"


@pytest.mark.parametrize(("ending", "expected"), [("result", "success"), ("error", "failed"), ("cancel", "canceled")])
def test_a_plain_function_that_returns_a_task(ending, expected, status):
    """A Task comes back as it is, and the run ends when it is done."""

    async def work(gate):
        await gate.wait()
        if ending == "error":
            raise ValueError

    async def main():
        gate = asyncio.Event()
        made = []

        @botanu.event("W")
        def start():
            made.append(asyncio.create_task(work(gate)))
            return made[0]

        task = start()
        assert task is made[0]
        assert botanu.get_run_id() is None
        gate.set()
        if ending == "cancel":
            task.cancel()
        await asyncio.wait([task])
        if ending == "error":
            assert isinstance(task.exception(), ValueError)

    asyncio.run(main())
    assert status("W") == expected


def test_an_exception_that_nobody_retrieves_is_still_reported():
    """Asyncio says that a task failed unheard; watching it must not hush that."""

    async def main():
        said = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))

        async def work():
            raise ValueError

        task = botanu.event("W")(lambda: asyncio.create_task(work()))()
        await asyncio.wait([task])
        del task
        return said

    assert asyncio.run(main()) == ["Task exception was never retrieved"]


def test_an_object_that_can_only_be_awaited(one):
    """An awaitable of one's own is followed to its end like a coroutine."""

    class Later:
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return botanu.get_run_id()

    async def main():
        return await botanu.event("W")(lambda: Later())()

    assert asyncio.run(main()) == one("botanu.run/W").attributes["botanu.run_id"]


def test_an_object_that_can_more_than_be_awaited_is_handed_back():
    """An HTTP client's request is awaitable and an async context manager: it keeps being both."""

    class Request:
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return "awaited"

        async def __aenter__(self):
            return "entered"

        async def __aexit__(self, *_):
            pass

    class Query:
        """Awaitable, and built by chained calls."""

        def limit(self, count):
            return SimpleNamespace(count=count)

        def __await__(self):
            yield

    request, query = Request(), Query()
    assert botanu.event("W")(lambda: request)() is request
    assert botanu.event("W")(lambda: query)().limit(3).count == 3

    async def main():
        async with botanu.event("W")(lambda: Request())() as entered:
            return entered, await botanu.event("W")(lambda: Request())()

    assert asyncio.run(main()) == ("entered", "awaited")


def test_nothing_of_a_call_is_kept():
    """What a decorated function was given and has returned is free when its caller lets go."""

    class Big:
        pass

    handle = botanu.event("W", event_id=lambda thing: "T-1")(lambda thing: thing)
    thing = Big()
    gone = weakref.ref(thing)
    handle(thing)
    del thing
    assert gone() is None
