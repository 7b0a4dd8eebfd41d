"""Three metrics, with the names, units and bucket boundaries of the GenAI conventions, whatever is sampled."""

from typing import Any

import pytest
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import botanu
from botanu.tracking.llm import llm_instrumented, set_llm_attributes, track_llm_call, track_tool_call
from botanu_core.runtime import guard, telemetry

# https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
TOKEN_BOUNDS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
SECOND_BOUNDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)


def test_tokens_are_a_histogram_by_type(points):
    with track_llm_call("anthropic", "claude") as tracker:
        tracker.set_tokens(input_tokens=100, output_tokens=20, cache_read_tokens=50)
    found = {point.attributes["gen_ai.token.type"]: point for point in points("gen_ai.client.token.usage")}
    assert {kind: point.sum for kind, point in found.items()} == {"input": 150, "output": 20}
    assert all(tuple(point.explicit_bounds) == TOKEN_BOUNDS for point in found.values())


def test_unknown_tokens_are_not_counted_as_zero(points):
    with track_llm_call("openai", "m"):
        pass
    assert not points("gen_ai.client.token.usage")


def test_durations_are_a_histogram_in_seconds(points):
    with track_llm_call("openai", "m"):
        pass
    [point] = points("gen_ai.client.operation.duration")
    assert point.count == 1
    assert 0 < point.sum < 5
    assert tuple(point.explicit_bounds) == pytest.approx(SECOND_BOUNDS)


def test_a_failed_call_says_its_error_in_the_duration(points):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_error(TimeoutError("x"))
    [point] = points("gen_ai.client.operation.duration")
    assert point.attributes["error.type"] == "TimeoutError"


def test_attempts_count_every_call_retries_included(points):
    for attempt in (1, 2, 3):
        with track_llm_call("openai", "m") as tracker:
            tracker.set_attempt(attempt)
    [point] = points("botanu.gen_ai.attempts")
    assert point.value == 3


def test_labels_are_few_and_name_no_customer(points):
    with botanu.event(workflow="Support", event_id="t-1", customer_id="acme"):
        with track_llm_call("OpenAI", "gpt-5") as tracker:
            tracker.set_tokens(input_tokens=1).add_metadata(ticket="t-1")
    labels = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "botanu.workflow": "Support",
        "botanu.environment": "production",
    }
    assert [dict(point.attributes) for point in points("botanu.gen_ai.attempts")] == [labels]
    assert [dict(point.attributes) for point in points("gen_ai.client.operation.duration")] == [labels]
    [tokens] = points("gen_ai.client.token.usage")
    assert dict(tokens.attributes) == {**labels, "gen_ai.token.type": "input"}


def test_outside_a_run_the_environment_is_still_a_label(points):
    with track_llm_call("openai", "m"):
        pass
    [point] = points("botanu.gen_ai.attempts")
    assert point.attributes["botanu.environment"] == "production"


def test_unsampled_calls_count(sdk, points):
    sdk(ALWAYS_OFF)
    with track_llm_call("openai", "m") as tracker:
        tracker.set_tokens(output_tokens=7)
    assert sum(point.sum for point in points("gen_ai.client.token.usage")) == 7


def test_a_decorated_call_counts_once(points):
    @llm_instrumented(provider="openai")
    def chat(model: str) -> dict[str, object]:
        return {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}

    chat("gpt-5")
    [attempts] = points("botanu.gen_ai.attempts")
    assert attempts.value == 1
    assert sum(point.sum for point in points("gen_ai.client.token.usage")) == 7


def test_tools_and_loose_helpers_are_no_calls(spans, points):
    with track_tool_call("search"):
        set_llm_attributes(provider="openai", model="m", input_tokens=5)
    assert not points("botanu.gen_ai.attempts")


class Broken(MeterProvider):
    """A meter provider whose instruments take nothing."""

    def get_meter(self, *names: Any, **more: Any) -> Any:
        return self

    def create_histogram(self, *names: Any, **more: Any) -> Any:
        return self

    def create_observable_counter(self, *names: Any, **more: Any) -> Any:
        return self

    def record(self, *values: Any, **more: Any) -> None:
        raise RuntimeError("no room")


def test_metrics_that_fail_cost_the_span_nothing(only, caplog):
    guard.strict(False)
    telemetry.use(meter_provider=Broken())
    with track_llm_call("openai", "m") as tracker:
        tracker.set_tokens(input_tokens=5)
    assert only().attributes["gen_ai.usage.input_tokens"] == 5
    assert "telemetry failed" in caplog.text
