"""A tracker is one open span, from its start to its end, however it ends."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode

import botanu
from botanu.tracking.data import track_db_operation, track_messaging_operation, track_storage_operation
from botanu.tracking.llm import track_llm_call, track_tool_call

Only = Callable[[], ReadableSpan]

TRACKERS: dict[str, Callable[[], Any]] = {
    "llm": lambda: track_llm_call(provider="openai", model="gpt-5"),
    "tool": lambda: track_tool_call(tool_name="search"),
    "database": lambda: track_db_operation(system="postgresql", operation="SELECT"),
    "storage": lambda: track_storage_operation(system="s3", operation="GET"),
    "messaging": lambda: track_messaging_operation(system="sqs", operation="publish", destination="orders"),
}
every_tracker = pytest.mark.parametrize("track", TRACKERS.values(), ids=TRACKERS)


@every_tracker
def test_a_tracker_works_in_a_plain_opentelemetry_set_up(track, only: Only):
    with track():
        pass
    assert only().status.status_code is StatusCode.UNSET
    assert only().instrumentation_scope.name == "botanu"


@every_tracker
def test_without_any_sdk_a_tracker_does_nothing_and_the_code_runs(track):
    with track() as tracker:
        tracker.add_metadata(a=1).set_error(ValueError("x"))
    assert not tracker.span.is_recording()


@every_tracker
def test_the_span_is_current_inside_and_what_was_current_before_is_so_after(track, spans: InMemorySpanExporter):
    tracer = trace.get_tracer("application")
    with tracer.start_as_current_span("outer") as outer:
        with track() as tracker:
            assert trace.get_current_span() is tracker.span
            tracer.start_span("inner").end()
        assert trace.get_current_span() is outer
    inner, tracked, _ = spans.get_finished_spans()
    assert inner.parent is not None
    assert inner.parent.span_id == tracked.context.span_id
    assert tracked.parent is not None
    assert tracked.parent.span_id == outer.get_span_context().span_id


@every_tracker
def test_a_tracker_inside_a_run_carries_the_run(track, spans: InMemorySpanExporter):
    with botanu.event(workflow="Support", event_id="t-1", customer_id="acme") as run, track():
        pass
    tracked = spans.get_finished_spans()[0]
    said = {key: tracked.attributes[key] for key in ("botanu.run_id", "botanu.workflow", "botanu.customer_id")}
    assert said == {"botanu.run_id": run.run_id, "botanu.workflow": "Support", "botanu.customer_id": "acme"}


@every_tracker
def test_setters_chain_and_return_the_tracker(track):
    with track() as tracker:
        assert tracker.add_metadata(a=1) is tracker
        assert tracker.set_error(ValueError("x")) is tracker


# --- start and finish without `with` -----------------------------------------------------------------------------


@every_tracker
def test_start_and_finish_serve_callbacks_without_making_the_span_current(track, only: Only):
    tracker = track().start()
    assert trace.get_current_span() is not tracker.span
    tracker.add_metadata(a=1)
    tracker.finish()
    assert only().attributes["botanu.a"] == 1


@every_tracker
def test_finish_takes_the_error_that_ended_it(track, only: Only):
    tracker = track().start()
    tracker.finish(ValueError("no"))
    assert only().attributes["error.type"] == "ValueError"


@every_tracker
def test_finishing_twice_counts_once(track, only: Only, points):
    tracker = track().start()
    tracker.finish()
    tracker.finish(ValueError("late"))
    assert only().status.status_code is StatusCode.UNSET
    assert len(points("gen_ai.client.operation.duration")) <= 1


@every_tracker
def test_finishing_inside_the_block_ends_it_there(track, only: Only):
    with track() as tracker:
        tracker.finish()
        assert only().end_time is not None
    assert trace.get_current_span() is trace.INVALID_SPAN


@every_tracker
def test_a_started_tracker_may_still_be_used_as_a_block(track, only: Only):
    started = track().start()
    span = started.span
    with started as tracker:
        assert trace.get_current_span() is tracker.span is span
    assert only().context == span.get_span_context()


def test_a_tracker_is_for_one_call_and_a_second_block_opens_no_span(only: Only, caplog):
    tracker = track_llm_call(provider="openai", model="gpt-5")
    with tracker:
        pass
    with caplog.at_level(logging.WARNING, "botanu"), tracker:
        pass
    assert only().name == "chat gpt-5"
    assert "one call" in caplog.text


def test_a_tracker_that_was_never_started_counts_no_call(points, spans: InMemorySpanExporter):
    track_llm_call(provider="openai", model="gpt-5").finish()
    assert not points("botanu.gen_ai.attempts")
    assert not points("gen_ai.client.operation.duration")
    assert not spans.get_finished_spans()


LATE: dict[str, Callable[[Any], object]] = {
    "request id": lambda t: t["llm"].set_request_id("r"),
    "params": lambda t: t["llm"].set_request_params(temperature=1),
    "content": lambda t: t["llm"].set_input_content("x"),
    "metadata": lambda t: t["llm"].add_metadata(a=1),
    "error": lambda t: t["llm"].set_error(ValueError("x")),
    "tool": lambda t: t["tool"].set_result(success=False),
    "table": lambda t: t["database"].set_table("users"),
    "bucket": lambda t: t["storage"].set_bucket("invoices"),
    "messages": lambda t: t["messaging"].set_result(message_count=1),
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_setters_after_the_end_change_nothing_and_log_nothing(late, spans: InMemorySpanExporter, caplog):
    trackers = {name: track() for name, track in TRACKERS.items()}
    for tracker in trackers.values():
        with tracker:
            pass
    before = [(span.name, dict(span.attributes), span.status) for span in spans.get_finished_spans()]
    late(trackers)
    assert [(span.name, dict(span.attributes), span.status) for span in spans.get_finished_spans()] == before
    assert not caplog.records


def test_tokens_that_come_after_the_end_are_lost_and_it_is_said(only: Only, caplog):
    """Such as those of a stream that is read outside the block."""
    with track_llm_call("openai", "gpt-5") as tracker:
        pass
    tracker.set_tokens(input_tokens=1)
    assert "gen_ai.usage.input_tokens" not in only().attributes
    assert "after the call had ended" in caplog.text


def test_a_call_started_in_one_thread_may_end_in_another(only: Only):
    tracker = track_llm_call(provider="openai", model="gpt-5").start()
    thread = threading.Thread(target=tracker.finish)
    thread.start()
    thread.join()
    assert only().end_time is not None


# --- errors ------------------------------------------------------------------------------------------------------


@every_tracker
def test_an_exception_passes_through_unchanged_and_is_recorded_once(track, only: Only):
    error = LookupError("no such order")

    def call() -> None:
        with track() as tracker:
            try:
                raise error
            except LookupError as seen:
                tracker.set_error(seen)
                raise

    with pytest.raises(LookupError) as caught:
        call()
    assert caught.value is error
    span = only()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "LookupError: no such order"
    assert span.attributes["error.type"] == "LookupError"
    assert [event.name for event in span.events] == ["exception"]
    assert span.events[0].attributes["exception.message"] == "no such order"


@every_tracker
def test_an_error_that_was_handled_stays_on_the_span(track, only: Only):
    with track() as tracker:
        tracker.set_error(TimeoutError("slow"))
    assert only().status.status_code is StatusCode.ERROR
    assert only().attributes["error.type"] == "TimeoutError"


def test_one_exception_that_crosses_nested_trackers_of_a_run_is_written_in_full_once(spans: InMemorySpanExporter):
    with pytest.raises(RuntimeError), botanu.event(workflow="w", event_id="1"):
        with track_tool_call("search"), track_db_operation("postgresql", "SELECT"):
            raise RuntimeError("down")
    finished = spans.get_finished_spans()
    assert [span.status.status_code for span in finished] == [StatusCode.ERROR] * 3
    assert sum(event.name == "exception" for span in finished for event in span.events) == 1


@pytest.mark.parametrize("wrong", [None, "text", 7, ValueError])
def test_what_is_no_exception_is_no_error_and_does_not_raise(wrong, only: Only, caplog):
    with track_llm_call("openai", "gpt-5") as tracker:
        tracker.set_error(wrong)
    assert only().status.status_code is StatusCode.UNSET
    assert "set_error wants the exception" in caplog.text


def test_an_exception_that_cannot_be_written_as_text_is_still_recorded(only: Only):
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    with pytest.raises(Mute), track_llm_call("openai", "gpt-5"):
        raise Mute
    assert only().attributes["error.type"] == "Mute"


# --- async -------------------------------------------------------------------------------------------------------


@every_tracker
def test_async_with_is_the_same_as_with(track, only: Only):
    async def call() -> None:
        async with track() as tracker:
            assert trace.get_current_span() is tracker.span
            await asyncio.sleep(0)
            assert trace.get_current_span() is tracker.span
        assert trace.get_current_span() is trace.INVALID_SPAN

    asyncio.run(call())
    assert only().status.status_code is StatusCode.UNSET


@every_tracker
def test_a_task_cancelled_inside_ends_the_span_without_an_error(track, only: Only, points):
    async def call(inside: asyncio.Event) -> None:
        async with track():
            inside.set()
            await asyncio.Event().wait()

    async def scenario() -> None:
        inside = asyncio.Event()
        task = asyncio.create_task(call(inside))
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert trace.get_current_span() is trace.INVALID_SPAN

    asyncio.run(scenario())
    span = only()
    assert span.status.status_code is StatusCode.UNSET
    assert "error.type" not in span.attributes
    assert not span.events
    assert all("error.type" not in point.attributes for point in points("gen_ai.client.operation.duration"))


def test_a_timeout_inside_reaches_the_caller_as_timeout(only: Only):
    async def call() -> None:
        async with asyncio.timeout(0.01), track_llm_call("openai", "gpt-5"):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(call())
    assert only().end_time is not None


def test_a_hundred_tasks_never_see_each_others_span_run_or_attempt(spans: InMemorySpanExporter):
    async def call(number: int) -> None:
        async with botanu.event(workflow="w", event_id=f"t-{number}"), track_llm_call("openai", f"m-{number}") as outer:
            outer.set_attempt(number).set_tokens(input_tokens=number)
            await asyncio.sleep(0)
            async with track_tool_call(f"tool-{number}") as tool:
                await asyncio.sleep(0)
                tool.set_result(items_returned=number)

    async def scenario() -> None:
        await asyncio.gather(*(call(number) for number in range(100)))

    asyncio.run(scenario())
    finished = spans.get_finished_spans()
    calls = {span.attributes["gen_ai.request.model"]: span for span in finished if span.kind is SpanKind.CLIENT}
    tools = {span.attributes["gen_ai.tool.name"]: span for span in finished if "gen_ai.tool.name" in span.attributes}
    assert len(calls) == len(tools) == 100
    for number in range(100):
        outer, tool = calls[f"m-{number}"], tools[f"tool-{number}"]
        assert outer.attributes["botanu.event_id"] == tool.attributes["botanu.event_id"] == f"t-{number}"
        assert outer.attributes["botanu.request.attempt"] == outer.attributes["gen_ai.usage.input_tokens"] == number
        assert tool.attributes["botanu.tool.items_returned"] == number
        assert tool.parent.span_id == outer.context.span_id


# --- samplers ----------------------------------------------------------------------------------------------------


class Watching(Sampler):
    """Keeps what a sampler is told about each span."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        self.seen.append({"name": name, "kind": kind, **(attributes or {})})
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    def get_description(self) -> str:
        return "Watching"


def test_what_is_known_at_the_start_is_there_for_the_sampler(sdk):
    sampler = Watching()
    sdk(sampler)
    with botanu.event(workflow="Support", event_id="t-1"):
        with track_llm_call("OpenAI", "gpt-5", client_request_id="mine-1", prompt_version="v2"):
            pass
    seen = sampler.seen[1]
    assert seen["botanu.event_id"] == "t-1"
    assert seen["gen_ai.provider.name"] == "openai"
    assert seen["gen_ai.request.model"] == "gpt-5"
    assert seen["botanu.vendor.client_request_id"] == "mine-1"
    assert seen["botanu.prompt_version"] == "v2"


def test_an_unsampled_call_still_works_and_is_still_counted(sdk, points):
    exporter = sdk(ALWAYS_OFF)
    with track_llm_call("openai", "gpt-5") as tracker:
        tracker.set_tokens(input_tokens=10, output_tokens=2).set_error(ValueError("x"))
    assert not exporter.get_finished_spans()
    assert sum(point.sum for point in points("gen_ai.client.token.usage")) == 12
