"""Streams of real clients that do not come to their end: each has its entry, with what was seen of it."""

import asyncio
import gc
from contextlib import suppress

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from botanu.tracking.llm import llm_instrumented
from demo.provider import Provider

ASK = {"model": "priced", "messages": [{"role": "user", "content": "How long is a stream?"}]}


@pytest.fixture(scope="module")
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def client(provider):
    with OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as found:
        yield found


def streamed(client, **options):
    """A stream of the client's, tracked."""
    call = llm_instrumented(provider="openai", **options)(client.chat.completions.create)
    return call(**ASK, stream=True)


def quality(entry) -> tuple:
    return entry.attributes.get("botanu.usage.quality"), entry.attributes["botanu.cost.source"]


def close(stream):
    next(stream)
    stream.close()


def drop(stream):
    next(stream)
    del stream
    gc.collect()


def leave(stream):
    with stream as chunks:
        for _ in chunks:
            break


def fail(stream):
    with suppress(LookupError), stream as chunks:
        next(chunks)
        raise LookupError


@pytest.mark.parametrize("end", [close, drop, leave, fail])
def test_a_stream_that_is_not_read_to_its_end_has_one_entry(desk, client, end):
    here = desk()
    stream = streamed(client, include_usage=True)
    end(stream)
    del stream
    [entry] = here.entries()
    assert quality(entry) == ("unknown", "none")
    assert entry.attributes["gen_ai.response.id"].startswith("chatcmpl")


def test_a_stream_that_the_peer_cuts_has_one_entry(desk):
    here = desk()
    with Provider() as dying, OpenAI(base_url=dying.openai_url, api_key="k", max_retries=0) as client:
        call = llm_instrumented(provider="openai")(client.chat.completions.create)
        stream = call(**ASK, stream=True, extra_headers={"x-demo-chunk-delay": "0.2"})
        next(stream)
        dying.stop()
        with pytest.raises(Exception, match=r".*"):  # whichever of its own the client finds for it
            list(stream)
        del stream
    [entry] = here.entries()
    assert entry.attributes["botanu.usage.quality"] == "unknown"
    assert entry.attributes["botanu.call.status"] == "error"


def test_a_stream_whose_task_is_cancelled_has_one_entry(desk, provider):
    here = desk()

    async def main():
        async with AsyncOpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as client:
            create = llm_instrumented(provider="openai")(client.chat.completions.create)
            begun = asyncio.Event()

            async def read():
                stream = await create(**ASK, stream=True, extra_headers={"x-demo-chunk-delay": "0.2"})
                async for _ in stream:
                    begun.set()

            task = asyncio.create_task(read())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    gc.collect()
    [entry] = here.entries()
    assert quality(entry) == ("unknown", "none")


def test_what_an_anthropic_stream_said_at_its_beginning_is_an_estimate(desk, provider):
    """The input and a token of output are in its first event; the span of the client's own has the input only."""
    import anthropic

    here = desk()
    with anthropic.Anthropic(base_url=provider.url, api_key="k", max_retries=0) as client:
        call = llm_instrumented(provider="anthropic")(client.messages.create)
        stream = call(**{**ASK, "model": "claude-sonnet-4-6"}, max_tokens=9, stream=True)
        next(stream)
        stream.close()
    [entry] = here.entries()
    assert quality(entry) == ("estimated", "list")
    assert entry.attributes["gen_ai.usage.input_tokens"] > 0


# --- asking for the usage of a stream -------------------------------------------------------------------------------


def test_a_stream_is_asked_for_its_usage_where_that_is_wanted(desk, client):
    """The provider names it in a last piece, and the span says that we have asked."""
    here = desk()
    assert any(chunk.usage for chunk in streamed(client, include_usage=True))
    [entry] = here.entries()
    assert quality(entry) == (None, "contract")
    assert here.span("chat priced")["botanu.request.include_usage"] is True


def recording(**defaults):
    """A function that takes whatever, as a client's own would, and what it was given."""
    given = []

    def create(*, model="priced", **options):
        given.append({**defaults, **options})
        return {"id": "r", "usage": {"prompt_tokens": 1, "completion_tokens": 1}}

    return create, given


@pytest.mark.parametrize(
    ("options", "include_usage"),
    [
        ({"stream": True}, False),
        ({"stream": False}, True),
        ({}, True),
        ({"stream": True, "stream_options": {"include_usage": False}}, True),
        ({"stream": True, "stream_options": None}, True),
    ],
)
def test_it_is_not_asked_where_it_is_not_wanted(desk, options, include_usage):
    here = desk()
    create, given = recording()
    llm_instrumented(provider="openai", include_usage=include_usage)(create)(**options)
    assert given == [options]
    assert "botanu.request.include_usage" not in here.span("chat priced")


def test_a_function_that_does_not_take_it_is_not_given_it(desk):
    desk()

    def create(model, stream=False):
        return {"id": "r"}

    assert llm_instrumented(provider="openai", include_usage=True)(create)("priced", stream=True) == {"id": "r"}


def test_what_is_given_by_position_is_not_given_twice(desk):
    desk()

    def create(model, stream_options=None, **options):
        return stream_options

    call = llm_instrumented(provider="openai", include_usage=True)(create)
    assert call("priced", {"mine": 1}, stream=True) == {"mine": 1}
    assert call("priced", stream=True) == {"include_usage": True}


def test_the_client_is_the_only_one_that_raises(desk, provider):
    """A provider that refuses is heard by the caller as ever."""
    here = desk()
    with OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as client:
        create = llm_instrumented(provider="openai", include_usage=True)(client.chat.completions.create)
        with pytest.raises(openai.RateLimitError):
            create(**ASK, stream=True, extra_headers={"x-demo-fault": "429"})
    [entry] = here.entries()
    assert entry.attributes["error.type"] == "RateLimitError"
    assert "botanu.cost.usd_exact" not in entry.attributes
