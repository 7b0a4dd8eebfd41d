"""Who serves which model, and what was used: in each of the places where LangChain and its integrations say it."""

from contextlib import suppress
from uuid import uuid4

import httpx2
import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from langchain_openai import ChatOpenAI

import botanu

CLAUDE_ON_BEDROCK = "anthropic.claude-3-haiku-20240307-v1:0"
# What the classes of the integrations say of themselves, recorded from langchain-openai 1.7, -anthropic 1.7, -aws,
# -google-genai, -mistralai, -cohere, -groq and -ollama; that of Vertex AI is read off its source.
NAMES = [
    ("openai", "gpt-5-mini", {"_type": "openai-chat", "model": "gpt-5-mini"}, "openai"),
    ("azure", "gpt-4o", {"_type": "azure-openai-chat", "azure_deployment": "mine"}, "azure.openai"),
    ("anthropic", "claude-sonnet-5", {"_type": "anthropic-chat"}, "anthropic"),
    ("amazon_bedrock", CLAUDE_ON_BEDROCK, {"_type": "amazon_bedrock_chat"}, "aws.bedrock"),
    ("amazon_bedrock", CLAUDE_ON_BEDROCK, {"_type": "amazon_bedrock_converse_chat"}, "aws.bedrock"),
    ("google_genai", "gemini-2.5-flash", {"_type": "chat-google-generative-ai"}, "gcp.vertex_ai"),
    ("google_vertexai", "gemini-2.5-flash", {"_type": "vertexai"}, "gcp.vertex_ai"),
    ("mistral", "mistral-large-latest", {"_type": "mistralai-chat"}, "mistral"),
    ("cohere", "command-r-plus", {"_type": "cohere-chat"}, "cohere"),
    ("groq", "llama-3.3-70b-versatile", {"_type": "groq-chat"}, "groq"),
    ("ollama", "llama3.2", {"_type": "chat-ollama"}, "ollama"),
    # Where the metadata says nothing, or the wrong thing.
    ("openai", "gpt-4o", {"_type": "azure-openai-chat"}, "azure.openai"),
    (None, "gpt-4o", {"_type": "azure-openai-chat"}, "azure.openai"),
    (None, CLAUDE_ON_BEDROCK, {"_type": "amazon_bedrock_chat"}, "aws.bedrock"),
    (None, "x", {"_type": "something-else"}, "unknown"),
]


def told(handler, response, *, metadata=None, params=None):
    """One model call as LangChain tells of it."""
    key = uuid4()
    handler.on_chat_model_start({}, [[]], run_id=key, metadata=metadata, invocation_params=params or {})
    handler.on_llm_end(response, run_id=key)


def answered(**facts):
    return LLMResult(generations=[[ChatGeneration(message=AIMessage("ok", **facts))]])


@pytest.mark.parametrize(("provider", "model", "params", "expected"), NAMES)
def test_who_serves_which_model(provider, model, params, expected, seen, handler):
    metadata = {"ls_model_name": model} | ({"ls_provider": provider} if provider else {})
    told(handler, answered(), metadata=metadata, params=params)
    span = seen.span(f"chat {model}")
    assert span.attributes["gen_ai.provider.name"] == expected
    assert span.attributes["gen_ai.request.model"] == model


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("https://api.deepseek.com/v1", "deepseek"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("http://127.0.0.1:1/v1", "openai"),
        ("api.deepseek.com", "openai"),
        ("http://[", "openai"),
        ("", "openai"),
    ],
)
def test_a_model_of_openais_class_is_theirs_whom_it_calls(address, provider, seen, handler):
    nowhere = httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(400)))
    model = ChatOpenAI(model="m", base_url=address, api_key="k", max_retries=0, http_client=nowhere)
    with suppress(Exception):  # whatever the client makes of it
        model.invoke("x", {"callbacks": [handler]})
    assert seen.span("chat m").attributes["gen_ai.provider.name"] == provider


@pytest.mark.parametrize("name", ["model", "model_name", "model_id", "deployment_name", "azure_deployment"])
def test_the_models_name_is_found_in_the_parameters(name, seen, handler):
    told(handler, answered(), params={name: "my-model", "_type": "openai-chat"})
    assert seen.span("chat").attributes["gen_ai.request.model"] == "my-model"


