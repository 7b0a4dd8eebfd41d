"""The collector refuses, stalls, answers 503, dies and comes back: the application does not notice."""

import logging
import socket
import threading
import time

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import botanu
from tests.support import script

ONE_RUN = """
    import sys, time
    import botanu

    botanu.enable(service_name="script", instrument="none")
    with botanu.event(workflow="W", event_id="1"):
        pass
    print(time.monotonic())
    sys.exit(7)
"""
MANY_RUNS = """
    import sys
    import botanu

    botanu.enable(instrument="none")
    for number in range(1500):
        with botanu.event(workflow="W", event_id=str(number)):
            pass
    sys.exit(7)
"""
AT_MOST_S = 5.0


def nobody() -> str:
    """An endpoint on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def runs(count: int, workflow: str = "W") -> float:
    """Make `count` runs; the longest took so many seconds."""
    longest = 0.0
    for number in range(count):
        started = time.monotonic()
        with botanu.event(workflow=workflow, event_id=str(number)):
            pass
        longest = max(longest, time.monotonic() - started)
    return longest


def arrived(receiver, workflow: str) -> bool:
    """Whether a span and an event of `workflow` have come in, or do so soon."""

    def both(receiver) -> bool:
        return all(
            workflow in {each.attributes["botanu.workflow"] for each in found}
            for found in (receiver.spans(), receiver.events())
        )

    return receiver.wait_for(both, 30)


class Ears(logging.Handler):
    """Hears every log record of the process, from every thread, and can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()
        self.heard: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        with self.changed:
            self.heard.append(record)
            self.changed.notify_all()

    def said_by(self, logger: str) -> list[str]:
        with self.changed:
            return [record.getMessage() for record in self.heard if record.name.startswith(logger)]

    def wait_for(self, logger: str, timeout: float = 10) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: any(each.name.startswith(logger) for each in self.heard), timeout)


@pytest.fixture
def ears(clean_process):
    ears = Ears()
    logging.getLogger().addHandler(ears)
    yield ears
    botanu.disable(timeout_s=1)
    logging.getLogger().removeHandler(ears)


