"""`event`, `botanu_workflow`, `botanu_use_case`, `run_botanu`: four doors to one engine; and `step`."""

import hashlib
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.model.outcome import outcome_of
from botanu_core.model.run import Run
from botanu_core.runtime import guard, telemetry
from botanu_core.runtime.arguments import Id, checked_deadline, checked_id, checked_text, deadline_after, fitted, given
from botanu_core.runtime.block import Block
from botanu_core.runtime.context import RunContext, as_run
from botanu_core.runtime.current import Activation, activate, current_run, run_attributes, span_in, without_step
from botanu_core.runtime.spans import add_event, record_error

__all__ = ["Event", "Step", "botanu_use_case", "botanu_workflow", "event", "run_botanu", "step"]

_OPENED: Final = "opened"
_ADOPTED: Final = "adopted"
_CONTINUED: Final = "continued"


class Event(Block):
    """A run, or the naming of the one that is there. Made by `event` and its three other spellings."""

    def __init__(
        self,
        workflow: str,
        *,
        event_id: Id = None,
        customer_id: Id = None,
        tenant_id: Id = None,
        environment: str | None = None,
        version: str | None = None,
        span_kind: SpanKind | None = None,
        deadline_s: float | None = None,
        retry_of: RunContext | Run | str | None = None,
    ) -> None:
        super().__init__()
        self._workflow = checked_text("workflow", workflow)
        self._name = f"botanu.run/{self._workflow}"
        self._event_id = checked_id("event_id", event_id)
        self._customer_id = checked_id("customer_id", customer_id)
        self._tenant_id = checked_id("tenant_id", tenant_id)
        self._environment = checked_text("environment", environment) if environment is not None else None
        self._version = checked_text("version", version) if version is not None else None
        if span_kind is not None and not isinstance(span_kind, SpanKind):
            raise TypeError(f"span_kind must be an opentelemetry.trace.SpanKind, got {type(span_kind).__name__}")
        self._span_kind = span_kind
        self._deadline_s = checked_deadline(deadline_s)
        self._retry_of = as_run(retry_of) if retry_of is not None else None

    def _decorating(self, function: Callable[..., Any]) -> "Event":
        return _DecoratingEvent(self, function)

    def _extra(self) -> Mapping[str, str] | None:
        return {sc.WORKFLOW_VERSION: self._version} if self._version is not None else None

    def begin(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Activation:
        telemetry.noticed()
        event_id = given("event_id", self._event_id, args, kwargs)
        customer_id = given("customer_id", self._customer_id, args, kwargs)
        tenant_id = given("tenant_id", self._tenant_id, args, kwargs)
        context = otel.get_current()
        run = current_run(context)
        if run is None or self._retry_of is not None or self._is_other(run, event_id):
            opened = RunContext(self._new(run, event_id, customer_id, tenant_id))
            if run is not None:
                opened.carried = run.carried
            opened.start(self._name, self._kind(context), self._extra(), context)
            opened.announce()
            return activate(opened, opened.span, self, mode=_OPENED, base=without_step(context))
        mode = _ADOPTED if run.is_implicit or (run.joined and run.event_id is None) else _CONTINUED
        run.fill(workflow=self._workflow, event_id=event_id, customer_id=customer_id, tenant_id=tenant_id)
        return self._take_up(run, mode, context)

    def _is_other(self, run: RunContext, event_id: str | None) -> bool:
        """Whether what this names is another transaction than `run`."""
        if run.ended:
            # Its completion has been said. Work that goes on behind it is part of it only if it says so; else a loop
            # started by a request would be one run for ever.
            return event_id is None or (event_id, self._workflow) != (run.event_id, run.workflow)
        if run.is_implicit or (run.joined and run.event_id is None):
            return False
        if event_id is not None and run.event_id is not None and event_id != run.event_id:
            return True
        return run.workflow is not None and run.workflow != self._workflow

    def _new(
        self, outer: RunContext | None, event_id: str | None, customer_id: str | None, tenant_id: str | None
    ) -> Run:
        if self._retry_of is None:
            return Run.new(
                workflow=self._workflow,
                environment=self._environment or settings.current().environment,
                event_id=event_id,
                customer_id=customer_id,
                tenant_id=tenant_id,
                parent=outer.run if outer is not None else None,
                deadline=deadline_after(self._deadline_s),
            )
        again = self._retry_of.retried()
        return replace(
            again,
            deadline=deadline_after(self._deadline_s),
            workflow=self._workflow,
            event_id=event_id or again.event_id,
            customer_id=customer_id or again.customer_id,
            tenant_id=tenant_id or again.tenant_id,
            environment=self._environment or again.environment,
        )

    def _take_up(self, run: RunContext, mode: str, context: Context) -> Activation:
        attributes = dict(run_attributes(context) or run.attributes)
        if extra := self._extra():
            attributes.update(extra)
        if run.joined:
            attributes[sc.RUN_JOINED] = True
        span = telemetry.start_span(self._name, self._kind(context), attributes, context)
        if mode is _ADOPTED and not run.joined:
            add_event(span, sc.RUN_STARTED)
        return activate(run, span, self, mode=mode)

    def _kind(self, context: Context) -> SpanKind:
        """SERVER where the transaction enters this process; INTERNAL below a local span."""
        if self._span_kind is not None:
            return self._span_kind
        above = span_in(context)
        parent = above.get_span_context() if above is not None else None
        return SpanKind.SERVER if parent is None or not parent.is_valid or parent.is_remote else SpanKind.INTERNAL

    def close(self, state: Activation, error: BaseException | None) -> None:
        run, span = state.run, state.span
        if run is None:
            return
        if error is not None:
            record_error(run, span, error)
        if state.mode is _OPENED:
            run.finish("success" if error is None else None, error)
            return
        try:
            outcome = outcome_of(run.outcome, "success" if error is None else None, error)
            if state.mode is _ADOPTED:
                if outcome.status is not None:
                    run.suggest(outcome.status, error)
                # Of a run that somebody else has opened, only they say that it is completed.
                if not run.joined:
                    add_event(span, sc.RUN_COMPLETED)
            span.set_attributes({**outcome.attributes(), sc.RUN_DURATION_MS: _lasted_ms(span)})
        except Exception as failure:
            guard.failed("event end", failure)
        telemetry.end_span(span)

    def _value(self, activation: Activation) -> RunContext | None:
        return activation.run


class _DecoratingEvent(Event):
    """An `Event` bound to the function it decorates: its extractors know the parameters, it knows the version."""

    def __init__(self, plain: Event, function: Callable[..., Any]) -> None:
        self.__dict__.update(plain.__dict__)
        Block.__init__(self)
        self._event_id = fitted(plain._event_id, function)
        self._customer_id = fitted(plain._customer_id, function)
        self._tenant_id = fitted(plain._tenant_id, function)
        self._function = function
        self._extras: Mapping[str, str] | None = None

    def _extra(self) -> Mapping[str, str]:
        if self._extras is None:
            self._extras = {sc.WORKFLOW_VERSION: self._version or _version_of(self._function)}
        return self._extras


def event(
    workflow: str,
    *,
    event_id: Id = None,
    customer_id: Id = None,
    tenant_id: Id = None,
    environment: str | None = None,
    version: str | None = None,
    span_kind: SpanKind | None = None,
    deadline_s: float | None = None,
    retry_of: RunContext | Run | str | None = None,
) -> Event:
    """One business transaction: ``with``, ``async with`` or decorator.

    Opens a run; names the implicit one that an adapter has opened; continues one with the same ids; inside a run
    with other ids, opens a nested one. The object may be kept, shared and entered again.

    Args:
        workflow: What kind of transaction it is; low cardinality.
        event_id: The business key (ticket, order), or a function of the decorated function's arguments.
        customer_id: Whom it is for, likewise.
        tenant_id: The tenant, likewise.
        environment: Instead of the configured one.
        version: ``botanu.workflow.version``; a decorator takes a digest of the function's source without it.
        span_kind: Instead of SERVER, or INTERNAL below a local span.
        deadline_s: Seconds after which the result is of no use; travels with the run.
        retry_of: The run that this one does again as a whole.

    Returns:
        A block that binds the `RunContext`: ``with event(…) as run``.

    Raises:
        TypeError: An argument of the wrong type.
        ValueError: An empty or unprintable text, or one over 256 characters.
    """
    return Event(
        workflow,
        event_id=event_id,
        customer_id=customer_id,
        tenant_id=tenant_id,
        environment=environment,
        version=version,
        span_kind=span_kind,
        deadline_s=deadline_s,
        retry_of=retry_of,
    )


def botanu_workflow(name: str, *, event_id: Id = None, customer_id: Id = None, **options: Any) -> Event:
    """`event`, as the documentation's decorator spells it: ``@botanu_workflow("refund", event_id=…)``.

    Args:
        name: The workflow.
        event_id: As in `event`.
        customer_id: As in `event`.
        options: The other keywords of `event`.
    """
    return event(name, event_id=event_id, customer_id=customer_id, **options)


def botanu_use_case(name: str, **options: Any) -> Event:
    """`event`, as the first documentation spells it: ``@botanu_use_case(name="Customer Support")``.

    Args:
        name: The workflow.
        options: The other keywords of `event`.
    """
    return event(name, **options)


def run_botanu(name: str, *, event_id: Id = None, customer_id: Id = None, **options: Any) -> Event:
    """`event`, for scripts that cannot decorate: ``with run_botanu("nightly report", customer_id="acme"):``.

    Args:
        name: The workflow.
        event_id: As in `event`.
        customer_id: As in `event`.
        options: The other keywords of `event`.
    """
    return event(name, event_id=event_id, customer_id=customer_id, **options)


class Step(Block):
    """A named part of a run. Made by `step`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._step = checked_text("name", name)

    def begin(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Activation:  # noqa: ARG002  # it has no extractors
        attributes = {**(run_attributes() or {}), sc.STEP: self._step}
        span = telemetry.start_span(f"botanu.step/{self._step}", SpanKind.INTERNAL, attributes)
        return activate(current_run(), span, self, step=self._step)

    def close(self, state: Activation, error: BaseException | None) -> None:
        if error is not None:
            record_error(state.run, state.span, error)
        telemetry.end_span(state.span)

    def _value(self, activation: Activation) -> Span:
        return activation.span


def step(name: str) -> Step:
    """A named part of a run: ``with``, ``async with`` or decorator. Spans inside carry ``botanu.step``.

    Args:
        name: Low cardinality: the phase, not the item.

    Returns:
        A block that binds its span.

    Raises:
        TypeError: `name` is not a text.
        ValueError: It is empty, unprintable or over 256 characters.
    """
    return Step(name)


def _version_of(function: Callable[..., Any]) -> str:
    """The first 12 hex digits of the SHA-256 of the function's source; ``unknown`` where there is none."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return "unknown"
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def _lasted_ms(span: Span) -> float:
    started = getattr(span, "start_time", None)
    return (time.time_ns() - started) / 1e6 if isinstance(started, int) else 0.0
