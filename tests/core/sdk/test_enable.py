"""`enable()` is explicit, may be called by anybody again, and changes nothing of the application's."""

import atexit
import importlib
import logging
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import botanu
from tests.support import script

OFF = ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")


@pytest.fixture
def no_exporters(monkeypatch, clean_process):
    for variable in OFF:
        monkeypatch.setenv(variable, "none")


@pytest.fixture
def propagator():
    """Sets a propagator, and puts the one from before back after the test."""
    before = propagate.get_global_textmap()
    yield propagate.set_global_textmap
    botanu.disable(timeout_s=1)
    propagate.set_global_textmap(before)


class Vendor(TextMapPropagator):
    """A propagator of the application's own."""

    def inject(self, carrier, context=None, setter=None):
        carrier["x-vendor"] = "1"

    def extract(self, carrier, context=None, getter=None):
        return context

    @property
    def fields(self):
        return {"x-vendor"}


def process() -> dict[str, object]:
    """What a process has that `enable()` could change."""
    root = logging.getLogger()
    return {
        "provider": trace.get_tracer_provider(),
        "meter provider": metrics.get_meter_provider(),
        "logger provider": _logs.get_logger_provider(),
        "propagator": propagate.get_global_textmap(),
        "root logger": (root.level, list(root.handlers), list(root.filters)),
        "our logger": (logging.getLogger("botanu").level, list(logging.getLogger("botanu").handlers)),
        "record factory": logging.getLogRecordFactory(),
        "warnings": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "excepthook": (sys.excepthook, threading.excepthook),
        "threads": set(threading.enumerate()),
    }


@pytest.fixture
def at_exit(monkeypatch):
    """The handlers that would run at exit, of those registered from now on."""
    handlers: list[object] = []
    register, unregister = atexit.register, atexit.unregister

    def forget(handler):
        handlers[:] = [each for each in handlers if each != handler]
        unregister(handler)

    monkeypatch.setattr(atexit, "register", lambda handler, *args: handlers.append(handler) or register(handler, *args))
    monkeypatch.setattr(atexit, "unregister", forget)
    return handlers


# --- importing --------------------------------------------------------------------------------------------------


def test_importing_botanu_starts_nothing():
    """No thread, no handler at exit or in logging, no SDK, no exporter, no framework; warnings stay as they were."""
    ended = script.run(
        """
        import atexit, logging, sys, threading, warnings
        import opentelemetry.trace, opentelemetry.metrics, opentelemetry._logs, opentelemetry.propagate
        before = atexit._ncallbacks(), list(warnings.filters), logging.getLogRecordFactory()
        import botanu, botanu.tracking.llm, botanu.tracking.data

        @botanu.event(workflow="W")
        def handle(): ...

        @botanu.botanu_workflow("W", event_id=lambda: "1")
        async def other(): ...

        assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
        assert (atexit._ncallbacks(), warnings.filters, logging.getLogRecordFactory()) == before
        assert not logging.getLogger().handlers and not logging.getLogger("botanu").handlers
        loaded = [name for name in sys.modules if name.startswith((
            "opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.instrumentation", "fastapi", "starlette",
            "requests", "grpc", "pydantic", "yaml"))]
        assert not loaded, loaded
        handle()
        assert threading.enumerate() == [threading.main_thread()]
        """
    )
    assert (ended.code, ended.out, ended.err) == (0, "", "")


# --- again ------------------------------------------------------------------------------------------------------


def test_the_second_call_returns_what_the_first_did(no_exporters):
    """The same report; nothing is added to the process."""
    first = botanu.enable(instrument="none", service_name="desk")
    before = process()
    assert botanu.enable(instrument="none", service_name="desk") == first
    assert botanu.enable() == first
    assert process() == before


def test_another_configuration_the_second_time_is_not_taken_and_that_is_said(no_exporters, caplog):
    """The first call holds, in a log line too; a mistake in the second is still a mistake."""
    caplog.set_level(logging.INFO, "botanu")
    first = botanu.enable(botanu.BotanuConfig(instrument="none", environment="staging"))
    assert botanu.enable(environment="production") == first
    assert [record.getMessage() for record in caplog.records] == [
        "enable() was called again; the first call holds (botanu.disable() ends it)"
    ]
    with botanu.event(workflow="W") as run:
        assert run.run.environment == "staging"
    with pytest.raises(botanu.ConfigError, match="not both"):
        botanu.enable(botanu.BotanuConfig(), environment="x")


