"""`track_llm_call`: names, ids, parameters, providers and the words they go by."""

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from botanu.tracking.llm import LLMTracker, ModelOperation, track_llm_call, track_tool_call
from botanu_core import settings
from botanu_core.model.vocabulary import provider_name

Only = Callable[[], ReadableSpan]


class Model(str, Enum):  # noqa: UP042  (what people still write; its str() differs from StrEnum's)
    SMALL = "gpt-5-mini"


# --- the span ----------------------------------------------------------------------------------------------------


def test_the_span_is_named_after_operation_and_model_and_is_a_client_span(only: Only):
    with track_llm_call(provider="OpenAI", model="gpt-5"):
        pass
    span = only()
    assert (span.name, span.kind) == ("chat gpt-5", SpanKind.CLIENT)
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "botanu.vendor": "openai",
    }


def test_without_a_model_the_operation_is_the_name(only: Only):
    with track_llm_call(provider="openai"):
        pass
    assert only().name == "chat"
    assert "gen_ai.request.model" not in only().attributes


@pytest.mark.parametrize("operation", ["moderate", ModelOperation.RERANK])
def test_any_word_may_be_the_operation(operation, only: Only):
    with track_llm_call("openai", "m", operation):
        pass
    assert only().name == f"{operation} m"
    assert only().attributes["gen_ai.operation.name"] == operation


@pytest.mark.parametrize("operation", [None, "", "two\nlines", "x" * 300])
def test_an_operation_that_will_not_do_is_chat(operation, only: Only):
    with track_llm_call("openai", "m", operation):
        pass
    assert only().attributes["gen_ai.operation.name"] == "chat"


@pytest.mark.parametrize("model", [None, "", "a\nprompt", "x" * 300])
def test_a_model_that_will_not_do_is_left_out(model, only: Only):
    with track_llm_call("openai", model):
        pass
    assert only().name == "chat"


def test_an_enumeration_of_texts_is_written_by_value(only: Only):
    """`str()` of such a member is ``Model.SMALL``, for which there is no price."""
    with track_llm_call("openai", Model.SMALL) as tracker:
        tracker.set_response_model(Model.SMALL).set_finish_reason(Model.SMALL).set_request_id(Model.SMALL)
    span = only()
    assert span.name == "chat gpt-5-mini"
    assert span.attributes["gen_ai.request.model"] == span.attributes["gen_ai.response.model"] == "gpt-5-mini"
    assert span.attributes["gen_ai.response.finish_reasons"] == ("gpt-5-mini",)
    assert span.attributes["gen_ai.response.id"] == "gpt-5-mini"


# --- providers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "documented", "otel"),
    [
        ("openai", "openai", "openai"),
        ("Open-AI", "openai", "openai"),
        ("together ai", "together", "together"),
        ("VERTEX_AI", "gcp.vertex_ai", "gcp.vertex_ai"),
        ("Azure OpenAI", "azure.openai", "azure.ai.openai"),
        ("azure-openai", "azure.openai", "azure.ai.openai"),
        ("azure.ai.openai", "azure.openai", "azure.ai.openai"),
        ("Claude", "anthropic", "anthropic"),
        ("AWS Bedrock", "aws.bedrock", "aws.bedrock"),
        ("amazon-bedrock", "aws.bedrock", "aws.bedrock"),
        ("gemini", "gcp.vertex_ai", "gcp.gemini"),
        ("vertex-ai", "gcp.vertex_ai", "gcp.vertex_ai"),
        ("mistralai", "mistral", "mistral_ai"),
        ("mistral_ai", "mistral", "mistral_ai"),
        ("xAI", "xai", "x_ai"),
        ("groq", "groq", "groq"),
        ("  DeepSeek ", "deepseek", "deepseek"),
        ("My Own Host", "my own host", "my own host"),
        ("", "unknown", "unknown"),
        ("   ", "unknown", "unknown"),
    ],
)
def test_provider_names_follow_the_documented_table_or_opentelemetrys(written, documented, otel):
    assert provider_name(written) == documented
    assert provider_name(written, "otel") == otel


