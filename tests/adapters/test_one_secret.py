"""One secret, put wherever an application may drop it by mistake, and followed through every way out."""

import logging

import pytest
from fastapi import FastAPI
from opentelemetry import context, propagate, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import botanu
from botanu import BotanuConfig
from botanu.tracking.llm import track_llm_call, track_tool_call
from botanu_core import settings
from botanu_core.errors import ConfigError
from botanu_core.runtime import telemetry
from botanu_fastapi import BotanuMiddleware
from tests.adapters.conftest import OUTSIDE
from tests.support.servers import Server, raw_request

SECRET = "sk-proj-Zq7Wm2Xk9Lp4Rt8Yv3Bn6Hd1" + "Jf5Gs0Ca" * 3
"""Of the form of a provider's key: what prompts, errors and headers leak most."""
KEY = f"{SECRET}-signs-and-hides"


class Out:
    """All that leaves: spans, events, metrics, log records."""

    def __init__(self, exporter, caplog):
        self.spans, self.reader, self.events = exporter, InMemoryMetricReader(), InMemoryLogRecordExporter()
        meters = MeterProvider([self.reader], shutdown_on_exit=False)
        loggers = LoggerProvider(shutdown_on_exit=False)
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self.events))
        telemetry.use(meter_provider=meters, logger_provider=loggers)
        self.log = caplog

    def __str__(self):
        spans = [span.to_json() for span in self.spans.get_finished_spans()]
        events = [
            data.log_record.to_json() if hasattr(data.log_record, "to_json") else repr(data.log_record)
            for data in self.events.get_finished_logs()
        ]
        metrics = self.reader.get_metrics_data()  # once: what was read is not there a second time
        ours = [
            record.getMessage() + repr(record.args) + str(record.exc_text)
            for record in self.log.records
            if record.name.startswith("botanu")
        ]
        return "\n".join([*spans, *events, metrics.to_json() if metrics else "", *ours])


@pytest.fixture
def out(sdk, monkeypatch, caplog):
    """Botanu with everything on that could let something out, and what came out."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    caplog.set_level(logging.DEBUG)
    exporter = sdk()
    botanu.enable(
        instrument="none",
        content_capture_rate=1.0,
        baggage_key=KEY,
        customer_id_form="hashed",
        customer_id_key=KEY,
        otlp_headers={"authorization": SECRET},
    )
    return Out(exporter, caplog)


def test_what_is_captured_and_annotated(out):
    """Prompt, answer, tool, metadata, correlation, outcome: the text around it arrives, the secret does not."""
    with botanu.event(workflow="W", event_id="T-1", customer_id=SECRET):
        with track_llm_call("openai", "gpt-4o") as call:
            call.set_input_content({"messages": [{"role": "user", "content": f"my key is {SECRET}, is that safe?"}]})
            call.set_output_content(f"no: {SECRET}").add_metadata(note=f"saw {SECRET}").set_tokens(1, 1)
        with track_tool_call("lookup") as tool:
            tool.add_metadata(argument=f"key={SECRET}")
        botanu.set_correlation(zendesk=f"ref {SECRET}")
        botanu.emit_outcome("failed", reason=f"rejected {SECRET}", metadata={"header": f"Bearer {SECRET}"})
    told = str(out)
    assert "is that safe?" in told
    assert "rejected" in told
    assert SECRET not in told


def test_an_exception(out):
    """Its message, the stack trace with the line that raised it, and the span's status."""

    def ask(key):
        raise RuntimeError(f"401 for Authorization: Bearer {key}")

    with pytest.raises(RuntimeError):
        with botanu.event(workflow="W", event_id="T-1"), track_llm_call("openai", "gpt-4o"):
            ask(SECRET)
    told = str(out)
    assert "401 for" in told
    assert "Traceback" in told
    assert SECRET not in told


def test_metric_labels(out):
    """No text of the application's becomes a label, nor does a customer."""
    with botanu.event(workflow="W", event_id="T-1", customer_id=SECRET):
        with track_llm_call("openai", "gpt-4o") as call:
            call.set_tokens(1, 1).add_metadata(secret=SECRET)
    assert "botanu.run.completed" in str(out)
    assert SECRET not in str(out)


def test_baggage(out):
    """Nothing goes to hosts outside; and towards one of ours the customer is a pseudonym and no key is in sight."""
    sent = {}
    with botanu.event(workflow="W", event_id="T-1", customer_id=SECRET):
        token = botanu.set_baggage("botanu.note", SECRET)
        for url in (f"https://{OUTSIDE}/", "http://desk:8000/"):
            span = trace.get_tracer("http").start_span("GET", kind=trace.SpanKind.CLIENT, attributes={"url.full": url})
            with trace.use_span(span, end_on_exit=True):
                propagate.inject(sent.setdefault(url, {}))
        context.detach(token)
    outside, inside = sent.values()
    assert SECRET not in repr(outside)
    assert "botanu" not in repr(outside)
    members = dict(part.split("=", 1) for part in inside["baggage"].split(","))
    assert members["botanu.customer_id"].startswith("cust_")
    assert [name for name, value in members.items() if SECRET in value] == ["botanu.note"]  # as the application asked


@pytest.mark.parametrize(
    "header", ["baggage", "x-botanu-run", "x-botanu-run-id", "traceparent", "authorization", "cookie"]
)
def test_a_request_and_its_response(out, header):
    """A header that holds it, in whatever place, comes back in none and stands on no span."""
    app = FastAPI()
    app.add_middleware(BotanuMiddleware)
    app.add_api_route("/ticket", lambda: {"ticket": 7})
    value = (
        f"botanu.run_id={SECRET},botanu.customer_id={SECRET}"
        if "botanu-run" in header or header == "baggage"
        else SECRET
    )
    with Server(app) as server:
        import socket

        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(raw_request("/ticket", f"{header}: {value}".encode(), b"connection: close"))
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"200 OK" in answer
    assert SECRET.encode() not in answer
    assert SECRET not in str(out)


def test_the_configuration(out, capsys):
    """`repr`, `str`, plain form, settings in force, `doctor()`, and the error of a configuration that is wrong."""
    config = BotanuConfig.load(
        baggage_key=[KEY, f"{KEY}-old"],
        customer_id_key=KEY,
        api_key=SECRET,
        api_key_host="otel.example.com",
        otlp_headers={"x-key": SECRET},
        otlp_endpoint=f"https://user:{SECRET}@otel.example.com",
    )
    report = botanu.doctor()
    told = f"{config!r}{config}{config.to_dict()}{config.notes}{config.origins}{settings.current()!r}{report!r}{report}"
    assert SECRET not in told + capsys.readouterr().out
    for wrong in ({"baggage_key": SECRET[:20]}, {"customer_id_key": SECRET[:20]}, {"otlp_headers": SECRET[:20]}):
        with pytest.raises(ConfigError) as refused:
            BotanuConfig.load(**wrong)
        assert SECRET[:20] not in str(refused.value)


def test_the_debug_log(out, caplog):
    """With every logger at DEBUG, what fails on the way says where and not what."""

    @botanu.botanu_workflow("W", event_id=lambda ticket: int(ticket), customer_id=lambda ticket: f"{ticket}\n")
    def handle(ticket):
        botanu.set_baggage(f"botanu.{ticket} x", ticket)
        botanu.emit_outcome(ticket, value_amount=ticket, confidence=ticket)

    handle(SECRET)
    assert [record for record in caplog.records if record.name == "botanu"]
    assert SECRET not in str(out)
