"""Streams of any make: handed on as they are, watched to their end, ended once."""

import asyncio
import contextlib
import copy
import gc
import inspect
import pickle
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

import botanu
from botanu.tracking.llm import llm_instrumented

Only = Callable[[], ReadableSpan]
CHUNK = {"id": "chatcmpl-1", "usage": {"prompt_tokens": 12, "completion_tokens": 3}}


def pieces() -> Iterator[Any]:
    yield {"choices": []}
    yield CHUNK


async def later_pieces() -> AsyncIterator[Any]:
    yield {"choices": []}
    yield CHUNK


def returning(result: Any) -> Any:
    @llm_instrumented(provider="openai")
    def chat(model: str) -> Any:
        return result

    return chat("m")


def test_a_function_that_returns_a_generator_is_one_call_until_that_ends(spans):
    stream = returning(pieces())
    assert inspect.isgenerator(stream)
    assert not spans.get_finished_spans()
    assert list(stream)[-1] is CHUNK
    [span] = spans.get_finished_spans()
    assert span.attributes["gen_ai.usage.input_tokens"] == 12


def test_a_function_that_returns_an_async_generator_is_one_call_until_that_ends(only: Only):
    async def scenario() -> None:
        stream = returning(later_pieces())
        assert inspect.isasyncgen(stream)
        assert [item async for item in stream][-1] is CHUNK

    asyncio.run(scenario())
    assert only().attributes["gen_ai.usage.output_tokens"] == 3


@pytest.mark.parametrize("result", [[CHUNK], (CHUNK,), "text", b"bytes", {"a": 1}, {1, 2}, range(3)])
def test_what_can_be_read_twice_is_a_whole_response(result, only: Only):
    assert returning(result) is result
    assert "botanu.request.streaming" not in only().attributes


class Closable:
    """A stream of somebody's with a plain `close`, as some async clients have it."""

    def __init__(self) -> None:
        self.closed = 0
        self.read = 0

    def __aiter__(self) -> "Closable":
        return self

    async def __anext__(self) -> Any:
        self.read += 1
        return CHUNK

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("name", ["close", "aclose"])
def test_an_async_stream_with_a_plain_close_can_be_closed(name, only: Only):
    inner = Closable()

    async def scenario() -> None:
        stream = returning(inner)
        assert isinstance(stream, Closable)
        await anext(stream)
        await getattr(stream, name)()
        assert stream.closed == 1

    asyncio.run(scenario())
    assert only().attributes["gen_ai.response.id"] == "chatcmpl-1"


def test_attributes_can_be_read_and_methods_called_through_the_watch(only: Only):
    stream = returning(Closable())
    assert stream.closed == 0
    asyncio.run(anext(stream))
    assert stream.read == 1
    with pytest.raises(AttributeError):
        _ = stream.missing
    asyncio.run(stream.close())
    assert only().end_time is not None


def test_ending_twice_counts_once(only: Only):
    stream = returning(pieces())
    list(stream)
    stream.close()
    del stream
    gc.collect()
    assert only().status.status_code is StatusCode.UNSET


def test_an_exception_out_of_the_stream_fails_the_call_and_passes(only: Only):
    error = ConnectionError("cut")

    def broken() -> Iterator[Any]:
        yield {"id": "chatcmpl-1"}
        raise error

    with pytest.raises(ConnectionError) as caught:
        list(returning(broken()))
    assert caught.value is error
    assert only().attributes["error.type"] == "ConnectionError"
    assert only().attributes["gen_ai.response.id"] == "chatcmpl-1"


def test_a_stream_may_be_read_in_another_thread_and_outside_its_run(spans):
    with botanu.event(workflow="w", event_id="t-1"):
        stream = returning(pieces())
    thread = threading.Thread(target=lambda: list(stream))
    thread.start()
    thread.join()
    call = next(span for span in spans.get_finished_spans() if span.name == "chat m")
    assert call.attributes["botanu.event_id"] == "t-1"
    assert call.attributes["gen_ai.usage.input_tokens"] == 12


class Manager:
    """Gives a stream when it is entered."""

    def __enter__(self) -> Iterator[Any]:
        return pieces()

    def __exit__(self, *error: object) -> bool:
        return error[0] is KeyError


def test_a_manager_may_swallow_an_exception_as_ever(only: Only):
    with returning(Manager()) as stream:
        next(stream)
        raise KeyError("swallowed")
    assert only().attributes["error.type"] == "KeyError"


def test_a_manager_that_gives_no_stream_is_one_call_until_it_is_left(spans):
    @contextlib.contextmanager
    def plain() -> Iterator[str]:
        yield "nothing to iterate"

    class Plain:
        def __init__(self) -> None:
            self.inner = plain()

        def __enter__(self) -> str:
            return self.inner.__enter__()

        def __exit__(self, *error: Any) -> Any:
            return self.inner.__exit__(*error)

    with returning(Plain()) as given:
        assert given == "nothing to iterate"
        assert not spans.get_finished_spans()
    assert len(spans.get_finished_spans()) == 1


class Response:
    """What many HTTP clients return: a context manager, too, but an answer and not a promise of one."""

    def __enter__(self) -> "Response":
        return self

    def __exit__(self, *error: object) -> None: ...

    def close(self) -> None: ...


class Decorating(contextlib.ContextDecorator, Manager):
    """A context manager that is a decorator as well."""


class Awaitable:
    """What may be awaited or entered, such as an HTTP client's request."""

    def __await__(self) -> Any:
        return iter(())

    async def __aenter__(self) -> Any: ...

    async def __aexit__(self, *error: object) -> None: ...


@pytest.mark.parametrize("kind", [Response, Decorating, Awaitable])
def test_what_can_do_more_than_be_entered_is_handed_back_untouched(kind, only: Only):
    result = kind()
    assert returning(result) is result
    assert only().end_time is not None


def test_a_stream_that_lives_as_long_as_the_process_ends_without_a_word():
    code = """
        from botanu.tracking.llm import llm_instrumented

        @llm_instrumented(provider="openai")
        def chat(model):
            return iter([{"id": "x"}, {"id": "y"}])

        stream = chat("m")
        next(stream)
        kept = [stream]
        kept.append(kept)
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", inspect.cleandoc(code)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_stream_can_no_more_be_copied_than_the_clients_own(duplicate, spans):
    stream = returning(pieces())
    with pytest.raises(TypeError):
        duplicate(stream)
    stream.close()
