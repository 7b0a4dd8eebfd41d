"""Spans of others, read: what the real instrumentations wrote of calls whose usage is known, and what nobody should."""

import json
import math
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from botanu_core import log
from botanu_core.ledger.foreign import KNOWN_SCOPES, looks_billable, sighting_of
from botanu_core.ledger.sighting import Sighting
from tests.core.ledger.recorded import CASES, CONTAINERS, NO_HOUR, OPENAI, RECORDED

REFUSED = [
    (file, span)
    for file, recorded in RECORDED.items()
    for call in recorded["calls"]
    if "refused" in call["call"]
    for span in call["spans"]
]


def read(span: dict[str, Any]) -> Sighting | None:
    return sighting_of(span["name"], span["scope"], span["attributes"], None)


def known(buckets: dict[str, int]) -> dict[str, int]:
    """Without the kinds that the report says were not used."""
    return {kind: count for kind, count in buckets.items() if count or kind == "cache_read"}


def recorded_span(file: str, call: str, name: str) -> dict[str, Any]:
    spans = next(each["spans"] for each in RECORDED[file]["calls"] if each["call"] == call)
    return next(span for span in spans if span["name"] == name)


@pytest.mark.parametrize("case", CASES, ids=" / ".join)
def test_a_recorded_span_is_read_as_the_call_that_it_was(case, caplog):
    operation, provider, model, response_id, buckets, is_streaming = CASES[case]
    sighting = read(recorded_span(*case))
    assert sighting is not None
    assert sighting.operation == operation
    assert sighting.provider == provider
    assert (sighting.response_model or sighting.request_model) == model
    assert sighting.response_id == response_id
    assert known(sighting.usage.buckets()) == buckets
    assert sighting.is_streaming is is_streaming
    assert sighting.error_type is None
    assert sighting.reported_usd is None, "what an instrumentation works out is not what the provider says"
    assert sighting.knows_usage is bool(buckets)
    is_own = case[2] == "anthropic.messages.create"  # the client's, beside that of the instrumentation
    family = "otel" if is_own else case[0].partition("-")[0]
    assert sighting.reporter == (family if family in ("openinference", "openllmetry") else "otel")
    assert not caplog.records


def test_every_recorded_span_is_in_a_test():
    recorded = {
        (file, call["call"], span["name"])
        for file, each in RECORDED.items()
        for call in each["calls"]
        for span in call["spans"]
        if "refused" not in call["call"] and span["name"] not in CONTAINERS
    }
    assert recorded == set(CASES)


@pytest.mark.parametrize("span", [pytest.param(span, id=f"{file} / {span['name']}") for file, span in REFUSED])
def test_a_refused_call_is_seen_with_its_model_and_without_usage(span):
    sighting = read(span)
    assert sighting is not None
    assert (sighting.response_model or sighting.request_model) == "refused"
    assert not sighting.knows_usage
    assert not sighting.raw
    assert sighting_of(span["name"], span["scope"], span["attributes"], "TimeoutError").error_type == "TimeoutError"
    if "error.type" in span["attributes"]:
        assert sighting.error_type == span["attributes"]["error.type"]


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_what_holds_calls_or_carries_them_is_no_call(name):
    found = [
        span
        for recorded in RECORDED.values()
        for call in recorded["calls"]
        for span in call["spans"]
        if span["name"] == name
    ]
    assert found
    assert [read(span) for span in found] == [None] * len(found)


@pytest.mark.parametrize(
    "attributes",
    [
        *({"gen_ai.operation.name": operation} for operation in (
            "invoke_agent", "create_agent", "execute_tool", "invoke_workflow", "retrieval", "chain", "task", "", "x",
        )),
        *({"openinference.span.kind": kind} for kind in (
            "CHAIN", "AGENT", "TOOL", "RETRIEVER", "GUARDRAIL", "EVALUATOR", "PROMPT", "UNKNOWN", "", None, 7,
        )),
        *({"traceloop.span.kind": kind, "gen_ai.system": "openai"} for kind in ("workflow", "task", "agent", "tool")),
        *({"langfuse.observation.type": kind} for kind in ("span", "agent", "tool", "event")),
        {"gen_ai.tool.name": "search", "gen_ai.system": "openai"},
        {"gen_ai.agent.name": "a", "gen_ai.system": "strands-agents"},
        {"llm.request.type": "unknown"},
        {"http.request.method": "POST", "url.full": "https://api.openai.com/v1/chat/completions"},
    ],
    ids=str,
)  # fmt: skip
def test_containers_and_tools_are_no_calls_though_they_carry_usage(attributes):
    carried = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5, "llm.token_count.prompt": 10}
    assert sighting_of("x", "x", attributes | carried, None) is None


