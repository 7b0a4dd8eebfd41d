"""Token counts: who reports them decides how they are read, and what is no count is unknown."""

from collections.abc import Callable
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from botanu.tracking.llm import track_llm_call
from botanu_core.model.usage import MAX_TOKENS, Usage, count_of, usage_of

Only = Callable[[], ReadableSpan]


class Level(IntEnum):
    SEVEN = 7


class Like:
    """A number of another library, such as one of NumPy's."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (0, 0),
        (7, 7),
        (7.0, 7),
        (Level.SEVEN, 7),
        (Like(7), 7),
        (MAX_TOKENS, MAX_TOKENS),
        (None, None),
        (-1, None),
        (-0.5, None),
        (1.5, None),
        ("7", None),
        (b"7", None),
        (True, None),
        (False, None),
        (float("nan"), None),
        (float("inf"), None),
        (MAX_TOKENS + 1, None),
        (10**400, None),
        (1e300, None),
        (Decimal(7), None),
        ([], None),
        (Like("no number"), None),
        (Like(-7), None),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "__index__") else repr(value)[:20],
)
def test_a_count_is_a_whole_number_from_0_to_a_trillion_and_all_else_is_unknown(value, count):
    assert count_of(value) == count
    assert type(count_of(value)) in (int, type(None))


def test_nothing_said_is_unknown_and_not_zero(only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_tokens(input_tokens=None, output_tokens=None)
    assert not any(".usage." in key for key in only().attributes)


def test_zero_is_a_count(only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_tokens(input_tokens=0, output_tokens=0)
    assert only().attributes["gen_ai.usage.input_tokens"] == only().attributes["gen_ai.usage.output_tokens"] == 0


@pytest.mark.parametrize(
    ("provider", "reported", "read"),
    [
        # OpenAI counts what it read from the cache among the input.
        ("openai", {"input_tokens": 150, "cached_tokens": 50}, (150, 50, None)),
        ("azure.openai", {"input_tokens": 150, "cached_tokens": 50}, (150, 50, None)),
        ("mistral", {"input_tokens": 150, "cached_tokens": 50, "cache_write_tokens": 20}, (150, 50, 20)),
        # Anthropic and Bedrock leave it out.
        ("anthropic", {"input_tokens": 100, "cache_read_tokens": 50, "cache_write_tokens": 20}, (170, 50, 20)),
        ("aws.bedrock", {"input_tokens": 100, "cache_read_tokens": 50}, (150, 50, None)),
        ("anthropic", {"input_tokens": 100}, (100, None, None)),
        # Both words are one thing: never added.
        ("openai", {"input_tokens": 150, "cached_tokens": 50, "cache_read_tokens": 50}, (150, 50, None)),
        ("anthropic", {"input_tokens": 100, "cached_tokens": 50, "cache_read_tokens": 50}, (150, 50, None)),
        ("openai", {"input_tokens": 150, "cached_tokens": 50, "cache_read_tokens": 0}, (150, 50, None)),
        ("openai", {"input_tokens": 150, "cached_tokens": 0, "cache_read_tokens": 50}, (150, 50, None)),
        # What is unknown stays so.
        ("anthropic", {"cache_read_tokens": 50}, (None, 50, None)),
        ("anthropic", {"input_tokens": -1, "cache_read_tokens": 50}, (None, 50, None)),
    ],
)
def test_whoever_reports_decides_whether_the_input_includes_what_was_cached(provider, reported, read):
    usage = usage_of(provider, **reported)
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == read


def test_the_span_carries_the_total_the_parts_and_what_was_reported(only: Only):
    with track_llm_call("anthropic", "claude") as tracker:
        tracker.set_tokens(input_tokens=150, output_tokens=200, cache_read_tokens=50, cache_write_tokens=100)
    assert {key: value for key, value in only().attributes.items() if ".usage." in key} == {
        "gen_ai.usage.input_tokens": 300,
        "gen_ai.usage.output_tokens": 200,
        "gen_ai.usage.cache_read.input_tokens": 50,
        "gen_ai.usage.cache_write.input_tokens": 100,
        "botanu.usage.cache_read_tokens": 50,
        "botanu.usage.cache_write_tokens": 100,
    }
    assert tracker.usage == Usage(input_tokens=300, output_tokens=200, cache_read_tokens=50, cache_write_tokens=100)


def test_counts_that_come_piece_by_piece_add_up_to_one_report(only: Only, points):
    """As in a stream: the input with the first event, the output with the last."""
    with track_llm_call("anthropic", "claude") as tracker:
        tracker.set_tokens(input_tokens=100, cache_read_tokens=50)
        tracker.set_tokens(output_tokens=7)
        tracker.set_tokens(output_tokens=20)
    assert only().attributes["gen_ai.usage.input_tokens"] == 150
    assert only().attributes["gen_ai.usage.output_tokens"] == 20
    recorded = {point.attributes["gen_ai.token.type"]: point.sum for point in points("gen_ai.client.token.usage")}
    assert recorded == {"input": 150, "output": 20}


def test_a_count_that_will_not_do_leaves_the_one_before_it(only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_tokens(input_tokens=100, output_tokens=20)
        tracker.set_tokens(input_tokens=-5, output_tokens="many")
    assert only().attributes["gen_ai.usage.input_tokens"] == 100
    assert only().attributes["gen_ai.usage.output_tokens"] == 20


@pytest.mark.parametrize("wrong", [-1, 1.5, "150", True, float("nan"), 10**30, []], ids=repr)
def test_a_wrong_count_is_left_out_and_warned_about_once(wrong, only: Only, caplog):
    with track_llm_call("openai", "m") as tracker:
        tracker.set_tokens(input_tokens=wrong, output_tokens=wrong)
        tracker.set_tokens(input_tokens=wrong, output_tokens=wrong)
    assert not any(".usage." in key for key in only().attributes)
    assert len([record for record in caplog.records if record.name == "botanu"]) == 1
    assert repr(wrong) not in caplog.text


def test_an_index_that_raises_is_unknown():
    class Broken:
        def __index__(self) -> int:
            raise RuntimeError("no")

    assert count_of(Broken()) is None