@pytest.mark.parametrize("documented", ["azure.openai", "gcp.vertex_ai", "mistral", "aws.bedrock", "xai", "together"])
def test_a_normalised_name_stays_what_it_is(documented):
    assert provider_name(documented) == documented


def test_the_otel_profile_writes_opentelemetrys_names(only: Only, monkeypatch):
    monkeypatch.setenv("BOTANU_SEMCONV", "otel")
    settings.activate(None)
    with track_llm_call("azure_openai", "gpt-5"):
        pass
    assert only().attributes["gen_ai.provider.name"] == only().attributes["botanu.vendor"] == "azure.ai.openai"


@pytest.mark.parametrize("track", [track_llm_call, lambda **words: track_tool_call("search", **words)])
def test_vendor_is_another_word_for_provider(track, only: Only):
    with track(vendor="claude"):
        pass
    assert only().attributes["gen_ai.provider.name"] == "anthropic"


@pytest.mark.parametrize("provider", [None, 7, object(), "x" * 300, "two\nlines"])
def test_a_provider_that_is_no_name_never_raises(provider, only: Only):
    with track_llm_call(provider, "m"):
        pass
    assert only().attributes["gen_ai.provider.name"]


# --- ids ---------------------------------------------------------------------------------------------------------


def test_request_ids_are_for_reconciling_with_the_invoice(only: Only):
    with track_llm_call("openai", "m", client_request_id="mine-0") as tracker:
        tracker.set_request_id(provider_request_id="chatcmpl-1", client_request_id="mine-1")
    attributes = only().attributes
    assert attributes["gen_ai.response.id"] == attributes["botanu.vendor.request_id"] == "chatcmpl-1"
    assert attributes["botanu.vendor.client_request_id"] == "mine-1"


def test_a_client_request_id_given_at_the_start_stays(only: Only):
    with track_llm_call("openai", "m", client_request_id="mine-0") as tracker:
        tracker.set_request_id("chatcmpl-1")
    assert only().attributes["botanu.vendor.client_request_id"] == "mine-0"


