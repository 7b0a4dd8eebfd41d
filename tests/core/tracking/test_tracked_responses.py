"""What responses say of themselves: each provider's own words, also where a proxy speaks another's."""

from collections.abc import Callable, Iterator
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from botanu.tracking.llm import llm_instrumented

Only = Callable[[], ReadableSpan]


class Reason(str, Enum):  # noqa: UP042  (as Google's client has it)
    STOP = "STOP"


OPENAI = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 40}}
RESPONSES = {"input_tokens": 100, "output_tokens": 20, "input_tokens_details": {"cached_tokens": 40}}
ANTHROPIC = {"input_tokens": 50, "output_tokens": 20, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 10}
BEDROCK = {"inputTokens": 50, "outputTokens": 20, "cacheReadInputTokens": 40, "cacheWriteInputTokens": 10}
GEMINI = {
    "prompt_token_count": 100,
    "candidates_token_count": 15,
    "thoughts_token_count": 5,
    "cached_content_token_count": 40,
}
LANGCHAIN = {"input_tokens": 100, "output_tokens": 20, "input_token_details": {"cache_read": 40, "cache_creation": 10}}


def objects(value: Any) -> Any:
    """A response as objects with attributes, as clients return them."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: objects(inner) for key, inner in value.items()})
    return [objects(inner) for inner in value] if isinstance(value, list) else value


def usage_on(span: ReadableSpan) -> tuple[Any, Any, Any, Any]:
    names = ("input_tokens", "output_tokens", "cache_read.input_tokens", "cache_write.input_tokens")
    return tuple(span.attributes.get(f"gen_ai.usage.{name}") for name in names)  # type: ignore[return-value]


def ask(provider: str, response: Any) -> None:
    @llm_instrumented(provider=provider)
    def chat(model: str) -> Any:
        return response

    chat("m")


@pytest.mark.parametrize("shape", [dict, objects])
@pytest.mark.parametrize(
    ("provider", "name", "usage", "read"),
    [
        ("openai", "usage", OPENAI, (100, 20, 40, None)),
        ("openai", "usage", RESPONSES, (100, 20, 40, None)),
        ("anthropic", "usage", ANTHROPIC, (100, 20, 40, 10)),
        ("bedrock", "usage", BEDROCK, (100, 20, 40, 10)),
        ("gemini", "usage_metadata", GEMINI, (100, 20, 40, None)),
        ("anthropic", "usage_metadata", LANGCHAIN, (100, 20, 40, 10)),
        # A proxy, or another cloud, that answers in the words of somebody else.
        ("anthropic", "usage", OPENAI, (100, 20, 40, None)),
        ("bedrock", "usage", OPENAI, (100, 20, 40, None)),
        ("vertex", "usage", ANTHROPIC, (100, 20, 40, 10)),
        ("openai", "usage", ANTHROPIC, (100, 20, 40, 10)),
    ],
)
def test_usage_means_what_its_own_words_mean(provider, name, usage, read, shape, only: Only):
    ask(provider, shape({name: usage}))
    assert usage_on(only()) == read


@pytest.mark.parametrize(
    ("response", "reasons"),
    [
        ({"choices": [{"finish_reason": "stop"}, {"finish_reason": "length"}]}, ("stop", "length")),
        ({"stop_reason": "end_turn"}, ("end_turn",)),
        ({"stopReason": "max_tokens"}, ("max_tokens",)),
        ({"candidates": [{"finish_reason": Reason.STOP}]}, ("STOP",)),
        ({"choices": [{"finish_reason": None}]}, None),
        ({"choices": "none"}, None),
    ],
)
def test_the_finish_reason_is_found_where_each_provider_puts_it(response, reasons, only: Only):
    ask("openai", objects(response))
    assert only().attributes.get("gen_ai.response.finish_reasons") == reasons


@pytest.mark.parametrize(
    ("response", "identity", "model"),
    [
        ({"id": "r-1", "model": "m-1"}, "r-1", "m-1"),
        ({"response_id": "r-1", "model_version": "m-1"}, "r-1", "m-1"),
        ({"id": "r-1", "message": {"content": "hi"}, "model": "m-1"}, "r-1", "m-1"),
        ({"message": {"id": "r-1", "model": "m-1"}}, "r-1", "m-1"),
        ({"id": 7, "model": ["m"]}, None, None),
    ],
)
def test_ids_and_models_are_found_where_each_provider_puts_them(response, identity, model, only: Only):
    ask("openai", response)
    assert only().attributes.get("gen_ai.response.id") == identity
    assert only().attributes.get("gen_ai.response.model") == model


class Refusing:
    """A response whose every attribute raises, but for those that Python itself asks for."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name) if name.startswith("__") else RuntimeError(name)


@pytest.mark.parametrize(
    "response",
    [
        None,
        "text",
        7,
        b"bytes",
        [],
        {},
        object(),
        Refusing(),
        {"usage": None},
        {"usage": "many"},
        {"usage": {"prompt_tokens": "12"}},
        {"usage": Refusing()},
        {"choices": [None, 7, Refusing()]},
    ],
    ids=lambda response: f"{type(response).__name__}-{str(response)[:24] if isinstance(response, dict) else ''}",
)
def test_a_response_without_usage_is_a_call_of_unknown_usage(response, only: Only):
    ask("openai", response)
    assert usage_on(only()) == (None, None, None, None)


def test_an_anthropic_stream_says_its_input_first_and_its_output_last(only: Only):
    @llm_instrumented(provider="vertex")
    def chat(model: str) -> Iterator[Any]:
        opening = {"id": "msg_1", "model": "claude-x", "usage": {**ANTHROPIC, "output_tokens": 1}}
        yield {"type": "message_start", "message": opening}
        yield {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hi"}}
        yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}}
        yield {"type": "message_stop"}

    list(chat("claude"))
    assert usage_on(only()) == (100, 20, 40, 10)
    assert only().attributes["gen_ai.response.id"] == "msg_1"
    assert only().attributes["gen_ai.response.finish_reasons"] == ("end_turn",)


def test_a_responses_stream_says_all_in_its_last_event(only: Only):
    @llm_instrumented(provider="openai")
    def ask_it(model: str) -> Iterator[Any]:
        yield objects({"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5", "usage": None}})
        yield objects({"type": "response.output_text.delta", "delta": "hi"})
        yield objects({"type": "response.completed", "response": {"id": "resp_1", "usage": RESPONSES}})

    list(ask_it("gpt-5"))
    assert usage_on(only()) == (100, 20, 40, None)
    assert only().attributes["gen_ai.response.id"] == "resp_1"


def test_pieces_that_are_plain_text_say_nothing_and_harm_nothing(only: Only):
    @llm_instrumented(provider="openai")
    def chat(model: str) -> Iterator[str]:
        yield from ("Hel", "lo")

    assert "".join(chat("m")) == "Hello"
    assert usage_on(only()) == (None, None, None, None)
