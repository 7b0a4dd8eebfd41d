"""`RunContext`: a run as this process holds it; and how it is found and made current.

A run is *current* through two carriers that agree: a value in the OpenTelemetry Context, which explicit contexts and
other libraries hand on, and a ContextVar of our own, which survives instrumentations that start from an empty Context.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import replace
from typing import Any, Final, Self

from opentelemetry import baggage
from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, set_span_in_context

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.model.outcome import Outcome, outcome_of
from botanu_core.model.run import Run, clean, is_run_id
from botanu_core.privacy.content import safe_text
from botanu_core.runtime import guard, telemetry

__all__ = ["Activation", "RunContext", "activate", "current_run", "deactivate", "record_error", "run_attributes"]

RUN_KEY: Final = otel.create_key("botanu-run")
STEP_KEY: Final = otel.create_key("botanu-step")
# Where OpenTelemetry keeps the current span and the baggage, learnt from its public functions: with the keys in
# hand, one new Context holds all three instead of one copy each.
SPAN_KEY: Final = next(iter(set_span_in_context(INVALID_SPAN, Context())))
BAGGAGE_KEY: Final = next(iter(baggage.set_baggage("k", "v", Context())))


_NOTHING_SAID: Final = Outcome()
_NO_BUSINESS: Final[Mapping[str, str]] = {}


class RunContext:
    """One run in this process: its identity, its own span, its outcome. Safe to use from several threads.

    Made by `event` and the adapters; `create`, `create_retry` and `from_baggage` serve those who carry a run by hand.
    """

    __slots__ = (
        "_errors", "_lock", "_run", "_started_ns", "_suggested", "announces", "attributes", "business", "ended",
        "joined", "outcome", "owns_span", "span",
    )  # fmt: skip

    def __init__(self, run: Run, *, joined: bool = False) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._started_ns = time.time_ns()
        self._errors: dict[int, BaseException] = {}
        self.attributes: Mapping[str, str | int] = run.attributes()
        self.business: Mapping[str, str] = _NO_BUSINESS
        self.joined = joined
        self.ended = False
        self.outcome = _NOTHING_SAID
        self._suggested: tuple[str, BaseException | None] | None = None
        self.span: Span = INVALID_SPAN
        self.owns_span = True
        self.announces = False

    # --- making one ---------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        workflow: str,
        *,
        event_id: object = None,
        customer_id: object = None,
        tenant_id: object = None,
        environment: str | None = None,
        parent: "RunContext | None" = None,
        deadline_s: float | None = None,
    ) -> Self:
        """A new run that this process opens.

        Args:
            workflow: What kind of transaction it is; low cardinality.
            event_id: The business key.
            customer_id: Whom it is for.
            tenant_id: The tenant.
            environment: Instead of the configured one.
            parent: The run it is nested in.
            deadline_s: Seconds from now after which the result is of no use.

        Raises:
            ValueError: `workflow` is empty or over 256 printable characters, or `deadline_s` is not positive.
        """
        named = clean(workflow, "workflow")
        if named is None:
            raise ValueError(f"workflow must be 1 to 256 printable characters, got {type(workflow).__name__}")
        if deadline_s is not None and not deadline_s > 0:
            raise ValueError(f"deadline_s must be a positive number of seconds, got {deadline_s!r}")
        return cls(
            Run.new(
                workflow=named,
                environment=environment or settings.current().environment,
                event_id=clean(event_id, "event_id"),
                customer_id=clean(customer_id, "customer_id"),
                tenant_id=clean(tenant_id, "tenant_id"),
                parent=parent.run if parent is not None else None,
                deadline=time.time() + deadline_s if deadline_s is not None else None,
            )
        )

    @classmethod
    def create_retry(cls, previous: "RunContext | Run | str") -> Self:
        """The same transaction done again as a whole: a new ``run_id``, the same root, ``attempt + 1``.

        Args:
            previous: The run that is done again; a bare run id is taken for a first attempt and its own root.

        Raises:
            ValueError: A text that is not a run id.
        """
        return cls(_as_run(previous).retried())

    @classmethod
    def from_baggage(cls, members: Mapping[str, object]) -> "RunContext | None":
        """The run that baggage members carry, joined; `None` where the id or any value is missing or malformed."""
        run = Run.from_members(members, environment=settings.current().environment)
        return cls(run, joined=True) if run is not None else None

    def to_baggage(self) -> dict[str, str]:
        """The run as baggage members, unencoded: ``{"botanu.run_id": …, "botanu.workflow": …}``."""
        return self._run.members()

    # --- asking it ----------------------------------------------------------------------------------------------

    @property
    def run(self) -> Run:
        """The identity at this moment; it changes when an implicit run is named."""
        return self._run

    @property
    def run_id(self) -> str:
        """UUIDv7, lower-case, 36 characters."""
        return self._run.run_id

    @property
    def workflow(self) -> str | None:
        """What kind of transaction it is; `None` while nobody has named it."""
        return self._run.workflow

    @property
    def event_id(self) -> str | None:
        """The business key."""
        return self._run.event_id

    @property
    def customer_id(self) -> str | None:
        """Whom the run is for."""
        return self._run.customer_id

    @property
    def is_implicit(self) -> bool:
        """Whether nobody has named the run yet: an adapter opened it."""
        return self._run.workflow is None and self._run.event_id is None

    @property
    def duration_s(self) -> float:
        """Seconds since this process took the run up."""
        return (time.time_ns() - self._started_ns) / 1e9

    @property
    def started_ns(self) -> int:
        """When this process took the run up, Unix nanoseconds."""
        return self._started_ns

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the deadline, negative when it is past; `None` without one."""
        return self._run.deadline - time.time() if self._run.deadline is not None else None

    @property
    def is_past_deadline(self) -> bool:
        """Whether the deadline is behind us. Nothing is stopped for it: ask, and stop."""
        remaining = self.remaining_s
        return remaining is not None and remaining <= 0

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody, here or upstream, has asked for the work to stop."""
        return self._run.cancelled

    def request_cancellation(self) -> None:
        """Ask all who work on this run, here and in the services called from now on, to stop."""
        self._change(cancelled=True)

    # --- changing it --------------------------------------------------------------------------------------------

    def fill(self, **ids: str | None) -> None:
        """Fill in workflow and ids that are missing; what is known stays."""
        with self._lock:
            run = self._run.filled(
                workflow=ids.get("workflow"),
                event_id=ids.get("event_id"),
                customer_id=ids.get("customer_id"),
                tenant_id=ids.get("tenant_id"),
            )
            changed = self._take(run)
        if changed:
            _set(self.span, changed)

    def set_business(self, customer_id: str | None, **business: str) -> None:
        """Set who the run is for and where it is booked, on its own span and on every later span of the run."""
        with self._lock:
            self.business = {**self.business, **business}
            run = replace(self._run, customer_id=customer_id) if customer_id is not None else self._run
            changed = self._take(run)
        if changed:
            _set(self.span, changed)

    def _change(self, **fields: Any) -> None:
        with self._lock:
            self._take(replace(self._run, **fields))

    def _take(self, run: Run) -> dict[str, str | int]:
        """Swap in `run`; readers see the old or the new attributes, never half of both. Returns what changed."""
        attributes = {**run.attributes(), **self.business}
        changed = {key: value for key, value in attributes.items() if self.attributes.get(key) != value}
        self._run, self.attributes = run, attributes
        return changed

    def set_outcome(self, outcome: Outcome) -> None:
        """What the user says about the run. The last word counts; what it leaves open stays as said before."""
        with self._lock:
            said, before = outcome, self.outcome
            self.outcome = Outcome(
                status=said.status or before.status,
                value_type=said.value_type if said.value_type is not None else before.value_type,
                value_amount=said.value_amount if said.value_amount is not None else before.value_amount,
                confidence=said.confidence if said.confidence is not None else before.confidence,
                reason=said.reason if said.reason is not None else before.reason,
                error_type=said.error_type if said.error_type is not None else before.error_type,
                metadata={**before.metadata, **said.metadata},
            )

    # --- its life -----------------------------------------------------------------------------------------------

    def start(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None = None,
        context: Context | None = None,
    ) -> None:
        """Start the run's own span, as a child of the one in `context`, else of the current one."""
        everything = {**self.attributes, **attributes} if attributes else self.attributes
        self.span = telemetry.start_span(name, kind, everything, context)

    def announce(self) -> None:
        """Say on the run's own span that it has started, and that it has completed when it ends."""
        self.announces = True
        self.span.add_event(sc.RUN_STARTED)

    def borrow(self, span: Span) -> None:
        """Let a span of somebody else's instrumentation be the run's own; its maker ends it."""
        self.span, self.owns_span = span, False
        _set(span, self.attributes)

    def suggest(self, status: str, error: BaseException | None) -> None:
        """How the block that adopted this run ended: what `finish` goes by where it knows nothing worse."""
        self._suggested = (status, error)

    @contextmanager
    def active(self, context: Context | None = None) -> Iterator[Self]:
        """Make the run and its span current inside the block. A run may live longer than it is active.

        Args:
            context: What else is to be current, such as what was read off the wire; else what is so already.
        """
        activation = activate(self, self.span, self, base=context)
        try:
            yield self
        finally:
            deactivate(activation)

    def fail(self, error: BaseException) -> None:
        """Write `error` on the run's own span; the outcome is decided by `finish`."""
        record_error(self, self.span, error)

    def finish(self, status: str | None = None, error: BaseException | None = None) -> bool:
        """End the run and its own span. Twice counts once.

        Args:
            status: How it ended, where the user said nothing; `None` leaves it to `error`, or open.
            error: The exception that ended it.

        Returns:
            Whether this call was the one that ended it.
        """
        with self._lock:
            if self.ended:
                return False
            self.ended = True
        try:
            if self._suggested is not None and (self._suggested[0] != "success" or status in (None, "success")):
                status, error = self._suggested[0], self._suggested[1] or error
            self._close(outcome_of(self.outcome, status, error))
        except Exception as failure:
            guard.failed("run end", failure)
        if self.owns_span:
            telemetry.end_span(self.span)
        self._errors.clear()
        return True

    def _close(self, outcome: Outcome) -> None:
        duration_ns = time.time_ns() - self._started_ns
        span = self.span
        said = outcome.attributes()
        if span.is_recording():
            if self.announces:
                span.add_event(sc.RUN_COMPLETED)
            span.set_attributes({**said, sc.RUN_DURATION_MS: duration_ns / 1e6})
        if not self.joined:
            self._complete(outcome, said, duration_ns)

    def _complete(self, outcome: Outcome, said: Mapping[str, Any], duration_ns: int) -> None:
        """What only the opener says: the counters, the histogram and the `botanu.run.completed` event."""
        run = self._run
        labels = (
            (sc.WORKFLOW, self.attributes[sc.WORKFLOW]),
            (sc.ENVIRONMENT, run.environment),
            (sc.OUTCOME_STATUS, outcome.status or "unset"),
        )
        instruments = telemetry.instruments()
        instruments.run_completed.add(labels)
        instruments.run_duration.record(duration_ns / 1e9, dict(labels))
        emit = telemetry.event_emitter()
        if emit is not None:
            emit(
                sc.RUN_COMPLETED,
                {
                    **self.attributes,
                    **said,
                    sc.RUN_STARTED_AT: self._started_ns,
                    sc.RUN_ENDED_AT: self._started_ns + duration_ns,
                    sc.RUN_DURATION_MS: duration_ns / 1e6,
                },
                Context({SPAN_KEY: self.span}),
            )

    def first_sight(self, error: BaseException) -> bool:
        """Whether `error` has not yet been recorded in full on a span of this run."""
        with self._lock:
            if id(error) in self._errors:
                return False
            if not self.ended:
                if len(self._errors) >= _MAX_ERRORS:
                    self._errors.clear()
                # Held, not only its id, so that the id cannot be given to another exception; let go at the end.
                self._errors[id(error)] = error
            return True

    def __repr__(self) -> str:
        return f"<RunContext {self._run.run_id} {'joined' if self.joined else 'opened'}{' ended' * self.ended}>"


