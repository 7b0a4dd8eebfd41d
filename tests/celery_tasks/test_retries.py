"""A task that is tried again: another attempt, the same run."""

from contextlib import nullcontext

import pytest
from opentelemetry.trace import StatusCode

import botanu
from tests.celery_tasks import tasks
from tests.celery_tasks.conftest import result_of

pytestmark = pytest.mark.usefixtures("worker")


def result_in_a_run(signature_, *, opened):
    """That of a task which opens the run itself, or joins its publisher's."""
    with nullcontext() if opened else botanu.event(workflow="Refund", event_id="o-1"):
        return result_of(signature_)


@pytest.mark.parametrize("opened", [True, False], ids=["opened by the task", "joined"])
def test_a_retry_is_another_attempt_in_the_same_run(opened, settled, completed):
    """Same run, one more attempt; the run is completed once, by the attempt that is the last."""
    seen = result_in_a_run(tasks.flaky.s(2), opened=opened)
    attempts = settled()[f"process {tasks.flaky.name}"]
    assert seen["attempt"] == 3
    assert {span.attributes["botanu.run_id"] for span in attempts} == {seen["run_id"]}
    assert [span.attributes["botanu.task.attempt"] for span in attempts] == [1, 2, 3]
    assert [span.attributes.get("botanu.outcome.status") for span in attempts] == [None, None, "success"]
    assert {span.status.status_code for span in attempts} == {StatusCode.UNSET}
    assert [each["botanu.run_id"] for each in completed()].count(seen["run_id"]) == 1


@pytest.mark.parametrize("opened", [True, False], ids=["opened by the task", "joined"])
def test_a_retry_out_of_a_nested_run_is_another_attempt_in_the_run_of_the_task(opened, settled, completed):
    """The nested run has ended with the attempt that opened it; the task's own is completed once."""
    seen = result_in_a_run(tasks.flaky_inside.s(1), opened=opened)
    attempts = settled()[f"process {tasks.flaky_inside.name}"]
    assert seen["attempt"] == 2
    assert [span.attributes["botanu.run_id"] for span in attempts] == [seen["run_id"]] * 2
    runs = [each["botanu.run_id"] for each in completed()]
    assert runs.count(seen["run_id"]) == 1
    assert len(runs) == len(set(runs))


def test_automatic_retries_fail_the_run_when_they_are_used_up(settled, completed):
    """Three attempts, one failed run."""
    with pytest.raises(ConnectionError):
        result_of(tasks.unlucky.s())
    attempts = settled()[f"process {tasks.unlucky.name}"]
    (event,) = [each for each in completed() if each["botanu.run_id"] == attempts[0].attributes["botanu.run_id"]]
    assert len(attempts) == 3
    assert event["botanu.outcome.status"] == "failed"
    assert event["botanu.outcome.error_type"] == "ConnectionError"
