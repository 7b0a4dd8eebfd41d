"""A Celery application whose worker says how fast it was; ``BENCH_KIND`` is ``bare``, ``ours`` or ``otel``."""

import os
import time

from celery import Celery, signals

KIND = os.environ["BENCH_KIND"]
app = Celery("bench", broker=os.environ["BENCH_BROKER"], backend=os.environ["BENCH_BROKER"])
app.conf.update(task_default_queue=KIND, task_ignore_result=True, broker_connection_retry_on_startup=True)
_began: list[float] = []


@app.task(name="bench.hold")
def hold(gate: str) -> None:
    """Keep the worker from the tasks behind this one until they have all been published."""
    app.backend.client.blpop(gate, timeout=60)
    _began[:] = [time.perf_counter()]


@app.task(name="bench.answer")
def answer(ticket: int) -> int:
    """The least that a task can be."""
    return ticket


@app.task(name="bench.count")
def count(done: str, tasks: int) -> None:
    """Say how many of them it was a second."""
    app.backend.client.rpush(done, tasks / (time.perf_counter() - _began[0]))


def _telemetry(**_: object) -> None:
    from benchmarks import ours
    from benchmarks.providers import prepare

    if KIND == "ours":
        ours.enable("everything")
    elif KIND == "otel":
        from opentelemetry.instrumentation.celery import CeleryInstrumentor

        prepare("everything")
        CeleryInstrumentor().instrument()


if KIND == "ours":
    import botanu_celery

    botanu_celery.install(app)
# In the child, as OpenTelemetry wants it: its processors have threads.
signals.worker_process_init.connect(_telemetry, weak=False)
