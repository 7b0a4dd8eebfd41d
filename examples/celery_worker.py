"""A help desk that answers in the background: the run begins in one process and goes on in a worker.

    pip install "botanu[celery]"
    python examples/celery_worker.py

Needs no network and no broker: messages go through a directory. The worker is a process of its own, a real
``celery worker``; an exporter that prints stands where your collector is.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from celery import Celery, chord
from celery.result import AsyncResult
from kombu.transport import TRANSPORT_ALIASES, filesystem
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

import botanu
import botanu_celery
from botanu.tracking.llm import track_llm_call

QUEUE = Path(os.environ.get("DESK_QUEUE", tempfile.gettempdir()))


class Directory(filesystem.Channel):
    """kombu's, whose messages appear whole: its own are there before they are written, and a worker may be quicker."""

    def _put(self, queue: str, payload: object, **_: object) -> None:
        written = QUEUE / f"{time.time_ns()}-{uuid.uuid4()}.{queue}"
        written.write_text(json.dumps(payload))
        written.rename(f"{written}.msg")


class Transport(filesystem.Transport):
    """A broker of yours stands in its place."""

    Channel = Directory


TRANSPORT_ALIASES["directory"] = f"{__name__}:Transport"
app = Celery("desk", broker="directory://", backend=f"file://{QUEUE}")
app.conf.broker_transport_options = {
    "data_folder_in": str(QUEUE),
    "data_folder_out": str(QUEUE),
    "control_folder": str(QUEUE / "control"),
    "polling_interval": 0.05,
}
app.conf.result_chord_retry_interval = 0.1
app.conf.worker_redirect_stdouts = False
botanu_celery.install(app, customer_id=lambda _name, _args, kwargs: kwargs.get("customer"))


@app.task(bind=True, max_retries=3)
def research(self, question: str, customer: str) -> str:
    """Asks a model that is busy at first: each try is an attempt in the same run."""
    del customer  # said to whom the run belongs, by the option above
    if "fuse" in question and self.request.retries == 0:
        raise self.retry(countdown=0)
    with track_llm_call(provider="openai", model="gpt-5") as call:
        call.set_tokens(input_tokens=len(question.split()), output_tokens=8)
    return f"About {question!r}: have you tried turning it off and on?"


@app.task
def answer(found: list[str], customer: str) -> str:
    """Is called with what all the research has found."""
    return f"Dear {customer}, {len(found)} things. " + " ".join(found)


class Printing(SpanExporter):
    """Stands where an OTLP exporter would."""

    def export(self, spans: list[ReadableSpan]) -> SpanExportResult:
        """One line a span."""
        for span in spans:
            known = span.attributes or {}
            said = [f"{name}={known[key]}" for key, name in SHOWN.items() if key in known]
            print(f"{known.get('botanu.run_id', 'no run')}  {span.name}", *said, sep="  ", flush=True)
        return SpanExportResult.SUCCESS


SHOWN = {
    "botanu.workflow": "workflow",
    "botanu.customer_id": "customer",
    "botanu.task.attempt": "attempt",
    "gen_ai.usage.output_tokens": "tokens out",
    "botanu.run.tasks_published": "tasks published",
    "botanu.outcome.status": "outcome",
}


def set_up() -> None:
    """As in every process of yours, with OTEL_EXPORTER_OTLP_ENDPOINT instead of the printing."""
    os.environ.setdefault("OTEL_METRICS_EXPORTER", "none")
    os.environ.setdefault("OTEL_LOGS_EXPORTER", "none")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Printing()))
    trace.set_tracer_provider(provider)
    botanu.enable(service_name="help-desk", instrument="none")


def publish(customer: str, *questions: str) -> AsyncResult:
    """Publish the research, and the letter that is written when there is all of it."""
    with botanu.event(workflow="Customer Support", event_id="T-1"):
        parts = [research.s(question, customer=customer) for question in questions]
        return chord(parts, answer.s(customer=customer)).apply_async()


def ask() -> None:
    """Publish some tasks, start a worker, and read the letter; a web service would not wait."""
    letter = publish("acme", "My kettle is cold", "Which fuse is it")
    # Not before: two that tell the directory of their queue at once may read what is half written.
    worker = subprocess.Popen([sys.executable, __file__, "worker"])
    try:
        print(letter.get(timeout=50, interval=0.05))
    finally:
        worker.terminate()
        worker.wait(30)


def main() -> None:
    """In a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory() as queue:
        environment = os.environ | {"DESK_QUEUE": queue, "PYTHONWARNINGS": "ignore"}
        subprocess.run([sys.executable, __file__, "ask"], env=environment, check=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        set_up()
        alone = ["--without-mingle", "--without-gossip", "--without-heartbeat"]
        app.worker_main(["--quiet", "worker", "--pool", "solo", "--loglevel", "ERROR", *alone])
    elif sys.argv[1:] == ["ask"]:
        set_up()
        ask()
    else:
        main()
