"""OpenTelemetry's own instrumentor for Celery, where an application has it: its spans are used, none made beside them.

It attaches a context before a task and detaches it after, by the same signals as we do, and the order of receivers is
the order in which they were connected. What is entered last must be left first, so ours have places of their own.
"""

import sys
from collections.abc import Callable
from typing import Any

from opentelemetry.trace import Span, SpanKind, get_current_span

__all__ = ["is_beside", "its_span", "to_the_end", "to_the_front"]

_MODULE = "opentelemetry.instrumentation.celery"


def is_beside(signal: Any) -> bool:
    """Whether it is instrumenting this process, and so is told of `signal`, as we are."""
    if len(signal.receivers) == 1:
        return False  # as mostly: that one is ours
    module = sys.modules.get(_MODULE)
    if module is None:
        return False
    # The one that there is, where there is one: asking the class for it costs more than all else here.
    instrumentor = getattr(getattr(module, "CeleryInstrumentor", None), "_instance", None)
    return getattr(instrumentor, "is_instrumented_by_opentelemetry", False) is True


def its_span() -> Span | None:
    """The span that it has made for the task that begins here; one that its sampler has dropped counts."""
    span = get_current_span()
    if span.is_recording():
        return span if getattr(span, "kind", None) is SpanKind.CONSUMER else None
    context = span.get_span_context()
    return span if context.is_valid and not context.is_remote else None


def to_the_front(signal: Any, receiver: Callable[..., Any]) -> None:
    """Be told before all others."""
    _moved(signal, receiver, 0)


def to_the_end(signal: Any, receiver: Callable[..., Any]) -> bool:
    """Be told after all others. Returns whether that was not so already."""
    if signal.receivers and signal.receivers[-1][1] is receiver:
        return False
    _moved(signal, receiver, len(signal.receivers))
    return True


def _moved(signal: Any, receiver: Callable[..., Any], place: int) -> None:
    # In place: Celery keeps the list itself.
    with signal.lock:
        for entry in [each for each in signal.receivers if each[1] is receiver]:
            signal.receivers.remove(entry)
            signal.receivers.insert(place, entry)
        signal.sender_receivers_cache.clear()
