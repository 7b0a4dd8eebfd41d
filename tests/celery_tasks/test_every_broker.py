"""What must hold on Redis and on RabbitMQ, in processes and in threads: with workers that serve all tests here."""

from collections import Counter
from contextlib import ExitStack

import pytest
from celery import chain, chord, group

import botanu
from demo.receiver import Receiver
from tests.celery_tasks.shops import POOLS, Place, completions, entries, got, responses, shop_on

AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "100", "BOTANU_EXPORT_INTERVAL_S": "0.1"}
everywhere = pytest.mark.parametrize(
    "where", ["redis prefork", "redis threads", "rabbitmq prefork", "rabbitmq threads"]
)
in_processes = pytest.mark.parametrize("where", ["redis prefork", "rabbitmq prefork"])


@pytest.fixture(scope="module")
def places(request):
    """Makes each of them once."""
    made = {}
    with ExitStack() as stack:

        def at(where):
            if where not in made:
                broker, pool = where.split()
                server = request.getfixturevalue({"redis": "redis_server", "rabbitmq": "rabbit_server"}[broker])
                results = request.getfixturevalue("results_server").url.replace("/0", f"/{len(made)}")
                receiver = stack.enter_context(Receiver())
                shop = stack.enter_context(shop_on(server.url, results, where.replace(" ", "-")))
                worker = stack.enter_context(shop.worker(*POOLS[pool], receiver=receiver, **AT_ONCE))
                made[where] = Place(server, shop, worker, receiver)
            return made[where]

        yield at


@pytest.fixture
def place(places, where):
    return places(where)


@everywhere
def test_a_run_goes_through_every_part_of_a_canvas(place):
    """Chain, group, chord and retries on a real broker; every call is in the ledger of that one run."""
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        results = [
            chain(place.task("ask", 1), place.task("ask", 2, immutable=True)).apply_async(),
            group(place.task("ask", number) for number in (3, 4)).apply_async(),
            chord([place.task("ask", number) for number in (5, 6)], place.task("collect")).apply_async(),
            place.task("flaky", 2, 7).apply_async(),
            place.task("replaced").apply_async(),
            place.task("where").apply_async(headers={"botanu_run": "theirs", "x-shop": 7}),
        ]
        found = [got(result) for result in results]
    assert found[2] == {"run_id": run.run_id, "runs": [run.run_id], "parts": 2}
    assert found[3] == {"run_id": run.run_id, "attempt": 3}
    assert found[4]["run_id"] == found[5]["run_id"] == run.run_id
    told = Counter(each.attributes["gen_ai.response.id"] for each in place.entries_of(run.run_id, 9))
    assert told == Counter([f"resp-{n}" for n in range(1, 7)] + [f"resp-7-{n}" for n in range(3)])
    processed = place.spans_of(run.run_id, 13)
    assert len(processed) == 13
    flaky = [span for span in processed if span.name.endswith(".flaky")]
    assert sorted(span.attributes["botanu.task.attempt"] for span in flaky) == [1, 2, 3]
    assert all(0 <= span.attributes["botanu.task.queue_ms"] < 600_000 for span in processed)
    assert run.run_id not in {each["botanu.run_id"] for each in completions(place.receiver)}


# Not in threads on RabbitMQ: for what has to wait Celery asks for another prefetch count, and see tasks.py.
@pytest.mark.parametrize("where", ["redis prefork", "redis threads", "rabbitmq prefork"])
def test_waiting_until_it_is_due_is_no_time_of_a_task(place):
    """Neither in the queue nor in the run."""
    result = place.task("where").apply_async(countdown=1)
    (span,) = place.spans_of(got(result)["run_id"], 1)
    assert 0 <= span.attributes["botanu.task.queue_ms"] < 900
    assert span.attributes["botanu.run.duration_ms"] < 900


