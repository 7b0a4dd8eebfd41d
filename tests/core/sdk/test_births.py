"""What a span of ours is born with, seen by the processors of the application and held against its own SDK."""

import json
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

import botanu
from botanu.tracking.llm import track_llm_call
from botanu_core.runtime import guard
from botanu_core.sdk.making import make_record, make_span
from tests.support.ids import Seeded
from tests.support.script import run


class Watching(SpanProcessor):
    """Keeps what it sees of each span when that starts."""

    def __init__(self, then=None) -> None:
        self.seen, self._then = {}, then

    def on_start(self, span, parent_context=None):
        self.seen[span.name] = dict(span.attributes)
        if self._then is not None:
            then, self._then = self._then, None
            then()


@pytest.fixture
def provider(monkeypatch, clean_process):
    """Makes the application's provider global, with its processors, and switches us on."""
    for signal in ("TRACES", "METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")

    def make(*processors, **options):
        made = TracerProvider(shutdown_on_exit=False, **options)
        for processor in processors:
            made.add_span_processor(processor)
        trace.set_tracer_provider(made)
        botanu.enable(instrument="none")
        return made

    return make


def asked():
    """A run with a model call in it; what stands on the call's span."""
    with botanu.event(workflow="Support", event_id="e-1", customer_id="c-1"):
        with track_llm_call(provider="openai", model="gpt-5") as call:
            call.set_tokens(input_tokens=1)
            return dict(call.span.attributes)


BORN_WITH = {
    "botanu.workflow": "Support", "botanu.event_id": "e-1", "botanu.customer_id": "c-1",
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5",
}  # fmt: skip


