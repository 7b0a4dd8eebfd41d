"""`enable()` on its three grounds: no provider, the application's own set earlier or later, and a foreign one."""

import importlib.util
import random

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

import botanu
from tests.support import script


@pytest.fixture
def collector(receiver, monkeypatch):
    """The receiver, where the standard variables point."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
    yield receiver
    botanu.disable(timeout_s=1)


def application(sampler=ALWAYS_ON) -> tuple[TracerProvider, InMemorySpanExporter]:
    """A provider of the application's own, not yet global, and what its exporter gets."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


def names(exporter: InMemorySpanExporter) -> list[str]:
    return [span.name for span in exporter.get_finished_spans()]


def workflows(exporter: InMemorySpanExporter) -> dict[str, str | None]:
    return {span.name: span.attributes.get("botanu.workflow") for span in exporter.get_finished_spans()}


# --- no provider ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_where_there_is_no_provider_all_three_signals_arrive(receiver, protocol):
    """Spans of ours and of others, metrics and completed runs, over HTTP and over gRPC."""
    endpoint = receiver.endpoint if protocol == "http/protobuf" else receiver.grpc_endpoint
    report = botanu.enable(
        instrument="none", service_name="desk", environment="staging", otlp_endpoint=endpoint, otlp_protocol=protocol
    )
    assert report.enabled
    assert report.provider == "made by Botanu: there was none"
    with botanu.event(workflow="Support", event_id="t-1", customer_id="c-1") as run:
        trace.get_tracer("somebody else").start_span("theirs").end()
    assert botanu.disable()
    spans = {span.name: span for span in receiver.spans()}
    assert spans.keys() == {"botanu.run/Support", "theirs"}
    for span in spans.values():
        assert span.attributes["botanu.run_id"] == run.run_id
        assert span.attributes["botanu.customer_id"] == "c-1"
        assert span.service == "desk"
        assert span.resource["deployment.environment.name"] == "staging"
    [event] = receiver.events()
    assert event.event_name == "botanu.run.completed"
    assert event.attributes["botanu.run_id"] == run.run_id
    assert event.trace_id == spans["botanu.run/Support"].trace_id
    points = {point.name: point for point in receiver.points()}
    assert points["botanu.run.completed"].value == 1
    assert points["botanu.run.duration"].count == 1
    assert points["botanu.run.completed"].attributes["botanu.workflow"] == "Support"


def test_tracers_taken_before_enable_are_in_runs_too(collector):
    """A proxy tracer, used or unused before, makes spans of our provider from now on."""
    used, unused = trace.get_tracer("used"), trace.get_tracer("unused")
    used.start_span("too early").end()
    botanu.enable(instrument="none")
    with botanu.event(workflow="W"):
        used.start_span("a").end()
        unused.start_span("b").end()
    assert botanu.disable()
    found = {span.name: span.attributes["botanu.workflow"] for span in collector.spans()}
    assert found == {"botanu.run/W": "W", "a": "W", "b": "W"}


def test_the_standard_sampler_variable_counts_for_our_provider(collector):
    """OTEL_TRACES_SAMPLER is heeded; runs are counted whatever it says."""
    code = """
        import botanu
        botanu.enable(instrument="none")
        with botanu.event(workflow="W"): pass
    """
    ended = script.run(code, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, OTEL_TRACES_SAMPLER="always_off")
    assert (ended.code, ended.err) == (0, "")
    assert (len(collector.spans()), len(collector.events())) == (0, 1)


# --- the application's own --------------------------------------------------------------------------------------


def test_on_the_applications_provider_its_exporter_gets_the_spans_and_we_send_none(collector):
    """What the application had is replaced in nothing; only metrics and events go our way."""
    provider, exporter = application()
    trace.set_tracer_provider(provider)
    report = botanu.enable(instrument="none")
    assert report.provider == "the application's own OpenTelemetry SDK, replaced in nothing"
    assert report.signals["traces"] == "the application's own exporters"
    with botanu.event(workflow="W"):
        provider.get_tracer("x").start_span("work").end()
    assert botanu.disable()
    assert workflows(exporter) == {"work": "W", "botanu.run/W": "W"}
    assert collector.spans() == []
    assert len(collector.events()) == 1


