"""Spans and events encoded by hand: what the SDK's encoders would have said, whatever is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from botanu_core.sdk.encoding import Event, EventEncoder, SpanEncoder
from botanu_core.sdk.protobuf import Unencodable

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
plain = texts | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False) | st.binary(max_size=20)
values = st.recursive(
    plain | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["a", "botanu.run_id", "x" * 130]) | texts.filter(bool)
attributes = st.dictionaries(names, values, max_size=12)
spans = st.builds(
    SpanContext,
    st.integers(0, 2**128 - 1),
    st.integers(0, 2**64 - 1),
    st.just(False),
    st.sampled_from([TraceFlags(0), TraceFlags(1), TraceFlags(3)]),
)
events = st.lists(st.tuples(texts, st.integers(0, 2**63), attributes, spans), max_size=8)


def by_the_sdk(found, resource: Resource, scope: InstrumentationScope) -> ExportLogsServiceRequest:
    records = [
        LogRecord(
            timestamp=time_ns,
            observed_timestamp=time_ns,
            trace_id=span.trace_id,
            span_id=span.span_id,
            trace_flags=span.trace_flags,
            severity_number=SeverityNumber.INFO,
            attributes=said,
            event_name=name,
        )
        for name, time_ns, said, span in found
    ]
    return encode_logs([ReadableLogRecord(record, resource, scope) for record in records])


@given(events.filter(bool), st.dictionaries(names, values, max_size=4))
def test_decoded_it_is_what_the_sdk_says(found, of_resource):
    """Ids, flags, times, names and every kind of value; twice, for the second time much is remembered."""
    resource, scope = Resource(of_resource), InstrumentationScope("botanu", "0.1", "https://schema")
    encoder = EventEncoder(resource, scope)
    batch = [Event(name, time_ns, lambda said=said: said, span) for name, time_ns, said, span in found]
    expected = by_the_sdk(found, resource, scope)
    for _ in range(2):
        assert ExportLogsServiceRequest.FromString(encoder.encode(batch)) == expected


def test_what_it_remembers_is_bounded_and_never_another_type():
    """1, 1.0 and True are equal, and not the same on the wire."""
    encoder = EventEncoder(Resource({}), InstrumentationScope("s", "1"))
    span = SpanContext(1, 1, False)
    batch = [Event("e", 1, lambda value=value: {"k": value}, span) for value in (1, 1.0, True, "1", *range(2000))]
    request = ExportLogsServiceRequest.FromString(encoder.encode(batch))
    records = request.resource_logs[0].scope_logs[0].log_records
    kinds = [record.attributes[0].value.WhichOneof("value") for record in records[:4]]
    assert kinds == ["int_value", "double_value", "bool_value", "string_value"]
    assert [record.attributes[0].value.int_value for record in records[4:]] == list(range(2000))


@pytest.mark.parametrize("value", [2**63, object(), [object()], {"a": 2**64}])
def test_what_otlp_does_not_know_is_left_to_the_sdk(value):
    encoder = EventEncoder(Resource({}), InstrumentationScope("s", "1"))
    with pytest.raises(Unencodable):
        encoder.encode([Event("e", 1, lambda: {"k": value}, SpanContext(1, 1, False))])


def test_half_a_surrogate_pair_does_not_cost_the_others():
    encoder = EventEncoder(Resource({}), InstrumentationScope("s", "1"))
    raw = encoder.encode([Event("e", 1, lambda: {"k": "a\ud800"}, SpanContext(1, 1, False))])
    [record] = ExportLogsServiceRequest.FromString(raw).resource_logs[0].scope_logs[0].log_records
    assert record.attributes[0].value.string_value == "a?"


ids = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.sampled_from([TraceFlags(0), TraceFlags(1)]),
    st.sampled_from([None, TraceState([("vendor", "a=1"), ("other", "2")])]),
)
times = st.integers(0, 2**63)


@st.composite
def ended_spans(draw):
    """By the SDK itself, whose limits drop attributes, events and links."""
    limits = SpanLimits(max_span_attributes=4, max_events=2, max_links=2, max_event_attributes=2, max_link_attributes=2)
    provider = TracerProvider(
        resource=Resource(
            draw(st.dictionaries(names, plain, max_size=2)), draw(st.sampled_from(["", "https://of/it"]))
        ),
        sampler=ALWAYS_ON,
        span_limits=limits,
        shutdown_on_exit=False,
    )
    found = []
    for _ in range(draw(st.integers(1, 4))):
        scope = draw(st.sampled_from([("a", None, None, None), ("b", "2", "https://b", {"k": 1})]))
        parent = draw(st.none() | ids)
        context = set_span_in_context(NonRecordingSpan(parent)) if parent is not None else None
        span = provider.get_tracer(*scope).start_span(
            draw(texts),
            context,
            draw(st.sampled_from(SpanKind)),
            draw(attributes),
            [Link(each, draw(attributes)) for each in draw(st.lists(ids, max_size=3))],
            draw(times),
        )
        for _ in range(draw(st.integers(0, 3))):
            span.add_event(draw(texts), draw(attributes), draw(times))
        span.set_status(draw(st.sampled_from([Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "why")])))
        span.end(draw(times))
        found.append(span)
    return found


@pytest.mark.filterwarnings("ignore")  # the SDK's, of names and kinds of values that it does not take
@given(ended_spans())
def test_a_span_is_what_the_sdk_says(batch):
    """Parents near and far, links, events, states, dropped ones; twice, for the second time much is remembered."""
    encoder, expected = SpanEncoder(), encode_spans(batch)
    for _ in range(2):
        assert ExportTraceServiceRequest.FromString(encoder.encode(batch)) == expected


def test_a_span_of_no_scope_is_one_all_the_same():
    """As others make them by hand."""
    context, resource = SpanContext(1, 2, False), Resource({"a": 1})
    made = [ReadableSpan(name, context, resource=resource, start_time=1, end_time=2) for name in ("by hand", "so, too")]
    assert ExportTraceServiceRequest.FromString(SpanEncoder().encode(made)) == encode_spans(made)


def test_spans_of_many_sources_are_each_under_their_own():
    """One span of each."""
    encoder = SpanEncoder()
    for _ in range(2):
        batch = [
            ReadableSpan(f"s{each}", SpanContext(1, 2, False), resource=Resource({"n": each}), start_time=1, end_time=2)
            for each in range(200)
        ]
        assert ExportTraceServiceRequest.FromString(encoder.encode(batch)) == encode_spans(batch)