def test_five_threads_at_once_enable_once(receiver):
    """All five get the same report; one pipeline sends each span once."""
    start = threading.Barrier(5)

    def enable() -> botanu.Report:
        start.wait()
        return botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint)

    threads = threading.active_count()
    with ThreadPoolExecutor(5) as pool:
        reports = [each.result() for each in [pool.submit(enable) for _ in range(5)]]
    assert threading.active_count() == threads + 3
    assert all(report == reports[0] for report in reports)
    with botanu.event(workflow="W"):
        pass
    assert botanu.disable()
    assert (len(receiver.spans()), len(receiver.events())) == (1, 1)
    assert [point.value for point in receiver.points() if point.name == "botanu.run.completed"] == [1]


# --- what it leaves alone ---------------------------------------------------------------------------------------


def test_what_the_application_has_stays_as_it_was(no_exporters, propagator, at_exit):
    """Root logger, warnings, provider, sampler, meter and logger provider stay; our processor comes behind theirs."""
    logging.getLogger().addHandler(handler := logging.NullHandler())
    propagator(theirs := CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]))
    provider = TracerProvider(sampler=(sampler := ParentBased(ALWAYS_ON)), shutdown_on_exit=False)
    provider.add_span_processor(processor := SpanProcessorOfTheirs())
    trace.set_tracer_provider(provider)
    importlib.import_module("opentelemetry.sdk._logs")  # which adds a filter of warnings
    before = process()
    try:
        botanu.enable(instrument="none")
        during = process()
        assert {name for name in before if during[name] != before[name]} == {"propagator"}
        first, *ours = provider._active_span_processor._span_processors
        assert first is processor
        assert [type(each).__name__ for each in ours] == ["LedgerProcessor"]
        assert botanu.disable()
        assert process() == before
        assert propagate.get_global_textmap() is theirs
        assert provider._active_span_processor._span_processors == (processor,)
        assert provider.sampler is sampler
        assert [each for each in at_exit if "botanu" in each.__module__] == []
        assert not processor.ended
    finally:
        logging.getLogger().removeHandler(handler)


class SpanProcessorOfTheirs:
    ended = False

    def on_start(self, span, parent_context=None): ...
    def _on_ending(self, span): ...
    def on_end(self, span): ...
    def force_flush(self, timeout_millis=0): ...
    def shutdown(self):
        self.ended = True


def test_the_applications_propagator_writes_what_it_wrote(no_exporters, propagator):
    """Its headers are there with and without us, and it is back after `disable()`."""
    propagator(theirs := Vendor())
    botanu.enable(instrument="none")
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    assert carrier == {"x-vendor": "1"}
    assert propagate.get_global_textmap().fields >= theirs.fields
    assert botanu.disable()
    assert propagate.get_global_textmap() is theirs


def test_a_propagator_that_the_application_sets_after_enable_is_found_by_the_next_run(no_exporters, propagator):
    """It gets the runs as the first did, and it is what stays after `disable()`."""
    botanu.enable(instrument="none", propagate_to="always")
    propagator(theirs := Vendor())
    carrier: dict[str, str] = {}
    with botanu.event(workflow="W") as run:
        propagate.inject(carrier)
    assert carrier["x-vendor"] == "1"
    assert run.run_id in carrier["baggage"]
    assert botanu.disable()
    assert propagate.get_global_textmap() is theirs


