"""The spans of a task alone, connected to Celery's signals as any instrumentation has to be that patches nothing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import signals
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

__all__ = ["spans_alone"]


@contextmanager
def spans_alone(provider: TracerProvider, propagator: Any) -> Iterator[None]:
    """A PRODUCER and a CONSUMER span, the one the other's parent: destination, task id, queue time and attempt.

    Args:
        provider: Of the spans.
        propagator: Writes and reads the message's trace.
    """
    tracer, fields = provider.get_tracer("bench"), tuple(propagator.fields)
    open_spans: list[Any] = []

    def before(sender: str, headers: Any, routing_key: str, **_: Any) -> None:
        given = _attributes("publish", routing_key, headers["id"])
        headers["sent"] = str(int(time.time() * 1000))
        span = tracer.start_span(f"publish {sender}", kind=SpanKind.PRODUCER, attributes=given)
        propagator.inject(headers, trace.set_span_in_context(span))
        open_spans.append(span)

    def after(**_: Any) -> None:
        open_spans.pop().end()

    def prerun(sender: Any, **_: Any) -> None:
        request = sender.request
        carrier = {name: value for name in fields if (value := getattr(request, name, None)) is not None}
        context = propagator.extract(carrier, Context())
        given = _attributes("process", request.delivery_info["routing_key"], request.id)
        given["celery.attempt"] = request.retries + 1
        given["celery.queue_ms"] = time.time() * 1000 - float(request.sent)
        span = tracer.start_span(f"process {sender.name}", context, SpanKind.CONSUMER, given)
        open_spans.append((span, attach(trace.set_span_in_context(span, context))))

    def postrun(**_: Any) -> None:
        span, token = open_spans.pop()
        detach(token)
        span.end()

    connected = (
        (signals.before_task_publish, before),
        (signals.after_task_publish, after),
        (signals.task_prerun, prerun),
        (signals.task_postrun, postrun),
    )
    for signal, receiver in connected:
        signal.connect(receiver, weak=False)
    with tracer.start_as_current_span("request"):
        yield
    for signal, receiver in connected:
        signal.disconnect(receiver)


def _attributes(operation: str, destination: str, message_id: str) -> dict[str, Any]:
    return {
        "messaging.system": "celery",
        "messaging.operation.name": operation,
        "messaging.destination.name": destination,
        "messaging.message.id": message_id,
    }
