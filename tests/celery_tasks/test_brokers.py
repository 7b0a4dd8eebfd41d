"""Real workers on real brokers: what a task sees, and what arrives at a real receiver."""

import contextlib

import pytest
from celery import Celery, chain, chord, group, signature

import botanu
import botanu_celery
from tests.celery_tasks.brokers import rabbitmq, redis, worker

WITHIN_S = 120
POOLS = {
    "prefork": ("--pool", "prefork", "--concurrency", "2"),
    "threads": ("--pool", "threads", "--concurrency", "4"),
    "solo": ("--pool", "solo"),
    "gevent": ("--pool", "gevent", "--concurrency", "10"),
    "eventlet": ("--pool", "eventlet", "--concurrency", "10"),
}
TASKS = "tests.celery_tasks.tasks"


class Shop:
    """A broker, and an application that publishes to it."""

    def __init__(self, broker, backend):
        self.broker, self.backend = broker, backend
        self.app = Celery("shop", broker=broker, backend=backend)
        self.app.conf.update(task_default_queue="shop-tasks", result_backend_transport_options={})

    def close(self):
        self.app.backend.client.close()
        self.app.close()

    def task(self, name, *args, **options):
        return signature(f"{TASKS}.{name}", args=args, app=self.app, **options)

    def worker(self, *options, receiver=None, **variables):
        if receiver is not None:
            variables |= {"SHOP_ENABLE": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}
        return worker(self.broker, *options, SHOP_BACKEND=self.backend, **variables)


def got(result, **options):
    return result.get(timeout=WITHIN_S, interval=0.02, **options)


@pytest.fixture(scope="module")
def redis_server():
    with redis() as running:
        yield running


@pytest.fixture(scope="module")
def rabbit_url():
    with rabbitmq() as url:
        yield url


@pytest.fixture(params=["redis", "rabbitmq"])
def shop(request):
    server = request.getfixturevalue("redis_server")
    broker = server.url if request.param == "redis" else request.getfixturevalue("rabbit_url")
    with shop_on(broker, server) as found:
        yield found


@pytest.fixture
def redis_shop(redis_server):
    with shop_on(redis_server.url, redis_server) as found:
        yield found


@contextlib.contextmanager
def shop_on(broker, results):
    found = Shop(broker, results.url.replace("/0", "/1"))
    botanu_celery.install(found.app)
    found.app.control.purge()
    yield found
    found.close()


def entries(receiver):
    return [each for each in receiver.events() if each.event_name == "botanu.ledger.entry"]


def responses(receiver):
    return sorted(each.attributes["gen_ai.response.id"] for each in entries(receiver))


def completions(receiver):
    return [each.attributes for each in receiver.events() if each.event_name == "botanu.run.completed"]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_run_goes_through_every_part_of_a_canvas(pool, shop, receiver):
    """Chain, group, chord and retries on a real broker; every call is in the ledger of that one run."""
    with shop.worker(*POOLS[pool], receiver=receiver):
        with botanu.event(workflow="Refund", event_id="o-1") as run:
            results = [
                chain(shop.task("ask", 1), shop.task("ask", 2, immutable=True)).apply_async(),
                group(shop.task("ask", number) for number in (3, 4)).apply_async(),
                chord([shop.task("ask", number) for number in (5, 6)], shop.task("collect")).apply_async(),
                shop.task("flaky", 2, 7).apply_async(),
            ]
            found = [got(result) for result in results]
    assert found[2] == {"run_id": run.run_id, "runs": [run.run_id], "parts": 2}
    assert found[3] == {"run_id": run.run_id, "attempt": 3}
    assert responses(receiver) == sorted([f"resp-{n}" for n in range(1, 7)] + [f"resp-7-{n}" for n in range(3)])
    assert {each.attributes["botanu.run_id"] for each in entries(receiver)} == {run.run_id}
    processed = [span for span in receiver.spans() if span.name.startswith("process ")]
    assert {span.attributes["botanu.run_id"] for span in processed} == {run.run_id}
    flaky = [span for span in processed if span.name.endswith(".flaky")]
    assert sorted(span.attributes["botanu.task.attempt"] for span in flaky) == [1, 2, 3]
    assert completions(receiver) == []


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


