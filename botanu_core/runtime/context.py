"""`RunContext`: a run as this process holds it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, Self

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.ledger.run_ledger import RunLedger
from botanu_core.model.outcome import Outcome, outcome_of
from botanu_core.model.pseudonym import under_pseudonym
from botanu_core.model.run import Run, clean
from botanu_core.runtime import billing, guard, publishing, telemetry
from botanu_core.runtime.again import as_run
from botanu_core.runtime.arguments import checked_deadline, deadline_after
from botanu_core.runtime.current import SPAN_KEY, activate, current_run, deactivate, restore, run_attributes
from botanu_core.runtime.spans import add_event, record_error, set_attributes

__all__ = [
    "SPAN_KEY", "RunContext", "activate", "as_run", "current_run", "deactivate", "record_error", "restore",
    "run_attributes",
]  # fmt: skip

_NOTHING_SAID: Final = Outcome()
_JOINED: Final[Mapping[str, bool]] = {sc.RUN_JOINED: True}
_NOTHING: Final[Mapping[str, str]] = {}


class RunContext:
    """One run in this process: its identity, its own span, its outcome. Safe to use from several threads.

    Made by `event` and the adapters; `create`, `create_retry` and `from_baggage` serve those who carry a run by hand.
    """

    __slots__ = (
        "_errors", "_guests", "_ledger", "_lock", "_members", "_run", "_started_ns", "_suggested", "announces",
        "attributes", "business", "called", "carried", "ended", "joined", "outcome", "owns_span", "refused", "span",
        "tasks_published",
    )  # fmt: skip

    def __init__(self, run: Run, *, joined: bool = False) -> None:
        self._run = run = under_pseudonym(run)
        self.called: str | None = None  # the workflow, until somebody names it
        self.tasks_published = 0
        self._lock = threading.RLock()
        self._started_ns = time.time_ns()
        self._errors: dict[int, BaseException] = {}
        self._members: tuple[Run, Mapping[str, str]] | None = None
        self.attributes: Mapping[str, str | int] = run.attributes()
        self.business: Mapping[str, str] = _NOTHING
        self.carried: Mapping[str, str] = _NOTHING  # members under `botanu.` that came with the run and are not its own
        self.refused: tuple[str, ...] = ()  # lines of the message which it was opened for, and has not joined
        self.joined, self.ended = joined, False
        self.outcome = _NOTHING_SAID
        self._suggested: tuple[str, BaseException | None] | None = None
        self._ledger: RunLedger | None = None
        self._guests: dict[object, Callable[[], object]] = {}
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
            TypeError: `deadline_s` is no number.
            ValueError: `workflow` is empty or over 256 printable characters, or `deadline_s` is not positive.
        """
        named = clean(workflow, "workflow")
        if named is None:
            came = f"{len(workflow)}" if isinstance(workflow, str) else type(workflow).__name__
            raise ValueError(f"workflow must be 1 to 256 printable characters, got {came}")
        return cls(
            Run.new(
                workflow=named,
                environment=clean(environment, "environment") or settings.current().environment,
                event_id=clean(event_id, "event_id"),
                customer_id=clean(customer_id, "customer_id"),
                tenant_id=clean(tenant_id, "tenant_id"),
                parent=parent.run if parent is not None else None,
                deadline=deadline_after(checked_deadline(deadline_s)),
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
        return cls(as_run(previous).retried())

    @classmethod
    def from_baggage(cls, members: Mapping[str, object]) -> "RunContext | None":
        """The run that baggage members carry, joined; `None` where the id or any value is missing or malformed."""
        run = Run.from_members(members, environment=settings.current().environment)
        return cls(run, joined=True) if run is not None else None

    def to_baggage(self) -> dict[str, str]:
        """The run as baggage members, unencoded: ``{"botanu.run_id": …, "botanu.workflow": …}``."""
        return self._run.members()

    def members(self) -> Mapping[str, str]:
        """The same, kept until the run changes: every activation and every call asks for it."""
        kept = self._members
        if kept is None or kept[0] is not self._run:
            run = self._run if self._run.workflow or not self.called else replace(self._run, workflow=self.called)
            kept = self._members = (self._run, run.members())
        return kept[1]

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
        with self._lock:
            self._take(replace(self._run, cancelled=True))

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
            set_attributes(self.span, changed)

    def call(self, workflow: str) -> None:
        """What the run goes by while nobody has named it: it stays implicit, and the first `event` names it."""
        with self._lock:
            self.called, self._members = workflow, None
            self._take(self._run)

    def published(self) -> None:
        """Count a task that this process has published in the run: who reads the books knows what to wait for."""
        with self._lock:
            self.tasks_published += 1

    def take_over(self, started_ns: int) -> None:
        """Be the opener from here on: the one before, who took the run up at `started_ns`, has handed it on."""
        self.joined, self._started_ns = False, started_ns

    def set_business(self, customer_id: str | None, **business: str) -> None:
        """Set who the run is for and where it is booked, on its own span and on every later span of the run."""
        with self._lock:
            self.business = {**self.business, **business}
            run = replace(self._run, customer_id=customer_id) if customer_id is not None else self._run
            changed = self._take(run)
        if changed:
            set_attributes(self.span, changed)

    def _take(self, run: Run) -> dict[str, str | int]:
        """Swap in `run`; readers see the old or the new attributes, never half of both. Returns what changed."""
        run = under_pseudonym(run)
        attributes = {**run.attributes(), **self.business}
        if self.called and run.workflow is None:
            attributes[sc.WORKFLOW] = self.called
        changed = {key: value for key, value in attributes.items() if self.attributes.get(key) != value}
        self._run, self.attributes = run, attributes
        return changed

    def set_outcome(self, outcome: Outcome) -> None:
        """What the user says about the run. The last word counts; what it leaves open stays as said before."""
        with self._lock:
            self.outcome = outcome.over(self.outcome)

    # --- its life -----------------------------------------------------------------------------------------------

    def start(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None = None,
        context: Context | None = None,
    ) -> None:
        """Start the run's own span, as a child of the one in `context`, else of the current one."""
        everything: Mapping[str, Any] = self.attributes
        if attributes or self.joined:
            everything = {**everything, **(attributes or {}), **(_JOINED if self.joined else {})}
        self.span = telemetry.start_span(name, kind, everything, context)

    def announce(self) -> None:
        """Say on the run's own span that it has started, and that it has completed when it ends."""
        self.announces = True
        add_event(self.span, sc.RUN_STARTED)

    def borrow(self, span: Span) -> None:
        """Let a span of somebody else's instrumentation be the run's own; its maker ends it."""
        self.span, self.owns_span = span, False
        set_attributes(span, {**self.attributes, **_JOINED} if self.joined else self.attributes)

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

    def finish(
        self,
        status: str | None = None,
        error: BaseException | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> bool:
        """End the run and its own span. Twice counts once.

        Args:
            status: How it ended, where the user said nothing; `None` leaves it to `error`, or open.
            error: The exception that ended it.
            attributes: What the span is to carry besides; written together with the outcome, which is cheaper.

        Returns:
            Whether this call was the one that ended it.
        """
        with self._lock:
            if self.ended:
                return False
            self.ended = True
        for leave in tuple(self._guests.values()) if self._guests else ():
            try:
                leave()
            except Exception as failure:
                guard.failed("run end", failure)
        self._guests.clear()
        try:
            if self._suggested is not None and (self._suggested[0] != "success" or status in (None, "success")):
                status, error = self._suggested[0], self._suggested[1] or error
            self._close(outcome_of(self.outcome, status, error), attributes)
        except Exception as failure:
            guard.failed("run end", failure)
        if self.owns_span:
            telemetry.end_span(self.span)
        self._errors.clear()
        return True

    def admit(self, guest: object, leave: Callable[[], object]) -> None:
        """Let something that is open without a block of its own end with the run, if it has not by then.

        Args:
            guest: What is open; `dismiss` it when it has ended by itself.
            leave: Ends it; called before the run is added up.
        """
        self._guests[guest] = leave

    def dismiss(self, guest: object) -> None:
        """It has ended by itself."""
        self._guests.pop(guest, None)

    def ledger(self) -> RunLedger:
        """Its calls in this process, and their sum."""
        ledger = self._ledger
        if ledger is None:
            with self._lock:  # most runs make no call and need none
                ledger = self._ledger = self._ledger or RunLedger(closed=self.ended)
        return ledger

    def _close(self, outcome: Outcome, attributes: Mapping[str, Any] | None) -> None:
        duration_ns = time.time_ns() - self._started_ns
        said = outcome.attributes()
        if self._ledger is not None:
            said = {**said, **billing.closed(self._ledger)}
        if self.tasks_published:
            said = {**said, sc.RUN_TASKS_PUBLISHED: self.tasks_published}
        if self.announces and self.span.is_recording():
            add_event(self.span, sc.RUN_COMPLETED)
        set_attributes(self.span, {**(attributes or _NOTHING), **said, sc.RUN_DURATION_MS: duration_ns / 1e6})
        if not self.joined:
            publishing.completed(
                self.attributes,
                said,
                self._started_ns,
                duration_ns,
                outcome.status or "unset",
                self.span.get_span_context(),
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
