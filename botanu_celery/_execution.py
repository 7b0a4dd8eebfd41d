"""One execution of a task: the run that it is part of, and how it ended."""

import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from celery import states
from celery.app.task import Context as Request
from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span, SpanKind

from botanu_celery import _contrib
from botanu_celery._message import RUN, context_of, opens_nothing, queue_ms, said
from botanu_celery._options import TaskOptions
from botanu_core import adapter

__all__ = ["Execution", "never_ran", "opened_ahead"]

sc = adapter.semconv
_NOTHING: Final[Mapping[str, Any]] = {}


def said_of(name: str, request: Any) -> dict[str, Any]:
    """What the span of an execution says of the task, its queue, this message and this attempt, as they are now."""
    attributes: dict[str, Any] = {
        sc.MESSAGING_SYSTEM: "celery",
        sc.MESSAGING_OPERATION_NAME: "process",
        sc.TASK_NAME: name,
    }
    destination = (request.delivery_info or _NOTHING).get("routing_key")
    if isinstance(destination, str):
        attributes[sc.MESSAGING_DESTINATION] = destination
    attributes[sc.TASK_ATTEMPT] = (request.retries or 0) + 1
    task_id, waited_ms = request.id, queue_ms(request)
    if isinstance(task_id, str):
        attributes[sc.MESSAGING_MESSAGE_ID] = task_id
    if waited_ms is not None:
        attributes[sc.TASK_QUEUE_MS] = waited_ms
    return attributes


class Execution:
    """A task between `task_prerun` and `task_postrun`.

    Args:
        task: Celery's.
        request: What it has been asked for.
        run: What the task is part of.
        is_own: Whether this execution took the run up; an eager task is part of its caller's.

    Attributes:
        is_deferred: Whether the instrumentor of OpenTelemetry comes after us here: its span is there only at the end.
        is_handed_on: Whether another message of this task has been published, as a retry is.
    """

    __slots__ = (
        "_activation", "_around", "_attributes", "_began_s", "_is_beside", "_is_own", "_request", "_span", "_task",
        "is_deferred", "is_handed_on", "run",
    )  # fmt: skip

    def __init__(self, task: Any, request: Any, run: adapter.RunContext, *, is_own: bool) -> None:
        self._task, self._request, self.run, self._is_own = task, request, run, is_own
        self._span: Span = run.span
        self._attributes = said_of(task.name, request)  # what its span is to carry, whosever that is
        self._began_s = time.monotonic()
        self._around = sys.exc_info()[1]  # what the code handles that calls a task in place
        self._activation: adapter.Activation | None = None
        self._is_beside = self.is_deferred = self.is_handed_on = False

    @classmethod
    def of(cls, task: Any, request: Any, options: TaskOptions, args: Any, kwargs: Any) -> "Execution | None":
        """Take up the run of a task that begins; `None` where there shall be none."""
        name = task.name
        if (options.names or options.tests) and options.excludes(name, args, kwargs):
            return None
        ambient = adapter.current_run() if request.is_eager else None
        if ambient is not None:
            return cls(task, request, ambient, is_own=False)
        text = said(request, RUN)
        if text is None and opens_nothing(name):
            return None
        run = take_up(text, request.id, options)
        if not run.joined:
            if opens_nothing(name):
                return None
            run.call(name)
        if options.ids or options.workflow is not None:
            options.identify(run, name, args, kwargs)
        return cls(task, request, run, is_own=True)

    # --- its life -----------------------------------------------------------------------------------------------

    def begin(self, *, is_beside: bool, is_last: bool) -> None:
        """Make the run current, with a span: another's where there is one, else of our own.

        Args:
            is_beside: Whether the instrumentor of OpenTelemetry is on.
            is_last: Whether all others who were to be told of this task have been.
        """
        name, request, run = self._task.name, self._request, self.run
        self._is_beside = is_beside
        theirs = _contrib.its_span() if is_beside else None
        self.is_deferred = is_beside and theirs is None and not is_last
        base: Context | None = None
        if theirs is not None:
            self._span, base = theirs, get_current()
            if self._is_own:
                run.borrow(theirs)
            if theirs.is_recording():
                theirs.set_attributes(self._attributes)
        elif not self.is_deferred:
            base = get_current() if request.is_eager else context_of(request)
            self._start(f"process {name}", base)
        elif self._is_own:
            run.owns_span = False
        self._activation = adapter.activate(run, self._span, self, base=base)
        vars(request)[_KEY] = self

    def _start(self, name: str, base: Context) -> None:
        if self._is_own:
            self.run.start(name, SpanKind.CONSUMER, self._attributes, base)
            self._span = self.run.span
        else:
            everything = {**self.run.attributes, **self._attributes}
            self._span = adapter.start_span(name, SpanKind.INTERNAL, everything, base)

    def end(self, state: str | None, result: Any) -> None:
        """Say how it ended, while its span can still be written on."""
        if self.is_deferred and (theirs := _contrib.its_span()) is not None:
            theirs.set_attributes(self._attributes)
            self._span = theirs
            if self._is_own:
                self.run.borrow(theirs)
        status, error = self._ended(state, result)
        is_expected = state == states.FAILURE and isinstance(error, self._throws())
        if is_expected and self._span.is_recording():
            self._span.set_attribute(sc.OUTCOME_EXPECTED, True)
        elif error is not None and state != states.RETRY:
            adapter.record_error(self.run, self._span, error)
        if self._is_own:
            self._finish(state, status, error, result)
            return
        if self._span.is_recording() and status is not None:
            self._span.set_attribute(sc.OUTCOME_STATUS, status)
        if not self._is_beside:
            adapter.end_span(self._span)

    def leave(self) -> None:
        """Restore what was current before."""
        vars(self._request).pop(_KEY, None)
        # It knows us: let go of, or each task would wait for the garbage collector.
        activation, self._activation = self._activation, None
        if activation is not None:
            adapter.deactivate(activation)

    # --- what is told -------------------------------------------------------------------------------------------

    def _finish(self, state: str | None, status: str | None, error: BaseException | None, result: Any) -> None:
        if state == states.RETRY and self._request.is_eager and not self.run.joined:
            # It is tried again when this attempt is over, without a message: what would stand on one goes along.
            again = getattr(result, "sig", None)
            if again is not None:
                again.options["headers"] = {**(again.options.get("headers") or {}), RUN: self.handing_on()}
                self.is_handed_on = True
        is_killed = state is None and status == "timeout"
        if is_killed or (self.is_handed_on and state in (states.RETRY, states.IGNORED)):
            # The next attempt is the opener and says that it is completed, or the main process, which does the killing.
            self.run.joined = True
        self.run.finish(status, error)

    def _ended(self, state: str | None, result: Any) -> tuple[str | None, BaseException | None]:
        """The outcome's status, or `None` for what `error` says of it, or nobody."""
        if state == states.SUCCESS:
            # It has returned, and nobody took its result: Celery goes on to call it a failure.
            unkept = sys.exc_info()[1]
            return ("success", None) if unkept is None or unkept is self._around else (None, unkept)
        if state in (states.RETRY, states.IGNORED):
            return None, None
        if state == states.REJECTED:
            return ("canceled" if getattr(result, "requeue", False) else "failed"), None
        error = result if isinstance(result, BaseException) else sys.exc_info()[1]
        if error is None or (state is None and isinstance(error, SystemExit)):
            said = "timeout" if self._is_out_of_time() else "canceled"
            return (said if state is None else "failed"), error
        return None, error

    def _is_out_of_time(self) -> bool:
        """Whether the hard time limit is over: billiard asks a process to end before it kills it."""
        given = self._request.timelimit
        limit = (given[0] if given else None) or self._task.time_limit or self._task.app.conf.task_time_limit
        return bool(limit) and time.monotonic() - self._began_s >= limit - _SLACK_S

    def _throws(self) -> tuple[type[BaseException], ...]:
        throws = getattr(self._task, "throws", None) or ()
        return tuple(throws) if isinstance(throws, tuple | list | set) else (throws,)

    def handing_on(self) -> str:
        """The header that makes the next attempt the opener of this one's run."""
        return handing_on(self.run, self.task_id, self.run.started_ns)

    @property
    def task_id(self) -> str:
        """Of all attempts of the task."""
        return str(self._request.id)

    @classmethod
    def at(cls, request: Any) -> "Execution | None":
        """The execution that `request` is for."""
        found = vars(request).get(_KEY)
        return found if isinstance(found, cls) else None


