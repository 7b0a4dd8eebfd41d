"""Processes that fork: every child exports its own spans, once, under run ids of its own."""

import contextlib
import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.resources import Resource

from tests.support import script

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
HAS_INSTANCE_ID = "service.instance.id" in Resource.create({}).attributes
PROTOCOLS = ["http/protobuf", "grpc"]


def endpoint(receiver, protocol: str) -> dict[str, str]:
    url = receiver.endpoint if protocol == "http/protobuf" else receiver.grpc_endpoint
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}


def counted(receiver) -> tuple[float, float]:
    """Runs that were completed, by the counter and by the histogram; each process has exported once, at its end."""
    of: Counter[str] = Counter()
    for point in receiver.points():
        of[point.name] += point.value if point.kind == "sum" else point.count
    return of["botanu.run.completed"], of["botanu.run.duration"]


def told_apart(receiver) -> int:
    """How many processes the spans name; newer SDKs give each an id of its own."""
    return len({span.resource.get("service.instance.id") for span in receiver.spans()})


def assert_whole(receiver, runs: int, spans_a_run: int = 1) -> None:
    """Every run arrived, with all of its spans, as one event and in the counters; nothing came twice."""
    by_run = Counter(span.attributes["botanu.run_id"] for span in receiver.spans())
    assert len(by_run) == runs
    assert set(by_run.values()) == {spans_a_run}
    assert len({(span.trace_id, span.span_id) for span in receiver.spans()}) == runs * spans_a_run
    assert Counter(event.attributes["botanu.run_id"] for event in receiver.events()) == dict.fromkeys(by_run, 1)
    assert counted(receiver) == (runs, runs)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_parent_and_child_both_export_after_os_fork(receiver, protocol):
    """Spans from before the fork come once, from the parent; counts start at zero in the child."""
    ended = script.run(
        """
        import os, sys
        import botanu
        botanu.enable(instrument="none", export_interval_s=600, metric_interval_s=600)

        def run(name):
            with botanu.event(workflow=name):
                pass

        for _ in range(3):
            run("before")
        child = os.fork()
        if child == 0:
            run("child")
            run("child")
            sys.exit(0)
        run("parent")
        assert os.waitpid(child, 0)[1] == 0
        """,
        **endpoint(receiver, protocol),
    )
    assert (ended.code, ended.err) == (0, "")
    assert Counter(span.attributes["botanu.workflow"] for span in receiver.spans()) == {
        "before": 3,
        "child": 2,
        "parent": 1,
    }
    assert_whole(receiver, 6)
    assert told_apart(receiver) == (2 if HAS_INSTANCE_ID else 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_parent_that_has_exported_already_forks_as_well(receiver, protocol):
    """The connection that the parent has open is the parent's; the child makes its own."""
    ended = script.run(
        """
        import os, sys
        from opentelemetry import trace
        import botanu
        botanu.enable(instrument="none", metric_interval_s=600)
        for _ in range(2):
            with botanu.event(workflow="before"):
                pass
            assert trace.get_tracer_provider().force_flush()
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                with botanu.event(workflow="child"):
                    pass
                assert botanu.disable()
                os._exit(0)
            children.append(child)
        with botanu.event(workflow="after"):
            pass
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
        """,
        **endpoint(receiver, protocol),
    )
    assert (ended.code, ended.err) == (0, "")
    assert_whole(receiver, 6)


def test_a_childs_drops_are_its_own(receiver):
    """What the parent has lost is not said again by a child that lost nothing."""
    receiver.answer(400)
    ended = script.run(
        """
        import os, sys
        from opentelemetry import trace
        import botanu
        botanu.enable(instrument="none", export_interval_s=600, metric_interval_s=600)
        with botanu.event(workflow="lost"):
            pass
        trace.get_tracer_provider().force_flush()
        child = os.fork()
        if child == 0:
            assert "dropped traces" not in botanu.doctor().counts
            sys.exit(0)
        os.waitpid(child, 0)
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )
    assert ended.code == 0
    assert ended.err.splitlines()[1:] == [
        f"dropped 1 span and 1 event: the collector at {receiver.endpoint} did not take them"
    ]


def test_after_enable_nothing_is_left_to_import(receiver):
    """A fork in the middle of an import leaves its module locked in the child, whose threads would wait for ever."""
    ended = script.run(
        """
        import sys
        import botanu
        from botanu.tracking.llm import track_llm_call
        botanu.enable(instrument="none", export_interval_s=600, metric_interval_s=600)
        loaded = set(sys.modules)

        with botanu.event(workflow="Refund", event_id="o-1"), track_llm_call("openai", "gpt-4o") as tracker:
            tracker.set_tokens(1, 2)
        assert botanu.flush()
        print(sorted(set(sys.modules) - loaded))
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )
    assert (ended.code, ended.out, ended.err) == (0, "[]\n", "")


def test_every_call_is_measured_by_the_process_that_made_it(receiver):
    """Threads that send do the adding up: what has been left for them at a fork is the parent's."""
    ended = script.run(
        """
        import os
        import botanu
        from botanu.tracking.llm import track_llm_call
        botanu.enable(instrument="none", export_interval_s=600, metric_interval_s=600)

        def call(times):
            for _ in range(times):
                with track_llm_call("openai", "gpt-4o") as tracker:
                    tracker.set_tokens(1, 2)

        call(700)
        child = os.fork()
        if child == 0:
            call(1)
            botanu.disable()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        botanu.disable()
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )
    assert (ended.code, ended.err) == (0, "")
    calls: Counter[str] = Counter()
    for point in receiver.points():
        calls[point.name] += point.value if point.kind == "sum" else point.count
    assert (calls["botanu.gen_ai.attempts"], calls["gen_ai.client.operation.duration"]) == (701, 701)
    assert calls["gen_ai.client.token.usage"] == 2 * 701
    assert calls["botanu.run.cost"] == pytest.approx(701 * 22.5e-6)


def test_a_child_may_enable_disable_and_enable_again(receiver):
    """Whatever the parent did: enable in a child alone, and every order of the three in a child of one that is on."""
    ended = script.run(
        """
        import os, sys
        import botanu

        def run(name):
            with botanu.event(workflow=name):
                pass

        def child(work):
            pid = os.fork()
            if pid == 0:
                work()
                sys.exit(0)
            assert os.waitpid(pid, 0)[1] == 0

        def alone():
            assert botanu.enable(instrument="none").enabled
            run("alone")

        def again():
            assert botanu.enable(instrument="none").provider.startswith("made by Botanu")
            run("again")
            assert botanu.disable()
            run("off")
            botanu.enable(instrument="none")
            run("on again")

        child(alone)
        botanu.enable(instrument="none")
        run("parent")
        child(again)
        child(lambda: child(lambda: run("grandchild")))
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )
    assert (ended.code, ended.err) == (0, "")
    names = ["alone", "again", "grandchild", "on again", "parent"]
    assert sorted(span.attributes["botanu.workflow"] for span in receiver.spans()) == sorted(names)
    assert_whole(receiver, 5)


def test_a_fork_while_other_threads_record_does_not_stop_the_child(receiver):
    """Locks that another thread of the parent held are not held in the child, forever."""
    ended = script.run(
        """
        import os, sys, threading
        import botanu
        botanu.enable(instrument="none", export_interval_s=0.01, metric_interval_s=0.01, max_queue_size=100)
        stop = threading.Event()

        def work():
            while not stop.is_set():
                with botanu.event(workflow="parent"):
                    pass

        with botanu.event(workflow="first"):  # an import that is under way is never over in a child
            pass
        threads = [threading.Thread(target=work) for _ in range(3)]
        for each in threads:
            each.start()
        for _ in range(30):
            child = os.fork()
            if child == 0:
                with botanu.event(workflow="child"):
                    pass
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for each in threads:
            each.join()
        botanu.disable()
        """,
        "-W",
        "ignore",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("pool", ["process", "executor"])
def test_children_of_multiprocessing_send_what_they_have_before_they_leave(receiver, pool):
    """They end by os._exit, past atexit; their spans arrive all the same, and stay in the run they were started in."""
    code = """
        import concurrent.futures, multiprocessing, sys
        import botanu
        from opentelemetry import trace

        def work(number):
            with botanu.event(workflow="child", event_id=str(number)):
                pass
            return number

        botanu.enable(instrument="none", export_interval_s=600, metric_interval_s=600)
        context = multiprocessing.get_context("fork")
        with botanu.event(workflow="parent", event_id="p"):
            pass
    """
    ways = {
        "process": """
        children = [context.Process(target=work, args=(number,)) for number in range(3)]
        for each in children:
            each.start()
        for each in children:
            each.join()
            assert each.exitcode == 0
        """,
        "executor": """
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            assert sum(pool.map(work, range(3))) == 3
        """,
    }
    ended = script.run(code + ways[pool], "-W", "ignore", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    assert (ended.code, ended.err) == (0, "")
    assert_whole(receiver, 4)


# --- servers that fork ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def gunicorn(*options: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Gunicorn with two workers on a port of its own; ended for good after the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", f"fd://{listener.fileno()}", *options]
        server = subprocess.Popen(
            command,
            env=script.environment(**variables),
            pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield server, listener.getsockname()[1]
        finally:
            server.kill()
            server.communicate()


def serve_until_both_workers_did(port: int) -> Counter:
    """Requests, each on a connection of its own, until two processes have answered; who served how many."""
    served: Counter = Counter()
    while len(served) < 2 or sum(served.values()) < 20:
        assert sum(served.values()) < 2000, "one worker serves everything"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/")
        served[json.loads(connection.getresponse().read())["pid"]] += 1
        connection.close()
    return served


WORKERS = {
    "sync": ("sync", "tests.support.shop:wsgi"),
    "gthread": ("gthread", "tests.support.shop:wsgi"),
    "uvicorn": ("uvicorn_worker.UvicornWorker", "tests.support.shop:asgi"),
}


@pytest.mark.skipif(importlib.util.find_spec("gunicorn") is None, reason="gunicorn is not installed")
@pytest.mark.parametrize(
    ("worker", "preload", "protocol"),
    [
        ("sync", True, "http/protobuf"),
        ("sync", False, "http/protobuf"),
        ("sync", True, "grpc"),
        ("gthread", True, "http/protobuf"),
        ("uvicorn", True, "http/protobuf"),
        ("uvicorn", False, "http/protobuf"),
    ],
)
def test_every_span_of_every_gunicorn_worker_arrives(receiver, worker, preload, protocol):
    """Two workers, forked before or after the application is loaded, asked to stop: nothing is lost, nothing twice."""
    kind, app = WORKERS[worker]
    if worker == "uvicorn":
        pytest.importorskip("uvicorn_worker")
    options = ["-k", kind, "--graceful-timeout", "10", *(["--preload"] if preload else []), app]
    with gunicorn(*options, **endpoint(receiver, protocol)) as (server, port):
        served = serve_until_both_workers_did(port)
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=30)
    assert "dropped" not in said
    assert "Traceback" not in said
    assert_whole(receiver, sum(served.values()), spans_a_run=2)
    assert told_apart(receiver) == (2 if HAS_INSTANCE_ID else 1)
    assert {span.service for span in receiver.spans()} == {"shop"}