def test_an_agent_of_bedrock_is_a_call_because_its_models_run_on_the_server():
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.system": "aws.bedrock"}
    assert sighting_of("invoke_agent x", "x", attributes, None) is None
    counted = attributes | {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    sighting = sighting_of("invoke_agent x", "x", counted, None)
    assert sighting is not None
    assert (sighting.operation, sighting.usage.input_tokens) == ("invoke_agent", 10)


def test_who_names_no_operation_but_a_provider_and_counts_is_a_call():
    attributes = {"gen_ai.system": "OpenAI", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.prompt_tokens": 7}
    sighting = sighting_of("x", "x", attributes, None)
    assert sighting is not None
    assert (sighting.operation, sighting.provider, sighting.usage.input_tokens) == ("chat", "openai", 7)


@pytest.mark.parametrize(
    "nonsense",
    ["12", math.nan, math.inf, -1, 1e30, 10**30, True, [1], {"a": 1}, b"1", pytest.param(object(), id="object")],
    ids=repr,
)
def test_nonsense_is_unknown_and_counted_and_said_once(nonsense, caplog):
    otel = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": nonsense}
    inference = {"openinference.span.kind": "LLM", "llm.token_count.prompt": nonsense}
    for attributes in (otel, inference, otel, inference):
        sighting = sighting_of("x", "x", attributes, None)
        assert sighting is not None
        assert sighting.usage.input_tokens is None
        assert list(sighting.raw.values()) == [nonsense]
    assert log.counted()["count.invalid"] == 4
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "value",
    [None, 7, -1.5, b"x", [], ["x"], {}, object(), "", "x" * 100_000, "{", "{" * 50_000],
    ids=lambda value: repr(value)[:20],
)
@pytest.mark.parametrize(
    "file", ["otel-genai-openai", "openinference-openai", "openllmetry-openai", "langfuse", "langsmith", "litellm"]
)
def test_no_attribute_of_any_type_raises(file, value):
    attributes = RECORDED[file]["calls"][0]["spans"][-1]["attributes"]
    for name in attributes:
        read = sighting_of("x", "x", attributes | {name: value}, None)
        if read is not None:
            texts = [read.provider, read.request_model, read.response_model, read.response_id, read.error_type]
            assert all(text is None or (isinstance(text, str) and len(text) <= 256) for text in texts)
    assert "span.unreadable" not in log.counted()


def test_counts_are_kept_as_they_were_reported_and_nothing_else_is():
    attributes = recorded_span("openllmetry-openai", "chat", "openai.chat")["attributes"]
    sighting = sighting_of("openai.chat", "x", attributes | {"gen_ai.input.messages": "secret"}, None)
    assert sighting is not None
    assert sighting.raw == {name: count for name, count in attributes.items() if name.startswith("gen_ai.usage.")}


def test_what_is_kept_is_bounded():
    many = {f"gen_ai.usage.{number}": "x" * 5_000 for number in range(1_000)}
    sighting = sighting_of("x", "x", {"gen_ai.operation.name": "chat"} | many, None)
    assert sighting is not None
    assert len(sighting.raw) == 32
    assert max(len(text) for text in sighting.raw.values()) == 1_024


def test_a_service_tier_is_part_of_the_price():
    attributes = recorded_span("otel-genai-openai", "chat", "chat gpt-5")["attributes"]
    flex = sighting_of("chat gpt-5", "x", attributes | {"openai.response.service_tier": "flex"}, None)
    assert flex is not None
    assert flex.context == (("service_tier", "flex"),)

    attributes = recorded_span("openinference-openai", "chat", "ChatCompletion")["attributes"]
    answer = attributes["output.value"].replace('"service_tier":"default"', '"service_tier":"flex"')
    flex = sighting_of("ChatCompletion", "x", attributes | {"output.value": answer}, None)
    assert flex is not None
    assert flex.context == (("service_tier", "flex"),)


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("localhost", "openai"),
        ("gateway.internal", "openai"),
        ("api.deepseek.com.example.net", "openai"),
        ("", "openai"),
        (7, "openai"),
        ("acme.openai.azure.com", "azure.openai"),
        ("ACME.services.ai.azure.com", "azure.openai"),
        ("openrouter.ai", "openrouter"),
        ("api.deepseek.com", "deepseek"),
        ("api.groq.com", "groq"),
        ("api.x.ai", "xai"),
        ("eu-west-1.api.x.ai", "xai"),
        ("generativelanguage.googleapis.com", "gcp.gemini"),
        ("europe-west4-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("bedrock-runtime.eu-central-1.amazonaws.com", "aws.bedrock"),
        ("s3.eu-central-1.amazonaws.com", "openai"),
    ],
)
def test_a_call_of_openais_client_is_theirs_whom_it_called(host, provider):
    said = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "server.address": host}
    assert sighting_of("chat x", "opentelemetry.instrumentation.genai.openai", said, None).provider == provider


