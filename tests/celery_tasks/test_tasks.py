"""What a task sees of its run, and what it leaves behind: on a broker in memory."""

import gc
import json
import weakref

import pytest
from celery import chain, chord, group, signature
from opentelemetry import baggage
from opentelemetry import context as otel
from opentelemetry.trace import SpanKind, StatusCode

import botanu
import botanu_celery
from tests.celery_tasks import tasks
from tests.celery_tasks.conftest import WITHIN_S, result_of

pytestmark = pytest.mark.usefixtures("worker")


def test_a_task_is_part_of_the_run_that_publishes_it(settled, completed):
    """Same run id; its own span below the publisher's; only the opener says that it is completed."""
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        seen = result_of(tasks.where.s())
    found = settled()
    (publish,), (process,) = found[f"publish {tasks.where.name}"], found[f"process {tasks.where.name}"]
    assert seen["run_id"] == run.run_id
    assert (publish.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert process.parent.span_id == publish.context.span_id
    assert process.attributes["botanu.run.joined"] is True
    assert process.attributes["botanu.outcome.status"] == "success"
    assert process.attributes["messaging.destination.name"] == "shop-tasks"
    assert process.attributes["messaging.message.id"] == publish.attributes["messaging.message.id"]
    assert [each["botanu.run_id"] for each in completed()].count(run.run_id) == 1


def test_the_books_say_how_many_tasks_a_run_has_published(settled, completed):
    """In the event of its opener, and on the span of each task that published more."""
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        result_of(tasks.publishes.s(3))
        result_of(tasks.where.s())
    (publishing,) = settled()[f"process {tasks.publishes.name}"]
    (event,) = [each for each in completed() if each["botanu.run_id"] == run.run_id]
    assert event["botanu.run.tasks_published"] == 2
    assert publishing.attributes["botanu.run.tasks_published"] == 3


def test_a_task_outside_any_run_opens_one_by_its_own_name(settled, completed):
    """Every one its own; complete when it ends."""
    first, second = tasks.where.delay(), tasks.where.delay()
    runs = {each.get(interval=0.01, timeout=WITHIN_S)["run_id"] for each in (first, second)}
    settled()
    events = [each for each in completed() if each["botanu.run_id"] in runs]
    assert len(runs) == len(events) == 2
    assert {each["botanu.workflow"] for each in events} == {tasks.where.name}
    assert {each["botanu.outcome.status"] for each in events} == {"success"}


def test_an_event_inside_a_task_names_the_run_that_the_task_has_opened(settled, completed):
    """One transaction, counted once."""
    seen = result_of(tasks.named.s("t-1"))
    settled()
    (event,) = [each for each in completed() if each["botanu.run_id"] == seen["run_id"]]
    assert (event["botanu.workflow"], event["botanu.event_id"]) == ("Customer Support", "t-1")


@pytest.mark.parametrize(
    "canvas",
    [
        lambda: chain(tasks.where.s(), tasks.where.s(), tasks.where.s()),
        lambda: group(tasks.where.s(), tasks.where.s()),
        lambda: chord([tasks.where.s(), tasks.where.s()], tasks.collect.s()),
        lambda: tasks.where.s().set(link=tasks.where.s()),
        lambda: tasks.where.chunks([(1,), (2,)], 1),
        lambda: tasks.where.starmap([(1,), (2,)]),
        lambda: tasks.replaced.s(),
        lambda: tasks.fails.s().set(link_error=tasks.where.s()),
        lambda: signature("tests.celery_tasks.tasks.where"),
    ],
    ids=["chain", "group", "chord", "link", "chunks", "starmap", "replace", "link_error", "by name"],
)
def test_every_part_of_a_canvas_is_in_the_run(canvas, settled):
    """Parts are published from inside others; a worker's publishing is in its task's run."""
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        canvas().apply_async().get(interval=0.01, timeout=WITHIN_S, propagate=False)
    found = [span for name, spans in settled().items() if name.startswith("process ") for span in spans]
    assert {span.attributes["botanu.run_id"] for span in found} == {run.run_id}
    assert all("botanu.run.joined" in span.attributes for span in found)


@pytest.mark.parametrize(
    ("task", "status", "span_status"),
    [
        (tasks.fails.s(), "failed", StatusCode.ERROR),
        (tasks.refuses.s(), "failed", StatusCode.UNSET),
        (tasks.unspeakable.s(), "failed", StatusCode.ERROR),
        (tasks.ignored.s(), None, StatusCode.UNSET),
        (tasks.rejected.s(), "failed", StatusCode.UNSET),
    ],
    ids=["failure", "throws", "a result that cannot be kept", "ignored", "rejected"],
)
def test_how_a_task_ends_is_how_its_run_ends(task, status, span_status, settled, completed):
    """By contract; a failure that the task `throws` is one that was expected."""
    task.apply_async()
    (span,) = settled()[f"process {task.task}"]
    (event,) = [each for each in completed() if each["botanu.run_id"] == span.attributes["botanu.run_id"]]
    assert event.get("botanu.outcome.status") == status
    assert span.status.status_code is span_status
    assert span.attributes.get("botanu.outcome.expected", False) is (task.task == tasks.refuses.name)


def test_waiting_is_not_run_time(settled):
    """A countdown is neither the run's duration nor time in the queue, which begins when the task is due."""
    tasks.where.apply_async(countdown=1).get(interval=0.01, timeout=WITHIN_S)
    (span,) = settled()[f"process {tasks.where.name}"]
    assert span.attributes["botanu.run.duration_ms"] < 900
    assert 0 <= span.attributes["botanu.task.queue_ms"] < 900


def test_a_revoked_task_cancels_its_run(settled, completed):
    """Nobody ran it; it is booked all the same."""
    tasks.where.apply_async(expires=-1)
    (span,) = settled()[f"process {tasks.where.name}"]
    (event,) = [each for each in completed() if each["botanu.run_id"] == span.attributes["botanu.run_id"]]
    assert event["botanu.outcome.status"] == "canceled"


def test_baggage_of_the_application_arrives_whichever_way_it_was_given(settled):
    """From the context and from a header of its own; the header is not replaced, and does not grow on retries."""
    token = otel.attach(baggage.set_baggage("tier", "gold"))
    try:
        seen = result_of(tasks.where.s())
        own = tasks.where.apply_async(headers={"baggage": "tier=silver,x=1"}).get(interval=0.01, timeout=WITHIN_S)
    finally:
        otel.detach(token)
    assert (seen["tier"], own["tier"]) == ("gold", "silver")


STRANGE = [
    {"botanu_run": "nonsense"},
    {"botanu_run": "x" * 100_000},
    {"botanu_run": {"a": ["list"]}, "botanu_run_id": 7},
    {"botanu_run": "botanu.run_id=../../etc/passwd"},
    {"botanu_run": "botanu.run_id=\r\nx"},
    {"botanu_sent": "yesterday", "traceparent": ["a"], "baggage": 7},
    {"botanu_sent": "9" * 400},
    {"headers": {"botanu_run": None}},
]


@pytest.mark.parametrize("headers", [None, {}, *STRANGE], ids=range(len(STRANGE) + 2))
def test_strange_headers_change_nothing_for_the_task(headers, settled, caplog):
    """It runs, in a run of its own; nothing of theirs is said."""
    seen = tasks.where.apply_async(headers=headers).get(interval=0.01, timeout=WITHIN_S)
    settled()
    assert len(seen["run_id"]) == 36
    assert "passwd" not in caplog.text
    caplog.clear()


def test_a_run_in_the_application_s_own_hand_gives_way_to_the_one_that_is_current(settled):
    """Where there is a run, the header is ours."""
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        seen = tasks.where.apply_async(headers={"botanu_run": "mine", "botanu_run_id": "mine"}).get(
            interval=0.01, timeout=WITHIN_S
        )
    assert seen["run_id"] == run.run_id


def test_headers_that_others_nest_do_not_hide_the_run(settled):
    """Of those the worker makes all that it shows of headers."""
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        seen = tasks.where.apply_async(headers={"headers": {"x": "1"}}).get(interval=0.01, timeout=WITHIN_S)
    assert seen["run_id"] == run.run_id


def test_stamps_are_those_of_the_application(spans):
    """The run is none of them, and takes none away."""
    stamped = tasks.where.s().stamp(tenant="acme")
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        with tasks.app.connection_for_write("memory://stamped") as connection:
            stamped.apply_async(connection=connection, queue="stamped")
            headers = connection.SimpleQueue("stamped").get(timeout=WITHIN_S).headers
    assert headers["stamped_headers"] == ["tenant"]
    assert headers["stamps"] == {"tenant": "acme"}
    assert headers["botanu_run_id"] == run.run_id


def test_celery_s_own_housekeeping_opens_no_run(spans, completed):
    """It is nobody's transaction."""
    tasks.app.tasks["celery.backend_cleanup"].apply()
    assert (completed(), spans.get_finished_spans()) == ([], ())


def test_the_first_protocol_carries_the_run_as_well(settled, monkeypatch):
    """Its headers are empty but for ours."""
    monkeypatch.setitem(tasks.app.amqp.__dict__, "as_task_v2", tasks.app.amqp.as_task_v1)
    monkeypatch.setattr(tasks.app.amqp, "_create_task_message", None, raising=False)
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        with tasks.app.connection_for_write() as connection:
            message = tasks.app.amqp.as_task_v1("by-hand", tasks.where.name, (), {})
            producer = tasks.app.amqp.Producer(connection)
            tasks.app.amqp.send_task_message(producer, tasks.where.name, message)
    (span,) = settled()[f"process {tasks.where.name}"]
    assert span.attributes["botanu.run_id"] == run.run_id


# --- in place --------------------------------------------------------------------------------------------------


def test_a_task_called_in_place_stays_in_the_run_that_calls_it(settled):
    """`apply` and a plain call inside a task; what was current before is current after."""
    seen = result_of(tasks.applies.s())
    assert len(set(seen.values())) == 1


def test_an_eager_task_joins_the_run_around_it(spans):
    """Without messages or headers."""
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        seen = tasks.where.apply().get()
        assert botanu.get_run_id() == run.run_id
    (span,) = [each for each in spans.get_finished_spans() if each.name == f"process {tasks.where.name}"]
    assert seen["run_id"] == run.run_id == span.attributes["botanu.run_id"]
    assert span.kind is SpanKind.INTERNAL


def test_an_eager_task_outside_a_run_opens_one(spans, completed):
    """Complete when it returns; nothing is left current."""
    seen = tasks.where.apply().get()
    assert [each["botanu.run_id"] for each in completed()] == [seen["run_id"]]
    assert botanu.get_run_id() is None


def test_eager_retries_are_one_run_that_ends_as_the_last_attempt_does(spans, completed):
    """Attempts are inside of each other there."""
    seen = tasks.flaky.apply(args=(2,)).get()
    attempts = [span for span in spans.get_finished_spans() if span.name == f"process {tasks.flaky.name}"]
    (event,) = completed()
    assert event["botanu.run_id"] == seen["run_id"]
    assert event["botanu.outcome.status"] == "success"
    assert sorted(span.attributes["botanu.task.attempt"] for span in attempts) == [1, 2, 3]


def test_a_failure_that_an_eager_task_raises_at_its_caller_is_no_success(spans, completed):
    """Celery says no state at all then."""
    with pytest.raises(ValueError, match="no such order"):
        tasks.fails.apply(throw=True)
    (event,) = completed()
    assert (event["botanu.outcome.status"], event["botanu.outcome.error_type"]) == ("failed", "ValueError")


@pytest.mark.parametrize("code", [0, 1, None])
def test_a_task_that_leaves_as_programs_do_was_canceled(code, spans, completed):
    """No state is never success."""
    with pytest.raises(SystemExit):
        tasks.exits.apply(args=(code,), throw=True)
    (event,) = completed()
    assert event["botanu.outcome.status"] == "canceled"


class Letter:
    """What a task may be given in place."""


def test_what_a_task_was_given_is_let_go_of_when_it_ends(spans):
    """At once, and not when the garbage collector comes by: a worker executes thousands of them in between."""
    letter = Letter()
    kept = weakref.ref(letter)
    gc.disable()
    try:
        tasks.where.apply(args=(letter,))
        del letter
        assert kept() is None
    finally:
        gc.enable()


# --- set-up ----------------------------------------------------------------------------------------------------


def test_installing_twice_is_installing_once(spans):
    """And with the options of the last time."""
    for workflow in ("Old", "New"):
        botanu_celery.install(tasks.app, workflow=workflow)
    assert tasks.where.apply().get()["workflow"] == "New"
    assert [span.name for span in spans.get_finished_spans()] == [f"process {tasks.where.name}"]


def test_uninstalled_nothing_is_left(spans):
    """No handler, no span, no run."""
    instrumentor = botanu_celery.BotanuCelery()
    instrumentor.uninstrument()
    assert not instrumentor.is_instrumented_by_opentelemetry
    assert tasks.where.apply().get()["run_id"] is None
    assert spans.get_finished_spans() == ()
    instrumentor.instrument(tracer_provider=None)
    assert instrumentor.is_instrumented_by_opentelemetry
    assert tasks.where.apply().get()["run_id"] is not None


def test_functions_of_the_task_name_its_run(spans):
    """Workflow, event and customer, from name, args and kwargs."""
    botanu_celery.install(
        tasks.app,
        workflow=lambda name, args, kwargs: name.rpartition(".")[2],
        event_id=lambda name, args, kwargs: args[0],
        customer_id=lambda name, args, kwargs: kwargs["customer"],
    )
    tasks.ask.apply(args=(17,)).get()
    (span,) = [each for each in spans.get_finished_spans() if each.name.startswith("process ")]
    assert span.attributes["botanu.workflow"] == "ask"
    assert span.attributes["botanu.event_id"] == "17"
    assert "botanu.customer_id" not in span.attributes


def test_a_function_that_fails_leaves_its_id_out(spans, caplog):
    """Said once; the task goes on."""
    botanu_celery.install(tasks.app, customer_id=lambda name, args, kwargs: kwargs["customer"])
    assert tasks.where.apply().get()["run_id"]
    assert caplog.text.count("the function given for customer_id failed") == 1
    caplog.clear()


@pytest.mark.parametrize("exclude", [["tests.*"], [tasks.where.name], [lambda name, args, kwargs: True]])
def test_what_is_excluded_has_no_run_and_no_header(exclude, settled):
    """Whether or not there is a run around."""
    botanu_celery.install(tasks.app, exclude=exclude)
    with botanu.event(workflow="Refund", event_id="o-1"):
        seen = result_of(tasks.where.s())
    assert seen["run_id"] is None


def test_headers_only_publishes_without_a_span_of_ours(settled):
    """For services that export no telemetry; the run travels all the same, and the trace as far as there is one."""
    botanu_celery.install(tasks.app, headers_only=True)
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        seen = result_of(tasks.where.s())
    assert seen["run_id"] == run.run_id
    assert f"publish {tasks.where.name}" not in settled()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workflows": "x"}, "workflows is no option"),
        ({"workflow": " "}, "workflow must be 1 to 256 printable characters"),
        ({"event_id": "o-1"}, "event_id must be a function of the task's name, args and kwargs"),
        ({"customer_id": lambda task: task}, "which .* does not take"),
        ({"exclude": "tests.*"}, "exclude must be a list"),
        ({"lifetime_s": 0}, "lifetime_s must be a positive number"),
        ({"headers_only": "yes"}, "headers_only must be True or False"),
    ],
)
def test_a_wrong_option_says_so_at_set_up(options, said):
    """And what would be right."""
    with pytest.raises(botanu.ConfigError, match=said):
        botanu_celery.install(tasks.app, **options)


def test_a_publish_that_fails_ends_its_span(spans, monkeypatch):
    """Celery does not say that it failed; the span is not left open for ever."""
    with tasks.app.connection_for_write("amqp://127.0.0.1:1//") as nowhere:
        with pytest.raises(Exception, match=r"refused|Connection"):
            tasks.where.apply_async(connection=nowhere, retry=False)
    (span,) = spans.get_finished_spans()
    assert span.name == f"publish {tasks.where.name}"
    assert span.status.status_code is StatusCode.ERROR


def test_what_stands_on_a_message_is_plain_text(spans):
    """Whatever a broker or a serializer does with it."""
    with botanu.event(workflow="Refund", event_id="o-1") as run:
        with tasks.app.connection_for_write("memory://elsewhere") as connection:
            tasks.where.apply_async(connection=connection, queue="kept")
            headers = connection.SimpleQueue("kept").get(timeout=WITHIN_S).headers
    assert json.loads(json.dumps(headers))["botanu_run_id"] == run.run_id
    assert headers["stamped_headers"] is None
