"""`add_metadata` and the further keywords of every tracker: attributes of your own, never ours, never too many."""

from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

import botanu
from botanu.tracking.data import track_db_operation, track_messaging_operation, track_storage_operation
from botanu.tracking.llm import track_llm_call, track_tool_call

Only = Callable[[], ReadableSpan]

TRACKERS: dict[str, Callable[..., Any]] = {
    "llm": lambda **words: track_llm_call("openai", "m", **words),
    "tool": lambda **words: track_tool_call("search", **words),
    "database": lambda **words: track_db_operation("postgresql", "SELECT", **words),
    "storage": lambda **words: track_storage_operation("s3", "GET", **words),
    "messaging": lambda **words: track_messaging_operation("sqs", "publish", "orders", **words),
}
every_tracker = pytest.mark.parametrize("track", TRACKERS.values(), ids=TRACKERS)


any_value = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=5)
    | st.sampled_from([Decimal(1), object(), SpanKind.CLIENT, {1}]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.tuples(inner) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=6,
)


class Refusing(Sequence[int]):
    """A sequence that cannot be read."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: Any) -> Any:
        raise RuntimeError("not now")


@every_tracker
def test_keywords_and_add_metadata_are_attributes_under_botanu(track, only: Only):
    with track(prompt_version="v2") as tracker:
        tracker.add_metadata(experiment_id="exp-123", share=0.5, is_paid=True)
    found = {
        key: value
        for key, value in only().attributes.items()
        if key.split(".")[1]
        in (
            "prompt_version",
            "experiment_id",
            "share",
            "is_paid",
        )
    }
    assert found == {
        "botanu.prompt_version": "v2",
        "botanu.experiment_id": "exp-123",
        "botanu.share": 0.5,
        "botanu.is_paid": True,
    }


@every_tracker
@pytest.mark.parametrize(
    "name", ["run_id", "customer_id", "usage.cached_tokens", "step", "tool.success", "outcome.status"]
)
def test_a_name_that_is_ours_is_moved_aside(track, name, only: Only):
    with botanu.event(workflow="w", event_id="1", customer_id="acme"):
        with track(**{name: "forged"}) as tracker:
            tracker.add_metadata(**{name: "forged"})
            tracker.finish()
        span = only()
    assert span.attributes[f"botanu.metadata.{name}"] == "forged"
    assert span.attributes.get(f"botanu.{name}") != "forged"


@pytest.mark.parametrize(
    "name", ["cost.usd", "run.anything", "outcome.metadata.x", "correlation.zendesk", "metadata.x"]
)
def test_a_name_in_a_family_of_ours_is_moved_aside_too(name, only: Only):
    with track_llm_call("openai", "m", **{name: 7}):
        pass
    assert only().attributes[f"botanu.metadata.{name}"] == 7
    assert f"botanu.{name}" not in only().attributes


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 300, "\x00"])
def test_a_name_that_is_no_name_is_left_out(name, only: Only):
    with track_llm_call("openai", "m", **{name: 1}) as tracker:
        tracker.add_metadata(**{name: 1})
    assert only().attributes.keys() == {
        "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "botanu.vendor",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("text", "text"),
        (7, 7),
        (0.5, 0.5),
        (False, False),
        (["a", "b"], ("a", "b")),
        ((1, 2), (1, 2)),
        (deque([1, 2]), (1, 2)),
        (range(3), (0, 1, 2)),
        ([], ()),
    ],
    ids=repr,
)
def test_text_numbers_booleans_and_lists_of_them_are_kept(value, written, only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.add_metadata(value=value)
    assert only().attributes["botanu.value"] == written


@pytest.mark.parametrize(
    "value",
    [None, {"a": 1}, {1, 2}, b"bytes", [1, "a"], [None], [[1]], 2**63, -(2**63) - 1, [2**63], Refusing()],
    ids=lambda value: "Refusing" if isinstance(value, Refusing) else repr(value)[:20],
)
def test_what_is_no_attribute_value_is_left_out(value, only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.add_metadata(value=value, beside=1)
    assert "botanu.value" not in only().attributes
    assert only().attributes["botanu.beside"] == 1


def test_the_largest_whole_number_that_otlp_knows_is_kept(only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.add_metadata(largest=2**63 - 1)
    assert only().attributes["botanu.largest"] == 2**63 - 1


def test_the_last_word_counts(only: Only):
    with track_llm_call("openai", "m", version="v1") as tracker:
        tracker.add_metadata(version="v2")
    assert only().attributes["botanu.version"] == "v2"


def test_text_is_scrubbed_alone_and_in_lists(only: Only):
    with track_llm_call("openai", "m", who="write to ann@example.com") as tracker:
        tracker.add_metadata(whom=["ann@example.com", "bob@example.com"])
    assert "example.com" not in str(dict(only().attributes))


def test_text_is_cut(only: Only):
    with track_llm_call("openai", "m") as tracker:
        tracker.add_metadata(text="long " * 100_000, texts=["long " * 100_000] * 1_000)
    assert len(only().attributes["botanu.text"]) <= 1024
    assert sum(map(len, only().attributes["botanu.texts"])) <= 128 * 1024


@every_tracker
def test_more_metadata_than_a_span_holds_never_pushes_the_run_off_it(track, spans, caplog):
    """An SDK span holds 128 attributes and drops the oldest: those of the run."""
    with botanu.event(workflow="w", event_id="1", customer_id="acme"):
        with track(**{f"given_{number}": number for number in range(200)}) as tracker:
            for number in range(200):
                tracker.add_metadata(**{f"added_{number}": number})
    span = spans.get_finished_spans()[0]
    assert span.attributes["botanu.customer_id"] == "acme"
    assert span.attributes["botanu.given_0"] == 0
    assert span.dropped_attributes == 0
    assert [record.name for record in caplog.records] == ["botanu"]


def test_metadata_that_is_there_already_may_change_when_it_is_full(only: Only):
    with track_llm_call("openai", "m") as tracker:
        for number in range(200):
            tracker.add_metadata(**{f"n{number}": number})
        tracker.add_metadata(n0="changed")
    assert only().attributes["botanu.n0"] == "changed"


@every_tracker
def test_any_word_may_be_a_name(track, only: Only):
    """Also those that a method has for itself."""
    with track() as tracker:
        tracker.add_metadata(self=1, name=2, metadata=3, value=4)
    assert [only().attributes[f"botanu.{name}"] for name in ("self", "name", "metadata", "value")] == [1, 2, 3, 4]


@given(at_birth=any_value, later=any_value, stops=any_value, heat=any_value, reason=any_value)
def test_whatever_is_said_a_span_holds_what_can_be_sent(at_birth, later, stops, heat, reason):
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer_provider, trace._TRACER_PROVIDER = trace._TRACER_PROVIDER, provider
    try:
        with track_llm_call("openai", "m", at_birth=at_birth) as tracker:
            tracker.add_metadata(later=later).set_finish_reason(reason).set_request_id(reason)
            tracker.set_request_params(temperature=heat, stop_sequences=stops)
    finally:
        trace._TRACER_PROVIDER = tracer_provider
    [span] = exporter.get_finished_spans()
    for value in span.attributes.values():
        assert isinstance(value, (str, bool, int, float)) or (
            type(value) is tuple and len({type(item) for item in value}) <= 1
        )
    assert encode_spans([span]).SerializeToString()
