"""Every way of calling a model that the facts know, and some that they lack, with the real clients.

`call` returns what the caller gets: the answer as plain data, or the exception's class and text. A test makes the
same call with and without an instrumentor, and holds the two against each other.
"""

import asyncio
import functools
import gc
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import boto3
import botocore.config
import httpx2
import openai
import pydantic

__all__ = ["OWN", "Failed", "call", "clients_of", "is_bedrock"]

_TWO = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Say this is a test"},
]
_ASKED = {"model": "gpt-4o-mini", "messages": _TWO}
_STREAMED = {**_ASKED, "stream": True}
_PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
_PARTS = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, _PICTURE]}]
_SAID = {"text": "say this is a test"}
_CLAUDE = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
_CONVERSE = {"messages": [{"role": "user", "content": [_SAID]}]}

_LEAVES_GARBAGE = re.compile("abandoned|never|break|cancelled|attribute|app-error")

OWN: dict[str, dict[str, Any]] = {
    "openai-chat-generator": _ASKED,
    "openai-chat-async-generator": _ASKED,
    "openai-chat-generator-raises": _ASKED,
    "openai-chat-parts": {**_ASKED, "messages": _PARTS},
    "openai-parse": _ASKED,
    "openai-parse-async": _ASKED,
    "openai-chat-stream-helper": _ASKED,
    "openai-chat-stream-helper-async": _ASKED,
    "openai-stream-multi-choice": {**_STREAMED, "n": 2},
    "openai-stream-raw-response": _STREAMED,
    "openai-stream-with-streaming-response": _STREAMED,
    "openai-stream-raw-response-never-parsed": _STREAMED,
    "openai-with-streaming-response-async": _ASKED,
    "openai-stream-async-never-iterated": _STREAMED,
    "openai-stream-break-abandoned": _STREAMED,
    "openai-responses": {"model": "gpt-4o-mini", "input": "Say this is a test", "instructions": "be terse"},
    "openai-responses-async": {"model": "gpt-4o-mini", "input": [{"role": "user", "content": "Say this is a test"}]},
    "openai-responses-with-streaming-response-async": {"model": "gpt-4o-mini", "input": "Say this is a test"},
    "openai-responses-stream": {"model": "gpt-4o-mini", "input": "Say this is a test", "stream": True},
    "openai-responses-stream-break": {"model": "gpt-4o-mini", "input": "Say this is a test", "stream": True},
    "openai-responses-parse": {"model": "gpt-4o-mini", "input": "Say this is a test"},
    "openai-chat-client-made-before-instrument": _ASKED,
    **{
        f"bedrock-invoke-model{stream}-{name}": {"modelId": model, "body": json.dumps(body)}
        for stream in ("", "-stream")
        for name, model, body in (
            ("own-llama", "meta.llama3-8b-instruct-v1:0", {"prompt": "hi"}),
            ("own-mistral", "mistral.mistral-7b-instruct-v0:2", {"prompt": "hi"}),
            ("own-titan", "amazon.titan-text-lite-v1", {"inputText": "hi"}),
            ("own-claude", "anthropic.claude-3-5-sonnet-20240620-v1:0", _CLAUDE),
        )
    },
    "bedrock-invoke-model-own-cohere": {"modelId": "cohere.command-text-v14", "body": '{"prompt": "hi"}'},
    "bedrock-converse-stream-abandoned": {"modelId": "amazon.nova-lite-v1:0", **_CONVERSE},
    "bedrock-converse-nova": {"modelId": "amazon.nova-lite-v1:0", **_CONVERSE},
    "bedrock-converse-refused": {"modelId": "amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": 7}]},
}
"""Ways of calling that the facts folder lacks, with their requests."""


class Failed(NamedTuple):
    """What the caller got instead of an answer."""

    kind: str
    text: str


class City(pydantic.BaseModel):
    city: str


def is_bedrock(scenario: str) -> bool:
    return scenario.startswith("bedrock")


