"""What a task's message carries of ours, and how it is read: a run, its id, the moment of publishing, and a trace."""

import functools
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator

from botanu_core import adapter

__all__ = ["RUN", "RUN_ID", "SENT", "context_of", "opens_nothing", "queue_ms", "said", "trace_onto"]

RUN: Final = "botanu_run"
RUN_ID: Final = "botanu_run_id"
SENT: Final = "botanu_sent"
"""Unix milliseconds, in digits: headers are texts, whatever the broker makes of them."""

_BAGGAGE: Final = adapter.BAGGAGE_HEADER
_MAX_CHARS: Final = 8192
_MAX_DIGITS: Final = 14  # Unix milliseconds have 13 until the year 2286
_MAPS: Final = frozenset({"celery.map", "celery.starmap", "celery.chunks"})


def opens_nothing(name: str) -> bool:
    """Whether a task is Celery's own housekeeping, which goes on with a run and never begins one."""
    return name.startswith("celery.") and name not in _MAPS


def said(request: Any, name: str) -> str | None:
    """A header of a message, from wherever this release and this protocol leave it; `None` for no text of use.

    An attribute of the request first: what others nest under ``headers`` hides the rest of them.
    """
    value = getattr(request, name, None)
    if value is None:
        headers = getattr(request, "headers", None)
        value = headers.get(name) if type(headers) is dict or isinstance(headers, Mapping) else None
    return value if isinstance(value, str) and len(value) <= _MAX_CHARS else None


def queue_ms(request: Any) -> float | None:
    """Milliseconds between when a task was due, its ETA or its publishing, and now; `None` where nobody says."""
    sent = said(request, SENT)
    if sent is None or len(sent) > _MAX_DIGITS or not (sent.isascii() and sent.isdigit()):
        return None
    due_ms, now_ms, eta = float(sent), time.time() * 1000, request.eta
    if isinstance(eta, str):
        try:
            due_ms = max(due_ms, datetime.fromisoformat(eta).timestamp() * 1000)
        except ValueError:
            pass
    return now_ms - due_ms if now_ms > due_ms else 0.0


def context_of(request: Any) -> Context:
    """The trace and the baggage that a message carries, upon nothing: what is current in a worker is no parent."""
    propagator = adapter.inner_propagator()
    carrier = {
        field: value if field != _BAGGAGE else adapter.others(value)
        for field in _fields_of(propagator)
        if (value := said(request, field)) is not None
    }
    try:
        return adapter.extracted(propagator, carrier)
    except Exception as error:
        adapter.failed("celery extract", error)
        return Context()


@functools.lru_cache(maxsize=4)
def _fields_of(propagator: TextMapPropagator) -> tuple[str, ...]:
    return tuple(propagator.fields)


def trace_onto(headers: dict[str, Any], context: Context) -> None:
    """Write the trace and the baggage of `context`; members of the application's own header stay, and win."""
    carrier: dict[str, str] = {}
    adapter.inner_propagator().inject(carrier, adapter.without_ours(context))
    theirs, ours = headers.get(_BAGGAGE), carrier.get(_BAGGAGE, "")
    headers.update(carrier)
    if isinstance(theirs, str) and theirs:
        # A retry hands on what it was sent: by name, so that nothing stands there twice.
        parts = [part for line in (ours, theirs) for part in line.split(",") if part.strip()]
        headers[_BAGGAGE] = ",".join({part.partition("=")[0].strip(): part for part in parts}.values())
    if isinstance(line := headers.get(_BAGGAGE), str) and "botanu." in line:
        headers[_BAGGAGE] = adapter.others(line)  # the run has a header of its own
