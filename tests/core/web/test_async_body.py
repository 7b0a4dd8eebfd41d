"""An async body is made inside its run, chunk by chunk, and its end is the run's."""

import asyncio

import pytest
from opentelemetry import trace

import botanu
from botanu_core import adapter

STATUS = "botanu.outcome.status"


class Page(adapter.EnvironExchange):
    """A request of no framework."""

    __slots__ = ()

    def native(self):
        return self.environ

    def route(self):
        return "/page"


@pytest.fixture
def begun(spans):
    """Begins a request whose response is the body that `chunks` gives, made while its run is current."""

    def begun(chunks, status=200, **environ):
        exchange = Page.opened(adapter.WebOptions(), {"REQUEST_METHOD": "GET", "PATH_INFO": "/"} | environ, dict)
        activation = exchange.activate()
        try:
            exchange.started(status)
            return adapter.AsyncBody(exchange, chunks())
        finally:
            adapter.deactivate(activation)

    return begun


def outcomes(spans):
    return [span.attributes.get(STATUS) for span in spans.get_finished_spans() if "url.path" in span.attributes]


async def three():
    """Three chunks, each the id of the run that it is made in; others have their turn between them."""
    for _ in range(3):
        await asyncio.sleep(0)
        trace.get_tracer("library").start_span("chunk").end()
        yield botanu.get_run_id()


class Iterator:
    """An async iterator that is no generator, and whose steps are no coroutines."""

    def __init__(self):
        self._left = 3

    def __aiter__(self):
        return self

    def __anext__(self):
        self._left -= 1
        step = asyncio.get_running_loop().create_future()
        if self._left < 0:
            step.set_exception(StopAsyncIteration())
        else:
            step.set_result(botanu.get_run_id())
        return step


@pytest.mark.parametrize("chunks", [three, Iterator])
def test_each_chunk_is_made_inside_the_run(begun, spans, chunks):
    """Whoever asks for them is not in it; the run ends with the last."""

    async def asked():
        body, got = begun(chunks), []
        async for chunk in body:
            got.append(chunk)
            assert botanu.get_run_id() is None
            assert outcomes(spans) == []
        return got

    got = asyncio.run(asked())
    assert len(got) == 3
    assert len(set(got)) == 1
    assert outcomes(spans) == ["success"]


def test_bodies_asked_in_tasks_keep_apart(begun):
    """A hundred at once."""

    async def collected(body):
        return {chunk async for chunk in body}

    async def together():
        return await asyncio.gather(*(collected(begun(three)) for _ in range(100)))

    found = asyncio.run(together())
    assert all(len(ids) == 1 for ids in found)
    assert len(set.union(*found)) == 100


def test_an_exception_passes_and_is_a_failure(begun, spans):
    """The status was 200 all the same."""

    async def breaks():
        yield "half"
        raise LookupError("no more")

    async def asked():
        return [chunk async for chunk in begun(breaks)]

    with pytest.raises(LookupError, match="no more"):
        asyncio.run(asked())
    assert outcomes(spans) == ["failed"]


def test_a_task_that_is_cancelled_cancels_the_run(begun, spans):
    """A client that leaves is told to the generator by cancellation."""
    seen = []

    async def waits():
        yield "first"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append(botanu.get_run_id())
            raise

    async def cancelled():
        body = begun(waits)
        first = asyncio.Event()

        async def asked():
            async for _ in body:
                first.set()

        task = asyncio.create_task(asked())
        await first.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert (outcomes(spans), len(seen)) == (["canceled"], 1)
    assert seen[0] is not None


@pytest.mark.parametrize("taken", [0, 1])
def test_a_body_that_is_closed_early_is_canceled(begun, spans, taken):
    """Before its first chunk, and after it; the generator is closed inside the run."""
    seen = []

    async def chunks():
        try:
            while True:
                yield "chunk"
        finally:
            seen.append(botanu.get_run_id())

    async def closed():
        body = begun(chunks)
        for _ in range(taken):
            await anext(body)
        await body.aclose()
        await body.aclose()

    asyncio.run(closed())
    assert (outcomes(spans), len(seen)) == (["canceled"], taken)
    assert None not in seen


def test_a_close_that_raises_passes(begun, spans):
    """The run has failed, and the exception is the application's."""

    async def chunks():
        try:
            yield "chunk"
        finally:
            raise LookupError("close")

    async def closed():
        body = begun(chunks)
        await anext(body)
        await body.aclose()

    with pytest.raises(LookupError, match="close"):
        asyncio.run(closed())
    assert outcomes(spans) == ["failed"]


@pytest.mark.parametrize(("status", "method"), [(304, "GET"), (200, "HEAD")])
def test_a_body_that_http_does_not_want_may_be_left(begun, spans, status, method):
    """Closing it unasked is no sign of anybody having left."""
    asyncio.run(begun(three, status, REQUEST_METHOD=method).aclose())
    assert outcomes(spans) == ["success"]
