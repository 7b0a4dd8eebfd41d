"""Where entries and sums go: the application's own logger and meter providers, else ways out that nobody else sees."""

import pytest

from tests.support import script

HEAD = """
    from opentelemetry import _logs, metrics
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    import botanu
    from botanu.tracking.llm import track_llm_call
    from tests.core.ledger.prices import CONTRACT

    def on(**fields):
        botanu.enable(instrument="none", metric_interval_s=600, price_contracts=[CONTRACT], **fields)

    def bill(count=1):
        with botanu.event(workflow="W"):
            for _ in range(count):
                with track_llm_call("openai", "priced") as call:
                    call.set_tokens(1000, 1000)

    def loggers():
        exporter = InMemoryLogRecordExporter()
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        _logs.set_logger_provider(provider)
        return provider, exporter

    def meters():
        reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
        return reader

    def costs(reader):
        data = reader.get_metrics_data()
        return [
            point.value
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
            if metric.name == "botanu.run.cost"
        ]
"""


def ran(source: str, receiver, **variables: str) -> None:
    """Runs a script, which sends what it sends to `receiver`; its assertions are the test's."""
    ended = script.run(HEAD + source, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **variables)
    assert (ended.code, ended.err) == (0, "")


def names(receiver) -> list[str]:
    return [event.event_name for event in receiver.events()]


def costs(receiver) -> list[float]:
    return [point.value for point in receiver.points() if point.name == "botanu.run.cost"]


def test_entries_go_to_the_applications_own_logger_provider(receiver):
    """With their name, their span and all that they say; what the application logs there stays what it is."""
    ran(
        """
    provider, exporter = loggers()
    on()
    assert botanu.doctor().signals["logs"] == "the application's logger provider"
    bill()
    provider.get_logger("theirs").emit(_logs.LogRecord(body="theirs"))
    assert botanu.disable()
    assert _logs.get_logger_provider() is provider
    entry, completed, theirs = [each.log_record for each in exporter.get_finished_logs()]
    assert (entry.event_name, completed.event_name, theirs.body) == (
        "botanu.ledger.entry", "botanu.run.completed", "theirs"
    )
    assert entry.attributes["botanu.cost.usd_exact"] == "0.003000"
    assert entry.attributes["botanu.run_id"] == completed.attributes["botanu.run_id"]
    assert entry.trace_id == completed.trace_id != 0 and entry.span_id != completed.span_id
    bill()
    provider.get_logger("theirs").emit(_logs.LogRecord(body="goes on"))
    assert [each.log_record.body for each in exporter.get_finished_logs()][-1] == "goes on"
    """,
        receiver,
    )
    assert names(receiver) == []
    assert costs(receiver) == [0.003]


def test_without_one_entries_leave_by_a_way_of_ours_that_nobody_else_finds(receiver):
    """The application's log records, and those of a provider that it sets later, do not leave by it."""
    ran(
        """
    before = _logs._internal._LOGGER_PROVIDER, metrics._internal._METER_PROVIDER
    on()
    bill()
    assert (_logs._internal._LOGGER_PROVIDER, metrics._internal._METER_PROVIDER) == before == (None, None)
    _logs.get_logger("theirs").emit(_logs.LogRecord(body="theirs"))
    metrics.get_meter("theirs").create_counter("theirs").add(1)
    provider, exporter = loggers()
    provider.get_logger("theirs").emit(_logs.LogRecord(body="theirs"))
    bill()
    assert [each.log_record.body for each in exporter.get_finished_logs()][-1] == "theirs"
    """,
        receiver,
    )
    assert names(receiver).count("botanu.ledger.entry") == 2
    assert {event.body for event in receiver.events()} == {None}
    assert "theirs" not in {point.name for point in receiver.points()}


def test_sums_go_to_the_applications_own_meter_provider(receiver):
    ran(
        """
    reader = meters()
    on()
    assert botanu.doctor().signals["metrics"] == "the application's meter provider"
    bill(1000)
    assert costs(reader) == [3.0], costs(reader)
    assert botanu.disable()
    assert not metrics.get_meter_provider()._shutdown
    """,
        receiver,
    )
    assert receiver.points() == []
    assert names(receiver).count("botanu.ledger.entry") == 1000


@pytest.mark.parametrize("endpoint", ["code", "environment"])
def test_an_endpoint_of_ours_wins_over_the_applications_providers(receiver, endpoint):
    """Who names one wants the entries there: the application's own see none of it."""
    fields = f"otlp_endpoint={receiver.endpoint!r}" if endpoint == "code" else ""
    variables = {"BOTANU_OTLP_ENDPOINT": receiver.endpoint} if endpoint == "environment" else {}
    ran(
        f"""
    provider, exporter = loggers()
    reader = meters()
    on({fields})
    bill()
    assert botanu.disable()
    assert exporter.get_finished_logs() == ()
    assert costs(reader) == []
    """,
        receiver,
        **variables,
    )
    assert names(receiver) == ["botanu.ledger.entry", "botanu.run.completed"]
    assert costs(receiver) == [0.003]


def test_enable_and_ordinary_use_warn_of_nothing(receiver):
    """Python's are errors here, and ours would be written: set-up, a run, a call, doctor, the end, and once more."""
    ended = script.run(
        """
        import io
        import botanu
        from botanu.tracking.llm import track_llm_call
        for _ in range(2):
            botanu.enable(instrument="none")
            with botanu.event(workflow="W"), track_llm_call("openai", "gpt-4o") as call:
                call.set_tokens(1000, 1000)
            botanu.doctor(file=io.StringIO())
            assert botanu.disable()
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert names(receiver) == ["botanu.ledger.entry", "botanu.run.completed"] * 2


@pytest.mark.parametrize("module", ["botanu", "botanu.pricing", "botanu.tracking.llm", "botanu.tracking.data"])
def test_importing_warns_of_nothing(module):
    ended = script.run(f"import {module}")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
