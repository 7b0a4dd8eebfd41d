"""`read_reported`: real SDKs' types, and reports that are wrong. What is right is in ``pricing/golden``."""

from decimal import Decimal
from types import SimpleNamespace
from typing import get_args

import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion
from openai.types.responses import ResponseUsage

from botanu_core import log
from botanu_core.model.reported import Reported, Reporter, read_reported
from botanu_core.model.usage import Units, Usage

REPORTERS = get_args(Reporter)


def test_anthropic_s_own_message_is_read():
    message = Message.model_validate(
        {
            "id": "msg_01",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [],
            "usage": {
                "input_tokens": 10,
                "cache_read_input_tokens": 90,
                "cache_creation_input_tokens": 50,
                "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20},
                "output_tokens": 5,
                "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
                "service_tier": "batch",
            },
        }
    )
    expected = Reported(
        Usage(
            input_tokens=150,
            output_tokens=5,
            cache_read_tokens=90,
            cache_write_tokens=50,
            cache_write_1h_tokens=20,
            units=Units(web_searches=2),
        ),
        (("processing", "batch"),),
    )
    assert read_reported("anthropic", message) == read_reported("anthropic", message.usage) == expected


def test_openai_s_own_types_are_read():
    completion = ChatCompletion.model_validate(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-5",
            "choices": [],
            "service_tier": "flex",
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
        }
    )
    usage = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=4, reasoning_tokens=3)
    assert read_reported("openai_chat", completion) == Reported(usage, (("service_tier", "flex"),))
    assert read_reported("openai_chat", completion.usage) == Reported(usage)
    response = ResponseUsage.model_validate(
        {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 15,
        }
    )
    assert read_reported("openai_responses", response).usage == Usage(
        input_tokens=10, output_tokens=5, cache_read_tokens=4, cache_write_tokens=2, reasoning_tokens=3
    )
    embeddings = CreateEmbeddingResponse.model_validate(
        {"data": [], "model": "m", "object": "list", "usage": {"prompt_tokens": 8, "total_tokens": 8}}
    )
    assert read_reported("openai_chat", embeddings).usage == Usage(input_tokens=8)


@pytest.mark.parametrize("reporter", REPORTERS)
@pytest.mark.parametrize("source", [None, {}, [], "", "text", 7, object(), {"usage": None}, {"usage_metadata": {}}])
def test_what_says_nothing_is_unknown_and_not_zero(reporter, source):
    assert read_reported(reporter, source) == Reported(Usage(), (), None)


COMPLETE = {
    "anthropic": lambda n: {"usage": {"input_tokens": n, "output_tokens": n, "cache_read_input_tokens": n}},
    "bedrock": lambda n: {"usage": {"inputTokens": n, "outputTokens": n, "cacheReadInputTokens": n}},
    "openai_chat": lambda n: {
        "prompt_tokens": n,
        "completion_tokens": n,
        "prompt_tokens_details": {"cached_tokens": n},
    },
    "openai_responses": lambda n: {"input_tokens": n, "output_tokens": n, "input_tokens_details": {"cached_tokens": n}},
    "gemini": lambda n: {"prompt_token_count": n, "candidates_token_count": n, "cached_content_token_count": n},
    "cohere": lambda n: {"usage": {"tokens": {"input_tokens": n, "output_tokens": n}, "cached_tokens": n}},
    "langchain": lambda n: {"input_tokens": n, "output_tokens": n, "input_token_details": {"cache_read": n}},
    "otel": lambda n: {
        "gen_ai.usage.input_tokens": n,
        "gen_ai.usage.output_tokens": n,
        "gen_ai.usage.cache_read.input_tokens": n,
    },
    "openinference": lambda n: {
        "llm.token_count.prompt": n,
        "llm.token_count.completion": n,
        "llm.token_count.prompt_details.cache_read": n,
    },
    "openllmetry": lambda n: {
        "gen_ai.usage.prompt_tokens": n,
        "gen_ai.usage.completion_tokens": n,
        "gen_ai.usage.cache_read_input_tokens": n,
    },
}


@pytest.mark.parametrize("reporter", REPORTERS)
@pytest.mark.parametrize(
    "nonsense", ["12", b"12", -1, 1.5, float("nan"), float("inf"), 1e30, 10**30, True, [1], {"a": 1}, Decimal("1.5")]
)
def test_nonsense_is_unknown_and_warned_about_once(reporter, nonsense, caplog):
    for _ in range(3):
        assert read_reported(reporter, COMPLETE[reporter](nonsense)).usage == Usage()
    assert len(caplog.records) == 1
    assert repr(nonsense) not in caplog.text


@pytest.mark.parametrize("reporter", REPORTERS)
def test_zero_is_a_count(reporter):
    usage = read_reported(reporter, COMPLETE[reporter](0)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (0, 0, 0)


class Hostile:
    """A report whose every attribute raises."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


@pytest.mark.parametrize("reporter", REPORTERS)
@pytest.mark.parametrize("wrap", [lambda it: it, lambda it: {"usage": it}, lambda it: {"usage_metadata": it}])
def test_a_report_that_raises_says_nothing(reporter, wrap):
    assert read_reported(reporter, wrap(Hostile())) == Reported()


WORDS = """
usage usage_metadata usageMetadata message response metadata input_tokens output_tokens total_tokens
prompt_tokens completion_tokens prompt_tokens_details input_tokens_details cached_tokens cache_write_tokens
cache_read_input_tokens cache_creation_input_tokens cache_creation ephemeral_1h_input_tokens iterations type
inputTokens outputTokens cacheReadInputTokens cacheDetails ttl prompt_token_count candidates_token_count
thoughts_token_count prompt_tokens_details cache_tokens_details modality token_count traffic_type billed_units
tokens search_units input_token_details output_token_details cache_read reasoning audio seconds output action
gen_ai.usage.input_tokens gen_ai.usage.total_tokens gen_ai.usage.cache_read.input_tokens llm.token_count.prompt
llm.token_count.completion llm.token_count.total service_tier speed cost is_byok results tokenCount
"""
NAMES = st.sampled_from(WORDS.split())
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 10**13)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["compaction", "AUDIO", "duration", "1h", "batch"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(REPORTERS), VALUES, st.sampled_from(["", "openai", "xai", "perplexity", "openrouter", "AWS"]))
def test_no_report_raises_and_no_bucket_is_negative(reporter, source, provider):
    said = read_reported(reporter, source, provider=provider)
    assert all(count >= 0 for count in said.usage.buckets().values())
    assert all(count > 0 for count in said.usage.units.values())
    assert all(isinstance(fact, str) for pair in said.context for fact in pair)
    assert "usage.unreadable" not in log.counted()


def test_a_cost_is_taken_only_from_those_whose_unit_is_known_to_be_dollars():
    usage = SimpleNamespace(prompt_tokens=1, completion_tokens=1, cost=0.5)
    assert read_reported("openai_chat", usage, provider="openrouter").cost_usd == Decimal("0.5")
    assert read_reported("openai_chat", usage, provider="some-proxy").cost_usd is None
    costs = {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "cost": {"total_cost": 0.013}}}
    assert read_reported("openai_chat", costs, provider="perplexity").cost_usd == Decimal("0.013")


def test_an_unknown_reporter_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="reporter must be one of anthropic, bedrock"):
        read_reported("nobody", {})
