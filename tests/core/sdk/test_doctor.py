"""`doctor()` tells a person what is on, off, absent, broken, dropped or refused; and no secret."""

import io
import re

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import botanu
from botanu_core.log import warn_once


@pytest.fixture
def no_exporters(monkeypatch, clean_process):
    for signal in ("TRACES", "METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")


def told() -> list[str]:
    """What doctor() prints, by line."""
    page = io.StringIO()
    botanu.doctor(file=page)
    return page.getvalue().splitlines()


def test_before_enable_it_says_what_to_do(capsys):
    """One line, on standard output unless another file is named; and it returns what it printed."""
    report = botanu.doctor()
    assert capsys.readouterr().out == f"Botanu {botanu.__version__}: off; call botanu.enable()\n"
    assert told() == str(report).splitlines()
    assert not report.enabled


def test_it_names_the_provider_and_where_each_signal_goes(receiver):
    """The whole page of a process without a provider and with nothing to instrument."""
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint)
    assert told() == [
        f"Botanu {botanu.__version__}: on",
        "  provider   made by Botanu: there was none",
        f"  traces     OTLP to {receiver.endpoint}/v1/traces",
        f"  metrics    OTLP to {receiver.endpoint}/v1/metrics",
        f"  logs       OTLP to {receiver.endpoint}/v1/logs",
    ]
    botanu.disable()
    assert told() == [f"Botanu {botanu.__version__}: off; call botanu.enable()"]


def test_it_says_what_is_off_and_whose_provider_it_is(no_exporters):
    """The application's provider is named as such; a signal that is switched off says by which variable."""
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    botanu.enable(instrument="none")
    assert told()[1:] == [
        "  provider   the application's own OpenTelemetry SDK, replaced in nothing",
        "  traces     the application's own exporters",
        "  metrics    off (OTEL_METRICS_EXPORTER=none)",
        "  logs       off (OTEL_LOGS_EXPORTER=none)",
    ]


def test_it_lists_instrumentors_by_state_and_says_why(no_exporters):
    """On ones side by side, each absent or skipped one with its reason."""
    pytest.importorskip("opentelemetry.instrumentation.httpx")
    botanu.enable(instrument=["httpx", "requests", "no-such-thing", "redis"], skip_instruments=["requests"])
    lines = told()
    assert "  on         httpx" in lines
    assert any(re.fullmatch(r"  absent     no-such-thing: .+", line) for line in lines)
    assert any(re.fullmatch(r"  absent     redis: .*pip install .+", line) for line in lines)
    assert "  skipped    requests: in skip_instruments" in lines


def test_after_the_application_has_set_its_provider_it_names_that_one(no_exporters):
    """The page follows what has changed since `enable()`, from the next run on."""
    botanu.enable(instrument="none")
    assert "  provider   made by Botanu: there was none" in told()
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    with botanu.event(workflow="W"):
        pass
    assert "  provider   the application's own OpenTelemetry SDK, replaced in nothing" in told()


def test_it_counts_what_went_wrong(no_exporters, caplog):
    """Each kind once, with its number, whether Botanu is on or off."""
    for _ in range(3):
        warn_once("id.event_id", "said once")
    assert told()[1:] == ["  count      id.event_id: 3"]
    botanu.enable(instrument="none")
    assert told()[-1] == "  count      id.event_id: 3"


def test_no_secret_is_on_the_page_or_in_the_log(monkeypatch, caplog, receiver):
    """Not from headers, key, user and password, or query: not in doctor(), the report's repr, or what is logged."""
    address = receiver.endpoint.removeprefix("http://")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"http://{address}/v1/traces?token=sesame1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://user:sesame2@{address}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=sesame3")
    receiver.answer(400)
    report = botanu.enable(
        instrument="none",
        api_key="sesame4",
        api_key_host=address,
        otlp_headers={"x-secret": "sesame5"},
        export_interval_s=0.01,
    )
    with botanu.event(workflow="W"):
        pass
    assert trace.get_tracer_provider().force_flush()
    page = told()
    botanu.disable()
    assert caplog.records
    assert "sesame" not in "\n".join([*page, repr(report), str(report), caplog.text])
    assert any("user and password were taken out" in line for line in page)
    assert f"  traces     OTLP to http://{address}/v1/traces" in page


def test_it_fits_a_terminal(receiver):
    """No line is cut by a terminal of 120 columns, and the first word of each says what it is about."""
    botanu.enable(otlp_endpoint=receiver.endpoint, instrument=["httpx", "requests", "redis", "nothing-of-the-kind"])
    lines = told()
    assert max(map(len, lines)) <= 120
    words = {"provider", "traces", "metrics", "logs", "on", "already", "broken", "absent", "skipped", "note", "count"}
    assert {line.split()[0] for line in lines[1:]} <= words