def test_without_any_name_there_is_a_span_all_the_same(seen, handler):
    told(handler, answered())
    assert seen.span("chat").name == "chat"


def test_the_model_that_answered_is_the_one_that_is_billed(seen, handler):
    with botanu.event(workflow="w"):
        usage = {"input_tokens": 1_000_000, "output_tokens": 0, "total_tokens": 1_000_000}
        response = answered(usage_metadata=usage, response_metadata={"model_name": "gpt-4o-mini"})
        told(handler, response, metadata={"ls_provider": "openai", "ls_model_name": "gpt-4o"})
    assert seen.span("chat gpt-4o").attributes["gen_ai.response.model"] == "gpt-4o-mini"
    assert seen.runs()[0].attributes["botanu.run.cost_usd"] == 0.15


OPENAI = {
    "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_tokens_details": {"cached_tokens": 30},
}  # fmt: skip
METADATA = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120, "input_token_details": {"cache_read": 30}}
ANTHROPIC = {"input_tokens": 70, "output_tokens": 20, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 0}
BEDROCK = {"inputTokenCount": 100, "outputTokenCount": 20}
PLACES = {
    "usage_metadata": (answered(usage_metadata=METADATA), (100, 20, 30)),
    "usage_metadata, and the same elsewhere": (
        answered(usage_metadata=METADATA, response_metadata={"token_usage": OPENAI}),
        (100, 20, 30),
    ),
    "response_metadata, OpenAI": (answered(response_metadata={"token_usage": OPENAI}), (100, 20, 30)),
    "response_metadata, Anthropic": (answered(response_metadata={"usage": ANTHROPIC}), (100, 20, 30)),
    "response_metadata, Bedrock": (
        answered(response_metadata={"amazon-bedrock-invocationMetrics": BEDROCK}),
        (100, 20, None),
    ),
    "llm_output, plain text": (
        LLMResult(generations=[[Generation(text="ok")]], llm_output={"token_usage": OPENAI}),
        (100, 20, 30),
    ),
    "generation_info": (
        LLMResult(generations=[[Generation(text="ok", generation_info={"usage_metadata": METADATA})]], llm_output=None),
        (100, 20, 30),
    ),
    "two choices": (
        LLMResult(
            generations=[
                [
                    ChatGeneration(message=AIMessage("a", usage_metadata=METADATA)),
                    ChatGeneration(message=AIMessage("b", usage_metadata=METADATA)),
                ]
            ]
        ),
        (100, 20, 30),
    ),
    "more was cached than there was input": (
        answered(usage_metadata={**METADATA, "input_tokens": 10, "total_tokens": 30}),
        (40, 20, 30),
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_usage_is_found_wherever_it_is_and_taken_once(place, seen, handler):
    response, expected = PLACES[place]
    with botanu.event(workflow="w"):
        told(handler, response, metadata={"ls_provider": "openai", "ls_model_name": "gpt-4o"})
    said = seen.span("chat").attributes
    names = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens")
    assert tuple(said.get(name) for name in names) == expected
    [run] = seen.runs()
    assert (run.attributes["botanu.run.llm_calls"], run.attributes["botanu.run.input_tokens"]) == (1, expected[0])


def test_reasoning_and_audio_are_parts_of_their_side(seen, handler):
    usage = {
        "input_tokens": 100, "output_tokens": 50, "total_tokens": 150,
        "input_token_details": {"audio": 10}, "output_token_details": {"reasoning": 40, "audio": 5},
    }  # fmt: skip
    with botanu.event(workflow="w"):
        told(handler, answered(usage_metadata=usage), metadata={"ls_provider": "openai", "ls_model_name": "gpt-4o"})
    said = seen.span("chat").attributes
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (100, 50)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"id": "chatcmpl-1"}, "chatcmpl-1"),
        ({"id": "lc_run--01a1fe20"}, None),
        ({"id": "run-01a1fe20"}, None),
        ({"id": "lc_run--01a1fe20", "response_metadata": {"id": "chatcmpl-2"}}, "chatcmpl-2"),
    ],
)
def test_the_responses_id_is_the_providers_or_none(facts, expected, seen, handler):
    told(handler, answered(**facts))
    assert seen.span("chat").attributes.get("gen_ai.response.id") == expected
