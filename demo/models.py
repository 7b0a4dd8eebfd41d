"""Model calls as both services make them: the real clients, each call inside `track_llm_call`."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import anthropic
import openai
from anthropic.types import Message, MessageParam, TextBlockParam
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionMessage, ChatCompletionMessageParam, ChatCompletionToolParam

from botanu.tracking.llm import LLMTracker, ModelOperation, track_llm_call

__all__ = ["CLAUDE", "EMBEDDER", "GPT", "Models"]

GPT = "gpt-5-mini"
CLAUDE = "claude-sonnet-5"
EMBEDDER = "text-embedding-3-small"

_ANSWER_TOKENS = 500
_SYSTEM: list[TextBlockParam] = [
    {"type": "text", "text": "You work at a help desk. Be brief.", "cache_control": {"type": "ephemeral"}}
]


class Models:
    """Both providers; `headers` on a call steer the loopback provider and mean nothing to a real one.

    The clients do not retry by themselves: one call is one request, and a fallback is the service's own decision.
    """

    def __init__(self, provider_url: str) -> None:
        self._openai = openai.AsyncOpenAI(base_url=f"{provider_url}/v1", api_key="demo", max_retries=0)
        self._anthropic = anthropic.AsyncAnthropic(base_url=provider_url, api_key="demo", max_retries=0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._openai.close()
        await self._anthropic.close()

    async def gpt(
        self,
        messages: list[ChatCompletionMessageParam],
        *,
        tools: list[ChatCompletionToolParam] | None = None,
        attempt: int = 1,
    ) -> ChatCompletionMessage:
        """A plain answer, or the tool calls that the model wants first."""
        with track_llm_call(provider="openai", model=GPT) as call:
            call.set_attempt(attempt)
            response = await self._openai.chat.completions.create(
                model=GPT, messages=messages, tools=tools or openai.omit
            )
            call.set_request_id(response.id).set_response_model(response.model)
            call.set_finish_reason(response.choices[0].finish_reason)
            _record_openai_usage(call, response.usage)
            return response.choices[0].message

    async def gpt_stream(self, messages: list[ChatCompletionMessageParam]) -> str:
        """A streamed answer; OpenAI says what it cost in the last chunk, when it is asked to."""
        with track_llm_call(provider="openai", model=GPT) as call:
            call.set_streaming(True)
            stream = await self._openai.chat.completions.create(
                model=GPT, messages=messages, stream=True, stream_options={"include_usage": True}
            )
            text = ""
            async for chunk in stream:
                call.set_request_id(chunk.id).set_response_model(chunk.model)
                text += "".join(choice.delta.content or "" for choice in chunk.choices)
                if chunk.usage is not None:
                    _record_openai_usage(call, chunk.usage)
            return text

    async def embed(self, text: str) -> list[float]:
        """The vector of a text. Embedding responses carry no id, so the one in the headers is taken."""
        with track_llm_call(provider="openai", model=EMBEDDER, operation=ModelOperation.EMBEDDINGS) as call:
            raw = await self._openai.embeddings.with_raw_response.create(model=EMBEDDER, input=text)
            response = raw.parse()
            call.set_request_id(raw.headers["x-request-id"]).set_response_model(response.model)
            call.set_tokens(input_tokens=response.usage.prompt_tokens)
            return response.data[0].embedding

    async def claude(self, messages: list[MessageParam], *, headers: Mapping[str, str] | None = None) -> str:
        """A plain answer."""
        with track_llm_call(provider="anthropic", model=CLAUDE) as call:
            response = await self._anthropic.messages.create(
                model=CLAUDE,
                max_tokens=_ANSWER_TOKENS,
                system=_SYSTEM,
                messages=messages,
                extra_headers=headers,
            )
            _record_claude(call, response)
            return _text_of(response)

    async def claude_stream(self, messages: list[MessageParam]) -> str:
        """A streamed answer."""
        with track_llm_call(provider="anthropic", model=CLAUDE) as call:
            call.set_streaming(True)
            async with self._anthropic.messages.stream(
                model=CLAUDE, max_tokens=_ANSWER_TOKENS, system=_SYSTEM, messages=messages
            ) as stream:
                response = await stream.get_final_message()
            _record_claude(call, response)
            return _text_of(response)

    async def claude_or_gpt(self, question: str, *, headers: Mapping[str, str] | None = None) -> str:
        """Anthropic first; OpenAI when Anthropic has no room."""
        try:
            return await self.claude([{"role": "user", "content": question}], headers=headers)
        except anthropic.RateLimitError:
            message = await self.gpt([{"role": "user", "content": question}], attempt=2)
            return message.content or ""


def _record_openai_usage(call: LLMTracker, usage: CompletionUsage | None) -> None:
    """OpenAI's prompt tokens include those that were read from the cache."""
    if usage is not None:
        details = usage.prompt_tokens_details
        call.set_tokens(
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            cached_tokens=(details.cached_tokens if details else None) or 0,
        )


def _record_claude(call: LLMTracker, response: Message) -> None:
    """Anthropic's input tokens leave out those that were read from or written to the cache."""
    call.set_request_id(response.id).set_response_model(response.model)
    call.set_finish_reason(response.stop_reason or "unknown")
    call.set_tokens(
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
        cache_read_tokens=response.usage.cache_read_input_tokens or 0,
        cache_write_tokens=response.usage.cache_creation_input_tokens or 0,
    )


def _text_of(response: Message) -> str:
    return "".join(block.text for block in response.content if block.type == "text")
