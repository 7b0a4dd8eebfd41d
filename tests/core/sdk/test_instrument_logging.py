"""The `logging` instrumentor, which would change every log record: only when named, and never the root logger."""

import logging

import pytest

from botanu_core.sdk.instrument import switch_off


@pytest.fixture
def logging_instrumentor():
    """The real one, which not every environment has."""
    return pytest.importorskip("opentelemetry.instrumentation.logging").LoggingInstrumentor()


@pytest.mark.usefixtures("logging_instrumentor")
@pytest.mark.parametrize("correlation", ["true", "false"])
def test_the_logging_instrumentor_leaves_the_root_logger_alone(on, monkeypatch, correlation):
    """Named, it writes the trace id on records, and adds no handler, level or format."""
    monkeypatch.setenv("OTEL_PYTHON_LOG_CORRELATION", correlation)
    monkeypatch.setenv("OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION", "true")
    root = logging.getLogger()
    before = list(root.handlers), root.level, [handler.formatter for handler in root.handlers], logging.basicConfig
    reports = on(["logging"])
    assert reports["logging"].state == "on"
    assert (list(root.handlers), root.level, [h.formatter for h in root.handlers], logging.basicConfig) == before
    record = logging.getLogger("app").makeRecord("app", logging.INFO, "f", 1, "hello", (), None)
    assert record.otelTraceID == "0"
    switch_off(reports.all)
    assert logging.getLogRecordFactory() is logging.LogRecord


def test_a_record_factory_set_over_the_logging_instrumentor_is_kept(on, caplog, logging_instrumentor):
    """Switching `logging` off would drop a factory that the application set later, so it stays on and says so."""
    reports = on(["logging"]).all
    below = logging.getLogRecordFactory()

    def mine(*args, **kwargs):
        return below(*args, **kwargs)

    logging.setLogRecordFactory(mine)
    try:
        switch_off(reports)
        assert logging.getLogRecordFactory() is mine
        assert "logging instrumentor stays on" in caplog.text
    finally:
        logging_instrumentor.uninstrument()