_MAX_ERRORS: Final = 16


def _as_run(previous: "RunContext | Run | str") -> Run:
    if isinstance(previous, RunContext):
        return previous.run
    if isinstance(previous, Run):
        return previous
    if isinstance(previous, str) and is_run_id(previous):
        return Run(run_id=previous, root_run_id=previous, environment=settings.current().environment)
    raise ValueError("a retry needs the RunContext, the Run or the run id (a UUID) of the run it does again")


# --- current ----------------------------------------------------------------------------------------------------


class Activation:
    """One block in which a run, a step or both are current, with what is needed to leave it."""

    __slots__ = ("context", "mode", "owner", "previous", "previous_context", "run", "span", "token", "var_token")

    run: RunContext | None
    span: Span
    owner: object
    mode: str
    context: Context
    previous_context: Context
    previous: "Activation | None"
    token: Token[Any]
    var_token: Token["Activation | None"]


_innermost: Final[ContextVar[Activation | None]] = ContextVar("botanu_activation", default=None)


def current_run(context: Context | None = None) -> RunContext | None:
    """The run that `context`, or the code that asks, is in.

    Args:
        context: An explicit OpenTelemetry Context; without one the current Context.
    """
    found = (otel.get_current() if context is None else context).get(RUN_KEY)
    if found is None:
        activation = _innermost.get()
        return activation.run if activation is not None else None
    return found  # type: ignore[return-value]  # only `composed` and the propagator write under RUN_KEY


