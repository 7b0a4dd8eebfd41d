"""SQS, which has no exchanges, no results and few headers: moto's server stands where Amazon's is."""

import importlib.util
import os
import subprocess
import sys

import pytest
from celery import chain, group

import botanu
from tests.celery_tasks.brokers import free_port, until_it_listens
from tests.celery_tasks.shops import POOLS, Place, got, shop_on

AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "100", "BOTANU_EXPORT_INTERVAL_S": "0.1"}
AMAZON = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_DEFAULT_REGION": "us-east-1"}
MISSING = [name for name in ("moto", "boto3", "pycurl") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; --group sqs has them")


@pytest.fixture
def sqs(monkeypatch):
    """URL of a broker."""
    for name, value in AMAZON.items():
        monkeypatch.setenv(name, value)
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONWARNINGS": "ignore"}, stderr=subprocess.DEVNULL)
    try:
        until_it_listens(port, process)
        yield f"sqs://x:y@127.0.0.1:{port}//"
    finally:
        process.terminate()
        process.wait(30)


def test_a_run_goes_along_on_sqs(sqs, redis_server, receiver):
    """Chain, group and a retry: every task is in the one run, and every call in its ledger."""
    with shop_on(sqs, redis_server.url.replace("/0", "/2"), "on-sqs") as shop:
        with shop.worker(*POOLS["prefork"], receiver=receiver, **AMAZON, **AT_ONCE) as worker:
            place = Place(None, shop, worker, receiver)
            with botanu.event(workflow="Refund", event_id="o-1") as run:
                results = [
                    chain(place.task("ask", 1), place.task("ask", 2, immutable=True)).apply_async(),
                    group(place.task("ask", number) for number in (3, 4)).apply_async(),
                    place.task("flaky", 1, 5).apply_async(),
                ]
                found = [got(result) for result in results]
            spans, ledger = place.spans_of(run.run_id, 6), place.entries_of(run.run_id, 6)
    assert found[2] == {"run_id": run.run_id, "attempt": 2}
    assert len({each.attributes["gen_ai.response.id"] for each in ledger}) == len(ledger) == 6
    assert {span.attributes["botanu.run_id"] for span in spans} == {run.run_id}
    assert sorted(span.attributes["botanu.task.attempt"] for span in spans) == [1, 1, 1, 1, 1, 2]
