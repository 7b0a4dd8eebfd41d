"""Where results are kept is gone when a task has one: what its run, its ledger and its callers are told."""

import pytest
from celery import Celery

import botanu
from tests.celery_tasks import tasks
from tests.celery_tasks.brokers import redis
from tests.celery_tasks.shops import POOLS, Place, shop_on

AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "100", "BOTANU_EXPORT_INTERVAL_S": "0.1"}


@pytest.fixture
def results():
    """Of this test alone, for it is stopped."""
    with redis() as running:
        yield running


@pytest.fixture
def place(redis_server, results, receiver):
    # Who publishes asks for no results: it would look for them while they are away.
    with shop_on(redis_server.url, "cache+memory://", "away") as shop:
        with shop.worker(*POOLS["prefork"], receiver=receiver, SHOP_BACKEND=results.url, **AT_ONCE) as worker:
            yield Place(redis_server, shop, worker, receiver)


def test_a_result_that_nobody_takes_fails_the_run_and_costs_no_call(place, results, tmp_path):
    """The task has returned, and Celery calls it a failure all the same; what it has asked a model for is counted."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    log.touch()
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        joined = place.task("waits", str(log), 1, str(gate)).apply_async()
    opened = place.task("waits", str(log), 2, str(gate)).apply_async()
    place.wait_for(lambda: len(log.read_text().split()) == 2)
    results.stop()
    gate.touch()
    (span,) = place.spans_of(run.run_id, 1)
    event = place.completion_of(opened.id)
    for said in (span.attributes, event):
        assert (said["botanu.outcome.status"], said["botanu.outcome.error_type"]) == ("failed", "ConnectionError")
        assert said["botanu.run.llm_calls"] == 1
    assert (span.attributes["error.type"], span.status) == ("ConnectionError", "ERROR")
    for run_id in (run.run_id, event["botanu.run_id"]):
        (entry,) = place.entries_of(run_id, 1)
        assert entry.attributes["gen_ai.response.id"] in log.read_text().split()
    results.start()
    with Celery("desk", backend=results.url) as reader:
        states = {reader.AsyncResult(each.id).state for each in (joined, opened)}
        reader.backend.client.close()
    # Nobody could write it down; a worker that is still at it may find the server again.
    assert states <= {"PENDING", "FAILURE"}


def test_a_task_that_is_called_while_an_error_is_handled_has_not_failed_of_it(spans):
    """It is the caller's."""
    try:
        raise ConnectionError("the warehouse does not answer")
    except ConnectionError:
        tasks.where.apply().get()
    (span,) = spans.get_finished_spans()
    assert span.attributes["botanu.outcome.status"] == "success"