def run_attributes(context: Context | None = None) -> Mapping[str, str | int] | None:
    """What a span started in `context` carries; `None` outside a run."""
    # Every span of the process passes here, so `current_run` is not called but written out.
    found = otel.get_current() if context is None else context
    run: RunContext | None = found.get(RUN_KEY)  # type: ignore[assignment]
    if run is None:
        activation = _innermost.get()
        if activation is None or (run := activation.run) is None:
            return None
    step = found.get(STEP_KEY)
    return run.attributes if step is None else {**run.attributes, sc.STEP: step}  # type: ignore[dict-item]


def span_in(context: Context) -> Span | None:
    """The span that is current in `context`."""
    return context.get(SPAN_KEY)  # type: ignore[return-value]  # OpenTelemetry's own key


def current_step(context: Context) -> str | None:
    """The step that `context` is in."""
    return context.get(STEP_KEY)  # type: ignore[return-value]  # only `composed` writes under STEP_KEY


def composed(run: RunContext | None, span: Span, base: Context, step: str | None = None) -> Context:
    """`base` with the run, its span, its step and its baggage, in one copy."""
    values: dict[str, object] = {**base, SPAN_KEY: span}
    if step is not None:
        values[STEP_KEY] = step
    if run is not None:
        values[RUN_KEY] = run
        if settings.current().in_baggage:
            others = base.get(BAGGAGE_KEY)
            members = run.run.members()
            if step is not None:
                members[sc.STEP] = step
            values[BAGGAGE_KEY] = {**others, **members} if isinstance(others, Mapping) else members
    return Context(values)


