"""A help desk on Flask: each request is one run, and everything that happens in it carries the run's id.

    pip install "botanu[flask]" httpx
    python examples/flask_app.py

Needs no network: it serves itself on the loopback address, asks a model that is a fake, and prints the spans that an
exporter of yours would get.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
from flask import Flask, Response, abort, request
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from werkzeug.serving import WSGIRequestHandler, make_server

import botanu
from botanu.tracking.llm import track_llm_call
from botanu_flask import BotanuFlask

app = Flask("help-desk")
# Who it is for is known to every request: no view has to say it.
BotanuFlask(app, customer_id=lambda request: request.args.get("customer"))


def ask_model(question: str) -> Iterator[str]:
    """A fake model that answers word by word; a real client stands where the loop is."""
    with track_llm_call(provider="openai", model="gpt-5") as call:
        for word in ("Have", "you", "tried", "turning", "it", "off", "and", "on?"):
            yield f"{word} "
        call.set_tokens(input_tokens=len(question.split()), output_tokens=8)


@app.post("/tickets/<ticket_id>")
@botanu.event(workflow="Customer Support", event_id=lambda ticket_id: ticket_id)
def handle(ticket_id: str) -> dict[str, str]:
    """Names the run, asks the model, and says what it was good for."""
    with botanu.step("answer"):
        answer = "".join(ask_model(request.args["question"])).strip()
    botanu.emit_outcome("success", value_type="tickets_resolved", value_amount=1)
    return {"ticket": ticket_id, "answer": answer}


@app.get("/chat")
def chat() -> Response:
    """A streamed answer: the run goes on until the last word is out."""
    question = request.args["question"]

    def words() -> Iterator[str]:
        with botanu.event(workflow="Chat"):
            yield from ask_model(question)

    return Response(words(), mimetype="text/plain")


@app.get("/orders/<order_id>")
def order(order_id: str) -> None:
    """Breaks, so that there is a failed run to see."""
    abort(503, f"the warehouse does not answer for {order_id}")


class Quiet(WSGIRequestHandler):
    """Does not log every request."""

    def log_request(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def served() -> Iterator[str]:
    """Serve `app` on a free loopback port while the block lasts; yields the address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def show(spans: Sequence[ReadableSpan], parent: int | None = None, indent: str = "    ") -> None:
    """Print the spans of one request as a tree, with some of what Botanu says on them."""
    for span in spans:
        if (span.parent.span_id if span.parent else None) == parent:
            attributes = span.attributes or {}
            said = {name: attributes[key] for key, name in SHOWN.items() if key in attributes}
            print(f"{indent}{span.name}", *(f"{name}={value}" for name, value in said.items()), sep="  ")
            show(spans, span.context.span_id, indent + "    ")


SHOWN = {
    "botanu.workflow": "workflow",
    "botanu.customer_id": "customer",
    "botanu.step": "step",
    "gen_ai.usage.output_tokens": "tokens out",
    "botanu.outcome.status": "outcome",
}


def main() -> None:
    """Send three requests and show what each left behind."""
    # This example has no collector. Your service says OTEL_EXPORTER_OTLP_ENDPOINT instead of the next two lines.
    os.environ.setdefault("OTEL_METRICS_EXPORTER", "none")
    os.environ.setdefault("OTEL_LOGS_EXPORTER", "none")
    # An OpenTelemetry set-up as your service may have one. Botanu adds itself to it and replaces nothing.
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    botanu.enable(service_name="help-desk", instrument="none")

    with served() as url, httpx.Client(base_url=url) as client:
        responses = [
            client.post("/tickets/T-1", params={"customer": "acme", "question": "My kettle is cold."}),
            client.get("/chat", params={"question": "Is it plugged in?"}),
            client.get("/orders/O-7"),
        ]
    for response in responses:
        run_id = response.headers["x-botanu-run-id"]
        print(f"{response.request.method} {response.url.path}: {response.status_code}, run {run_id}")
        print(f"    {' '.join(response.text.split())}")
        show([span for span in exporter.get_finished_spans() if (span.attributes or {}).get("botanu.run_id") == run_id])
        print()
    botanu.disable()


if __name__ == "__main__":
    main()
