"""The real OpenAI and Anthropic clients, whole answers and streams, compared with the provider's own invoice."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from botanu.tracking.llm import llm_instrumented
from demo.invoice import Bill
from demo.provider import Provider

QUESTION: Any = [{"role": "user", "content": "Where is my order ORD-17?"}]
CACHED: Any = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
USAGE: Any = {"include_usage": True}


class Desk:
    """An application's own client, with the decorator on its methods."""

    def __init__(self, gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
        self.gpt, self.claude = gpt, claude

    @llm_instrumented(provider="openai")
    def ask_gpt(self, model: str, **options: Any) -> Any:
        return self.gpt.chat.completions.create(model=model, messages=QUESTION, **options)

    @llm_instrumented(provider="openai")
    def ask_gpt_by_manager(self, model: str) -> Any:
        return self.gpt.chat.completions.stream(model=model, messages=QUESTION, stream_options=USAGE)

    @llm_instrumented(provider="anthropic")
    def ask_claude(self, model: str, **options: Any) -> Any:
        return self.claude.messages.create(model=model, messages=QUESTION, max_tokens=99, system=CACHED, **options)

    @llm_instrumented(provider="anthropic")
    def ask_claude_by_manager(self, model: str) -> Any:
        return self.claude.messages.stream(model=model, messages=QUESTION, max_tokens=99, system=CACHED)

    @llm_instrumented(provider="openai", operation="embeddings")
    def embed(self, model: str) -> Any:
        return self.gpt.embeddings.create(model=model, input=["order"])


@pytest.fixture
def desk(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> Desk:
    return Desk(gpt, claude)


@pytest.fixture
def calls(spans) -> Callable[[], list[ReadableSpan]]:
    """Our spans that have ended; Anthropic's client makes spans of its own beside them."""

    def ended() -> list[ReadableSpan]:
        return [span for span in spans.get_finished_spans() if span.instrumentation_scope.name == "botanu"]

    return ended


def billed(span: ReadableSpan, provider: Provider) -> Bill:
    """The row of the invoice for this call."""
    identity = span.attributes["gen_ai.response.id"]
    [row] = [row for row in provider.invoice.rows() if row.request_id == identity]
    return row


def assert_agrees(span: ReadableSpan, row: Bill) -> None:
    """No token more or less than the provider bills."""
    seen = {name: span.attributes.get(f"gen_ai.usage.{name}") for name in ("input_tokens", "output_tokens")}
    assert seen == {"input_tokens": row.input_tokens, "output_tokens": row.output_tokens}
    assert span.attributes.get("gen_ai.usage.cache_read.input_tokens", 0) == row.cached_tokens
    assert span.attributes.get("gen_ai.usage.cache_write.input_tokens", 0) == row.cache_write_tokens
    assert span.attributes["gen_ai.response.model"] == row.model


# --- read to the end -------------------------------------------------------------------------------------------

WHOLE: dict[str, Callable[[Desk], object]] = {
    "openai": lambda desk: desk.ask_gpt("gpt-5"),
    "openai stream": lambda desk: list(desk.ask_gpt("gpt-5", stream=True, stream_options=USAGE)),
    "anthropic": lambda desk: desk.ask_claude("claude-x"),
    "anthropic stream": lambda desk: list(desk.ask_claude("claude-x", stream=True)),
}


@pytest.mark.parametrize("ask", WHOLE.values(), ids=WHOLE)
def test_every_token_of_a_whole_answer_is_the_one_that_is_billed(ask, desk, calls, provider):
    ask(desk)
    [span] = calls()
    assert_agrees(span, billed(span, provider))
    assert span.attributes["gen_ai.response.finish_reasons"] in (("stop",), ("end_turn",))
    assert span.status.status_code is StatusCode.UNSET


def test_embeddings_have_input_only(desk, calls):
    desk.embed("text-embedding-3-small")
    [span] = calls()
    assert span.name == "embeddings text-embedding-3-small"
    assert span.attributes["gen_ai.usage.input_tokens"] > 0
    assert "gen_ai.usage.output_tokens" not in span.attributes


def test_a_stream_that_reports_no_usage_leaves_it_unknown(desk, calls):
    list(desk.ask_gpt("gpt-5", stream=True))
    [span] = calls()
    assert not any(".usage." in key for key in span.attributes)
    assert span.attributes["gen_ai.response.finish_reasons"] == ("stop",)


# --- the stream is still the client's own ----------------------------------------------------------------------


def test_the_stream_is_still_of_the_clients_class_and_has_its_attributes(desk, calls):
    stream = desk.ask_gpt("gpt-5", stream=True)
    assert isinstance(stream, openai.Stream)
    assert stream.response.status_code == 200
    assert not calls()
    stream.close()
    assert len(calls()) == 1
    with desk.ask_claude("claude-x", stream=True) as other:
        assert isinstance(other, anthropic.Stream)


LEFT: dict[str, Callable[[Any], object]] = {
    "closed early": lambda stream: (next(stream), stream.close()),
    "abandoned in a loop": lambda stream: [chunk for chunk, _ in zip(stream, range(1), strict=False)],
    "never read": lambda stream: None,
    "entered and dropped": lambda stream: [next(entered) for entered in [stream.__enter__()]],
}


@pytest.mark.parametrize("leave", LEFT.values(), ids=LEFT)
@pytest.mark.parametrize("ask", ["ask_gpt", "ask_claude"])
def test_a_stream_that_is_left_half_way_ends_its_call_without_an_error(leave, ask, desk, calls):
    stream = getattr(desk, ask)("m", stream=True)
    try:
        leave(stream)
    finally:
        inner = stream.response
        del stream
        gc.collect()
        inner.close()
    [span] = calls()
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes["botanu.request.streaming"] is True


def test_a_call_ends_when_its_with_block_does(desk, calls):
    with desk.ask_gpt("gpt-5", stream=True) as stream:
        for _ in stream:
            break
        assert not calls()
    assert len(calls()) == 1
    assert calls()[0].attributes["gen_ai.response.id"].startswith("chatcmpl-")


def test_an_exception_in_the_with_block_fails_the_call_and_passes(desk, calls):
    def read() -> None:
        with desk.ask_gpt("gpt-5", stream=True) as stream:
            next(stream)
            raise LookupError("the reader's own")

    with pytest.raises(LookupError):
        read()
    assert calls()[0].attributes["error.type"] == "LookupError"


def test_a_stream_that_the_provider_cuts_fails_with_the_clients_exception(spans):
    with Provider() as provider, openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as gpt:
        desk = Desk(gpt, None)  # type: ignore[arg-type]  # not asked here
        stream = desk.ask_gpt("gpt-5", stream=True, extra_headers={"x-demo-chunk-delay": "0.2"})
        next(stream)
        provider.stop()
        with pytest.raises((openai.APIError, httpx.HTTPError)) as caught:
            list(stream)
    [span] = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == type(caught.value).__name__


# --- stream managers: nothing is asked until they are entered --------------------------------------------------


def read_text(stream: Any) -> None:
    assert "".join(stream.text_stream)


def read_events(stream: Any) -> None:
    assert list(stream)


def read_final(stream: Any) -> None:
    assert stream.get_final_message()


@pytest.mark.parametrize("read", [read_text, read_events, read_final])
def test_anthropics_stream_manager_is_one_call_however_it_is_read(read, desk, calls, provider):
    manager = desk.ask_claude_by_manager("claude-x")
    assert isinstance(manager, anthropic.MessageStreamManager)
    with manager as stream:
        assert isinstance(stream, anthropic.MessageStream)
        read(stream)
    [span] = calls()
    assert_agrees(span, billed(span, provider))


def test_openais_stream_manager_is_one_call(desk, calls, provider):
    with desk.ask_gpt_by_manager("gpt-5") as stream:
        for _ in stream:
            pass
    [span] = calls()
    assert_agrees(span, billed(span, provider))


def test_what_a_manager_asks_when_it_is_entered_is_a_child_of_the_call(desk, spans):
    """Anthropic's client makes a span of its own for each request."""
    with desk.ask_claude_by_manager("claude-x") as stream:
        read_text(stream)
    ours, theirs = sorted(spans.get_finished_spans(), key=lambda span: span.instrumentation_scope.name != "botanu")
    assert theirs.parent.span_id == ours.context.span_id


def test_a_manager_that_is_left_early_keeps_what_was_seen(desk, calls):
    with desk.ask_claude_by_manager("claude-x") as stream:
        next(stream.text_stream)
        assert not calls()
    [span] = calls()
    assert span.attributes["gen_ai.response.id"].startswith("msg_")
    assert span.attributes["gen_ai.usage.input_tokens"] > 0


def test_a_manager_that_is_never_entered_is_an_empty_call(desk, calls):
    desk.ask_claude_by_manager("claude-x")
    gc.collect()
    assert len(calls()) == 1


def test_a_refusal_on_entering_a_manager_fails_the_call(spans, provider, calls):
    headers = {"x-demo-fault": "429"}
    with anthropic.Anthropic(base_url=provider.url, api_key="k", max_retries=0, default_headers=headers) as claude:
        with pytest.raises(anthropic.RateLimitError), Desk(None, claude).ask_claude_by_manager("m"):  # type: ignore[arg-type]
            pass
    assert calls()[0].attributes["error.type"] == "RateLimitError"


# --- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "error"), [("ask_gpt", openai.RateLimitError), ("ask_claude", anthropic.RateLimitError)]
)
def test_a_refusal_is_the_clients_exception_and_fails_the_call(ask, error, desk, calls):
    with pytest.raises(error):
        getattr(desk, ask)("m", extra_headers={"x-demo-fault": "429"})
    [span] = calls()
    assert span.attributes["error.type"] == "RateLimitError"
    assert span.status.status_code is StatusCode.ERROR
    assert len([event for event in span.events if event.name == "exception"]) == 1


# --- async -----------------------------------------------------------------------------------------------------


class AsyncDesk:
    def __init__(self, gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
        self.gpt, self.claude = gpt, claude

    @llm_instrumented(provider="openai")
    async def ask_gpt(self, model: str, **options: Any) -> Any:
        return await self.gpt.chat.completions.create(model=model, messages=QUESTION, **options)

    @llm_instrumented(provider="anthropic")
    def ask_claude(self, model: str, **options: Any) -> Any:
        """Not a coroutine function: hands on the coroutine of the client."""
        return self.claude.messages.create(model=model, messages=QUESTION, max_tokens=99, system=CACHED, **options)

    @llm_instrumented(provider="anthropic")
    def ask_claude_by_manager(self, model: str) -> Any:
        return self.claude.messages.stream(model=model, messages=QUESTION, max_tokens=99, system=CACHED)


@pytest.fixture
def with_async_desk(provider: Provider) -> Callable[[Callable[[AsyncDesk], Any]], None]:
    """Runs a scenario in a loop of its own."""

    def run(scenario: Callable[[AsyncDesk], Any]) -> None:
        async def main() -> None:
            async with (
                openai.AsyncOpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as gpt,
                anthropic.AsyncAnthropic(base_url=provider.url, api_key="k", max_retries=0) as claude,
            ):
                await scenario(AsyncDesk(gpt, claude))

        asyncio.run(main())

    return run


async def _drain(stream: Any) -> None:
    async for _ in stream:
        pass


async def _drain_text(manager: Any) -> None:
    async with manager as stream:
        assert isinstance(stream, anthropic.AsyncMessageStream)
        async for _ in stream.text_stream:
            pass


ASYNC: dict[str, Callable[[AsyncDesk], Any]] = {
    "openai": lambda desk: desk.ask_gpt("gpt-5"),
    "anthropic": lambda desk: desk.ask_claude("claude-x"),
    "anthropic manager": lambda desk: _drain_text(desk.ask_claude_by_manager("claude-x")),
}


@pytest.mark.parametrize("ask", ASYNC.values(), ids=ASYNC)
def test_async_calls_agree_with_the_invoice(ask, with_async_desk, calls, provider):
    with_async_desk(ask)
    [span] = calls()
    assert_agrees(span, billed(span, provider))


@pytest.mark.parametrize(
    ("ask", "options", "kind"),
    [
        ("ask_gpt", {"stream": True, "stream_options": USAGE}, openai.AsyncStream),
        ("ask_claude", {"stream": True}, anthropic.AsyncStream),
    ],
)
def test_async_streams_agree_with_the_invoice_and_keep_their_class(
    ask, options, kind, with_async_desk, calls, provider
):
    async def scenario(desk: AsyncDesk) -> None:
        stream = await getattr(desk, ask)("m", **options)
        assert isinstance(stream, kind)
        await _drain(stream)

    with_async_desk(scenario)
    [span] = calls()
    assert_agrees(span, billed(span, provider))


def test_an_async_stream_that_is_closed_early_ends_its_call(with_async_desk, calls):
    async def scenario(desk: AsyncDesk) -> None:
        stream = await desk.ask_gpt("gpt-5", stream=True)
        await anext(stream)
        assert not calls()
        await stream.close()
        assert len(calls()) == 1

    with_async_desk(scenario)


def test_an_async_stream_ends_with_its_with_block(with_async_desk, calls):
    async def scenario(desk: AsyncDesk) -> None:
        async with await desk.ask_gpt("gpt-5", stream=True) as stream:
            await anext(stream)
            assert not calls()
        assert len(calls()) == 1

    with_async_desk(scenario)


def test_a_cancelled_async_stream_ends_its_call_without_an_error(with_async_desk, calls):
    async def scenario(desk: AsyncDesk) -> None:
        slow = {"x-demo-chunk-delay": "0.2"}
        stream = await desk.ask_gpt("gpt-5", stream=True, extra_headers=slow)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_drain(stream), 0.05)

    with_async_desk(scenario)
    [span] = calls()
    assert span.status.status_code is StatusCode.UNSET
