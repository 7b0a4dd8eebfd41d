"""Events encoded by hand: what the SDK's encoder would have said, whatever is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags

from botanu_core.sdk.encoding import Encoder, Event, Unencodable

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
values = texts | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False)
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
    encoder = Encoder(resource.attributes, ("botanu", "0.1"), "https://schema", resource.schema_url)
    batch = [Event(name, time_ns, lambda said=said: said, span) for name, time_ns, said, span in found]
    expected = by_the_sdk(found, resource, scope)
    for _ in range(2):
        assert ExportLogsServiceRequest.FromString(encoder.encode(batch)) == expected


def test_what_it_remembers_is_bounded_and_never_another_type():
    """1, 1.0 and True are equal, and not the same on the wire."""
    encoder = Encoder({}, ("s", "1"), "")
    span = SpanContext(1, 1, False)
    batch = [Event("e", 1, lambda value=value: {"k": value}, span) for value in (1, 1.0, True, "1", *range(2000))]
    request = ExportLogsServiceRequest.FromString(encoder.encode(batch))
    records = request.resource_logs[0].scope_logs[0].log_records
    kinds = [record.attributes[0].value.WhichOneof("value") for record in records[:4]]
    assert kinds == ["int_value", "double_value", "bool_value", "string_value"]
    assert [record.attributes[0].value.int_value for record in records[4:]] == list(range(2000))


@pytest.mark.parametrize("value", [["a"], {"a": 1}, b"a", None, 2**63, object()])
def test_what_is_out_of_the_ordinary_is_left_to_the_sdk(value):
    encoder = Encoder({}, ("s", "1"), "")
    with pytest.raises(Unencodable):
        encoder.encode([Event("e", 1, lambda: {"k": value}, SpanContext(1, 1, False))])


def test_half_a_surrogate_pair_does_not_cost_the_others():
    encoder = Encoder({}, ("s", "1"), "")
    raw = encoder.encode([Event("e", 1, lambda: {"k": "a\ud800"}, SpanContext(1, 1, False))])
    [record] = ExportLogsServiceRequest.FromString(raw).resource_logs[0].scope_logs[0].log_records
    assert record.attributes[0].value.string_value == "a?"