def test_the_sdks_off_switch_is_heeded(monkeypatch, capsys):
    """OTEL_SDK_DISABLED=true: nothing is added, the report and doctor() say why, and runs still run."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    before = process()
    report = botanu.enable(instrument="none")
    assert process() == before
    assert not report.enabled
    assert report.notes == ("OTEL_SDK_DISABLED=true: nothing was switched on",)
    with botanu.event(workflow="W") as run:
        assert run.run_id
    assert botanu.disable()
    botanu.doctor()
    assert "OTEL_SDK_DISABLED=true" in capsys.readouterr().out


@pytest.mark.parametrize("off", [*OFF, "all"])
def test_a_signal_whose_exporter_is_none_does_not_leave(receiver, monkeypatch, off):
    """OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER and OTEL_LOGS_EXPORTER switch one off each, the others stay."""
    for variable in OFF if off == "all" else [off]:
        monkeypatch.setenv(variable, "none")
    report = botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint)
    with botanu.event(workflow="W"):
        pass
    assert botanu.disable()
    came = {"OTEL_TRACES_EXPORTER": receiver.spans(), "OTEL_METRICS_EXPORTER": receiver.points()}
    came["OTEL_LOGS_EXPORTER"] = receiver.events()
    assert {variable for variable in OFF if not came[variable]} == ({*OFF} if off == "all" else {off})
    assert sum(line.startswith("off (") for line in report.signals.values()) == (3 if off == "all" else 1)


# --- mistakes ---------------------------------------------------------------------------------------------------

MISTAKES = {
    "endpoint": ({"otlp_endpoint": "collector:4318"}, {}, "otlp_endpoint must be a URL"),
    "field": ({"otlp_endpont": "http://x:4318"}, {}, "did you mean 'otlp_endpoint'"),
    "extra": ({"otlp_protocol": "grpc"}, {}, r"pip install .*botanu\[grpc\]"),
    "first exporter": ({}, {"OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER": "nobody"}, "nobody"),
    "second exporter": ({}, {"OTEL_PYTHON_EXPORTER_OTLP_HTTP_METRICS_CREDENTIAL_PROVIDER": "nobody"}, "nobody"),
    "third exporter": ({}, {"OTEL_PYTHON_EXPORTER_OTLP_HTTP_LOGS_CREDENTIAL_PROVIDER": "nobody"}, "nobody"),
}


@pytest.mark.parametrize("ground", ["own", "application"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_enable_that_fails_half_way_leaves_nothing_behind(monkeypatch, mistake, ground):
    """It raises, names what is wrong, and the process is as it was; the next call, without the mistake, works."""
    fields, variables, message = MISTAKES[mistake]
    if ground == "application":
        trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
        fields = {"otlp_endpoint": "http://127.0.0.1:9", **fields}
    if mistake == "extra":
        monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)
    for variable, text in variables.items():
        monkeypatch.setenv(variable, text)
    before = process()
    with pytest.raises((botanu.BotanuError, RuntimeError), match=message):
        botanu.enable(instrument="none", **fields)
    assert process() == before
    assert not botanu.doctor().enabled
    monkeypatch.undo()
    for variable in OFF:
        monkeypatch.setenv(variable, "none")
    assert botanu.enable(instrument="none").enabled


# --- the application's log --------------------------------------------------------------------------------------


def test_application_log_records_are_never_exported(receiver):
    """With every instrumentor switched on, only our own events arrive; the root logger has its one handler still."""
    ended = script.run(
        """
        import logging, sys
        logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
        handlers = list(logging.getLogger().handlers)
        import botanu
        botanu.enable(skip_instruments=["fastapi", "openai", "anthropic"])
        with botanu.event(workflow="W"):
            logging.warning("private")
            logging.getLogger("botanu").info("ours")
            logging.getLogger("deep.inside").error("private", exc_info=ValueError("private"))
        assert logging.getLogger().handlers == handlers
        """,
        "-W",
        "ignore",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("private\nours\nprivate\n")
    assert [event.event_name for event in receiver.events()] == ["botanu.run.completed"]
    assert "private" not in str(receiver.events())


def test_the_applications_own_log_pipeline_stays_its_own(receiver):
    """Its records go to its exporter and ours, to our endpoint, do not mix."""
    ended = script.run(
        """
        import logging
        from opentelemetry import _logs
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
        exporter = InMemoryLogRecordExporter()
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        _logs.set_logger_provider(provider)
        import botanu, os
        botanu.enable(instrument="none", otlp_endpoint=os.environ["HERE"])
        with botanu.event(workflow="W"):
            provider.get_logger("theirs").emit(_logs.LogRecord(body="private"))
        assert botanu.disable()
        assert [each.log_record.body for each in exporter.get_finished_logs()] == ["private"]
        """,
        HERE=receiver.endpoint,
    )
    assert (ended.code, ended.err) == (0, "")
    assert [event.event_name for event in receiver.events()] == ["botanu.run.completed"]
