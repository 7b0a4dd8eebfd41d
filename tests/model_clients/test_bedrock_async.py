"""Bedrock's asynchronous clients, aiobotocore's: what goes through boto3 in the matrix."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiobotocore.client import AioBaseClient
from aiobotocore.session import get_session
from answering import Answers
from botocore.exceptions import ParamValidationError
from opentelemetry.trace import StatusCode

from botanu_genai import BedrockInstrumentor

ASKED = {"role": "user", "content": "say this is a test"}
CONVERSE = {"modelId": "amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": [{"text": ASKED["content"]}]}]}
INVOKE = {
    "modelId": "anthropic.claude-3-5-sonnet-20240620-v1:0",
    "body": json.dumps({"messages": [ASKED], "max_tokens": 5}),
}
SESSION = get_session()


async def converse(client: Any) -> Any:
    answer = await client.converse(**CONVERSE)
    return answer["output"], answer["stopReason"], answer["usage"]


async def converse_stream(client: Any) -> Any:
    answer = await client.converse_stream(**CONVERSE)
    return [event async for event in answer["stream"]]


async def converse_stream_left(client: Any) -> Any:
    stream = (await client.converse_stream(**CONVERSE))["stream"]
    first = await anext(aiter(stream))
    stream.close()
    return first


async def invoke_model(client: Any) -> Any:
    return await (await client.invoke_model(**INVOKE))["body"].read()


async def invoke_model_in_chunks(client: Any) -> Any:
    async with (await client.invoke_model(**INVOKE))["body"] as body:
        return [chunk async for chunk in body.iter_chunks(16)]


async def invoke_model_never_read(client: Any) -> None:
    (await client.invoke_model(**INVOKE))["body"].close()


async def invoke_model_stream(client: Any) -> Any:
    answer = await client.invoke_model_with_response_stream(**INVOKE)
    return [event async for event in answer["body"]]


async def invoke_agent(client: Any) -> Any:
    answer = await client.invoke_agent(
        agentId="AGENT1", agentAliasId="ALIAS1", sessionId="session", inputText=ASKED["content"]
    )
    return [event async for event in answer["completion"]]


async def refused(client: Any) -> Any:
    with pytest.raises(ParamValidationError) as caught:
        await client.converse(**{**CONVERSE, "messages": [{"role": "user", "content": 7}]})
    return str(caught.value)


WHOLE = (converse, converse_stream, invoke_model, invoke_model_in_chunks, invoke_model_stream, invoke_agent)
CUT = (converse_stream_left, invoke_model_never_read)


def answers_of(way: Callable[[Any], Awaitable[Any]], answers: Answers, switch_on: Callable[[], None]) -> list[Any]:
    """What a caller gets without an instrumentor, and then with it: of one client, which takes long to make."""

    async def ask() -> list[Any]:
        service = "bedrock-agent-runtime" if way is invoke_agent else "bedrock-runtime"
        keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}
        async with SESSION.create_client(service, "us-east-1", endpoint_url=answers.url, **keys) as client:
            plain = await way(client)
            switch_on()
            return [plain, await way(client)]

    return asyncio.run(ask())


@pytest.mark.parametrize("way", [*WHOLE, *CUT], ids=lambda way: way.__name__)
def test_an_asynchronous_call_of_bedrock_ends_its_span_and_changes_nothing(way, answers, seen, instrumented):
    plain, traced = answers_of(way, answers, instrumented)
    assert traced == plain
    assert not seen.open
    assert seen.attributes["gen_ai.prompt.0.content"] == ASKED["content"]
    assert ("gen_ai.completion.0.content" in seen.attributes) == (way in WHOLE)
    if way is invoke_agent:
        assert seen.attributes["gen_ai.bedrock.agent_alias.id"] == "ALIAS1"
    elif way in WHOLE:
        assert seen.attributes["gen_ai.usage.input_tokens"] == 17


def test_what_an_asynchronous_client_raises_reaches_its_caller(answers, seen, instrumented):
    plain, traced = answers_of(refused, answers, instrumented)
    assert traced == plain
    [span] = seen.ended
    assert span.status.status_code is StatusCode.ERROR


def test_without_content_an_asynchronous_call_says_who_spoke_and_not_what(answers, seen, instrumented):
    answers_of(converse, answers, lambda: instrumented(content=False))
    assert seen.attributes["gen_ai.prompt.0.role"] == "user"
    assert not [name for name in seen.attributes if name.endswith(".content")]


def test_off_leaves_the_asynchronous_client_as_it_was(instrumented):
    before = vars(AioBaseClient)["_make_api_call"]
    instrumented()
    assert vars(AioBaseClient)["_make_api_call"] is not before
    BedrockInstrumentor().uninstrument()
    assert vars(AioBaseClient)["_make_api_call"] is before