@everywhere
def test_each_ending_is_an_outcome(place):
    """Of runs that tasks have opened: said once, whichever process has seen the end."""
    endings = {
        "where": ("success", None),
        "fails": ("failed", "ValueError"),
        "refuses": ("failed", "KeyError"),
        "unlucky": ("failed", "ConnectionError"),
        "ignored": (None, None),
        "rejected": ("failed", None),
    }
    published = {name: place.task(name).apply_async() for name in endings}
    late = place.task("where").apply_async(expires=-1)
    for name, (status, error) in endings.items():
        event = place.completion_of(published[name].id)
        assert (name, event.get("botanu.outcome.status")) == (name, status)
        assert event.get("botanu.outcome.error_type") == error or error is None
    assert place.completion_of(late.id)["botanu.outcome.status"] == "canceled"


@in_processes
def test_an_ending_that_the_task_cannot_see_is_an_outcome(place):
    """Its process is killed, its time is over: said by the child or, for it, the main process, and not by both."""
    endings = {
        "dies": ("failed", "WorkerLostError"),
        "stuck": ("timeout", "TimeLimitExceeded"),
        "slow": ("timeout", "SoftTimeLimitExceeded"),
    }
    published = {name: place.task(name).apply_async() for name in endings}
    for name, ending in endings.items():
        event = place.completion_of(published[name].id)
        assert (event["botanu.outcome.status"], event["botanu.outcome.error_type"]) == ending


@in_processes
def test_a_task_that_is_terminated_was_canceled_once(place, tmp_path):
    """While it runs."""
    result = place.task("waits", str(tmp_path / "log"), "t", str(tmp_path / "never")).apply_async()
    place.wait_for(lambda: any(each.startswith("resp-t-") for each in responses(place.receiver)))
    result.revoke(terminate=True)
    assert place.completion_of(result.id)["botanu.outcome.status"] == "canceled"


@in_processes
def test_a_child_that_is_killed_takes_only_what_it_had_not_sent(place, tmp_path):
    """The message is delivered again: both calls were made, both are in the ledger, none of them twice."""
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        result = place.task("dies_once", str(tmp_path / "marker"), 1).apply_async()
        assert got(result) == run.run_id
    found = place.entries_of(run.run_id, 2)
    assert sorted(each.attributes["gen_ai.response.id"] for each in found) == ["resp-1-first", "resp-1-second"]
    assert len({each.attributes["botanu.entry_id"] for each in found}) == 2


@everywhere
def test_a_message_that_is_delivered_again_is_executed_in_the_same_run(place, tmp_path):
    """Each of the two executions is in the ledger, once."""
    (log := tmp_path / "log").touch()
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        results = [place.task("requeued_once", str(log), number).apply_async() for number in range(5)]
        assert {got(result) for result in results} == {run.run_id}
    found = place.entries_of(run.run_id, 10)
    assert sorted(each.attributes["gen_ai.response.id"] for each in found) == sorted(log.read_text().split())
    assert len({each.attributes["botanu.entry_id"] for each in found}) == len(found) == 10
    ids = Counter(span.attributes["messaging.message.id"] for span in place.spans_of(run.run_id, 10))
    assert ids == Counter({result.id: 2 for result in results})


@everywhere
def test_a_broker_that_is_killed_in_mid_flight_costs_no_call(place, tmp_path):
    """Tasks are running, more are waiting: what is executed, and be it twice, is in the ledger as often."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    log.touch()
    # What a worker has reserved and not begun, Redis gives back after an hour: there, only what runs at once.
    running = 4 if place.server.url.startswith("redis") else 8
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        results = [place.task("waits", str(log), number, str(gate)).apply_async() for number in range(running)]
        place.wait_for(lambda: len(log.read_text().split()) >= 4 and entries(place.receiver))
        place.server.crash()
        gate.touch()
        results += [place.task("waits", str(log), number, str(gate)).apply_async() for number in range(8, 12)]
        assert {got(result) for result in results} == {run.run_id}
    found = place.entries_of(run.run_id, len(log.read_text().split()))
    told = [each.attributes["gen_ai.response.id"] for each in found]
    assert sorted(told) == sorted(log.read_text().split())
    assert len({each.attributes["botanu.entry_id"] for each in found}) == len(found)
