"""`disable()` sends what is left and takes away what `enable()` brought, as often as one likes."""

import gc
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import botanu
from botanu_core.runtime import guard
from tests.support import script


@pytest.fixture
def theirs(clean_process):
    """The application's provider, global, and what its exporter gets."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider, exporter


def at_work() -> set[threading.Thread]:
    """The threads that batching and reading metrics take."""
    return {each for each in threading.enumerate() if each.name.startswith(("Otel", "botanu"))}


def test_without_enable_there_is_nothing_to_disable():
    """True, at once, as often as one asks."""
    assert botanu.disable()
    assert botanu.disable(timeout_s=0)


def test_everything_is_sent_before_it_returns(receiver):
    """Two thousand runs of the last second arrive whole, and once."""
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint, export_interval_s=600)
    for number in range(2000):
        with botanu.event(workflow="W", event_id=str(number)):
            pass
    assert botanu.disable(timeout_s=20)
    for found in (receiver.spans(), receiver.events()):
        assert sorted(int(each.attributes["botanu.event_id"]) for each in found) == list(range(2000))


def test_it_returns_within_its_time_and_says_what_was_not_sent(receiver, caplog):
    """The collector stalls: False after half a second, and one line."""
    receiver.stall(60)
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint)
    with botanu.event(workflow="W"):
        pass
    started = time.monotonic()
    assert botanu.disable(timeout_s=0.5) is False
    assert time.monotonic() - started < 2
    assert [record.getMessage() for record in caplog.records] == [
        f"dropped 1 span and 1 event: the collector at {receiver.endpoint} did not take them"
    ]


def test_the_applications_provider_goes_on(receiver, theirs):
    """After `disable()` its tracers export as before, runs work as in a plain set-up, and no span of others is ours."""
    provider, exporter = theirs
    tracer = provider.get_tracer("x")
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint)
    with botanu.event(workflow="on"):
        tracer.start_span("on").end()
    assert botanu.disable()
    with botanu.event(workflow="off") as run:
        tracer.start_span("off").end()
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
    found = {span.name: span.attributes.get("botanu.run_id") for span in exporter.get_finished_spans()}
    assert found.keys() == {"on", "botanu.run/on", "off", "botanu.run/off"}
    assert (found["off"], found["botanu.run/off"]) == (None, run.run_id)
    assert len(receiver.spans()) == 2
    assert "botanu" not in carrier.get("baggage", "")


def test_disable_inside_a_run_harms_nobody(receiver):
    """The run that is open ends as usual; what was over before is sent."""
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint)
    with botanu.event(workflow="outer"):
        with botanu.event(workflow="inner", event_id="2"):
            pass
        assert botanu.disable()
        with botanu.step("after"):
            assert botanu.get_workflow() == "outer"
    assert [span.name for span in receiver.spans()] == ["botanu.run/inner"]


def test_ten_cycles_leave_the_process_as_one_does(receiver, theirs):
    """No processor, sampler, thread, log filter or propagator is left, and each cycle's run arrives once."""
    provider, _ = theirs
    sampler, propagator, threads = provider.sampler, propagate.get_global_textmap(), at_work()
    processors = provider._active_span_processor._span_processors
    tracer = provider.get_tracer("x")
    filters: list[int] = []
    for number in range(10):
        botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint)
        assert propagate.get_global_textmap().inner is propagator
        during = provider._active_span_processor._span_processors
        assert during[: len(processors)] == processors
        assert [type(each).__name__ for each in during[len(processors) :]] == ["LedgerProcessor", "CountedBatch"]
        with botanu.event(workflow="W", event_id=str(number)):
            tracer.start_span("work").end()
        assert botanu.disable()
        assert at_work() == threads
        assert propagate.get_global_textmap() is propagator
        assert provider._active_span_processor._span_processors == processors
        assert provider.sampler is tracer.sampler is sampler
        filters.append(sum(len(logging.getLogger(name).filters) for name in logging.root.manager.loggerDict))
    assert len(set(filters)) == 1
    assert [span.attributes["botanu.event_id"] for span in receiver.spans()] == [
        str(number) for number in range(10) for _ in range(2)
    ]
    assert len(receiver.events()) == 10
    completed = [point.value for point in receiver.points() if point.name == "botanu.run.completed"]
    assert completed == [1] * 10


