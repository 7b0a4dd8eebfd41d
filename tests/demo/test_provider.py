"""The loopback provider, as today's `openai` and `anthropic` clients see it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from demo.invoice import Bill
from demo.provider import Provider

QUESTION = [{"role": "user", "content": "Where is my order ORD-17?"}]
OPENAI_TOOL = {
    "type": "function",
    "function": {
        "name": "lookup_order",
        "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
    },
}
ANTHROPIC_TOOL = {"name": "lookup_order", "input_schema": OPENAI_TOOL["function"]["parameters"]}
CACHED_SYSTEM = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def gpt(provider: Provider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(provider: Provider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.url, api_key="k", max_retries=0) as client:
        yield client


def only_row(provider: Provider) -> Bill:
    """The one row of the invoice."""
    (row,) = provider.invoice.rows()
    return row


class TestOpenAI:
    def test_chat(self, provider, gpt):
        """A plain answer says what the invoice says, under the same id."""
        answer = gpt.chat.completions.create(model="gpt-4.1-mini", messages=QUESTION)
        row = only_row(provider)
        assert answer.choices[0].message.content
        assert answer.choices[0].finish_reason == "stop"
        assert (answer.id, answer.model) == (row.request_id, row.model)
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (row.input_tokens, row.output_tokens)
        assert answer.usage.prompt_tokens_details.cached_tokens == row.cached_tokens
        assert (row.status, row.provider, row.operation) == ("ok", "openai", "chat")

    def test_stream_with_usage(self, provider, gpt):
        """A stream that was asked for usage ends with it."""
        chunks = list(
            gpt.chat.completions.create(
                model="gpt-4.1-mini", messages=QUESTION, stream=True, stream_options={"include_usage": True}
            )
        )
        row = only_row(provider)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
        assert {chunk.id for chunk in chunks} == {row.request_id}
        assert all(chunk.usage is None for chunk in chunks[:-1])
        assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (
            row.input_tokens,
            row.output_tokens,
        )

    def test_stream_without_usage(self, provider, gpt):
        """A stream that was not asked for usage says none, and is billed all the same."""
        chunks = list(gpt.chat.completions.create(model="gpt-4.1-mini", messages=QUESTION, stream=True))
        assert all(chunk.usage is None for chunk in chunks)
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert only_row(provider).output_tokens > 0

    @pytest.mark.parametrize("is_streaming", [False, True])
    def test_tool_call(self, gpt, is_streaming):
        """The first tool offered is called with the order in question; with its result, the model answers."""
        asked: dict[str, Any] = {"model": "gpt-4.1-mini", "tools": [OPENAI_TOOL]}
        if is_streaming:
            with gpt.chat.completions.stream(messages=QUESTION, **asked) as stream:
                choice = stream.get_final_completion().choices[0]
        else:
            choice = gpt.chat.completions.create(messages=QUESTION, **asked).choices[0]
        (call,) = choice.message.tool_calls
        assert choice.finish_reason == "tool_calls"
        assert (call.function.name, json.loads(call.function.arguments)) == ("lookup_order", {"order_id": "ORD-17"})
        result = {"role": "tool", "tool_call_id": call.id, "content": "shipped"}
        said = {"role": "assistant", "tool_calls": [call.model_dump(include={"id", "type", "function"})]}
        closing = gpt.chat.completions.create(messages=[*QUESTION, said, result], **asked)
        assert closing.choices[0].finish_reason == "stop"

    def test_embeddings(self, provider, gpt):
        """Vectors come one an input, as the client's default encoding wants them, and cost input only."""
        answer = gpt.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
        row = only_row(provider)
        assert [len(item.embedding) for item in answer.data] == [8, 8]
        assert (answer.usage.prompt_tokens, row.output_tokens) == (row.input_tokens, 0)

    def test_rate_limit(self, provider, gpt):
        """A refusal on demand is the client's own exception, with a pause to keep, and costs nothing."""
        with pytest.raises(openai.RateLimitError) as caught:
            gpt.chat.completions.create(model="gpt-4.1-mini", messages=QUESTION, extra_headers={"x-demo-fault": "429"})
        row = only_row(provider)
        assert caught.value.response.headers["retry-after"]
        assert caught.value.code == "rate_limit_exceeded"
        assert (row.status, row.input_tokens, row.output_tokens) == ("rate_limited", 0, 0)

    def test_retry_inside_the_client(self, provider, gpt):
        """The client's own retry gets through when the refusal was for once."""
        gpt.with_options(max_retries=2).chat.completions.create(
            model="gpt-4.1-mini", messages=QUESTION, extra_headers={"x-demo-fault": "429-once"}
        )
        assert [row.status for row in provider.invoice.rows()] == ["rate_limited", "ok"]