def test_with_an_endpoint_of_ours_spans_go_both_ways(receiver):
    """Named in code or by our own variable, our collector gets a copy of what the sampler lets through."""
    provider, exporter = application()
    trace.set_tracer_provider(provider)
    report = botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint)
    assert receiver.endpoint in report.signals["traces"]
    with botanu.event(workflow="W"):
        pass
    assert botanu.disable()
    assert names(exporter) == [span.name for span in receiver.spans()] == ["botanu.run/W"]


def test_a_provider_that_comes_after_enable_gets_everything_from_then_on(collector):
    """Proxy tracers, tracers of ours, and those of instrumentations made in between all move to its exporter."""
    proxy = trace.get_tracer("proxy")
    botanu.enable(instrument="none")
    between = trace.get_tracer_provider().get_tracer("instrumentation made in between")
    ours = trace.get_tracer_provider()
    with botanu.event(workflow="early"):
        proxy.start_span("early").end()
        between.start_span("early").end()
    provider, exporter = application()
    trace.set_tracer_provider(provider)
    with botanu.event(workflow="late"):
        proxy.start_span("proxy").end()
        between.start_span("between").end()
        ours.get_tracer("from a reference kept").start_span("kept").end()
        provider.get_tracer("its own").start_span("own").end()
    assert workflows(exporter) == dict.fromkeys(["proxy", "between", "kept", "own", "botanu.run/late"], "late")
    assert {span.resource.attributes["service.name"] for span in exporter.get_finished_spans()} == {
        provider.resource.attributes["service.name"]
    }
    assert len({span.context.trace_id for span in exporter.get_finished_spans()}) == 1
    assert collector.wait_for(lambda r: len(r.spans()) == 3, 30)
    assert botanu.disable()
    assert {span.attributes["botanu.workflow"] for span in collector.spans()} == {"early"}
    assert len(collector.events()) == 2


def test_spans_that_are_open_when_the_application_sets_its_provider_are_not_lost(collector):
    """They were begun by our provider and end on the application's."""
    botanu.enable(instrument="none")
    with botanu.event(workflow="open"):
        provider, exporter = application()
        trace.set_tracer_provider(provider)
        with botanu.event(workflow="inner", event_id="2"):
            pass
    assert workflows(exporter) == {"botanu.run/inner": "inner", "botanu.run/open": "open"}


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, TraceIdRatioBased(0.5)])
def test_a_provider_that_comes_after_enable_brings_its_sampler_and_ids(collector, sampler):
    """Spans of tracers made in between are sampled as the application says, over ids of its own generator."""
    botanu.enable(instrument="none")
    between = trace.get_tracer("made in between")
    provider, exporter = application(sampler)
    seeded = random.Random(3)
    provider.id_generator.generate_trace_id = lambda: seeded.getrandbits(128)
    trace.set_tracer_provider(provider)
    for number in range(50):
        with botanu.event(workflow="W", event_id=str(number)):
            between.start_span("between").end()
    drawn = random.Random(3)
    ids = [drawn.getrandbits(128) for _ in range(50)]
    kept = [each for each in ids if sampler.should_sample(None, each, "x").decision.is_sampled()]
    assert {span.context.trace_id for span in exporter.get_finished_spans()} == set(kept)


