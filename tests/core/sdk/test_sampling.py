"""The application's sampler decides what is exported; with and without us its exporter gets the same traces."""

from collections import Counter
from contextlib import nullcontext

import pytest
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import SpanKind, TraceState

import botanu
from botanu_core.runtime import guard
from tests.support.ids import Seeded

REQUESTS = 300
RUN_KEYS = {"botanu.run_id", "botanu.workflow", "botanu.environment", "botanu.event_id", "botanu.customer_id"}


class NoAttributes(Sampler):
    """Answers every second trace without attributes, as samplers that know nothing of the span's do."""

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        return SamplingResult(Decision.RECORD_AND_SAMPLE if trace_id & 2 else Decision.DROP)

    def get_description(self):
        return "NoAttributes"


class Cached(Sampler):
    """Answers with one object for every span."""

    answer = SamplingResult(Decision.RECORD_AND_SAMPLE, {"sampler": "cached"}, TraceState([("vendor", "x")]))

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        return self.answer

    def get_description(self):
        return "Cached"


class OtherNames(Sampler):
    """Names its parameters as it likes, and has no trace state among them."""

    def should_sample(self, ctx, tid, span_name, span_kind=None, attrs=None, lnks=None):
        return SamplingResult(Decision.RECORD_AND_SAMPLE if tid & 2 else Decision.DROP, attrs)

    def get_description(self):
        return "OtherNames"


class BareAnswer(Sampler):
    """Answers with an object of its own that has no attributes at all, which newer SDKs take."""

    class Answer:
        decision, attributes, trace_state = Decision.RECORD_AND_SAMPLE, None, None

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        return self.Answer()

    def get_description(self):
        return "BareAnswer"


SAMPLERS = {
    "ratio": lambda: TraceIdRatioBased(0.1),
    "parent": lambda: ParentBased(TraceIdRatioBased(0.1)),
    "parent but for its children": lambda: ParentBased(ALWAYS_ON, local_parent_sampled=NoAttributes()),
    "on": lambda: ALWAYS_ON,
    "off": lambda: ALWAYS_OFF,
    "no attributes": NoAttributes,
    "cached": Cached,
    "other names": OtherNames,
    "bare answer": BareAnswer,
}


class Application:
    """Has its own provider, tracers made early, and requests; knows Botanu by `event` alone."""

    def __init__(self, sampler: Sampler, exporter=None) -> None:
        self.exported = InMemorySpanExporter()
        self.early_proxy = trace.get_tracer("early")
        self.provider = TracerProvider(sampler=sampler, id_generator=Seeded(), shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exported))
        if exporter is not None:
            self.provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=REQUESTS * 10))
        self.tracer = self.provider.get_tracer("application")
        trace.set_tracer_provider(self.provider)
        with self.early_proxy.start_as_current_span("warm up"):
            pass

    def serve(self, event=botanu.event) -> None:
        for number in range(REQUESTS):
            with self.tracer.start_as_current_span("request"):
                with event(workflow="Support", event_id=f"e{number}", customer_id="c1"):
                    with self.tracer.start_as_current_span("work", attributes={"n": number}):
                        with self.early_proxy.start_as_current_span("query", kind=SpanKind.CLIENT):
                            trace.get_tracer("late").start_span("late").end()

    def names_by_trace(self, without=()) -> Counter:
        spans = self.exported.get_finished_spans()
        return Counter((s.context.trace_id, s.name) for s in spans if s.name not in without)


@pytest.fixture(autouse=True)
def spans_only(monkeypatch, clean_process):
    """What is counted elsewhere needs no collector here."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")


@pytest.fixture
def forget(clean_process):
    """Lets a test set a second provider, as if in a second process."""

    def again():
        trace._TRACER_PROVIDER = None
        trace._TRACER_PROVIDER_SET_ONCE._done = False

    return again


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_exporter_gets_the_same_traces_as_without_us(name, forget):
    """Same ids, same spans, and in runs every one of them carries the run; outside of runs none does."""
    try:
        plain = Application(SAMPLERS[name]())
    except AttributeError:
        pytest.skip("this SDK does not take such a sampler")
    plain.serve(event=lambda **ids: nullcontext())
    forget()
    with_us = Application(SAMPLERS[name]())
    report = botanu.enable(instrument="none")
    with_us.serve()
    assert "application's own" in report.provider
    assert with_us.names_by_trace(without={"botanu.run/Support"}) == plain.names_by_trace()
    for span in with_us.exported.get_finished_spans():
        found = span.attributes.keys() & RUN_KEYS
        assert found == (set() if span.name in ("request", "warm up") else RUN_KEYS), span.name
    if name != "off":
        assert len(with_us.exported.get_finished_spans()) > 100


def test_at_ratio_0_1_and_enabled_late_everything_that_arrives_carries_its_run(forget, receiver):
    """As a collector sees it: the application's exporter, one trace in ten, and tracers that were made early."""
    plain = Application(TraceIdRatioBased(0.1))
    plain.serve(event=lambda **ids: nullcontext())
    forget()
    application = Application(TraceIdRatioBased(0.1), OTLPSpanExporter(f"{receiver.endpoint}/v1/traces"))
    botanu.enable(instrument="none")
    application.serve()
    application.provider.shutdown()
    spans = receiver.spans()
    assert {int(span.trace_id, 16) for span in spans} == {trace_id for trace_id, _ in plain.names_by_trace()}
    assert 10 < len({span.trace_id for span in spans}) < 60
    runs = {}
    for span in spans:
        if span.name not in ("request", "warm up"):
            assert span.attributes.keys() >= RUN_KEYS
            runs.setdefault(span.trace_id, set()).add(span.attributes["botanu.run_id"])
    assert all(len(ids) == 1 for ids in runs.values())
    assert len(set.union(*runs.values())) == len(runs)