@pytest.mark.parametrize(
    ("contrib", "times"), [("", 200), ("on", 40)], ids=["alone", "beside OpenTelemetry's instrumentor"]
)
def test_recycled_children_lose_nothing(contrib, times, redis_shop, receiver):
    """A process for every task: each call and each span has left it before it is gone."""
    options = ("--pool", "prefork", "--concurrency", "8", "--max-tasks-per-child", "1")
    with redis_shop.worker(*options, receiver=receiver, SHOP_CONTRIB=contrib):
        with botanu.event(workflow="Refund", event_id="o-1") as run:
            got(group(redis_shop.task("ask", number) for number in range(times)).apply_async())
    assert responses(receiver) == sorted(f"resp-{number}" for number in range(times))
    assert len({each.attributes["botanu.entry_id"] for each in entries(receiver)}) == times
    spans = [span for span in receiver.spans() if span.kind == "CONSUMER"]
    assert len(spans) == times
    assert {span.attributes["botanu.run_id"] for span in spans} == {run.run_id}
    assert {span.attributes["botanu.outcome.status"] for span in spans} == {"success"}
    assert {span.scope for span in spans} == {"opentelemetry.instrumentation.celery" if contrib else "botanu"}


def test_a_child_that_is_killed_takes_only_what_it_had_not_sent(redis_shop, receiver, tmp_path):
    """The message is delivered again: both calls were made, both are in the ledger, none of them twice."""
    with redis_shop.worker(*POOLS["prefork"], receiver=receiver):
        with botanu.event(workflow="Refund", event_id="o-1") as run:
            result = redis_shop.task("dies_once", str(tmp_path / "marker"), 1).apply_async()
            assert got(result) == run.run_id
    assert responses(receiver) == ["resp-1-first", "resp-1-second"]
    assert len({each.attributes["botanu.entry_id"] for each in entries(receiver)}) == 2


@pytest.mark.parametrize(
    ("task", "status", "kind"), [("dies", "failed", "WorkerLostError"), ("stuck", "timeout", "TimeLimitExceeded")]
)
def test_a_task_that_cannot_speak_for_itself_is_booked_by_the_main_process(task, status, kind, redis_shop, receiver):
    """A killed child says nothing: neither the lost one nor the one whose time was over."""
    with redis_shop.worker(*POOLS["prefork"], receiver=receiver):
        result = redis_shop.task(task).apply_async()
        with pytest.raises(Exception, match=r"exited prematurely|TimeLimitExceeded"):
            got(result)
    (event,) = completions(receiver)
    assert (event["botanu.outcome.status"], event["botanu.outcome.error_type"]) == (status, kind)


def test_a_soft_time_limit_is_a_timeout(redis_shop, receiver):
    """Its exception is Celery's."""
    with redis_shop.worker(*POOLS["prefork"], receiver=receiver):
        with pytest.raises(Exception, match="SoftTimeLimitExceeded"):
            got(redis_shop.task("slow").apply_async())
    (event,) = completions(receiver)
    assert event["botanu.outcome.status"] == "timeout"


def test_a_task_that_is_terminated_was_canceled_once(redis_shop, receiver):
    """The child says so, or the main process for it; not both."""
    with redis_shop.worker(*POOLS["prefork"], receiver=receiver):
        result = redis_shop.task("slow").apply_async(soft_time_limit=30, time_limit=40)
        seen = redis_shop.task("where").apply_async()
        got(seen)
        result.revoke(terminate=True)
        with pytest.raises(Exception, match=r"terminated|revoked"):
            got(result)
    (event,) = [each for each in completions(receiver) if each["botanu.workflow"].endswith("slow")]
    assert event["botanu.outcome.status"] == "canceled"


def test_a_broker_that_is_restarted_costs_nothing(receiver):
    """What was published before and after is executed, and all of it is in the ledger."""
    with redis() as server, redis() as results:
        shop = Shop(server.url, results.url)
        botanu_celery.install(shop.app)
        with shop.worker(*POOLS["threads"], receiver=receiver):
            with botanu.event(workflow="Refund", event_id="o-1") as run:
                first = [shop.task("ask", number).apply_async() for number in range(10)]
                [got(each) for each in first]
                server.restart()
                second = [shop.task("ask", number).apply_async() for number in range(10, 20)]
                found = {got(each)["run_id"] for each in (*first, *second)}
        shop.close()
    assert found == {run.run_id}
    assert set(responses(receiver)) == {f"resp-{number}" for number in range(20)}


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