def test_after_disable_a_late_provider_goes_on_without_us_and_enable_finds_it_again(collector):
    """Tracers that moved to it keep working: unstamped while Botanu is off, stamped when it is on again."""
    botanu.enable(instrument="none")
    between = trace.get_tracer_provider().get_tracer("between")
    provider, exporter = application()
    trace.set_tracer_provider(provider)
    with botanu.event(workflow="W"):
        pass
    assert botanu.disable()
    assert trace.get_tracer_provider() is provider
    exporter.clear()
    with botanu.event(workflow="off"):
        between.start_span("between").end()
    assert workflows(exporter) == {"between": None, "botanu.run/off": "off"}
    exporter.clear()
    assert "application's own" in botanu.enable(instrument="none").provider
    with botanu.event(workflow="on"):
        between.start_span("between").end()
    assert workflows(exporter) == {"between": "on", "botanu.run/on": "on"}


def test_a_provider_that_came_while_we_were_off_takes_over_the_tracers_we_gave_out(collector):
    """enable, disable, the application sets its provider, enable: nobody is left with a tracer that leads nowhere."""
    proxy = trace.get_tracer("proxy")
    botanu.enable(instrument="none")
    proxy.start_span("first").end()
    assert botanu.disable()
    provider, exporter = application()
    trace.set_tracer_provider(provider)
    botanu.enable(instrument="none")
    with botanu.event(workflow="W"):
        proxy.start_span("second").end()
    assert workflows(exporter) == {"second": "W", "botanu.run/W": "W"}


