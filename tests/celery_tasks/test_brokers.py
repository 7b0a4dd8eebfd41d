"""Real workers on real brokers: what a task sees, and what arrives at a real receiver."""

import pytest
from celery import chord, group

import botanu
import botanu_celery
from tests.celery_tasks.brokers import worker
from tests.celery_tasks.shops import POOLS, TASKS, WITHIN_S, completions, entries, got, responses, shop_on


@pytest.fixture(params=["redis", "rabbitmq"])
def shop(request, redis_server):
    server = request.getfixturevalue({"redis": "redis_server", "rabbitmq": "rabbit_server"}[request.param])
    with shop_on(server.url, redis_server.url.replace("/0", "/1")) as found:
        yield found


@pytest.fixture
def redis_shop(redis_server):
    with shop_on(redis_server.url, redis_server.url.replace("/0", "/1")) as found:
        yield found


@pytest.mark.parametrize("pool", ["solo", "gevent", "eventlet"])
def test_every_pool_keeps_tasks_apart(pool, redis_shop, receiver):
    """Tasks of many runs, at once where the pool can: each sees its own, and the next one starts clean."""
    with redis_shop.worker(*POOLS[pool], receiver=receiver):
        expected, results = [], []
        for number in range(20):
            with botanu.event(workflow="Refund", event_id=f"o-{number}") as run:
                results.append(redis_shop.task("ask", number).apply_async())
                expected.append(run.run_id)
        found = [got(result)["run_id"] for result in results]
        alone = {got(redis_shop.task("where").apply_async())["run_id"] for _ in range(3)}
    assert found == expected
    assert len(alone - set(expected)) == 3
    assert len(responses(receiver)) == 20


def recycled(shop, receiver, times, **variables):
    """Execute `times` tasks in one run, with a process for every task; its spans."""
    options = ("--pool", "prefork", "--concurrency", "16", "--max-tasks-per-child", "1")
    with shop.worker(*options, receiver=receiver, **variables):
        with botanu.event(workflow="Refund", event_id="o-1") as run:
            got(group(shop.task("ask", number) for number in range(times)).apply_async())
    assert responses(receiver) == sorted(f"resp-{number}" for number in range(times))
    assert len({each.attributes["botanu.entry_id"] for each in entries(receiver)}) == times
    spans = [span for span in receiver.spans() if span.kind == "CONSUMER"]
    assert len(spans) == times
    assert {span.attributes["botanu.run_id"] for span in spans} == {run.run_id}
    assert {span.attributes["botanu.outcome.status"] for span in spans} == {"success"}
    return spans


def test_recycled_children_lose_nothing(shop, receiver):
    """A process for every task: each call and each span has left it before it is gone."""
    assert {span.scope for span in recycled(shop, receiver, 200)} == {"botanu"}


@pytest.mark.parametrize("links", ["", "on"], ids=["as parents", "as links"])
def test_beside_the_instrumentor_of_opentelemetry_there_is_one_span_and_one_run(links, redis_shop, receiver):
    """Its own spans in recycled children; and where it drops what baggage it was sent, the run goes on all the same."""
    spans = recycled(redis_shop, receiver, 32, SHOP_CONTRIB="on", SHOP_LINKS=links)
    assert {span.scope for span in spans} == {"opentelemetry.instrumentation.celery"}


def test_a_chord_that_a_task_of_celery_watches_over_stays_in_its_run(redis_server, receiver, tmp_path):
    """Results in files cannot count by themselves: a task looks after them, again and again, and calls the body."""
    with shop_on(redis_server.url, f"file://{tmp_path}", "watched") as shop:
        with shop.worker(*POOLS["threads"], receiver=receiver):
            with botanu.event(workflow="Refund", event_id="o-1") as run:
                found = got(chord([shop.task("ask", n) for n in range(2)], shop.task("collect")).apply_async())
    assert found == {"run_id": run.run_id, "runs": [run.run_id], "parts": 2}
    watching = [span for span in receiver.spans() if span.name == "process celery.chord_unlock"]
    assert {span.attributes["botanu.run_id"] for span in watching} == {run.run_id}


def test_a_worker_without_us_runs_the_task_as_ever(redis_shop):
    """Our headers mean nothing to it."""
    with redis_shop.worker(*POOLS["solo"], SHOP_BOTANU="off"):
        with botanu.event(workflow="Refund", event_id="o-1"):
            assert got(redis_shop.task("where").apply_async())["run_id"] is None


def test_a_publisher_without_us_has_its_tasks_in_runs_of_their_own(redis_shop):
    """One for each."""
    botanu_celery.uninstall()
    with redis_shop.worker(*POOLS["solo"]):
        runs = {got(redis_shop.task("where").apply_async())["run_id"] for _ in range(2)}
    assert len(runs) == 2
    assert None not in runs


def test_with_a_key_only_signed_runs_are_taken(redis_shop, monkeypatch, service):
    """Between those who hold it, a run goes on; what a stranger writes opens a new one."""
    key = "k" * 40
    with redis_shop.worker(
        *POOLS["solo"],
        BOTANU_BAGGAGE_KEY=key,
        SHOP_ENABLE="on",
        OTEL_SDK_DISABLED="false",
        OTEL_EXPORTER_OTLP_ENDPOINT=service(key).endpoint,
    ):
        with botanu.event(workflow="Refund", event_id="o-1") as run:
            signed = got(redis_shop.task("where").apply_async())
        botanu_celery.uninstall()
        forged = got(redis_shop.task("where").apply_async(headers={"botanu_run": f"botanu.run_id={run.run_id}"}))
    assert signed["run_id"] == run.run_id
    assert forged["run_id"] != run.run_id


@pytest.fixture
def service(receiver, monkeypatch):
    def enable(key):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        botanu.enable(service_name="shop-web", instrument="none", baggage_key=key)
        return receiver

    return enable


def test_each_tick_of_beat_is_a_run_of_its_own(redis_shop, receiver, tmp_path):
    """Named as the task, and nothing of what was current in the beat process."""
    options = ("--beat", "--schedule", str(tmp_path / "schedule"), *POOLS["threads"])
    with worker(
        redis_shop.broker,
        *options,
        app="tests.celery_tasks.ticking",
        SHOP_BACKEND=redis_shop.backend,
        SHOP_ENABLE="on",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        OTEL_BSP_SCHEDULE_DELAY="200",
        BOTANU_EXPORT_INTERVAL_S="0.2",
    ):
        assert receiver.wait_for(lambda seen: len(completions(seen)) >= 3, WITHIN_S)
    ticks = completions(receiver)
    assert len({each["botanu.run_id"] for each in ticks}) == len(ticks)
    assert {each["botanu.workflow"] for each in ticks} == {f"{TASKS}.where"}
    assert {each.get("botanu.parent_run_id") for each in ticks} == {None}
