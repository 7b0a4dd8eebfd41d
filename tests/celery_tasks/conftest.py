"""A worker in this process, for tests of what a task sees and leaves behind."""

import logging
import warnings

import pytest
from celery.contrib.testing.worker import start_worker
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

import botanu_celery
from botanu_core.runtime import telemetry
from tests.celery_tasks.brokers import rabbitmq, redis
from tests.celery_tasks.tasks import app

WITHIN_S = 10


def result_of(signature_):
    """What a task, or the last of several, has answered."""
    return signature_.apply_async().get(interval=0.01, timeout=WITHIN_S)


@pytest.fixture(scope="session")
def worker():
    """One thread that takes messages from memory, for the whole session: stopping it takes seconds."""
    level = logging.getLogger().level
    with warnings.catch_warnings(), start_worker(app, pool="solo", perform_ping_check=False, loglevel="ERROR"):
        logging.getLogger().setLevel(level)  # a worker sets that of the root logger, whatever it is told
        yield


@pytest.fixture(scope="session")
def redis_server():
    """A broker."""
    with redis() as running:
        yield running


@pytest.fixture(scope="session")
def results_server():
    """Where results are kept while brokers are killed."""
    with redis() as running:
        yield running


@pytest.fixture(scope="session")
def rabbit_server():
    """Another broker."""
    with rabbitmq() as running:
        yield running


@pytest.fixture(autouse=True)
def installed(caplog):
    """Fresh handlers; none of them may raise into Celery, which would only log it."""
    botanu_celery.install(app)
    with caplog.at_level(logging.WARNING):
        yield
    complaints = [
        record.getMessage()
        for record in caplog.records
        if record.name in ("celery.utils.dispatch.signal", "opentelemetry.context", "botanu")
    ]
    botanu_celery.install(app)
    assert complaints == []


@pytest.fixture
def completed(spans):
    """The `botanu.run.completed` events so far."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    telemetry.use(logger_provider=provider)

    def found():
        return [
            dict(each.log_record.attributes)
            for each in exporter.get_finished_logs()
            if each.log_record.event_name == "botanu.run.completed"
        ]

    return found


@pytest.fixture
def settled(worker, spans):
    """Spans by name, when all messages published so far have been worked off: the worker takes them in order."""

    def wait():
        from tests.celery_tasks.tasks import collect

        collect.apply_async(args=([],), headers={"marker": "1"}).get(interval=0.01, timeout=WITHIN_S)
        found = [span for span in spans.get_finished_spans() if span.attributes.get("botanu.task.name") != collect.name]
        return {span.name: [each for each in found if each.name == span.name] for span in found}

    return wait