def activate(
    run: RunContext | None,
    span: Span,
    owner: object,
    *,
    step: str | None = None,
    mode: str = "",
    base: Context | None = None,
) -> Activation:
    """Make `run`, `span` and `step` current, on top of `base`. Every call is paired with `deactivate`."""
    activation = Activation()
    activation.run, activation.span, activation.owner, activation.mode = run, span, owner, mode
    activation.previous_context = otel.get_current()
    activation.previous = _innermost.get()
    activation.context = composed(run, span, activation.previous_context if base is None else base, step)
    activation.token = otel.attach(activation.context)
    activation.var_token = _innermost.set(activation)
    return activation


def deactivate(activation: Activation) -> None:
    """Restore what was current before, also from a copied context and out of order."""
    restore(activation.token, activation.context, activation.previous_context)
    try:
        _innermost.reset(activation.var_token)
    except (ValueError, RuntimeError):
        if _innermost.get() is activation:
            _innermost.set(activation.previous)


def reactivate(activation: Activation) -> Activation:
    """Make the same run, span and step current again, here."""
    step = activation.context.get(STEP_KEY)
    again = activate(activation.run, activation.span, activation.owner, step=step, mode=activation.mode)  # type: ignore[arg-type]
    return again


def restore(token: Token[Any], mine: Context, previous: Context) -> None:
    """Detach `mine`. In a context copied from the one that attached it, put `previous` back by hand.

    `opentelemetry.context.detach` would log an error there, for something that frameworks do every day: they enter
    a block in one thread and leave it in another.
    """
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError, AttributeError):
        if otel.get_current() is mine:
            otel.attach(previous)


def innermost(owner: object) -> Activation | None:
    """The innermost activation that `owner` made in this context."""
    activation = _innermost.get()
    while activation is not None and activation.owner is not owner:
        activation = activation.previous
    return activation


# --- errors -----------------------------------------------------------------------------------------------------


def record_error(run: RunContext | None, span: Span, error: BaseException) -> None:
    """Mark `span` as failed by `error`; the exception itself is written in full on the first span of the run only.

    Cancellation is no error: the span stays unset (OpenTelemetry's own rule for BaseException).
    """
    if not isinstance(error, Exception) or not span.is_recording():
        return
    try:
        kind = type(error)
        message = safe_text(_said(error))
        span.set_status(Status(StatusCode.ERROR, f"{kind.__name__}: {message}" if message else kind.__name__))
        span.set_attribute(sc.ERROR_TYPE, kind.__name__)
        if run is None or run.first_sight(error):
            span.add_event("exception", _exception_attributes(error, message))
    except Exception as failure:
        guard.failed("error record", failure)


def _exception_attributes(error: BaseException, message: str) -> dict[str, str]:
    import traceback  # only failures pay for it

    kind = type(error)
    module = kind.__module__
    stack = "".join(traceback.format_exception(kind, error, error.__traceback__))
    return {
        sc.EXCEPTION_TYPE: kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}",
        sc.EXCEPTION_MESSAGE: message,
        sc.EXCEPTION_STACKTRACE: safe_text(stack, _MAX_STACK_CHARS),
    }


_MAX_STACK_CHARS: Final = 16_384


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _set(span: Span, attributes: Mapping[str, Any]) -> None:
    # A span of the run that has ended meanwhile would log a warning for something that is nobody's mistake.
    if span.is_recording():
        span.set_attributes(attributes)
