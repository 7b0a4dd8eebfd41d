"""What the processes of a worker write, with the run on every line."""

import re

import botanu
from tests.celery_tasks.brokers import worker
from tests.celery_tasks.shops import POOLS, Place, got, shop_on

AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "100", "BOTANU_EXPORT_INTERVAL_S": "0.1"}


def test_the_main_process_speaks_of_a_killed_child_outside_any_run(redis_server, receiver):
    """Its lines hold their form without a run; what the child has said of the same run's other task carries it."""
    known = {"SHOP_ENABLE": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "SHOP_QUEUE": "logged", **AT_ONCE}
    with shop_on(redis_server.url, redis_server.url.replace("/0", "/1"), "logged") as shop:
        known["SHOP_BACKEND"] = shop.backend
        with worker(shop.broker, *POOLS["prefork"], app="tests.celery_tasks.logged", **known) as running:
            with botanu.event(workflow="Refund", event_id="o-1") as run:
                failed, killed = (shop.task(name).apply_async() for name in ("fails", "dies"))
            for result in (failed, killed):
                got(result, propagate=False)
            Place(redis_server, shop, running, receiver).spans_of(run.run_id, 2)
            running.stop()
            lines = running.said()
    assert "Logging error" not in lines
    assert re.search(rf"^ForkPoolWorker-\d+ {run.run_id} Refund celery\.\S+: .*no such order", lines, re.MULTILINE)
    told = [line for line in lines.splitlines() if line.startswith("MainProcess ")]
    assert any("WorkerLostError" in line for line in told), lines
    assert {tuple(line.split()[1:3]) for line in told} == {("-", "-")}
