"""One run across two services: the front desk calls research over HTTP, and both carry the same run id.

    pip install "botanu[fastapi]" fastapi uvicorn httpx opentelemetry-instrumentation-httpx
    python examples/two_services.py

Needs no network: both services, and a model provider that is somebody else's, listen on the loopback address. Printed
is what arrived at each of them: the run at our own service, and nothing of it at the provider.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

import botanu
from botanu_fastapi import BotanuMiddleware

PROVIDER = "api.provider.example"  # a public name, so Botanu counts it as outside
arrived: dict[str, dict[str, str]] = {}
addresses: dict[str, str] = {}

front_desk, research = FastAPI(title="Front desk"), FastAPI(title="Research")
front_desk.add_middleware(BotanuMiddleware)
research.add_middleware(BotanuMiddleware)


@front_desk.post("/tickets/{ticket_id}")
@botanu.event(workflow="Customer Support", event_id=lambda ticket_id: ticket_id, customer_id="acme")
def handle(ticket_id: str) -> dict[str, object]:
    """Opens the run, and asks research with a client that knows nothing of Botanu."""
    notes = httpx.get(f"{addresses['research']}/notes", params={"about": ticket_id}).json()
    return {"notes": notes, "run": botanu.get_run_id()}


@research.get("/notes")
def notes(about: str, request: Request) -> dict[str, object]:
    """Joins the run; asks the provider, who is told nothing."""
    arrived["research"] = dict(request.headers)
    # The name has no address here, so a proxy finds the way; to Botanu only the name matters.
    with httpx.Client(proxy=addresses["provider"]) as client:
        client.get(f"http://{PROVIDER}/v1/answers", params={"q": about})
    return {"run": botanu.get_run_id(), "workflow": botanu.get_workflow()}


async def provider(scope: Any, _: Any, send: Any) -> None:
    """Somebody else's service; it keeps what arrives, and answers nothing."""
    arrived["provider"] = {name.decode(): value.decode() for name, value in scope["headers"]}
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an application on a free loopback port while the block lasts; yields the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def main() -> None:
    """Send one ticket, and show what arrived where."""
    # This example has no collector. Your services say OTEL_EXPORTER_OTLP_ENDPOINT instead of the next two lines.
    os.environ.setdefault("OTEL_METRICS_EXPORTER", "none")
    os.environ.setdefault("OTEL_LOGS_EXPORTER", "none")
    exporter = InMemorySpanExporter()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(tracing)
    # In production each service is a process that says this once; here one process holds them all.
    botanu.enable(service_name="two-services", instrument=["httpx"])

    with served(front_desk) as front, served(research) as inside, served(provider) as outside:
        addresses.update(research=inside, provider=outside)
        response = httpx.post(f"{front}/tickets/T-1")

    run_id = response.headers["x-botanu-run-id"]
    print(f"run {run_id}: {response.json()}\n")
    for name, headers in arrived.items():
        print(f"arrived at {name}:")
        for header in ("traceparent", "baggage"):
            print(f"    {header}: {headers.get(header, '(nothing)').replace(',', ',' + chr(10) + ' ' * 13)}")
    spans = [span for span in exporter.get_finished_spans() if (span.attributes or {}).get("botanu.run_id") == run_id]
    servers = " and ".join(sorted(span.name for span in spans if span.kind is SpanKind.SERVER))
    print(f"\n{len(spans)} spans carry this run, among them the server spans of {servers}")
    assert "botanu" not in str(arrived["provider"]), "something of ours has left"
    botanu.disable()


if __name__ == "__main__":
    main()
