"""What waits to be sent: hundreds of spans, each of which makes the next full garbage collection come sooner."""

import gc
import json

import pytest
from opentelemetry import _logs, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import botanu


@pytest.fixture
def silent(monkeypatch, clean_process):
    """What leaves does so by the application."""
    for signal in ("TRACES", "METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")


@pytest.fixture
def waiting(silent):
    """Switches us on beside an application's provider; what that is about to send, by name."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, span_limits=SpanLimits(max_events=1))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    botanu.enable(instrument="none")
    return lambda: {span.name.removeprefix("botanu.step/"): span for span in exporter.get_finished_spans()}


def kept_alive_by(span, *, but_for):
    """How many objects the garbage collector has to follow for `span`, beside those that another one shares."""

    def reached(start):
        seen, left = {}, [start]
        while left:
            each = left.pop()
            if gc.is_tracked(each) and id(each) not in seen and not isinstance(each, type):
                seen[id(each)] = each
                left += gc.get_referents(each)
        return seen

    return len(reached(span).keys() - reached(but_for).keys())


def test_a_span_of_ours_keeps_less_alive_than_one_of_the_application(waiting):
    tracer = trace.get_tracer("shop")
    with botanu.event(workflow="w", event_id="e"):
        for name in ("first", "second"):
            with botanu.step(name), tracer.start_as_current_span(f"shop {name}"):
                pass
    spans = waiting()
    ours = kept_alive_by(spans["first"], but_for=spans["second"])
    theirs = kept_alive_by(spans["shop first"], but_for=spans["shop second"])
    assert ours <= theirs - 6, f"{ours} objects, theirs {theirs}"


def test_a_span_of_ours_says_all_the_same_what_happened_and_how_much_was_left_out(waiting):
    with botanu.event(workflow="w", event_id="e"):
        with botanu.step("quiet"):
            pass
        with botanu.step("linked") as span:
            span.add_event("said")
            span.add_link(trace.SpanContext(1, 2, is_remote=True))
        with botanu.step("busy") as span:
            span.add_event("one")
            span.add_event("two")
    quiet, linked, busy = (waiting()[name] for name in ("quiet", "linked", "busy"))
    assert (quiet.events, quiet.links, quiet.dropped_events, quiet.dropped_links) == ((), (), 0, 0)
    assert ([event.name for event in linked.events], linked.dropped_events) == (["said"], 0)
    assert [link.context.span_id for link in linked.links] == [2]
    assert ([event.name for event in busy.events], busy.dropped_events) == (["two"], 1)
    assert [each["name"] for each in json.loads(linked.to_json())["events"]] == ["said"]


def test_the_span_that_its_owner_still_holds_takes_what_comes_too_late_as_ever(waiting, caplog):
    with botanu.event(workflow="w", event_id="e"), botanu.step("over"):
        span = botanu.get_current_span()
    span.add_event("late")
    assert "ended span" in caplog.text
    assert waiting()["over"].events == ()


def test_an_event_that_waits_says_what_it_said_when_it_was_queued(silent):
    at_once, batched = InMemoryLogRecordExporter(), InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(at_once))
    provider.add_log_record_processor(BatchLogRecordProcessor(batched))
    _logs.set_logger_provider(provider)
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    botanu.enable(instrument="none")
    with botanu.event(workflow="w", event_id="e"):
        pass
    provider.shutdown()
    [now], [later] = at_once.get_finished_logs(), batched.get_finished_logs()
    assert later.log_record.attributes["botanu.event_id"] == "e"
    assert later.to_json() == now.to_json()
