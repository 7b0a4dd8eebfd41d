"""A help desk on Django, in one file: each request is one run, and everything that happens in it carries the run's id.

    pip install "botanu[django]"
    python examples/django_app.py

Needs no network: it serves itself on the loopback address, asks a model that is a fake, and prints the spans that an
exporter of yours would get.
"""

import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.urls import path
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import botanu
from botanu.tracking.llm import track_llm_call

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    BOTANU={"customer_id": lambda request: request.GET.get("customer")},
    LOGGING={"version": 1, "loggers": {"django.request": {"handlers": [], "propagate": False, "level": "CRITICAL"}}},
    MIDDLEWARE=["botanu_django.RunMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for this example",
)


def ask_model(question: str) -> Iterator[str]:
    """A fake model that answers word by word; a real client stands where the loop is."""
    with track_llm_call(provider="openai", model="gpt-5") as call:
        for word in ("Have", "you", "tried", "turning", "it", "off", "and", "on?"):
            yield f"{word} "
        call.set_tokens(input_tokens=len(question.split()), output_tokens=8)


@botanu.event(workflow="Customer Support", event_id=lambda ticket_id: ticket_id)
def handle(request: HttpRequest, ticket_id: str) -> HttpResponse:
    """Names the run, asks the model, and says what it was good for."""
    with botanu.step("answer"):
        answer = "".join(ask_model(request.GET["question"])).strip()
    botanu.emit_outcome("success", value_type="tickets_resolved", value_amount=1)
    return JsonResponse({"ticket": ticket_id, "answer": answer})


def chat(request: HttpRequest) -> HttpResponseBase:
    """A streamed answer: the run goes on until the last word is out."""

    def words() -> Iterator[str]:
        with botanu.event(workflow="Chat"):
            yield from ask_model(request.GET["question"])

    return StreamingHttpResponse(words(), content_type="text/plain")


def order(_request: HttpRequest, order_id: str) -> HttpResponse:
    """Breaks, so that there is a failed run to see."""
    raise LookupError(f"the warehouse does not answer for {order_id}")


urlpatterns = [
    path("tickets/<str:ticket_id>", handle),
    path("chat", chat),
    path("orders/<str:order_id>", order),
]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served() -> Iterator[str]:
    """Serve the project on a free loopback port while the block lasts; yields the address."""
    with make_server("127.0.0.1", 0, get_wsgi_application(), _Server, _Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def send(url: str, **parameters: str) -> tuple[int, str, str]:
    """Status, run id and text of a GET request."""
    try:
        answer = urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(parameters)}")
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers["x-botanu-run-id"], answer.read().decode().strip()


def show(spans: Sequence[ReadableSpan], parent: int | None = None, indent: str = "    ") -> None:
    """Print the spans of one request as a tree, with some of what Botanu says on them."""
    for span in spans:
        if (span.parent.span_id if span.parent else None) == parent:
            known = span.attributes or {}
            print(f"{indent}{span.name}", *(f"{SHOWN[key]}={known[key]}" for key in SHOWN if key in known), sep="  ")
            show(spans, span.context.span_id, indent + "    ")


SHOWN = {
    "botanu.workflow": "workflow",
    "botanu.customer_id": "customer",
    "botanu.step": "step",
    "gen_ai.usage.output_tokens": "tokens out",
    "botanu.outcome.status": "outcome",
    "error.type": "error",
}


def main() -> None:
    """Send some requests, and show what each left behind."""
    # This example has no collector. Your service says OTEL_EXPORTER_OTLP_ENDPOINT instead of the next two lines.
    os.environ.setdefault("OTEL_METRICS_EXPORTER", "none")
    os.environ.setdefault("OTEL_LOGS_EXPORTER", "none")
    # An OpenTelemetry set-up as your service may have one. Botanu adds itself to it and replaces nothing.
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    botanu.enable(service_name="help-desk", instrument="none")

    with served() as url:
        for asked, parameters in (
            ("/tickets/T-1", {"customer": "acme", "question": "My kettle is cold."}),
            ("/chat", {"customer": "globex", "question": "Is it plugged in?"}),
            ("/orders/O-7", {"customer": "acme"}),
        ):
            status, run_id, text = send(url + asked, **parameters)
            print(f"GET {asked}: {status}, run {run_id}")
            if status == 200:
                print(f"    {text}")
            show([span for span in exporter.get_finished_spans() if (span.attributes or {})["botanu.run_id"] == run_id])
            print()
    botanu.disable()


if __name__ == "__main__":
    main()