ATOMS = st.one_of(st.text(max_size=9), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
VALUES = st.one_of(ATOMS, st.lists(st.text(max_size=3), max_size=3), st.lists(st.integers(0, 9), max_size=3))
KIND = type(TracerProvider(shutdown_on_exit=False).get_tracer("any").start_span("any"))
"""What the SDK makes."""
PARENTS = st.one_of(
    st.just(INVALID_SPAN),
    st.builds(
        lambda flags, is_remote, state: NonRecordingSpan(SpanContext(3, 5, is_remote, TraceFlags(flags), state)),
        st.integers(0, 3),
        st.booleans(),
        st.sampled_from([None, TraceState([("vendor", "x")])]),
    ),
)


@given(
    attributes=st.dictionaries(st.text(min_size=1, max_size=9), VALUES, max_size=9),
    parent=PARENTS,
    kind=st.sampled_from(SpanKind),
    sampler=st.sampled_from([ALWAYS_ON, ALWAYS_OFF, ParentBased(ALWAYS_ON), TraceIdRatioBased(0.5)]),
    is_random=st.booleans(),
    limits=st.builds(
        SpanLimits,
        max_span_attributes=st.sampled_from([None, 3]),
        max_span_attribute_length=st.sampled_from([None, 2]),
        max_events=st.sampled_from([None, 1]),
    ),
)
def test_a_span_of_ours_is_the_span_that_the_tracer_would_have_made(
    attributes, parent, kind, sampler, is_random, limits
):
    """Part by part, but for the time; and it goes on as that does: events, status, more attributes, its end."""

    def made(start):
        seen = []
        provider = TracerProvider(
            sampler=sampler,
            resource=Resource({"service.name": "shop"}),
            span_limits=limits,
            id_generator=Seeded(is_random=is_random),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(
            type("Ends", (SpanProcessor,), {"on_end": lambda _, span: seen.append(json.loads(span.to_json()))})()
        )
        span = start(provider.get_tracer("botanu", "1"), set_span_in_context(parent))
        parts = {name: type(part) for name, part in vars(span).items()}
        for _ in range(2):
            span.add_event("said", {"more": 1})
        span.set_attribute("late", "yes")
        span.set_status(trace.Status(trace.StatusCode.ERROR, "no"))
        span.end()
        for each in seen:
            each.update(start_time=0, end_time=0, events=[event["name"] for event in each["events"]])
        return (
            type(span).__name__,
            isinstance(span, KIND),
            parts,
            span.get_span_context(),
            span.get_span_context().trace_flags,
            seen,
        )

    def theirs(tracer: Tracer, context):
        return tracer.start_span("chat", context, kind, attributes)

    def ours(tracer: Tracer, context):
        span = make_span(tracer, "chat", kind, attributes, context)
        assert span is not None
        return span

    assert made(ours) == made(theirs)


@given(
    attributes=st.dictionaries(st.text(min_size=1, max_size=9), VALUES, max_size=9),
    parent=PARENTS,
    limits=st.builds(
        LogRecordLimits,
        max_log_record_attributes=st.sampled_from([None, 3]),
        max_log_record_attribute_length=st.sampled_from([None, 2]),
    ),
)
@pytest.mark.filterwarnings("ignore:Log record attributes were dropped")
def test_an_event_of_ours_is_the_log_record_that_the_logger_would_have_made(attributes, parent, limits):
    """As an exporter gets it: resource, scope, trace, attributes and how many the limits have dropped."""

    def emitted(made):
        exporter = InMemoryLogRecordExporter()
        provider = LoggerProvider(Resource({"service.name": "shop"}), shutdown_on_exit=False, log_record_limits=limits)
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        logger = provider.get_logger("botanu", "1")
        record = LogRecord(
            timestamp=1,
            observed_timestamp=2,
            context=set_span_in_context(parent),
            event_name="botanu.run.completed",
            attributes=dict(attributes),
        )
        logger.emit(made(logger, record))
        (found,) = exporter.get_finished_logs()
        return json.loads(found.to_json()), found.log_record.event_name, type(found), found.limits

    assert emitted(make_record) == emitted(lambda _, record: record)


def test_whoever_stands_in_the_tracers_place_makes_the_spans():
    """A tracer that is not the SDK's own, a subclass of it too."""

    class Own(type(TracerProvider(shutdown_on_exit=False).get_tracer("x"))):
        pass

    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("x")
    assert make_span(tracer, "x", SpanKind.INTERNAL, {}, None) is not None
    tracer.__class__ = Own
    assert make_span(tracer, "x", SpanKind.INTERNAL, {}, None) is None
    assert make_span(trace.NoOpTracer(), "x", SpanKind.INTERNAL, {}, None) is None


def test_where_somebody_has_patched_the_tracer_it_makes_the_spans(monkeypatch):
    """Who wraps its method wants to hear of every span."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("x")
    original = type(tracer).start_span

    def watched(self, *args, **kwargs):
        return original(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(type(tracer), "start_span", watched)
        assert make_span(tracer, "x", SpanKind.INTERNAL, {}, None) is None
    assert make_span(tracer, "x", SpanKind.INTERNAL, {}, None) is not None


def test_an_sdk_whose_spans_have_more_parts_makes_them_itself():
    """One more, as of another release."""
    told = """
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.trace import SpanKind

        tracer = TracerProvider(shutdown_on_exit=False).get_tracer("x")
        kind = type(tracer.start_span("x"))
        initialised = kind.__init__

        def with_more(self, *args, **kwargs):
            initialised(self, *args, **kwargs)
            self.more = 1

        kind.__init__ = with_more

        import botanu
        from botanu_core.sdk.making import make_span

        assert make_span(tracer, "x", SpanKind.INTERNAL, {}, None) is None
        botanu.enable(instrument="none")
        with botanu.event(workflow="Support", event_id="e-1") as run:
            assert run.span.more == 1
            assert run.span.attributes["botanu.event_id"] == "e-1"
    """
    ended = run(told, OTEL_TRACES_EXPORTER="none", OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize("many", [SynchronousMultiSpanProcessor, lambda: ConcurrentMultiSpanProcessor(2)])
@pytest.mark.parametrize("sampler", [ALWAYS_ON, ParentBased(ALWAYS_ON)])
def test_the_applications_processors_see_a_span_as_it_was_started(provider, many, sampler):
    """Whether they were added before us or after, and whichever way the provider calls them."""
    before, after = Watching(), Watching()
    active = many()
    made = provider(before, active_span_processor=active, sampler=sampler)
    made.add_span_processor(after)
    assert asked().items() >= BORN_WITH.items()
    made.shutdown()
    for watching in (before, after):
        assert set(watching.seen) == {"botanu.run/Support", "chat gpt-5"}
        assert watching.seen["chat gpt-5"].items() >= BORN_WITH.items()
        assert watching.seen["botanu.run/Support"]["botanu.event_id"] == "e-1"


@pytest.mark.parametrize(
    "limits",
    [
        SpanLimits(max_span_attributes=3),
        SpanLimits(max_span_attribute_length=4),
        SpanLimits(max_span_attributes=0),
        SpanLimits(max_attributes=5, max_attribute_length=6),
    ],
    ids=["few", "short", "none", "few and short"],
)
def test_the_limits_of_the_application_hold(provider, limits):
    """The last ones stay, cut, as on a span that the SDK has filled itself."""
    made = provider(watching := Watching(), span_limits=limits)
    asked()
    born = watching.seen["chat gpt-5"]
    length = limits.max_span_attribute_length
    assert len(born) <= limits.max_span_attributes
    assert all(length is None or len(value) <= length for value in born.values() if isinstance(value, str))
    twin = made.get_tracer("application").start_span("twin", attributes=born)
    assert dict(twin.attributes) == born
    twin.end()  # it looks like a model call, and is one that is open until then


class Adding(Sampler):
    """Has something to say itself."""

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        return SamplingResult(Decision.RECORD_AND_SAMPLE, {**(attributes or {}), "sampler.rule": "all"})

    def get_description(self):
        return "Adding"


def test_what_a_sampler_adds_is_there_beside_it(provider):
    """It answers with more than it was asked about."""
    provider(watching := Watching(), sampler=Adding())
    asked()
    assert watching.seen["chat gpt-5"].items() >= {**BORN_WITH, "sampler.rule": "all"}.items()


def test_a_processor_that_starts_spans_of_its_own_gives_each_its_own(provider):
    """A run inside the start of a span: neither has the other's attributes."""

    def inner():
        with botanu.event(workflow="Audit", event_id="a-1"):
            pass

    provider(watching := Watching(inner))
    asked()
    assert watching.seen["botanu.run/Support"]["botanu.event_id"] == "e-1"
    assert watching.seen["botanu.run/Audit"]["botanu.event_id"] == "a-1"
    assert "gen_ai.request.model" not in watching.seen["botanu.run/Audit"]


class Breaking(SpanProcessor):
    """Fails the first spans that start."""

    failures = 1

    def on_start(self, span, parent_context=None):
        if self.failures:
            self.failures -= 1
            raise ZeroDivisionError


def test_a_start_that_failed_leaves_nothing_for_the_next_span(provider):
    """Not on one of the application's, in the same thread."""
    guard.strict(False)
    breaking = Breaking()
    made = provider(breaking)
    asked()
    assert breaking.failures == 0
    assert dict(made.get_tracer("application").start_span("botanu.run/Support").attributes) == {}


def test_threads_that_start_spans_at_once_keep_them_apart(provider):
    """A hundred runs, ten at a time."""
    provider(watching := Watching())

    def serve(worker):
        for number in range(10):
            with botanu.event(workflow=f"W{worker}-{number}", event_id=f"e{worker}-{number}"):
                pass

    threads = [Thread(target=serve, args=(worker,)) for worker in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(watching.seen) == 100
    assert all(f"botanu.run/W{attributes['botanu.event_id'][1:]}" == name for name, attributes in watching.seen.items())