def test_ten_cycles_where_there_is_no_provider_keep_nothing_alive(receiver):
    """Providers, processors and exporters of earlier cycles are garbage; tracers taken in one work in the next."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    tracer, threads = trace.get_tracer("x"), at_work()
    counts: list[tuple[int, ...]] = []
    for number in range(10):
        botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint, service_name=f"s{number}")
        with botanu.event(workflow="W"):
            tracer.start_span("work").end()
        assert botanu.disable()
        assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        gc.collect()
        alive = gc.get_objects()
        counts.append(
            tuple(
                sum(issubclass(type(each), kind) for each in alive)  # `isinstance` asks what others have not set up
                for kind in (TracerProvider, MeterProvider, BatchSpanProcessor, type(tracer))
            )
        )
    assert counts[-1] == counts[1]
    assert at_work() == threads
    assert [span.service for span in receiver.spans()] == [f"s{number}" for number in range(10) for _ in range(2)]


def test_the_handlers_at_exit_do_not_pile_up(receiver):
    """However often it was switched on and off, the script's end is that of one that is on, or of one that is off."""
    ended = script.run(
        """
        import atexit, sys
        handlers = []
        register, unregister = atexit.register, atexit.unregister
        atexit.register = lambda f, *args: handlers.append(f) or register(f, *args)
        atexit.unregister = lambda f: handlers.remove(f) or unregister(f)
        import botanu
        botanu.enable(instrument="none")
        botanu.disable()
        before = len(handlers)
        for _ in range(10):
            botanu.enable(instrument="none")
            assert len(handlers) == before + 1, handlers
            botanu.disable()
            assert len(handlers) == before, handlers
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )
    assert (ended.code, ended.err) == (0, "")


def test_with_the_applications_meter_provider_counters_go_on_counting():
    """Its SDK makes an instrument of a name once: cycles, and runs before the provider was set, are all counted."""
    ended = script.run(
        """
        import logging
        logging.basicConfig(level=logging.WARNING)
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        import botanu

        def run():
            with botanu.event(workflow="W"):
                pass

        run()
        reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([reader]))
        run()
        for _ in range(3):
            botanu.enable(instrument="none")
            run()
            botanu.disable()
            run()
        [resource] = reader.get_metrics_data().resource_metrics
        points = {m.name: m.data.data_points for scope in resource.scope_metrics for m in scope.metrics}
        assert [point.value for point in points["botanu.run.completed"]] == [7], points
        assert [point.count for point in points["botanu.run.duration"]] == [7], points
        """,
        OTEL_TRACES_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    assert (ended.code, ended.err) == (0, "")


def test_disable_while_others_open_runs_leaves_nothing_behind(receiver):
    """Four threads make runs all the while: not one fails, and the propagator is the application's afterwards."""
    propagator, threads = propagate.get_global_textmap(), at_work()
    guard.strict(False)
    done = threading.Event()

    def work() -> int:
        count = 0
        while not done.is_set():
            with botanu.event(workflow="W"):
                count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work) for _ in range(4)]
        try:
            for _ in range(3):
                botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint, max_queue_size=100_000)
                requests = receiver.requests
                assert receiver.wait_for(lambda r, before=requests: r.requests > before, 30)
                botanu.disable(timeout_s=10)
        finally:
            done.set()
        assert all(each.result() > 0 for each in workers)
    assert propagate.get_global_textmap() is propagator
    assert at_work() == threads


def test_an_event_at_exit_after_ours_is_no_trouble(receiver):
    """The application's own handlers at exit may make runs and call `disable()`, before and after ours."""
    ended = script.run(
        """
        import atexit
        import botanu

        def last_words():
            with botanu.event(workflow="last"):
                pass
            print(botanu.disable())

        atexit.register(last_words)
        botanu.enable(instrument="none")
        atexit.register(lambda: botanu.event(workflow="first")(lambda: None)())
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )
    assert (ended.code, ended.out, ended.err) == (0, "True\n", "")
    assert [span.name for span in receiver.spans()] == ["botanu.run/first"]
