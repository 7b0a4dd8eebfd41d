"""Model calls as both services make them: the real clients, each call inside `track_llm_call`."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import anthropic
import httpx
import openai
from anthropic.types import Message, MessageParam, TextBlockParam
from langchain_openai import ChatOpenAI
from openai.types import CompletionUsage
from openai.types.chat import (
    ChatCompletionChunk,
    ChatCompletionMessage,
    ChatCompletionMessageParam,
    ChatCompletionToolParam,
)
from pydantic import SecretStr

import botanu
from botanu.tracking.llm import LLMTracker, ModelOperation, llm_instrumented, track_llm_call
from demo.pricelist import KEY_OF_ACCOUNT

__all__ = ["ARCHIVIST", "CLAUDE", "EMBEDDER", "GPT", "Models"]

GPT = "gpt-5-mini"
CLAUDE = "claude-sonnet-5"
ARCHIVIST = "claude-sonnet-4-5"
EMBEDDER = "text-embedding-3-small"

_ANSWER_TOKENS = 500
_SYSTEM: list[TextBlockParam] = [
    {"type": "text", "text": "You work at a help desk. Be brief.", "cache_control": {"type": "ephemeral"}}
]


class Models:
    """Both providers; `headers` on a call steer the loopback provider and mean nothing to a real one.

    The clients retry nothing by themselves, unless they are told to: a fallback is the service's own decision. Each
    customer has an API key of their own, since one of them has negotiated a price.
    """

    def __init__(self, provider_url: str) -> None:
        self._url, self._http = provider_url, httpx.AsyncClient()
        self._openai = openai.AsyncOpenAI(base_url=f"{provider_url}/v1", api_key="demo", max_retries=0)
        self._anthropic = anthropic.AsyncAnthropic(base_url=provider_url, api_key="demo", max_retries=0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._openai.close()
        await self._anthropic.close()
        await self._http.aclose()

    def chat(self) -> ChatOpenAI:
        """OpenAI's model for a graph; the calls are LangChain's, and its callbacks tell of them."""
        return ChatOpenAI(
            model=GPT, base_url=f"{self._url}/v1", api_key=SecretStr(_api_key()), http_async_client=self._http
        )

    @property
    def _gpt(self) -> openai.AsyncOpenAI:
        return self._openai.with_options(api_key=_api_key())

    @property
    def _claude(self) -> anthropic.AsyncAnthropic:
        return self._anthropic.with_options(api_key=_api_key())

    async def gpt(
        self,
        messages: list[ChatCompletionMessageParam],
        *,
        tools: list[ChatCompletionToolParam] | None = None,
        attempt: int = 1,
        headers: Mapping[str, str] | None = None,
    ) -> ChatCompletionMessage:
        """A plain answer, or the tool calls that the model wants first. The client tries again once by itself."""
        with track_llm_call(provider="openai", model=GPT) as call:
            call.set_attempt(attempt)
            response = await self._gpt.with_options(max_retries=1).chat.completions.create(
                model=GPT, messages=messages, tools=tools or openai.omit, extra_headers=headers
            )
            call.set_request_id(response.id).set_response_model(response.model)
            call.set_finish_reason(response.choices[0].finish_reason)
            _record_openai_usage(call, response.usage)
            return response.choices[0].message

    async def gpt_stream(self, messages: list[ChatCompletionMessageParam], *, asks_for_usage: bool = True) -> str:
        """A streamed answer that has time: flex costs half. OpenAI says what was used at the end, when asked to."""
        text = ""
        async for chunk in await self._stream(messages, asks_for_usage=asks_for_usage):
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
        return text

    @llm_instrumented(provider="openai")
    async def _stream(
        self, messages: list[ChatCompletionMessageParam], *, asks_for_usage: bool, model: str = GPT
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        return await self._gpt.chat.completions.create(
            model=model,
            messages=messages,
            service_tier="flex",
            stream=True,
            stream_options={"include_usage": True} if asks_for_usage else openai.omit,
        )

    async def embed(self, text: str) -> list[float]:
        """The vector of a text. Embedding responses carry no id, so the one in the headers is taken."""
        with track_llm_call(provider="openai", model=EMBEDDER, operation=ModelOperation.EMBEDDINGS) as call:
            raw = await self._gpt.embeddings.with_raw_response.create(model=EMBEDDER, input=text)
            response = raw.parse()
            call.set_request_id(raw.headers["x-request-id"]).set_response_model(response.model)
            call.set_tokens(input_tokens=response.usage.prompt_tokens)
            return response.data[0].embedding

    async def claude(
        self, messages: list[MessageParam], *, model: str = CLAUDE, headers: Mapping[str, str] | None = None
    ) -> str:
        """A plain answer."""
        with track_llm_call(provider="anthropic", model=model) as call:
            response = await self._claude.messages.create(
                model=model,
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
            async with self._claude.messages.stream(
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


def _api_key() -> str:
    """The customer's own; which customer it is the run says, in either service."""
    run = botanu.get_current_run()
    return f"{KEY_OF_ACCOUNT}{run.customer_id}" if run is not None else "key"


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
