"""`set_llm_attributes` and `set_token_usage`: for code that has a span already."""

from typing import Any

import pytest
from opentelemetry import trace

import botanu
from botanu.tracking.llm import set_llm_attributes, set_token_usage, track_llm_call


@pytest.fixture
def written(spans):
    """What a call inside a span of the application's writes on it."""

    def write(*calls: Any) -> dict[str, Any]:
        with trace.get_tracer("application").start_as_current_span("theirs"):
            for call in calls:
                call()
        [span] = spans.get_finished_spans()
        assert span.name == "theirs"
        return dict(span.attributes)

    return write


def test_a_model_call_is_written_on_the_current_span(written):
    assert written(
        lambda: set_llm_attributes(
            provider="Azure-OpenAI",
            model="gpt-5",
            operation="chat",
            input_tokens=150,
            output_tokens=200,
            cached_tokens=50,
            streaming=True,
            provider_request_id="chatcmpl-1",
            experiment="e-1",
        )
    ) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "azure.openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.usage.input_tokens": 150,
        "gen_ai.usage.output_tokens": 200,
        "gen_ai.usage.cache_read.input_tokens": 50,
        "botanu.usage.cached_tokens": 50,
        "botanu.vendor": "azure.openai",
        "botanu.vendor.request_id": "chatcmpl-1",
        "botanu.request.streaming": True,
        "botanu.experiment": "e-1",
    }


def test_vendor_words_serve_as_well(written):
    attributes = written(lambda: set_llm_attributes(vendor="claude", model="m", vendor_request_id="msg_1"))
    assert attributes["gen_ai.provider.name"] == "anthropic"
    assert attributes["gen_ai.response.id"] == "msg_1"


def test_token_usage_writes_the_counts_and_nothing_else(written):
    assert written(lambda: set_token_usage(input_tokens=150, output_tokens=200, cached_tokens=50)) == {
        "gen_ai.usage.input_tokens": 150,
        "gen_ai.usage.output_tokens": 200,
        "gen_ai.usage.cache_read.input_tokens": 50,
        "botanu.usage.cached_tokens": 50,
    }


def test_the_provider_on_the_span_decides_how_counts_are_read(written):
    attributes = written(
        lambda: set_llm_attributes(provider="anthropic", model="claude"),
        lambda: set_token_usage(input_tokens=100, cache_read_tokens=50, cache_write_tokens=20),
    )
    assert attributes["gen_ai.usage.input_tokens"] == 170


def test_inside_a_run_the_runs_own_span_takes_them(spans):
    with botanu.event(workflow="w", event_id="1"):
        set_token_usage(input_tokens=7)
    assert spans.get_finished_spans()[0].attributes["gen_ai.usage.input_tokens"] == 7


@pytest.mark.parametrize("wrong", [None, -1, "7", True, float("nan"), 10**30, [], object()])
def test_wrong_counts_are_left_out_and_never_raise(wrong, written):
    attributes = written(
        lambda: set_token_usage(wrong, wrong, wrong, wrong, wrong),
        lambda: set_llm_attributes(wrong, wrong, wrong, wrong, wrong, wrong, wrong, wrong, wrong, wrong),
    )
    assert not any(".usage." in key for key in attributes)


def test_without_a_current_span_nothing_happens():
    set_llm_attributes(provider="openai", model="gpt-5", input_tokens=1)
    set_token_usage(input_tokens=1)


def test_a_span_that_has_ended_is_left_alone(spans, caplog):
    with track_llm_call("openai", "m") as tracker:
        tracker.finish()
        set_token_usage(input_tokens=1)
        set_llm_attributes(provider="openai", model="other")
    assert spans.get_finished_spans()[0].attributes["gen_ai.request.model"] == "m"
    assert not caplog.records