def clients_of(scenario: str, url: str) -> Any:
    """What makes the client of a scenario."""
    if is_bedrock(scenario):
        return _aws("bedrock-agent-runtime" if "agent" in scenario else "bedrock-runtime", url, "made" in scenario)
    is_async = "async" in scenario
    # Certificates take longer to load than the calls; nothing here is encrypted.
    http = httpx2.AsyncClient(verify=False) if is_async else httpx2.Client(verify=False)
    options: dict[str, Any] = {"api_key": "k", "max_retries": 2 if "2-retries" in scenario else 0, "http_client": http}
    if "azure" in scenario:
        return openai.AzureOpenAI(azure_endpoint=url, api_version="2024-10-21", **options)
    options["base_url"] = "http://127.0.0.1:9/v1" if "refused" in scenario else f"{url}/v1"
    return openai.AsyncOpenAI(**options) if is_async else openai.OpenAI(**options)


@functools.cache
def _aws(service: str, url: str, anew: bool) -> Any:
    """One client a service: making one takes longer than the calls. `anew` is a client of its own."""
    return boto3.session.Session().client(
        service,
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=botocore.config.Config(retries={"max_attempts": 0}),
    )


def call(scenario: str, client: Any, request: dict[str, Any]) -> Any:
    """Make the call of a scenario; what its caller gets."""
    request = {name: openai.NOT_GIVEN if given == "NOT_GIVEN" else given for name, given in request.items()}
    try:
        if is_bedrock(scenario):
            return _bedrock(scenario, client, request)
        if isinstance(client, openai.AsyncOpenAI):
            return asyncio.run(_async(scenario, client, request))
        with client:
            return _sync(scenario, client, request)
    except Exception as error:
        return Failed(type(error).__name__, re.sub(r"0x[0-9a-f]+", "0x", str(error)))
    finally:
        if _LEAVES_GARBAGE.search(scenario):
            gc.collect()


# --- OpenAI ---------------------------------------------------------------------------------------------------------


def _sync(scenario: str, client: openai.OpenAI, request: dict[str, Any]) -> Any:
    if "responses" in scenario:
        return _responses(scenario, client, request)
    if "embeddings" in scenario:
        return client.embeddings.create(**request).model_dump()
    if "legacy" in scenario:
        return client.completions.create(**request).choices[0].text
    chat: Any = client.chat.completions
    if "generator" in scenario:
        return chat.create(
            **{**request, "messages": _generated(request["messages"], "raises" in scenario)}
        ).model_dump()
    if "parse" in scenario and "raw" not in scenario:
        return chat.parse(**request, response_format=City).choices[0].message.parsed
    if "chat-stream-helper" in scenario:
        with chat.stream(**request) as events:
            return [event.type for event in events], events.get_final_completion().choices[0].message.content
    if "raw-response" in scenario:
        raw = chat.with_raw_response.create(**request)
        if "never-parsed" in scenario:
            raw.http_response.close()
            return raw.status_code
        parsed = raw.parse()
        return raw.headers["content-type"], _read(parsed) if request.get("stream") else parsed.model_dump()
    if "with-streaming-response" in scenario:
        with chat.with_streaming_response.create(**request) as raw:
            parsed = raw.parse()
            return raw.status_code, _read(parsed) if request.get("stream") else parsed.model_dump()
    answer = chat.create(**request)
    return _stream(scenario, answer) if request.get("stream") else answer.model_dump()


def _generated(messages: list[Any], raises: bool) -> Any:
    yield from messages
    if raises:
        raise LookupError("no more messages")


def _read(stream: Any) -> list[Any]:
    return [chunk.model_dump() for chunk in stream]


def _stream(scenario: str, stream: Any) -> Any:
    if "never-iterated" in scenario:
        return None
    if "response-attribute" in scenario:
        return stream.response.status_code, _read(stream)
    if "app-error" in scenario:
        with stream:
            for _ in stream:
                raise ValueError("app error in loop")
    if "break-with" in scenario:
        with stream:
            return [next(stream).model_dump() for _ in range(3)]
    if "break" in scenario:
        chunks = [next(stream).model_dump() for _ in range(3)]
        if "close" in scenario:
            stream.close()
        return chunks
    return _read(stream)