_KEY: Final = "_botanu_execution"
_SLACK_S: Final = 0.5  # the main process counts from when it has handed the task over


def handing_on(run: adapter.RunContext, task_id: str, started_ns: int) -> str:
    """The run as its opener gives it to another process, which is to say that it is completed.

    Args:
        run: Opened here.
        task_id: Of the task that goes on with it.
        started_ns: When it began; 0 for when the other takes it up.
    """
    return adapter.to_header(run, {sc.TASK_OWNER: f"{task_id} {started_ns}"})


def opened_ahead(name: str, task_id: str, message: dict[str, Any]) -> None:
    """Open the run of a task before its process takes it up: should that be lost, the run is known by the same id."""
    if isinstance(message.get(RUN), str):
        return  # what is wrong with it is seen where the task runs
    if said(Request(message), RUN) is None and not opens_nothing(name):
        message[RUN] = handing_on(adapter.accept(adapter.Inbound()), task_id, 0)


def take_up(text: str | None, given_id: str, options: TaskOptions) -> adapter.RunContext:
    """The run that the message of a task carries, or a new one."""
    run = adapter.accept(adapter.from_header(text), lifetime_s=options.lifetime_s)
    owner = run.carried.get(sc.TASK_OWNER)
    if owner is not None:
        run.carried = {name: value for name, value in run.carried.items() if name != sc.TASK_OWNER}
        task_id, _, started_ns = owner.rpartition(" ")
        if task_id == given_id and started_ns.isdecimal() and int(started_ns) <= run.started_ns:
            run.take_over(int(started_ns) or run.started_ns)
    return run


def never_ran(name: str, request: Any, options: TaskOptions, status: str, error: BaseException | None) -> None:
    """Book a task of which the main process alone can tell how it ended: no child has said, or none ever began."""
    text = said(request, RUN)
    if options.excludes(name, request.args, request.kwargs) or (opens_nothing(name) and text is None):
        return
    run = take_up(text, request.id, options)
    if not run.joined:
        run.call(name)
    options.identify(run, name, request.args, request.kwargs)
    run.start(f"process {name}", SpanKind.CONSUMER, said_of(name, request), context_of(request))
    if error is not None:
        run.fail(error)
    run.finish(status, error)
