"""Tasks a second of real workers on a real Redis."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from benchmarks.bench import Bench, WorkerFailed, clean_environment

__all__ = ["KINDS", "rates"]

KINDS = ("bare", "ours", "otel")
_TURNS, _TASKS = 10, 2_000
_PATIENCE_S = 60
_ROOT = Path(__file__).parents[1]
_PUBLISH = """
import sys
from contextlib import ExitStack
from benchmarks.apps.celery_app import KIND, answer, count, hold, _telemetry
_telemetry()
for line in sys.stdin:
    gate, done, tasks = line.split()
    with ExitStack() as stack:
        if KIND == "ours":
            import botanu
            stack.enter_context(botanu.event(workflow="Bench", event_id=gate))
        hold.delay(gate)
        for ticket in range(int(tasks)):
            answer.delay(ticket)
        count.delay(done, int(tasks))
    print("published", flush=True)
"""


def rates(bench: Bench) -> dict[str, list[float]]:
    """Tasks a second, by kind: one number a turn, the kinds by turns."""
    turns, tasks = (3, 500) if bench.quick else (_TURNS, _TASKS)
    task = bench.progress.add_task("celery, on Redis", total=turns * len(KINDS))
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(_redis())
        client = stack.enter_context(contextlib.closing(redis.Redis.from_url(url)))
        publishers = {kind: stack.enter_context(_pair(kind, url)) for kind in KINDS}
        for turn in range(-1, turns):  # the first one warms up
            for place in range(len(KINDS)):
                kind = KINDS[(turn + place) % len(KINDS)]
                rate = _turn(client, publishers[kind], f"{kind}-{turn}", tasks)
                if turn >= 0:
                    found[kind].append(rate)
                    bench.progress.advance(task)
    return found


def _turn(client: "redis.Redis", publisher: "subprocess.Popen[str]", name: str, tasks: int) -> float:
    assert publisher.stdin is not None
    assert publisher.stdout is not None
    print(f"gate-{name} done-{name} {tasks}", file=publisher.stdin, flush=True)
    if not publisher.stdout.readline():
        raise WorkerFailed("the publisher has ended")
    client.rpush(f"gate-{name}", 1)
    said = client.blpop([f"done-{name}"], timeout=_PATIENCE_S)
    if not isinstance(said, list | tuple):
        raise WorkerFailed("the worker did not get through its queue")
    return float(said[1])


@contextlib.contextmanager
def _pair(kind: str, url: str) -> Iterator["subprocess.Popen[str]"]:
    """A worker, and yields who publishes to it."""
    environment = clean_environment() | {"BENCH_KIND": kind, "BENCH_BROKER": url, "PYTHONPATH": str(_ROOT)}
    options = ("--pool", "prefork", "--concurrency", "1", "--loglevel", "ERROR", "--hostname", f"{kind}@localhost")
    alone = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-q", "-A", "benchmarks.apps.celery_app", "worker", *options, *alone],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    publisher = subprocess.Popen(
        [sys.executable, "-c", _PUBLISH], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield publisher
    finally:
        publisher.communicate(timeout=_PATIENCE_S)
        worker.terminate()
        worker.wait(_PATIENCE_S)


@contextlib.contextmanager
def _redis() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory],
            stdout=subprocess.DEVNULL,
            env=dict(os.environ),
        )
        try:
            _wait_for(process, port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)


def _wait_for(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
        time.sleep(0.05)