class TestAnthropic:
    def test_message(self, provider, claude):
        """Native input tokens leave out the cached ones; the invoice counts them all."""
        answer = claude.messages.create(
            model="claude-sonnet-5", max_tokens=500, system=CACHED_SYSTEM, messages=QUESTION
        )
        row, usage = only_row(provider), answer.usage
        assert (answer.id, answer.stop_reason) == (row.request_id, "end_turn")
        assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (
            row.cached_tokens,
            row.cache_write_tokens,
        )
        assert usage.cache_read_input_tokens > 0
        assert usage.cache_creation_input_tokens > 0
        assert (
            usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens == row.input_tokens
        )
        assert usage.output_tokens == row.output_tokens

    def test_stream(self, provider, claude):
        """Input tokens come with the first event, output tokens with the last."""
        with claude.messages.stream(model="claude-sonnet-5", max_tokens=500, messages=QUESTION) as stream:
            text = "".join(stream.text_stream)
            answer = stream.get_final_message()
        row = only_row(provider)
        assert text == answer.content[0].text
        assert answer.usage.input_tokens + answer.usage.cache_read_input_tokens == row.input_tokens
        assert answer.usage.output_tokens == row.output_tokens

    @pytest.mark.parametrize("is_streaming", [False, True])
    def test_tool_use(self, claude, is_streaming):
        """A tool is used with the order in question; with its result, the model answers."""
        asked: dict[str, Any] = {"model": "claude-sonnet-5", "max_tokens": 500, "tools": [ANTHROPIC_TOOL]}
        if is_streaming:
            with claude.messages.stream(messages=QUESTION, **asked) as stream:
                answer = stream.get_final_message()
        else:
            answer = claude.messages.create(messages=QUESTION, **asked)
        (block,) = answer.content
        assert (answer.stop_reason, block.type, block.input) == ("tool_use", "tool_use", {"order_id": "ORD-17"})
        said = {"role": "assistant", "content": [{"type": "tool_use", "id": block.id, "name": block.name, "input": {}}]}
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": block.id, "content": "shipped"}]}
        closing = claude.messages.create(messages=[*QUESTION, said, result], **asked)
        assert closing.stop_reason == "end_turn"

    @pytest.mark.parametrize(
        ("status", "error", "kind", "billed_as"),
        [
            (429, anthropic.RateLimitError, "rate_limit_error", "rate_limited"),
            (529, anthropic.InternalServerError, "overloaded_error", "overloaded"),
        ],
    )
    def test_refusal(self, provider, claude, status, error, kind, billed_as):
        """A refusal on demand is the client's own exception, with the provider's word for it."""
        with pytest.raises(error) as caught:
            claude.messages.create(
                model="claude-sonnet-5",
                max_tokens=5,
                messages=QUESTION,
                extra_headers={"x-demo-fault": str(status)},
            )
        assert (caught.value.status_code, caught.value.type) == (status, kind)
        assert (only_row(provider).status, only_row(provider).input_tokens) == (billed_as, 0)


class TestLeaving:
    def test_before_the_first_byte(self, provider):
        """Who leaves while the answer is held back pays nothing."""

        async def leave() -> None:
            async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="k") as client:
                call = asyncio.create_task(
                    client.chat.completions.create(
                        model="gpt-4.1-mini", messages=QUESTION, extra_headers={"x-demo-hold": "T-1"}
                    )
                )
                assert await asyncio.to_thread(provider.invoice.wait_held, "T-1", timeout=10)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call

        asyncio.run(leave())
        assert provider.invoice.wait_for(len, timeout=30)
        row = only_row(provider)
        assert (row.status, row.input_tokens, row.output_tokens) == ("canceled", 0, 0)

    def test_half_way(self, provider, gpt):
        """Who leaves half-way pays for the prompt and for what had been generated."""
        stream = gpt.chat.completions.create(
            model="gpt-4.1-mini", messages=QUESTION, stream=True, extra_headers={"x-demo-chunk-delay": "0.2"}
        )
        assert next(chunk for chunk in stream if chunk.choices[0].delta.content)
        stream.close()
        assert provider.invoice.wait_for(len, timeout=30)
        whole = gpt.chat.completions.create(model="gpt-4.1-mini", messages=QUESTION, stream=True)
        list(whole)
        left, full = provider.invoice.rows()
        assert (left.status, full.status) == ("interrupted", "ok")
        assert left.input_tokens == full.input_tokens
        assert 0 < left.output_tokens < full.output_tokens

    def test_the_provider_ends_while_it_holds(self):
        """Stopping lets go of everyone who waits."""
        with Provider() as provider:
            with pytest.raises(openai.APIConnectionError):
                asyncio.run(self._stopped_under(provider))

    @staticmethod
    async def _stopped_under(provider: Provider) -> None:
        async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as client:
            call = asyncio.create_task(
                client.chat.completions.create(
                    model="gpt-4.1-mini", messages=QUESTION, extra_headers={"x-demo-hold": "T-1"}
                )
            )
            await asyncio.to_thread(provider.invoice.wait_held, "T-1", timeout=10)
            await asyncio.to_thread(provider.stop)
            await call


class TestInvoice:
    def test_over_http(self, provider, gpt):
        """The book can be read over HTTP, as the demonstration does."""
        gpt.chat.completions.create(model="gpt-4.1-mini", messages=QUESTION)
        (row,) = httpx.get(f"{provider.url}/invoice").json()["rows"]
        assert row["request_id"] == only_row(provider).request_id
        assert row["input_tokens"] > 0

    def test_the_same_request_costs_the_same(self, provider, gpt):
        """Counts come from the request alone."""
        for _ in range(2):
            gpt.chat.completions.create(model="gpt-4.1-mini", messages=QUESTION)
        first, second = provider.invoice.rows()
        assert first.request_id != second.request_id
        assert (first.input_tokens, first.output_tokens) == (second.input_tokens, second.output_tokens)

    @pytest.mark.parametrize(("path", "body", "status"), [("/v1/nothing", "{}", 404), ("/v1/messages", "[", 400)])
    def test_a_bad_request(self, provider, path, body, status):
        """An unknown path and a broken body are refused and not billed."""
        assert httpx.post(provider.url + path, content=body).status_code == status
        assert provider.invoice.rows() == []
