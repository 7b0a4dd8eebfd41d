"""Telemetry that fails never reaches the application: its results and exceptions are as without us."""

import asyncio
import logging

import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

import botanu
from botanu.tracking.llm import track_llm_call
from botanu_core.runtime import guard, telemetry

pytestmark = pytest.mark.usefixtures("in_production")


class Broken(RuntimeError):
    """What fails in telemetry."""


def fails(*_, **__):
    raise Broken("quoting jane@example.com")


class BrokenAtStart(SpanProcessor):
    on_start = fails


class BrokenAtEnd(SpanProcessor):
    on_end = fails


class BrokenEnding(SpanProcessor):
    _on_ending = fails


class BrokenSampler(Sampler):
    should_sample = fails

    def get_description(self):
        return "broken"


class BrokenExporter(SpanExporter):
    export = fails


class BrokenSpan(trace.NonRecordingSpan):
    """Somebody else's span, every method of which raises."""

    def __init__(self):
        super().__init__(trace.INVALID_SPAN_CONTEXT)

    set_attribute = set_attributes = add_event = set_status = end = record_exception = fails

    def is_recording(self):
        return True


class BrokenSpanProvider(trace.TracerProvider):
    """Gives tracers whose spans raise."""

    def get_tracer(self, *_, **__):
        class Giving(trace.NoOpTracer):
            def start_span(self, *_, **__):
                return BrokenSpan()

        return Giving()


class BrokenTracerProvider(trace.TracerProvider):
    """Gives no tracer at all."""

    get_tracer = fails


def with_processor(processor):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider


GROUNDS = {
    "a processor that raises at start": lambda: with_processor(BrokenAtStart()),
    "a processor that raises at end": lambda: with_processor(BrokenAtEnd()),
    "a processor that raises when ending": lambda: with_processor(BrokenEnding()),
    "an exporter that raises": lambda: with_processor(SimpleSpanProcessor(BrokenExporter())),
    "a sampler that raises": lambda: TracerProvider(sampler=BrokenSampler(), shutdown_on_exit=False),
    "spans that raise": BrokenSpanProvider,
    "a provider that raises": BrokenTracerProvider,
}


@pytest.fixture(params=GROUNDS)
def broken(request):
    """Telemetry that fails, one way after another."""
    trace.set_tracer_provider(GROUNDS[request.param]())


@botanu.event("W", event_id=lambda number: number)
def work(number):
    """All that a run is made of."""
    with botanu.step("s"), track_llm_call(provider="openai", model="m") as call:
        call.set_tokens(input_tokens=1, output_tokens=1)
        botanu.emit_outcome("partial", reason="x")
        botanu.set_business_context(team="t")
        botanu.set_correlation(zendesk="1")
    if number < 0:
        raise LookupError("the application's own")
    return botanu.get_run_id()


def test_results_and_exceptions_are_the_applications(broken):
    """However telemetry fails, calls return what they return and raise what they raise; the run is there."""
    assert work(1) is not None
    with pytest.raises(LookupError, match="the application's own") as caught:
        work(-1)
    assert caught.value.__context__ is None, "nothing of ours is chained to it"
    assert botanu.get_run_id() is None


def test_generators_and_coroutines(broken):
    """Iteration and awaiting go on as well, closing included."""

    @botanu.event("W")
    def generator():
        yield from (1, 2)

    @botanu.event("W")
    async def async_generator():
        yield 1
        yield 2

    async def main():
        return [item async for item in async_generator()]

    closing = generator()
    next(closing)
    closing.close()
    assert list(generator()) == asyncio.run(main()) == [1, 2]


def test_it_is_said_once_and_quotes_nothing(warnings_said):
    """A failure is logged once a kind, without the exception's text: it may hold user data."""
    trace.set_tracer_provider(with_processor(BrokenAtStart()))
    for _ in range(3):
        work(1)
    said = [message for message in warnings_said() if "span start" in message]
    assert len(said) == 1
    assert "Broken" in said[0]
    assert not any("jane" in message for message in warnings_said())


def test_a_span_that_cannot_be_started_keeps_the_trace():
    """Where starting our span fails, the application's spans below it stay in their trace."""
    exporter = InMemorySpanExporter()

    class BrokenForOurs(BrokenAtStart):
        def on_start(self, span, parent_context=None):
            if span.name.startswith("botanu."):
                fails()

    provider = with_processor(BrokenForOurs())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    with trace.get_tracer("app").start_as_current_span("request"):
        with botanu.event("W"), botanu.step("s"):
            with trace.get_tracer("app").start_as_current_span("query"):
                pass
    query, request = exporter.get_finished_spans()
    assert query.context.trace_id == request.context.trace_id
    assert query.parent.span_id == request.context.span_id


def test_metrics_that_raise():
    """A meter that fails costs the metric."""

    class BrokenMeter(metrics.NoOpMeter):
        def create_histogram(self, *_, **__):
            class BrokenHistogram(metrics.NoOpHistogram):
                record = fails

            return BrokenHistogram("x")

    class BrokenMeters(metrics.MeterProvider):
        def get_meter(self, name, *_, **__):
            return BrokenMeter(name)

    telemetry.use(meter_provider=BrokenMeters())
    assert work(1) is not None


def test_a_meter_provider_that_raises():
    """One that gives no meter at all, as well."""

    class BrokenMeters(metrics.MeterProvider):
        get_meter = fails

    logs = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    telemetry.use(meter_provider=BrokenMeters(), logger_provider=provider)
    assert work(1) is not None
    with pytest.raises(LookupError):
        work(-1)
    completed = [record.log_record.event_name for record in logs.get_finished_logs()]
    assert completed == ["botanu.run.completed"] * 2, "what bills are made from is said all the same"


def test_log_events_that_raise():
    """A logger that fails costs the completed event."""

    class BrokenLogger(_logs.NoOpLogger):
        emit = fails

    class BrokenLogs(_logs.LoggerProvider):
        def get_logger(self, name, *_, **__):
            return BrokenLogger(name)

    telemetry.use(logger_provider=BrokenLogs())
    assert work(1) is not None


def test_under_strict_tests_it_raises(warnings_said):
    """What production swallows a test sees: `strict` re-raises."""
    trace.set_tracer_provider(with_processor(BrokenAtStart()))
    guard.strict(True)
    with pytest.raises(Broken):
        work(1)


def test_the_applications_log_is_not_touched():
    """Importing and using us adds no handler and sets no level, on our logger or the root."""
    before = (logging.root.handlers[:], logging.root.level)
    work(1)
    assert (logging.root.handlers, logging.root.level) == before
    assert logging.getLogger("botanu").handlers == []
