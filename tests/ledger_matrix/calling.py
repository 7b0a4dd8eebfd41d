"""A program: one model call a way of calling, each in a run of its own, seen by a stack of reporters.

It runs in a process of its own, because instrumentors patch clients for good: taken off in another order than they were
put on, some stay. On standard output it says what `explain` says of each run.
"""

import asyncio
import importlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import anthropic
import httpx2
import openai

import botanu
from botanu.tracking.llm import llm_instrumented, track_llm_call

__all__ = ["MODELS", "MODES", "SCOPES", "main"]

MODELS: Final = {"openai": "gpt-5-mini", "anthropic": "claude-sonnet-5"}
MODES: Final = ("sync", "async", "streamed", "async streamed")
_INSTRUMENTORS: Final = {
    ("openai", "otel"): ("opentelemetry.instrumentation.genai.openai", "OpenAIInstrumentor"),
    ("openai", "older otel"): ("opentelemetry.instrumentation.openai_v2", "OpenAIInstrumentor"),
    ("openai", "openinference"): ("openinference.instrumentation.openai", "OpenAIInstrumentor"),
    ("openai", "openllmetry"): ("opentelemetry.instrumentation.openai", "OpenAIInstrumentor"),
    ("anthropic", "openinference"): ("openinference.instrumentation.anthropic", "AnthropicInstrumentor"),
    ("anthropic", "openllmetry"): ("opentelemetry.instrumentation.anthropic", "AnthropicInstrumentor"),
}
SCOPES: Final = {
    **{key: module for key, (module, _) in _INSTRUMENTORS.items()},
    ("openai", "openllmetry"): "opentelemetry.instrumentation.openai.v1",
    ("anthropic", "native"): "com.anthropic.sdk.python",
}
"""Which tracer makes the span of a reporter; those of the tracker come from ours."""

_MESSAGES: Final[Any] = [{"role": "user", "content": "Where is my order ORD-17?"}]
_CACHED: Final[Any] = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]


class _Innermost(httpx2.BaseTransport):
    """A tracker as far inside as one can be: around the request itself."""

    def __init__(self, client: str) -> None:
        self._client, self._transport = client, httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        with track_llm_call(provider=self._client, model=MODELS[self._client]) as call:
            response = self._transport.handle_request(request)
            return _told(call, response, response.read())

    def close(self) -> None:
        self._transport.close()


class _AsyncInnermost(httpx2.AsyncBaseTransport):
    def __init__(self, client: str) -> None:
        self._client, self._transport = client, httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        with track_llm_call(provider=self._client, model=MODELS[self._client]) as call:
            response = await self._transport.handle_async_request(request)
            return _told(call, response, await response.aread())

    async def aclose(self) -> None:
        await self._transport.aclose()


def _told(call: Any, response: httpx2.Response, body: bytes) -> httpx2.Response:
    """Say what the answer used, whole or streamed; the answer itself goes on as it came."""
    is_stream = response.headers["content-type"].startswith("text/event-stream")
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: {")] if is_stream else [body]
    for event in map(json.loads, lines):
        answer = event.get("message") or event
        if "id" in answer:
            call.set_request_id(provider_request_id=answer["id"])
        used: Mapping[str, Any] = answer.get("usage") or {}
        details = used.get("prompt_tokens_details") or {}
        call.set_tokens(
            input_tokens=used.get("prompt_tokens", used.get("input_tokens")),
            output_tokens=used.get("completion_tokens", used.get("output_tokens")),
            cached_tokens=details.get("cached_tokens"),
            cache_read_tokens=used.get("cache_read_input_tokens"),
            cache_write_tokens=used.get("cache_creation_input_tokens"),
        )
    headers = [(name, value) for name, value in response.headers.items() if name != "transfer-encoding"]
    return httpx2.Response(response.status_code, headers=headers, content=body)


def _client(client: str, url: str, stack: list[str], *, is_async: bool) -> Any:
    options: dict[str, Any] = {"api_key": "k", "max_retries": 0}
    if stack[-1] == "tracker":
        transport: Any = _AsyncInnermost(client) if is_async else _Innermost(client)
        options["http_client"] = (httpx2.AsyncClient if is_async else httpx2.Client)(transport=transport)
    if client == "openai":
        return (openai.AsyncOpenAI if is_async else openai.OpenAI)(base_url=f"{url}/v1", **options)
    if "native" not in stack:
        options["open_telemetry"] = False
    return (anthropic.AsyncAnthropic if is_async else anthropic.Anthropic)(base_url=url, **options)


def _request(client: str, made: Any, mode: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    asked: dict[str, Any] = {"messages": _MESSAGES, "stream": mode.endswith("streamed")}
    if client == "openai":
        if asked["stream"]:
            asked["stream_options"] = {"include_usage": True}
        return made.chat.completions.create, asked
    return made.messages.create, asked | {"max_tokens": 64, "system": _CACHED}


def _call(client: str, url: str, stack: list[str], mode: str) -> None:
    with _client(client, url, stack, is_async=False) as made:
        create, asked = _request(client, made, mode)

        def ask(model: str) -> Any:
            return create(model=model, **asked)

        answer = (llm_instrumented(provider=client)(ask) if stack[0] == "tracker" else ask)(MODELS[client])
        if asked["stream"]:
            for _ in answer:
                pass


async def _acall(client: str, url: str, stack: list[str], mode: str) -> None:
    async with _client(client, url, stack, is_async=True) as made:
        create, asked = _request(client, made, mode)

        async def ask(model: str) -> Any:
            return await create(model=model, **asked)

        answer = await (llm_instrumented(provider=client)(ask) if stack[0] == "tracker" else ask)(MODELS[client])
        if asked["stream"]:
            async for _ in answer:
                pass


def main() -> None:
    """Make the calls that the environment asks for."""
    client, url = os.environ["CLIENT"], os.environ["PROVIDER_URL"]
    stack = os.environ["STACK"].split(" > ")
    botanu.enable(instrument="none", otlp_endpoint=os.environ["ENDPOINT"])
    # Who is put on last is outermost.
    for name in reversed(stack):
        if (client, name) in _INSTRUMENTORS:
            module, instrumentor = _INSTRUMENTORS[client, name]
            with warnings.catch_warnings():
                # OpenLLMetry's defines its models the way that pydantic will drop.
                warnings.simplefilter("ignore", DeprecationWarning)
                getattr(importlib.import_module(module), instrumentor)().instrument()
    explained = {}
    for mode in MODES:
        with botanu.event(workflow="matrix", event_id=mode, customer_id="acme") as run:
            if mode.startswith("async"):
                asyncio.run(_acall(client, url, stack, mode))
            else:
                _call(client, url, stack, mode)
        explained[mode] = str(botanu.explain(run))
    botanu.disable()
    print(json.dumps(explained))


if __name__ == "__main__":
    main()