def test_vendor_request_id_is_another_word_for_provider_request_id(only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_request_id(vendor_request_id="chatcmpl-1")
    assert only().attributes["gen_ai.response.id"] == "chatcmpl-1"


@pytest.mark.parametrize("identity", [None, "", "a\r\nb", "x" * 300])
def test_an_id_that_will_not_do_is_left_out(identity, only: Only):
    with track_llm_call("openai", "m", client_request_id=identity) as tracker:
        tracker.set_request_id(identity, identity)
    assert not {"gen_ai.response.id", "botanu.vendor.client_request_id"} & only().attributes.keys()


# --- how it was asked and why it stopped -------------------------------------------------------------------------


def test_request_parameters_are_those_of_the_conventions(only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_request_params(
            temperature=0.7,
            top_p=0.9,
            max_tokens=1000,
            stop_sequences=["END", "\n\n"],
            frequency_penalty=0.5,
            presence_penalty=-0.3,
        )
    said = {key: value for key, value in only().attributes.items() if key != "gen_ai.request.model"}
    assert {key: value for key, value in said.items() if key.startswith("gen_ai.request.")} == {
        "gen_ai.request.temperature": 0.7,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 1000,
        "gen_ai.request.stop_sequences": ("END", "\n\n"),
        "gen_ai.request.frequency_penalty": 0.5,
        "gen_ai.request.presence_penalty": -0.3,
    }


@pytest.mark.parametrize("wrong", ["0.7", True, [], Decimal("0.7"), float("nan"), float("inf"), 2**70, object()])
def test_a_parameter_that_is_no_number_is_left_out(wrong, only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_request_params(temperature=wrong, max_tokens=wrong)
    assert not {"gen_ai.request.temperature", "gen_ai.request.max_tokens"} & only().attributes.keys()


def test_one_stop_sequence_may_stand_alone(only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_request_params(stop_sequences="END")
    assert only().attributes["gen_ai.request.stop_sequences"] == ("END",)


@pytest.mark.parametrize("wrong", [7, object(), iter("abc"), [None, 7]])
def test_stop_sequences_that_are_none_do_not_raise(wrong, only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_request_params(stop_sequences=wrong)
    assert not any(only().attributes.get("gen_ai.request.stop_sequences", ()))


def test_stop_sequences_are_bounded(only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_request_params(stop_sequences=["x" * 100_000] * 1_000)
    kept = only().attributes["gen_ai.request.stop_sequences"]
    assert sum(map(len, kept)) < 20_000


@pytest.mark.parametrize(
    ("reason", "written"),
    [("stop", ("stop",)), (["stop", "length"], ("stop", "length")), (("end_turn",), ("end_turn",))],
)
def test_finish_reasons_are_a_list(reason, written, only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_finish_reason(reason)
    assert only().attributes["gen_ai.response.finish_reasons"] == written


@pytest.mark.parametrize("reason", [None, 7, [], [None], "", object()])
def test_a_finish_reason_that_is_none_is_left_out(reason, only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_finish_reason(reason)
    assert "gen_ai.response.finish_reasons" not in only().attributes


def test_marks_say_streaming_cache_hit_and_attempt(only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_streaming().set_cache_hit().set_attempt(2).set_response_model("m-2026-01-01")
    attributes = only().attributes
    assert attributes["botanu.request.streaming"] is True
    assert attributes["botanu.request.cache_hit"] is True
    assert attributes["botanu.request.attempt"] == 2
    assert attributes["gen_ai.response.model"] == "m-2026-01-01"


def test_marks_can_be_taken_back(only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_streaming(True).set_streaming(False).set_cache_hit(True).set_cache_hit(False)
    assert only().attributes["botanu.request.streaming"] is False
    assert only().attributes["botanu.request.cache_hit"] is False


def test_an_attempt_belongs_to_its_call_and_never_to_the_next(spans):
    with track_llm_call("anthropic", "claude") as first:
        first.set_attempt(3)
    with track_llm_call("openai", "gpt-5"):
        pass
    assert [span.attributes.get("botanu.request.attempt") for span in spans.get_finished_spans()] == [3, None]


@pytest.mark.parametrize("attempt", [None, -1, "2", True, 1.5])
def test_an_attempt_that_is_no_count_is_left_out(attempt, only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_attempt(attempt)
    assert "botanu.request.attempt" not in only().attributes


def _name(value: object) -> str:
    return type(value).__name__ if type(value) is object else repr(value)[:20]


WRONG: list[Any] = [None, -1, 1.5, "7", True, float("nan"), float("inf"), 10**30, [], {}, object(), b"x"]
SETTERS: dict[str, Callable[[LLMTracker, Any], LLMTracker]] = {
    "set_tokens": lambda t, v: t.set_tokens(v, v, v, v, v),
    "set_request_id": lambda t, v: t.set_request_id(v, v),
    "set_response_model": lambda t, v: t.set_response_model(v),
    "set_finish_reason": lambda t, v: t.set_finish_reason(v),
    "set_streaming": lambda t, v: t.set_streaming(v),
    "set_cache_hit": lambda t, v: t.set_cache_hit(v),
    "set_attempt": lambda t, v: t.set_attempt(v),
    "set_request_params": lambda t, v: t.set_request_params(v, v, v, v, v, v),
    "set_input_content": lambda t, v: t.set_input_content(v),
    "set_output_content": lambda t, v: t.set_output_content(v),
    "set_error": lambda t, v: t.set_error(v),
    "add_metadata": lambda t, v: t.add_metadata(value=v),
}


@pytest.mark.parametrize("wrong", WRONG, ids=_name)
@pytest.mark.parametrize("setter", SETTERS.values(), ids=SETTERS)
def test_no_setter_raises_or_masks_the_providers_own_exception(setter, wrong, only: Only, monkeypatch):
    monkeypatch.setenv("BOTANU_CONTENT_CAPTURE_RATE", "1.0")
    settings.activate(None)

    def call() -> None:
        with track_llm_call("openai", "m") as tracker:
            assert setter(tracker, wrong) is tracker
            raise ConnectionError("the provider's own")

    with pytest.raises(ConnectionError):
        call()
    assert only().attributes["error.type"] == "ConnectionError"
