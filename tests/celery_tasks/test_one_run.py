"""One run from a browser's request to the last part of a chord, through four processes, and what it cost."""

from decimal import Decimal

import httpx
from celery import Celery

from demo.provider import Provider
from tests.celery_tasks.brokers import redis, worker
from tests.support.servers import child


def test_a_run_is_one_from_the_first_request_to_the_last_task(receiver):
    """FastAPI, httpx, Django, Celery on Redis, a chord with a retry: one run, one invoice."""
    with Provider() as provider, redis() as broker, redis() as results:
        shared = {
            "SHOP_BROKER": broker.url,
            "SHOP_BACKEND": results.url,
            "PROVIDER": provider.openai_url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        }
        pool = ("--pool", "prefork", "--concurrency", "2", "--max-tasks-per-child", "2")
        with (
            worker(broker.url, *pool, app="tests.celery_tasks.desk", **shared),
            child("tests.celery_tasks.desk", "--with-parent", "--service", "office", **shared) as office,
            child(
                "tests.celery_tasks.desk",
                "--with-parent",
                "--service",
                "front",
                OFFICE=f"http://127.0.0.1:{office['port']}",
                **shared,
            ) as front,
        ):
            questions = ["Is the kettle cold?", "Which fuse is it?", "Is it plugged in?"]
            answer = httpx.post(f"http://127.0.0.1:{front['port']}/tickets/T-1", json=questions, timeout=30)
            run_id = answer.headers["x-botanu-run-id"]
            reader = Celery("reader", backend=results.url)
            letter = reader.AsyncResult(answer.json()["task"]).get(timeout=20, interval=0.05)
            reader.backend.client.close()
            reader.close()
        bills = [bill for bill in provider.invoice.rows() if bill.list_usd]
    assert letter["run_id"] == run_id
    assert sorted(each["attempt"] for each in letter["found"]) == [1, 1, 2]
    entries = [each.attributes for each in receiver.events() if each.event_name == "botanu.ledger.entry"]
    assert {each["botanu.run_id"] for each in entries} == {run_id}
    assert len(entries) == len(bills) == 5
    assert sum(Decimal(each["botanu.cost.usd_exact"]) for each in entries) == sum(Decimal(b.list_usd) for b in bills)
    inside = [span for span in receiver.spans() if "botanu.run_id" in span.attributes]
    assert {span.attributes["botanu.run_id"] for span in inside} == {run_id}
    assert len({span.trace_id for span in inside}) == 1
    scopes = {(span.name, span.kind) for span in inside if span.kind in ("SERVER", "CONSUMER")}
    assert scopes == {
        ("POST /tickets/{ticket}", "SERVER"),
        ("POST /letters", "SERVER"),
        ("process desk.research", "CONSUMER"),
        ("process desk.letter", "CONSUMER"),
    }
    (completed,) = [each.attributes for each in receiver.events() if each.event_name == "botanu.run.completed"]
    assert (completed["botanu.run_id"], completed["botanu.outcome.status"]) == (run_id, "success")
