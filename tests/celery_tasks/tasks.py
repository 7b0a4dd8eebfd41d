"""A Celery application as people write them, for workers in this process and in others."""

import os
import signal
from threading import Event

from celery import Celery
from celery.exceptions import Ignore, Reject
from opentelemetry import baggage, trace

import botanu
import botanu_celery
from botanu.tracking.llm import track_llm_call

app = Celery("shop", broker=os.environ.get("SHOP_BROKER", "memory://"))
app.conf.update(
    result_backend=os.environ.get("SHOP_BACKEND", "cache+memory://"),
    broker_transport_options={"polling_interval": 0.01},
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    task_default_queue=os.environ.get("SHOP_QUEUE", "shop-tasks"),
    result_extended=False,
    # Seconds, not the usual forty, until a worker gives up on results that nobody takes.
    result_backend_transport_options={"retry_policy": {"max_retries": 1, "interval_step": 0.1}},
    # On RabbitMQ it asks for another prefetch count while threads acknowledge on that channel, and may hang in it.
    worker_enable_prefetch_count_reduction=False,
    worker_lost_wait=0.2,  # seconds that a process which is gone may still have an answer on its way
)
if os.environ.get("SHOP_BOTANU", "on") == "on":
    botanu_celery.install(app)
if os.environ.get("SHOP_ENABLE") == "on":
    botanu.enable(service_name="shop-worker", instrument="none")
if os.environ.get("SHOP_CONTRIB") == "on":
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    CeleryInstrumentor().instrument(use_span_links=os.environ.get("SHOP_LINKS") == "on")


@app.task
def where(*_earlier):
    """What a task sees of its run."""
    span = trace.get_current_span()
    return {
        "run_id": botanu.get_run_id(),
        "workflow": botanu.get_workflow(),
        "trace": f"{span.get_span_context().trace_id:032x}",
        "tier": baggage.get_baggage("tier"),
        "pid": os.getpid(),
    }


@app.task
def ask(number, *_earlier):
    """One model call, with an id of its own."""
    with track_llm_call(provider="openai", model="gpt-5") as call:
        call.set_request_id(f"resp-{number}")
        call.set_tokens(input_tokens=1000, output_tokens=100)
    return {"run_id": botanu.get_run_id(), "response": f"resp-{number}"}


def executed(log, number):
    """One model call, and beside all telemetry a line in a file that says so."""
    call = f"{number}-{os.urandom(4).hex()}"
    with open(log, "a", encoding="utf-8") as lines:
        lines.write(f"resp-{call}\n")
    ask(call)


@app.task
def waits(log, number, gate):
    """Asks, and goes on when there is a file."""
    executed(log, number)
    while not os.path.exists(gate):
        Event().wait(0.02)
    return botanu.get_run_id()


@app.task(acks_late=True)
def requeued_once(log, number):
    """Puts its message back the first time."""
    with open(log, encoding="utf-8") as lines:
        is_first = f"resp-{number}-" not in lines.read()
    executed(log, number)
    if is_first:
        raise Reject("not now", requeue=True)
    return botanu.get_run_id()


@app.task
def collect(found):
    """The body of a chord."""
    return {"run_id": botanu.get_run_id(), "runs": sorted({each["run_id"] for each in found}), "parts": len(found)}


@app.task(bind=True, max_retries=5)
def flaky(self, times, number=None):
    """Succeeds after so many retries; each attempt asks the model."""
    attempt = self.request.retries
    if number is not None:
        ask(f"{number}-{attempt}")
    if attempt < times:
        raise self.retry(countdown=0)
    return {"run_id": botanu.get_run_id(), "attempt": attempt + 1}


@app.task(bind=True, max_retries=5)
def flaky_inside(self, times):
    """Is retried out of a run that it has nested in its own."""
    with botanu.event(workflow="Outer", event_id="o"), botanu.event(workflow="Inner", event_id="i"):
        if self.request.retries < times:
            raise self.retry(countdown=0)
    return {"run_id": botanu.get_run_id(), "attempt": self.request.retries + 1}


@app.task(autoretry_for=(ConnectionError,), max_retries=2, default_retry_delay=0)
def unlucky():
    """Is retried by Celery, and fails in the end."""
    raise ConnectionError("the warehouse does not answer")


@app.task
def fails():
    """Fails."""
    raise ValueError("no such order")


@app.task(throws=(KeyError,))
def refuses():
    """Fails as its author expects."""
    raise KeyError("order")


@app.task(soft_time_limit=1, time_limit=30)
def slow():
    """Is told that its time is over."""
    Event().wait(20)


@app.task(time_limit=1)
def stuck():
    """Is killed when its time is over."""
    Event().wait(20)


@app.task
def exits(code):
    """Leaves as programs do."""
    raise SystemExit(code)


@app.task
def unspeakable():
    """Returns what no backend can keep."""
    return object()


@app.task
def ignored():
    """Wants no result."""
    raise Ignore()


@app.task
def rejected(requeue=False):
    """Wants its message gone."""
    raise Reject("no", requeue=requeue)


@app.task(bind=True)
def replaced(self):
    """Lets another do its work."""
    raise self.replace(where.s())


@app.task
def publishes(times):
    """Publishes so many others."""
    for _ in range(times):
        where.delay()
    return botanu.get_run_id()


@app.task
def named(ticket):
    """Names its run."""
    with botanu.event(workflow="Customer Support", event_id=ticket):
        return where()


@app.task
def applies():
    """Calls another in place."""
    inner = where.apply().get(disable_sync_subtasks=False)
    return {"before": inner["run_id"], "after": botanu.get_run_id(), "called": where()["run_id"]}


@app.task(acks_late=True, reject_on_worker_lost=True, bind=True)
def dies_once(self, marker, number):
    """Kills its process the first time, with a call made before; it is delivered again."""
    ask(f"{number}-{'second' if os.path.exists(marker) else 'first'}")
    if not os.path.exists(marker):
        with open(marker, "w", encoding="utf-8"):
            pass
        botanu.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return botanu.get_run_id()


@app.task
def dies():
    """Kills its process."""
    os.kill(os.getpid(), signal.SIGKILL)