@pytest.mark.parametrize(
    ("how", "protocol"),
    [("refuses", "http/protobuf"), ("refuses", "grpc"), ("stalls", "http/protobuf"), ("503", "http/protobuf")],
)
def test_a_script_with_one_run_exits_within_five_seconds(receiver, how, protocol):
    """Whatever the collector does: same output, same exit code, and one line that counts what was lost."""
    endpoint = receiver.endpoint if protocol == "http/protobuf" else receiver.grpc_endpoint
    if how == "refuses":
        endpoint = nobody()
    elif how == "stalls":
        receiver.stall(60)
    else:
        receiver.answer(503)
    ended = script.run(ONE_RUN, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    assert ended.code == 7
    assert ended.err == f"dropped 1 span and 1 event: the collector at {endpoint} did not take them\n"
    assert ended.at - float(ended.out) < AT_MOST_S


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_healthy_collector_gets_everything_at_exit(receiver, protocol):
    """Not one is lost by a script that ends at once, and nothing is said."""
    endpoint = receiver.endpoint if protocol == "http/protobuf" else receiver.grpc_endpoint
    ended = script.run(MANY_RUNS, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    assert (ended.code, ended.err) == (7, "")
    ids = {span.attributes["botanu.run_id"] for span in receiver.spans()}
    assert len(receiver.spans()) == len(receiver.events()) == len(ids) == 1500
    assert {event.attributes["botanu.run_id"] for event in receiver.events()} == ids
    assert [point.value for point in receiver.points() if point.name == "botanu.run.completed"] == [1500]


def test_a_slow_but_healthy_collector_is_waited_for_at_exit(receiver):
    """Two seconds for an answer are within the limit."""
    receiver.stall(2.5)
    ended = script.run(ONE_RUN, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    assert (ended.code, ended.err) == (7, "")
    assert (len(receiver.spans()), len(receiver.events())) == (1, 1)


@pytest.mark.parametrize("how", ["refuses", "stalls", "503"])
def test_no_caller_waits_and_no_more_than_the_queue_is_kept(receiver, ears, how):
    """Five hundred runs into a queue of 50: each as quick as ever, and all that went nowhere is counted."""
    if how == "stalls":
        receiver.stall(60)
    elif how == "503":
        receiver.answer(503)
    endpoint = nobody() if how == "refuses" else receiver.endpoint
    botanu.enable(
        instrument="none", otlp_endpoint=endpoint, max_queue_size=50, export_interval_s=0.01, shutdown_timeout_s=0.2
    )
    assert runs(500) < 1.0
    counts = botanu.doctor().counts
    assert 500 - 2 * 50 <= counts["dropped traces"] <= 500
    assert 500 - 2 * 50 <= counts["dropped logs"] <= 500
    started = time.monotonic()
    assert botanu.disable() is False
    assert time.monotonic() - started < 2
    assert ears.said_by("botanu")[-1].startswith("dropped 500 spans and 500 events: ")
    assert ears.said_by("opentelemetry") == ears.said_by("urllib3") == []


def test_a_collector_that_dies_and_comes_back_gets_what_follows(receiver, ears, monkeypatch):
    """It is said once that it was away, doctor() knows how much was lost, and at the end one line says it again."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")  # so that a batch is given up and not tried again
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint, export_interval_s=0.02, metric_interval_s=0.05)
    for lost in (1, 2):
        runs(1, f"before {lost}")
        assert arrived(receiver, f"before {lost}")
        receiver.pause()
        runs(1)
        assert trace.get_tracer_provider().force_flush()
        assert botanu.doctor().counts["dropped traces"] == lost
        receiver.resume()
    runs(1, "after")
    assert arrived(receiver, "after")
    assert ears.said_by("botanu") == [
        f"the collector at {receiver.endpoint} is away; what it does not take is dropped "
        "(said once; botanu.doctor() counts the rest)"
    ]
    counts = botanu.doctor().counts
    assert counts["collector.away"] >= 2
    assert botanu.disable() is False
    assert len(ears.said_by("botanu")) == 2
    assert ears.said_by("botanu")[1].startswith("dropped 2 spans")
    assert ears.said_by("botanu")[1].endswith(f": the collector at {receiver.endpoint} did not take them")
    assert ears.said_by("opentelemetry") == []


def test_a_short_outage_loses_nothing(receiver, ears):
    """What was answered with 503 is sent again."""
    receiver.answer(503)
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint, export_interval_s=0.02)
    runs(3)
    assert receiver.wait_for(lambda r: r.requests >= 2, 30)
    receiver.answer(200)
    assert receiver.wait_for(lambda r: len(r.spans()) == len(r.events()) == 3, 30)
    assert botanu.disable()
    assert ears.heard == []


def test_the_applications_own_exporter_still_complains(ears, monkeypatch):
    """Quiet is for our exports: of two exporters without a collector, the log shows the application's."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(nobody()), schedule_delay_millis=10))
    trace.set_tracer_provider(provider)
    botanu.enable(instrument="none", otlp_endpoint=nobody(), export_interval_s=0.01, shutdown_timeout_s=0.2)
    runs(1)
    assert ears.wait_for("botanu")
    assert ears.wait_for("opentelemetry")
    botanu.disable()
    provider.shutdown()
    [theirs] = ears.said_by("opentelemetry")
    assert theirs.startswith("Failed to export span")


def test_the_application_may_flush_and_shut_down_its_provider_while_our_collector_stalls(receiver, ears):
    """Our processor on its provider keeps its own limits, not the SDK's half a minute."""
    provider = TracerProvider(shutdown_on_exit=False)
    trace.set_tracer_provider(provider)
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint, shutdown_timeout_s=0.5)
    receiver.stall(60)
    runs(1)
    started = time.monotonic()
    assert provider.force_flush(200) is False
    provider.shutdown()
    runs(1)
    assert botanu.disable() is False
    assert time.monotonic() - started < 4
    assert ears.said_by("botanu") == [
        f"dropped 1 span and 2 events: the collector at {receiver.endpoint} did not take them"
    ]


def test_a_flush_by_the_application_sends_what_we_hold(receiver):
    """force_flush of its provider reaches our processor too."""
    provider = TracerProvider(shutdown_on_exit=False)
    trace.set_tracer_provider(provider)
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint, export_interval_s=600)
    runs(2)
    assert receiver.spans() == []
    assert provider.force_flush(5000)
    assert len(receiver.spans()) == 2


def test_unsampled_spans_are_not_counted_as_dropped(receiver, ears, monkeypatch):
    """What the sampler drops was never meant to leave."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    receiver.stall(60)
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint, max_queue_size=1, shutdown_timeout_s=0.2)
    runs(3)
    assert "dropped traces" not in botanu.doctor().counts
    botanu.disable()
    assert "span" not in " ".join(ears.said_by("botanu"))