def test_a_subclass_that_keeps_its_sampler_to_itself_is_stamped_another_way(collector):
    """Where the sampler cannot be wrapped, a processor of ours does it, and goes silent with `disable()`."""

    class Sealed(TracerProvider):
        @property
        def sampler(self):
            return ALWAYS_ON

        @sampler.setter
        def sampler(self, value):
            if isinstance(value, type(ALWAYS_ON)):
                return
            raise AttributeError("sealed")

    exporter = InMemorySpanExporter()
    provider = Sealed(sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    tracer = provider.get_tracer("x")
    botanu.enable(instrument="none")
    with botanu.event(workflow="W"):
        tracer.start_span("work").end()
    assert workflows(exporter) == {"work": "W", "botanu.run/W": "W"}
    assert botanu.disable()
    exporter.clear()
    with botanu.event(workflow="W"):
        tracer.start_span("work").end()
    assert workflows(exporter)["work"] is None


# --- foreign ----------------------------------------------------------------------------------------------------


class ForeignSpan(NonRecordingSpan):
    """A span of another vendor: it knows the API and nothing else."""

    def __init__(self, name: str, attributes) -> None:
        super().__init__(SpanContext(random.getrandbits(128) | 1, random.getrandbits(64) | 1, False, TraceFlags(1)))
        self.name, self.attributes, self.ended = name, dict(attributes or {}), False

    def is_recording(self) -> bool:
        return not self.ended

    def set_attribute(self, key, value) -> None:
        self.attributes[key] = value

    def set_attributes(self, attributes) -> None:
        self.attributes.update(attributes)

    def end(self, end_time=None) -> None:
        self.ended = True


class ForeignTracer(trace.Tracer):
    def __init__(self, provider: "ForeignProvider") -> None:
        self.provider = provider

    def start_span(self, name, context=None, kind=trace.SpanKind.INTERNAL, attributes=None, **rest) -> ForeignSpan:
        span = ForeignSpan(name, attributes)
        self.provider.spans.append(span)
        for processor in self.provider.processors:
            processor.on_start(span, context)
        return span

    def start_as_current_span(self, name, context=None, kind=trace.SpanKind.INTERNAL, attributes=None, **rest):
        return trace.use_span(self.start_span(name, context, kind, attributes), end_on_exit=True)


class ForeignProvider(trace.TracerProvider):
    """As ddtrace's: the API, no sampler, no processors."""

    def __init__(self) -> None:
        self.spans: list[ForeignSpan] = []
        self.processors: list = []

    def get_tracer(self, *args, **kwargs) -> ForeignTracer:
        return ForeignTracer(self)


class HookedProvider(ForeignProvider):
    """As Logfire's: foreign, and it takes span processors."""

    def add_span_processor(self, processor) -> None:
        self.processors.append(processor)


@pytest.mark.parametrize("when", ["before", "after"])
def test_beside_a_foreign_provider_our_spans_carry_the_run_and_the_report_says_what_is_missing(collector, when):
    """Whether it is set before or after enable(): no span of others is stamped, and doctor() says so."""
    provider = ForeignProvider()
    if when == "before":
        trace.set_tracer_provider(provider)
    botanu.enable(instrument="none")
    if when == "after":
        trace.set_tracer_provider(provider)
    with botanu.event(workflow="W") as run:
        trace.get_tracer("x").start_span("theirs").end()
    report = botanu.doctor()
    assert report.provider == f"foreign: {__name__}.ForeignProvider"
    assert [note for note in report.notes if "is no OpenTelemetry SDK" in note and "other libraries do not" in note]
    assert botanu.disable()
    spans = {span.name: span.attributes for span in provider.spans}
    assert spans["botanu.run/W"]["botanu.run_id"] == run.run_id
    assert "botanu.run_id" not in spans["theirs"]
    assert [event.attributes["botanu.run_id"] for event in collector.events()] == [run.run_id]


def test_a_foreign_provider_that_takes_processors_misses_nothing(collector):
    """Every span of it is stamped by a processor of ours, until `disable()`."""
    provider = HookedProvider()
    trace.set_tracer_provider(provider)
    report = botanu.enable(instrument="none")
    assert report.notes == ()
    with botanu.event(workflow="W"):
        trace.get_tracer("x").start_span("theirs").end()
    assert botanu.disable()
    with botanu.event(workflow="W"):
        trace.get_tracer("x").start_span("later").end()
    spans = {span.name: span.attributes.get("botanu.workflow") for span in provider.spans}
    assert spans == {"botanu.run/W": "W", "theirs": "W", "later": None}


def test_a_noop_provider_is_left_and_the_report_says_that_there_are_no_spans(collector, caplog):
    """Somebody has switched tracing off: we do not switch it on again; runs are counted all the same."""
    provider = trace.NoOpTracerProvider()
    trace.set_tracer_provider(provider)
    report = botanu.enable(instrument="none")
    assert trace.get_tracer_provider() is provider
    assert report.notes == ("the application has set a NoOpTracerProvider: nobody's spans are made",)
    with botanu.event(workflow="W"):
        pass
    assert botanu.disable()
    assert (collector.spans(), len(collector.events()), caplog.records) == ([], 1, [])


@pytest.mark.skipif(importlib.util.find_spec("ddtrace") is None, reason="ddtrace is not installed")
def test_beside_the_real_ddtrace(receiver):
    """Its provider stays; our run spans are its spans and carry the run, its own children included in the trace."""
    ended = script.run(
        """
        from opentelemetry import trace
        from ddtrace.opentelemetry import TracerProvider
        trace.set_tracer_provider(TracerProvider())
        import botanu
        botanu.enable(instrument="none")
        with botanu.event(workflow="W", event_id="1") as run:
            child = trace.get_tracer("x").start_span("child")
            child.end()
            span = trace.get_current_span()
            assert span is run.span and span.is_recording()
            assert span.get_span_context().trace_id == child.get_span_context().trace_id
            assert span._ddspan.get_tag("botanu.run_id") == run.run_id
        assert botanu.get_run_id() is None
        botanu.doctor()
        assert botanu.disable()
        assert type(trace.get_tracer_provider()) is TracerProvider
        """,
        "-W",
        "ignore",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        DD_TRACE_OTEL_ENABLED="true",
        DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
        DD_TRACE_AGENT_URL="http://127.0.0.1:9",
        DD_REMOTE_CONFIGURATION_ENABLED="false",
    )
    assert ended.code == 0, ended.err
    assert "provider   foreign: ddtrace." in ended.out
    assert "those of other libraries do not" in ended.out
    assert [event.event_name for event in receiver.events()] == ["botanu.run.completed"]