def test_with_a_sampler_that_is_always_off_runs_are_still_counted(receiver, monkeypatch):
    """No span leaves, and each run's completion does: no sampling touches what bills are made from."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
    monkeypatch.delenv("OTEL_METRICS_EXPORTER")
    monkeypatch.delenv("OTEL_LOGS_EXPORTER")
    application = Application(ALWAYS_OFF)
    botanu.enable(instrument="none")
    application.serve()
    assert botanu.disable()
    assert application.exported.get_finished_spans() == ()
    assert receiver.spans() == []
    assert len([event for event in receiver.events() if event.event_name == "botanu.run.completed"]) == REQUESTS
    completed = [point for point in receiver.points() if point.name == "botanu.run.completed"]
    assert sum(point.value for point in completed) == REQUESTS


def test_a_cached_answer_is_left_as_it_is():
    """A sampler's own result object is read, never written: the next span outside a run gets it clean."""
    application = Application(Cached())
    botanu.enable(instrument="none")
    with botanu.event(workflow="Support"):
        inside = application.tracer.start_span("inside")
    outside = application.tracer.start_span("outside")
    assert dict(Cached.answer.attributes) == {"sampler": "cached"}
    assert dict(outside.attributes) == {"sampler": "cached"}
    assert inside.attributes["sampler"] == "cached"
    assert inside.attributes["botanu.workflow"] == "Support"
    assert inside.context.trace_state == outside.context.trace_state == TraceState([("vendor", "x")])


def test_a_dropped_client_span_in_a_run_says_where_it_goes_and_is_not_exported():
    """It is recorded, so that the run may follow the request; its flag and its children's stay unsampled."""
    application = Application(ParentBased(ALWAYS_OFF))
    botanu.enable(instrument="none")
    headers = {}
    with botanu.event(workflow="Support"):
        with application.tracer.start_as_current_span(
            "GET", kind=SpanKind.CLIENT, attributes={"url.full": "http://localhost:1/x"}
        ) as client:
            propagate.inject(headers)
            child = application.tracer.start_span("child")
    assert client.is_recording() is False  # ended
    assert client.attributes["url.full"] == "http://localhost:1/x"
    assert not child.is_recording()
    assert headers["traceparent"].endswith("-00")
    assert f"botanu.run_id={client.attributes['botanu.run_id']}" in headers["baggage"]
    assert application.exported.get_finished_spans() == ()


@pytest.mark.parametrize("kind", [SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CONSUMER])
def test_other_dropped_spans_stay_dropped(kind):
    """What the application's sampler drops costs what it cost without us."""
    application = Application(ALWAYS_OFF)
    botanu.enable(instrument="none")
    with botanu.event(workflow="Support"):
        assert not application.tracer.start_span("work", kind=kind).is_recording()


def test_a_remote_parent_decides_as_before():
    """ParentBased follows the caller: sampled there is exported here, unsampled there is not."""
    application = Application(ParentBased(ALWAYS_OFF))
    botanu.enable(instrument="none")
    for flag in ("01", "00"):
        caller = propagate.extract({"traceparent": f"00-{flag * 16}-{flag * 7}11-{flag}"})
        with botanu.event(workflow=f"W{flag}"), application.tracer.start_as_current_span("served", caller):
            pass
    assert [span.name for span in application.exported.get_finished_spans()] == ["served"]
    assert application.exported.get_finished_spans()[0].attributes["botanu.workflow"] == "W01"


def test_inside_a_sampled_span_the_default_sampler_hands_on_its_trace_state_and_what_the_span_was_given():
    application = Application(ParentBased(ALWAYS_ON))
    botanu.enable(instrument="none")
    caller = propagate.extract({"traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "tracestate": "vendor=x"})
    with application.tracer.start_as_current_span("served", caller), botanu.event(workflow="Support"):
        inside = application.tracer.start_span("inside", attributes={"n": 1})
    assert inside.context.trace_state == TraceState([("vendor", "x")])
    assert inside.attributes["n"] == 1
    assert inside.attributes["botanu.workflow"] == "Support"


class Breaking(NoAttributes):
    """Samples, until it breaks."""

    broken = False

    def should_sample(self, *args, **kwargs):
        if self.broken:
            raise ZeroDivisionError
        return super().should_sample(*args, **kwargs)


def test_a_sampler_that_raises_raises_as_without_us():
    """A mistake of the application's sampler is the application's; our own blocks survive it."""
    application = Application(sampler := Breaking())
    botanu.enable(instrument="none")
    sampler.broken = True
    with pytest.raises(ZeroDivisionError):
        application.tracer.start_span("x")
    guard.strict(False)
    with botanu.event(workflow="Support") as run:
        assert run.workflow == "Support"


def test_what_the_sampler_says_of_itself_is_unchanged():
    """Tools that print the sampler's description print the application's."""
    application = Application(TraceIdRatioBased(0.1))
    botanu.enable(instrument="none")
    assert application.provider.sampler.get_description() == TraceIdRatioBased(0.1).get_description()
    assert botanu.disable()
    assert isinstance(application.provider.sampler, TraceIdRatioBased)
    assert isinstance(application.tracer.sampler, TraceIdRatioBased)
