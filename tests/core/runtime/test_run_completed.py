"""What a process says when a run ends: one event, one count, from the opener only."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import SpanKind

import botanu
from botanu_core.runtime import telemetry


@pytest.fixture
def said(spans) -> Callable[[], list]:
    """The completed events so far."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    telemetry.use(logger_provider=provider)
    return lambda: [record.log_record for record in exporter.get_finished_logs()]


@pytest.fixture
def points() -> Callable[[str], dict]:
    """The points of a metric, by their labels."""
    reader = InMemoryMetricReader()
    telemetry.use(meter_provider=MeterProvider([reader], shutdown_on_exit=False))

    def read(name):
        data = reader.get_metrics_data()
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []
        return {
            tuple(sorted(point.attributes.items())): point
            for metric in metrics
            if metric.name == name
            for point in metric.data.data_points
        }

    return read


def test_one_event_a_run(said, one):
    """`botanu.run.completed` carries the run, its outcome and times, and the ids of the run's span."""
    with botanu.event("W", event_id="T-1", customer_id="acme") as run:
        botanu.emit_outcome("partial", value_type="items", value_amount=3, metadata={"k": "v"})
        botanu.set_business_context(team="search")
    (record,) = said()
    span = one("botanu.run/W")
    assert record.event_name == "botanu.run.completed"
    assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
    attributes = dict(record.attributes)
    lasted = attributes["botanu.run.ended_at"] - attributes["botanu.run.started_at"]
    assert attributes.pop("botanu.run.duration_ms") == pytest.approx(lasted / 1e6)
    assert 0 < attributes.pop("botanu.run.started_at") <= attributes.pop("botanu.run.ended_at")
    assert attributes == {
        "botanu.run_id": run.run_id,
        "botanu.workflow": "W",
        "botanu.environment": "production",
        "botanu.event_id": "T-1",
        "botanu.customer_id": "acme",
        "botanu.team": "search",
        "botanu.outcome.status": "partial",
        "botanu.outcome.value_type": "items",
        "botanu.outcome.value_amount": 3.0,
        "botanu.outcome.metadata.k": "v",
    }


def test_nested_and_continued_runs(said):
    """Each run says it once, from the inside out; what continues a run says nothing."""
    with botanu.event("Outer"), botanu.event("Inner"), botanu.event("Inner"):
        pass
    assert [record.attributes["botanu.workflow"] for record in said()] == ["Inner", "Outer"]


def test_a_joined_run_says_nothing(said, joined):
    """Of a run that another process has opened, only that one says it is completed; a run nested in it is ours."""
    with joined(event_id="T-1").active(), botanu.event("Upstream", event_id="T-1"):
        with botanu.event("Own", event_id="T-2"):
            pass
    assert [record.attributes["botanu.workflow"] for record in said()] == ["Own"]


def test_an_adopted_run_is_said_once_by_its_adapter(said, implicit):
    """A run that an adapter has opened and an event has named is completed when the adapter ends it, once."""
    implicit.start("GET /x", SpanKind.SERVER)
    with implicit.active(), botanu.event("W", event_id="T-1"):
        pass
    assert said() == []
    implicit.finish("success")
    implicit.finish("failed")
    (record,) = said()
    assert (record.attributes["botanu.workflow"], record.attributes["botanu.event_id"]) == ("W", "T-1")
    assert record.attributes["botanu.outcome.status"] == "success"


@pytest.mark.parametrize(
    ("ends", "adapter_says", "expected"),
    [
        ("clean", "success", "success"),
        ("clean", None, "success"),
        ("clean", "failed", "failed"),
        ("clean", "canceled", "canceled"),
        ("partial", "success", "partial"),
        ("partial", "failed", "partial"),
        ("error", "success", "failed"),
        ("error", None, "failed"),
        ("timeout", "failed", "timeout"),
    ],
)
def test_event_and_adapter_agree_on_one_outcome(ends, adapter_says, expected, said, implicit):
    """What the event knows counts where it is worse or the user's word; what the adapter knows, where that is."""
    error = {"error": ValueError(), "timeout": TimeoutError()}.get(ends)

    @botanu.event("W")
    def work():
        if ends == "partial":
            botanu.emit_outcome("partial")
        if error is not None:
            raise error

    implicit.start("GET /x", SpanKind.SERVER)
    with implicit.active(), nullcontext() if error is None else pytest.raises(type(error)):
        work()
    implicit.finish(adapter_says)
    (record,) = said()
    assert record.attributes["botanu.outcome.status"] == expected


def test_counted_by_workflow_environment_and_outcome(points):
    """Runs are counted and timed by workflow, environment and outcome, not by customer."""
    for number in range(3):
        with botanu.event("W", customer_id=f"c{number}"):
            pass
    with pytest.raises(ValueError, match="x"), botanu.event("W"):
        raise ValueError("x")
    success = (("botanu.environment", "production"), ("botanu.outcome.status", "success"), ("botanu.workflow", "W"))
    failed = (("botanu.environment", "production"), ("botanu.outcome.status", "failed"), ("botanu.workflow", "W"))
    counted = points("botanu.run.completed")
    assert {labels: point.value for labels, point in counted.items()} == {success: 3, failed: 1}
    timed = points("botanu.run.duration")
    assert {labels: point.count for labels, point in timed.items()} == {success: 3, failed: 1}


def test_a_run_without_an_outcome_is_counted_as_unset(points):
    """A request that answered 4xx is a run, too."""
    run = botanu.RunContext.create("W")
    run.start("botanu.run/W", SpanKind.SERVER)
    run.finish()
    (labels,) = points("botanu.run.completed")
    assert ("botanu.outcome.status", "unset") in labels


def test_workflows_without_end_do_not_grow_the_counter(points):
    """A mistake that names a workflow after each ticket ends in one overflow series."""
    for number in range(2100):
        with botanu.event(f"ticket-{number}"):
            pass
    counted = points("botanu.run.completed")
    assert len(counted) <= 2001
    assert sum(point.value for point in counted.values()) == 2100
    assert counted[(("otel.metric.overflow", True),)].value >= 100