def _responses(scenario: str, client: openai.OpenAI, request: dict[str, Any]) -> Any:
    if "helper" in scenario:
        with client.responses.stream(**request) as events:
            return [event.type for event in events], events.get_final_response().output_text
    if "parse" in scenario:
        return client.responses.parse(**request, text_format=City).output_parsed
    answer: Any = client.responses.create(**request)
    if "break" in scenario:
        with answer:
            return next(iter(answer)).type
    return [event.type for event in answer] if request.get("stream") else answer.output_text


async def _async(scenario: str, client: openai.AsyncOpenAI, request: dict[str, Any]) -> Any:
    chat: Any = client.chat.completions
    try:
        if "responses" in scenario:
            if "with-streaming" in scenario:
                async with client.responses.with_streaming_response.create(**request) as raw:
                    return (await raw.parse()).output_text
            answered: Any = await client.responses.create(**request)
            return answered.output_text
        if "embeddings" in scenario:
            return (await client.embeddings.create(**request)).model_dump()
        if "generator" in scenario:
            return (await chat.create(**{**request, "messages": _generated(request["messages"], False)})).model_dump()
        if "timeout" in scenario:
            try:
                return await asyncio.wait_for(chat.create(**request), 0.2)
            except TimeoutError:
                return "timeout"
        if "parse" in scenario:
            return (await chat.parse(**request, response_format=City)).choices[0].message.parsed
        if "chat-stream-helper" in scenario:
            async with chat.stream(**request) as events:
                return [event.type async for event in events]
        if "raw-response" in scenario:
            return (await chat.with_raw_response.create(**request)).parse().model_dump()
        if "with-streaming-response" in scenario:
            async with chat.with_streaming_response.create(**request) as raw:
                return (await raw.parse()).model_dump()
        answer = await chat.create(**request)
        return await _astream(scenario, answer) if request.get("stream") else answer.model_dump()
    finally:
        if _LEAVES_GARBAGE.search(scenario):
            gc.collect()
        await client.close()


async def _astream(scenario: str, stream: Any) -> Any:
    if "never-iterated" in scenario:
        await stream.response.aclose()
        return None
    if "cancelled" in scenario:
        return await _cancelled(stream)
    if "break-abandoned" in scenario or "close" in scenario:
        chunks = [(await anext(stream)).model_dump() for _ in range(3)]
        if "close" in scenario:
            await stream.close()
        return chunks
    return [chunk.model_dump() async for chunk in stream]


async def _cancelled(stream: Any) -> Any:
    seen: list[Any] = []
    has_three = asyncio.Event()

    async def read() -> None:
        async for chunk in stream:
            seen.append(chunk.model_dump())
            if len(seen) == 3:
                has_three.set()

    task = asyncio.create_task(read())
    await has_three.wait()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled", seen
    return None


# --- Bedrock --------------------------------------------------------------------------------------------------------


def _bedrock(scenario: str, client: Any, request: dict[str, Any]) -> Any:
    if "agent" in scenario:
        answer = client.invoke_agent(agentId="AGENT1", agentAliasId="ALIAS1", sessionId="session", **request)
        return list(answer["completion"])
    if "converse-stream" in scenario:
        return _events(scenario, client.converse_stream(**request)["stream"])
    if "converse" in scenario:
        return _plain(client.converse(**request))
    if "bytes-body" in scenario:
        said = {"role": "user", "content": [{"type": "text", "text": "say this is a test"}]}
        request["body"] = json.dumps({"system": "you are a helpful assistant", "messages": [said]}).encode()
    if "invoke-model-stream" in scenario:
        return list(client.invoke_model_with_response_stream(**request)["body"])
    answer = client.invoke_model(**request)
    return type(answer["body"]).__name__, answer["body"].read()


def _plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: given for name, given in answer.items() if name != "ResponseMetadata"}


def _events(scenario: str, stream: Any) -> Any:
    reading: Callable[[], Any] = iter(stream).__next__
    if "never-read" in scenario:
        return None
    if "break-close" in scenario or "abandoned" in scenario:
        events = [reading() for _ in range(3)]
        if "close" in scenario:
            stream.close()
        return events
    return list(stream)
