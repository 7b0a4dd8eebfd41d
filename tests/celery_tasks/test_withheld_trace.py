"""Where outsiders get no trace: a message says of no host that takes it, and so its trace stays at home."""

import pytest
from opentelemetry import baggage
from opentelemetry import context as otel

import botanu
from tests.celery_tasks import tasks
from tests.celery_tasks.conftest import WITHIN_S


@pytest.fixture
def publish(spans, monkeypatch):
    """Publishes inside a run, under these settings; what stands on the message then."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")

    def publish(**config):
        botanu.enable(instrument="none", **config)
        token = otel.attach(baggage.set_baggage("tier", "gold"))
        try:
            with botanu.event(workflow="Refund", event_id="o-1") as run:
                with tasks.app.connection_for_write("memory://withheld") as connection:
                    tasks.where.apply_async(connection=connection, queue="withheld")
                    return run, connection.SimpleQueue("withheld").get(timeout=WITHIN_S).headers
        finally:
            otel.detach(token)

    return publish


def test_a_message_carries_its_run_and_no_trace_where_outsiders_get_none(publish):
    """Nor does it carry the run a second time, as a request to a host inside would; the application's baggage stays."""
    run, headers = publish(withhold_trace_context=True)
    assert not {"traceparent", "tracestate", "x-botanu-run"} & set(headers)
    assert f"botanu.run_id={run.run_id}" in headers["botanu_run"]
    assert headers["baggage"] == "tier=gold"


@pytest.mark.parametrize(
    "config", [{}, {"withhold_trace_context": True, "propagate_to": "always"}], ids=["no switch", "nobody is outside"]
)
def test_it_carries_the_trace_elsewhere(publish, spans, config):
    """That of the span which says that it was published."""
    _, headers = publish(**config)
    (span,) = [each for each in spans.get_finished_spans() if each.name == f"publish {tasks.where.name}"]
    assert headers["traceparent"].split("-")[2] == f"{span.context.span_id:016x}"
    assert headers["baggage"] == "tier=gold"
    assert "x-botanu-run" not in headers


def test_a_task_that_came_without_its_trace_is_in_the_run_all_the_same(settled, monkeypatch):
    """In a trace of its own."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    botanu.enable(instrument="none", withhold_trace_context=True)
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        seen = tasks.where.delay().get(interval=0.01, timeout=WITHIN_S)
    (span,) = settled()[f"process {tasks.where.name}"]
    assert seen["run_id"] == span.attributes["botanu.run_id"] == run.run_id
    assert span.parent is None
