"""Publishing: the run goes into the message's headers, and a span says how long that took."""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final, Self

from celery._state import get_current_task
from celery.signals import before_task_publish
from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context

from botanu_celery import _contrib
from botanu_celery._execution import Execution
from botanu_celery._message import RUN, RUN_ID, SENT, opens_nothing, trace_onto
from botanu_celery._options import TaskOptions
from botanu_core import adapter

__all__ = ["Publisher", "is_ticking"]

sc = adapter.semconv

is_ticking: Final[ContextVar[bool]] = ContextVar("botanu_celery_beat", default=False)
"""Whether this thread is beat's: what is current there, since its start or an import, is no part of a tick."""


class Publisher:
    """The handlers of one `install`."""

    __slots__ = ("_options",)

    def __init__(self, options: TaskOptions) -> None:
        self._options = options

    def before(
        self,
        sender: str,
        headers: dict[str, Any] | None = None,
        body: Any = None,
        routing_key: str | None = None,
        exchange: Any = None,
        **_: Any,
    ) -> None:
        """Write the run on a message that is about to leave."""
        try:
            if headers is not None:
                self._stamp(sender, headers, body, routing_key or str(exchange or ""))
        except Exception as error:
            adapter.failed("celery publish", error)

    def _stamp(self, name: str, headers: dict[str, Any], body: Any, destination: str) -> None:
        options = self._options
        if (options.names or options.tests) and options.excludes(name, *_given(body)):
            return
        task_id = body.get("id") if isinstance(body, dict) else headers.get("id")
        ticking = is_ticking.get()
        context = Context() if ticking else get_current()
        run = None if ticking else adapter.current_run(context)
        headers[SENT] = str(int(time.time() * 1000))
        running: Execution | None = None
        if run is not None:
            running = None if run.joined else _retried(task_id)
            run = run if running is None else running.run
            headers[RUN] = adapter.to_header(run) if running is None or run.joined else running.handing_on()
            headers[RUN_ID] = run.run_id
            run.published()
        span: Span | None = None
        if not _contrib.is_beside(before_task_publish):
            if not options.headers_only and (run is not None or not opens_nothing(name)):
                span = _started(name, run, destination, task_id, context)
            trace_onto(headers, context if span is None else set_span_in_context(span, context))
        if span is not None or running is not None:
            place = SENT if run is None else RUN_ID
            headers[place] = _Stamp.on(headers[place], span, running)

    def after(self, headers: Mapping[str, Any] | None = None, **_: Any) -> None:
        """The broker has it."""
        try:
            for name in (RUN_ID, SENT):
                stamp = (headers or {}).get(name)
                if isinstance(stamp, _Stamp):
                    stamp.arrived()
        except Exception as error:
            adapter.failed("celery publish", error)


def _started(name: str, run: adapter.RunContext | None, destination: str, task_id: Any, context: Context) -> Span:
    attributes = {
        sc.MESSAGING_SYSTEM: "celery",
        sc.MESSAGING_OPERATION_NAME: "publish",
        sc.MESSAGING_DESTINATION: destination,
        sc.TASK_NAME: name,
    }
    if isinstance(task_id, str):
        attributes[sc.MESSAGING_MESSAGE_ID] = task_id
    everything = attributes if run is None else {**run.attributes, **attributes}
    return adapter.start_span(f"publish {name}", SpanKind.PRODUCER, everything, context)


def _given(body: Any) -> tuple[Any, Any]:
    """Args and kwargs, in either protocol."""
    if isinstance(body, dict):
        return body.get("args"), body.get("kwargs")
    return (body[0], body[1]) if isinstance(body, tuple | list) and len(body) >= 2 else ((), {})


def _retried(task_id: Any) -> Execution | None:
    """The execution that this code is in, where what is published is its next attempt.

    That one is in the same run, whichever was nested in it by the code that asks for it.
    """
    task = get_current_task()
    execution = Execution.at(task.request) if task is not None else None
    return execution if execution is not None and execution.task_id == task_id else None


class _Stamp(str):
    """A header's text that knows what has to be told when the message has left.

    Celery says before it publishes and after it has, and nothing where it could not. The message is dropped then, and
    this with it, so that the span ends all the same.
    """

    __slots__ = ("_running", "_span")
    _span: Span | None
    _running: Execution | None

    @classmethod
    def on(cls, text: str, span: Span | None, running: Execution | None) -> Self:
        """The text of a header.

        Args:
            text: As it was.
            span: Of the publishing.
            running: Whose next attempt is published.
        """
        stamp = cls(text)
        stamp._span, stamp._running = span, running
        return stamp

    def arrived(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.is_handed_on = True
        self._end()

    def _end(self) -> None:
        span, self._span = self._span, None
        if span is not None:
            adapter.end_span(span)

    def __del__(self) -> None:
        span = getattr(self, "_span", None)
        if span is not None:
            if span.is_recording():
                span.set_status(StatusCode.ERROR, "the message was not published")
                span.set_attribute(sc.ERROR_TYPE, "_OTHER")
            self._end()

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)
