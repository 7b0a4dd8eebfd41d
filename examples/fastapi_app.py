"""A help desk on FastAPI: each request is one run, and everything that happens in it carries the run's id.

    pip install "botanu[fastapi]" fastapi "uvicorn[standard]" httpx
    python examples/fastapi_app.py

Needs no network: it serves itself on the loopback address, asks a model that is a fake, and prints the spans that an
exporter of yours would get.
"""

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from websockets.sync.client import connect

import botanu
from botanu.tracking.llm import track_llm_call
from botanu_fastapi import BotanuMiddleware

app = FastAPI(title="Help desk")
app.add_middleware(
    BotanuMiddleware,
    tenant_id=lambda request: request.headers.get("x-tenant"),
    exclude=["/health"],
)


def ask_model(question: str) -> Iterator[str]:
    """A fake model that answers word by word; a real client stands where the loop is."""
    with track_llm_call(provider="openai", model="gpt-5") as call:
        for word in ("Have", "you", "tried", "turning", "it", "off", "and", "on?"):
            yield f"{word} "
        call.set_tokens(input_tokens=len(question.split()), output_tokens=8)


@app.post("/tickets/{ticket_id}")
@botanu.event(workflow="Customer Support", event_id=lambda ticket_id: ticket_id)
def handle(ticket_id: str, customer: str, question: str) -> dict[str, str]:
    """Names the run, asks the model, and says what it was good for."""
    botanu.set_business_context(customer_id=customer)
    with botanu.step("answer"):
        answer = "".join(ask_model(question)).strip()
    botanu.emit_outcome("success", value_type="tickets_resolved", value_amount=1)
    return {"ticket": ticket_id, "answer": answer}


@app.get("/chat")
def chat(question: str) -> StreamingResponse:
    """A streamed answer: the run goes on until the last word is out."""

    def words() -> Iterator[str]:
        with botanu.event(workflow="Chat"):
            yield from ask_model(question)

    return StreamingResponse(words(), media_type="text/plain")


@app.get("/orders/{order_id}")
def order(order_id: str) -> None:
    """Breaks, so that there is a failed run to see."""
    raise HTTPException(503, f"the warehouse does not answer for {order_id}")


@app.get("/health")
def health() -> dict[str, str]:
    """Asked every second by who watches over us: no run."""
    return {"status": "up"}


@app.websocket("/live")
async def live(socket: WebSocket) -> None:
    """A conversation: one run, whatever is said in it."""
    await socket.accept()
    async for question in socket.iter_text():
        await socket.send_text("".join(ask_model(question)).strip())


@contextmanager
def served() -> Iterator[str]:
    """Serve `app` on a free loopback port while the block lasts; yields the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def show(spans: Sequence[ReadableSpan], parent: int | None = None, indent: str = "    ") -> None:
    """Print the spans of one request as a tree, with some of what Botanu says on them."""
    for span in spans:
        if (span.parent.span_id if span.parent else None) == parent:
            known = span.attributes or {}
            said = [f"{name}={known[key]}" for key, name in SHOWN.items() if key in known]
            print(f"{indent}{span.name}", *said, sep="  ")
            show(spans, span.context.span_id, indent + "    ")


SHOWN = {
    "botanu.workflow": "workflow",
    "botanu.customer_id": "customer",
    "botanu.tenant_id": "tenant",
    "botanu.step": "step",
    "gen_ai.usage.output_tokens": "tokens out",
    "botanu.outcome.status": "outcome",
}


def main() -> None:
    """Send some requests, talk a little, and show what each left behind."""
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
            client.post(
                "/tickets/T-1",
                params={"customer": "acme", "question": "My kettle is cold."},
                headers={"x-tenant": "kettles-inc"},
            ),
            client.get("/chat", params={"question": "Is it plugged in?"}),
            client.get("/orders/O-7"),
            client.get("/health"),
        ]
        with connect(url.replace("http", "ws") + "/live") as talk:
            talk.send("And the fuse?")
            answer = talk.recv()
            live_run = talk.response.headers["x-botanu-run-id"] if talk.response else ""

    def show_run(run_id: str) -> None:
        show([span for span in exporter.get_finished_spans() if (span.attributes or {}).get("botanu.run_id") == run_id])
        print()

    for response in responses:
        run_id = response.headers.get("x-botanu-run-id", "(none: it is excluded)")
        print(f"{response.request.method} {response.url.path}: {response.status_code}, run {run_id}")
        print(f"    {response.text.strip()}")
        show_run(run_id)
    print(f"a websocket, run {live_run}")
    print(f"    {answer!s}")
    show_run(live_run)
    botanu.disable()


if __name__ == "__main__":
    main()
