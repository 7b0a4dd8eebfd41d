"""The OTLP receiver, as the OpenTelemetry SDK and its exporters see it."""

import gzip
from collections.abc import Iterator

import httpx
import pytest
from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

from demo.receiver import Receiver

RESOURCE = Resource({"service.name": "test"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def send_spans(exporter: SpanExporter) -> None:
    """A failed call of a tool inside a request, exported."""
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("scope")
    with tracer.start_as_current_span("request", kind=trace.SpanKind.SERVER):
        with tracer.start_as_current_span("call", attributes={"n": 1, "texts": ["a", "b"], "yes": True}) as span:
            span.add_event("seen", {"at": "gate"})
            span.set_status(trace.StatusCode.ERROR, "it broke")
    provider.shutdown()


class TestSpans:
    @pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
    def test_over_http(self, receiver, compression):
        """Everything about a span survives, packed or not."""
        send_spans(OTLPSpanExporter(endpoint=f"{receiver.endpoint}/v1/traces", compression=compression))
        call, request = receiver.spans()
        assert (request.name, request.kind, request.parent_id, request.status) == ("request", "SERVER", "", "UNSET")
        assert (call.name, call.kind, call.parent_id) == ("call", "INTERNAL", request.span_id)
        assert (call.trace_id, len(call.trace_id), len(call.span_id)) == (request.trace_id, 32, 16)
        assert call.attributes == {"n": 1, "texts": ["a", "b"], "yes": True}
        assert [(event.name, event.attributes) for event in call.events] == [("seen", {"at": "gate"})]
        assert (call.status, call.status_message) == ("ERROR", "it broke")
        assert (call.service, call.scope) == ("test", "scope")
        assert 0 <= call.duration_ms <= request.duration_ms

    def test_over_grpc(self, receiver):
        """The same spans over gRPC."""
        send_spans(GrpcSpanExporter(endpoint=receiver.grpc_endpoint, insecure=True))
        assert [span.name for span in receiver.spans()] == ["call", "request"]

    def test_as_json(self, receiver):
        """The process's query page says what `spans` says."""
        send_spans(OTLPSpanExporter(endpoint=f"{receiver.endpoint}/v1/traces"))
        rows = httpx.get(f"{receiver.endpoint}/spans").json()
        assert [row["span_id"] for row in rows] == [span.span_id for span in receiver.spans()]
        assert rows[0]["events"] == [{"name": "seen", "attributes": {"at": "gate"}}]


class TestLogs:
    def test_event(self, receiver):
        """A log record keeps its event name, its attributes and the span it belongs to."""
        provider = LoggerProvider(resource=RESOURCE)
        provider.add_log_record_processor(
            SimpleLogRecordProcessor(OTLPLogExporter(endpoint=f"{receiver.endpoint}/v1/logs"))
        )
        provider.get_logger("scope").emit(
            LogRecord(event_name="botanu.run.completed", body={"text": b"\x01"}, attributes={"n": 1}, timestamp=5)
        )
        provider.shutdown()
        (event,) = receiver.events()
        assert (event.event_name, event.attributes, event.body) == ("botanu.run.completed", {"n": 1}, {"text": "01"})
        assert (event.time_ns, event.trace_id, event.resource["service.name"]) == (5, "", "test")


class TestMetrics:
    def test_points(self, receiver):
        """Sums, gauges and histograms come with their unit, attributes and buckets."""
        exporter = OTLPMetricExporter(endpoint=f"{receiver.endpoint}/v1/metrics")
        provider = MeterProvider(resource=RESOURCE, metric_readers=[PeriodicExportingMetricReader(exporter)])
        meter = provider.get_meter("scope")
        meter.create_counter("runs").add(3, {"workflow": "w"})
        meter.create_gauge("depth").set(1.5)
        meter.create_histogram("tokens", unit="{token}", explicit_bucket_boundaries_advisory=[1, 4]).record(2)
        provider.shutdown()
        points = {point.name: point for point in receiver.points()}
        assert (points["runs"].kind, points["runs"].value, points["runs"].attributes) == ("sum", 3, {"workflow": "w"})
        assert (points["depth"].kind, points["depth"].value) == ("gauge", 1.5)
        tokens = points["tokens"]
        assert (tokens.kind, tokens.unit, tokens.sum, tokens.count) == ("histogram", "{token}", 2.0, 1)
        assert (tokens.bounds, tokens.buckets) == ((1.0, 4.0), (0, 1, 0))


class TestFaults:
    @staticmethod
    def post(receiver: Receiver) -> int:
        """One empty export; the status that answers it."""
        return httpx.post(f"{receiver.endpoint}/v1/traces", content=b"", timeout=10).status_code

    def test_answer(self, receiver):
        """A refused export is counted and not kept; afterwards all is well again."""
        receiver.answer(503)
        send_spans(OTLPSpanExporter(endpoint=f"{receiver.endpoint}/v1/traces", timeout=0.1))
        assert (receiver.spans(), receiver.requests >= 2) == ([], True)
        receiver.answer(200)
        send_spans(OTLPSpanExporter(endpoint=f"{receiver.endpoint}/v1/traces"))
        assert len(receiver.spans()) == 2

    def test_stall(self, receiver):
        """A stalled receiver gives no answer until it is let go."""
        receiver.stall(60)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{receiver.endpoint}/v1/traces", content=b"", timeout=0.1)
        receiver.stall(0)
        assert self.post(receiver) == 200

    def test_pause_and_resume(self, receiver):
        """While it does not listen it refuses; then it answers on the same ports."""
        before = (receiver.endpoint, receiver.grpc_endpoint)
        receiver.pause()
        with pytest.raises(httpx.ConnectError):
            self.post(receiver)
        receiver.resume()
        assert (receiver.endpoint, receiver.grpc_endpoint) == before
        assert self.post(receiver) == 200
        send_spans(GrpcSpanExporter(endpoint=receiver.grpc_endpoint, insecure=True))
        assert len(receiver.spans()) == 2

    @pytest.mark.parametrize(
        ("path", "body", "headers", "status"),
        [
            ("/v1/traces", b"\xff\xff", {}, 400),
            ("/v1/logs", b"not gzip", {"content-encoding": "gzip"}, 400),
            ("/v1/logs", gzip.compress(b"", mtime=0)[:-4], {"content-encoding": "gzip"}, 400),
            ("/v1/profiles", b"", {}, 404),
        ],
    )
    def test_bad_input(self, receiver, path, body, headers, status):
        """What is no OTLP is refused, and the receiver goes on."""
        assert httpx.post(receiver.endpoint + path, content=body, headers=headers).status_code == status
        assert self.post(receiver) == 200


class TestWaiting:
    def test_until_something_arrives(self, receiver):
        """`wait_for` looks again after each export, and gives up in time."""
        assert not receiver.wait_for(lambda seen: bool(seen.spans()), timeout=0.01)
        send_spans(OTLPSpanExporter(endpoint=f"{receiver.endpoint}/v1/traces"))
        assert receiver.wait_for(lambda seen: len(seen.spans()) == 2, timeout=30)

    def test_clear(self, receiver):
        """After `clear` it is as new."""
        send_spans(OTLPSpanExporter(endpoint=f"{receiver.endpoint}/v1/traces"))
        receiver.clear()
        assert (receiver.spans(), receiver.requests) == ([], 0)