def test_a_span_is_read_by_who_wrote_it_wherever_the_call_went():
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "server.address": "bedrock-runtime.us-west-2.amazonaws.com",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.cache_read_input_tokens": 40,
    }
    seen = sighting_of("openai.chat", "opentelemetry.instrumentation.openai.v1", said, None)
    # OpenAI's client counts cached tokens in, as Bedrock's own does not.
    assert (seen.provider, seen.usage.input_tokens) == ("aws.bedrock", 100)


def test_where_a_call_of_another_client_went_changes_nothing():
    said = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "server.address": "api.deepseek.com"}
    assert sighting_of("chat x", "opentelemetry.instrumentation.genai.anthropic", said, None).provider == "anthropic"


def test_an_answer_that_contradicts_the_counts_is_not_believed():
    attributes = recorded_span("openinference-anthropic", "messages", "messages.create")["attributes"]
    answer = json.dumps({"id": "msg_1", "usage": {"input_tokens": 1, "output_tokens": 1}})
    sighting = sighting_of("messages.create", "x", attributes | {"output.value": answer}, None)
    assert sighting is not None
    assert sighting.usage.buckets() == NO_HOUR


def test_a_hidden_answer_leaves_the_counts():
    attributes = recorded_span("openinference-openai", "chat", "ChatCompletion")["attributes"]
    sighting = sighting_of("ChatCompletion", "x", attributes | {"output.value": "__REDACTED__"}, None)
    assert sighting is not None
    assert (known(sighting.usage.buckets()), sighting.response_id) == (OPENAI, None)


def test_the_attributes_of_a_span_of_the_sdk_are_read():
    recorded = recorded_span("otel-genai-openai", "chat", "chat gpt-5")
    provider = TracerProvider(shutdown_on_exit=False)
    span = provider.get_tracer(recorded["scope"]).start_span(recorded["name"], attributes=recorded["attributes"])
    span.end()
    sighting = sighting_of(span.name, recorded["scope"], span.attributes, None)
    assert sighting is not None
    assert sighting.usage.buckets() == OPENAI


STARTS = [
    pytest.param(span, read(span) is not None, id=f"{file} / {call['call']} / {span['name']}")
    for file, recorded in RECORDED.items()
    for call in recorded["calls"]
    for span in call["spans"]
    if file != "litellm"  # It writes to a span that was there before the call.
]


@pytest.mark.parametrize(("span", "is_call"), STARTS)
def test_a_call_is_known_when_its_span_starts_by_what_it_says_or_by_its_tracer(span, is_call):
    start = span["at_start"]
    says = looks_billable(start["name"], start["attributes"])
    assert not is_call or says or span["scope"] in KNOWN_SCOPES
    if not is_call:
        assert not says


@pytest.mark.parametrize(
    "name", ["GET", "GET /orders/{id}", "do_work", "SELECT orders", "chatter", "", "chat_history load"]
)
@pytest.mark.parametrize(
    "attributes",
    [None, {}, {"http.request.method": "GET"}, {"gen_ai.operation.name": 7}, {"openinference.span.kind": "CHAIN"}],
    ids=str,
)
def test_other_spans_do_not_look_like_calls(name, attributes):
    assert not looks_billable(name, attributes)


@pytest.mark.parametrize("value", [["chat"], {"chat": 1}, pytest.param(object(), id="object"), b"chat", 1.5], ids=repr)
def test_a_start_with_values_of_other_types_does_not_raise(value):
    assert not looks_billable("x", {"gen_ai.operation.name": value})
    assert not looks_billable("x", {"openinference.span.kind": value})
    assert not looks_billable(value, None)
