"""`Run`: the identity of one business transaction, as it crosses processes."""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Final, Self

from botanu_core import semconv as sc
from botanu_core.log import warn_once

__all__ = ["MAX_ID_CHARS", "RUN_MEMBERS", "UNNAMED", "Run", "clean", "is_run_id", "new_run_id"]

MAX_ID_CHARS: Final = 256
UNNAMED: Final = "unnamed"
"""What ``botanu.workflow`` says while nobody has named an implicit run."""


def new_run_id() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits; lower-case, 36 characters."""
    moment = f"{time.time_ns() // 1_000_000:012x}"
    chance = os.urandom(10)
    digits = chance.hex()
    # Texts are put together in half the time that arithmetic on 128 bits takes.
    return f"{moment[:8]}-{moment[8:]}-7{digits[:3]}-{'89ab'[chance[9] & 3]}{digits[3:6]}-{digits[6:18]}"


_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_run_id(text: str) -> bool:
    """Whether `text` is a UUID in its canonical lower-case form. Any version: others may make their own."""
    return _UUID.fullmatch(text) is not None


def clean(value: object, what: str) -> str | None:
    """`value` as an id that may travel: at most 256 printable characters.

    Args:
        value: What the user or the wire gave; a UUID, an integer or other plain value is written as text, a member of
            an enumeration as its value is.
        what: The field's name, for the one warning when the value will not do.

    Returns:
        The text, or `None` where there is none or it will not do. Unknown is better than wrong.
    """
    if type(value) is str and 0 < len(value) <= MAX_ID_CHARS and value.isprintable():
        return value
    if isinstance(value, Enum):  # its `str()` is ``Model.SMALL``
        value = value.value
    if value is None:
        return None
    try:
        text = _written(value)
    except Exception as error:
        warn_once(f"id.{what}", "%s could not be written as text and is left out", what, error=error)
        return None
    if text and len(text) <= MAX_ID_CHARS and text.isprintable():
        return text
    if text:
        warn_once(f"id.{what}", "%s must be at most %d printable characters; it is left out", what, MAX_ID_CHARS)
    return None


def _written(value: object) -> str:
    kind = type(value)
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        raise TypeError  # what Python writes then is the object's address: another "id" at every call
    return str.__str__(value) if isinstance(value, str) else str(value)  # a subclass's may be anything


@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class Run:
    """One business transaction. Frozen, no behaviour but its own arithmetic.

    Attributes:
        run_id: UUIDv7, lower-case, 36 characters.
        workflow: What kind of transaction it is; low cardinality. `None`: implicit, nobody has named it yet.
        environment: Deployment environment.
        event_id: The business key: ticket, order.
        customer_id: Whom it is for.
        tenant_id: The tenant, where customers are grouped.
        parent_run_id: The run this one is nested in.
        root_run_id: The outermost run; its own id where it is that.
        attempt: 1 for the first try of the whole run.
        retry_of_run_id: The run that this one does again.
        deadline: Unix time in seconds after which the result is of no use; `None` for none.
        cancelled: Somebody upstream has asked for the work to stop.
        step: The step of the caller in which the run crossed to this process.
    """

    run_id: str
    workflow: str | None = None
    environment: str = "production"
    event_id: str | None = None
    customer_id: str | None = None
    tenant_id: str | None = None
    parent_run_id: str | None = None
    root_run_id: str
    attempt: int = 1
    retry_of_run_id: str | None = None
    deadline: float | None = None
    cancelled: bool = False
    step: str | None = None

    def __init__(
        self,
        *,
        run_id: str,
        root_run_id: str,
        workflow: str | None = None,
        environment: str = "production",
        event_id: str | None = None,
        customer_id: str | None = None,
        tenant_id: str | None = None,
        parent_run_id: str | None = None,
        attempt: int = 1,
        retry_of_run_id: str | None = None,
        deadline: float | None = None,
        cancelled: bool = False,
        step: str | None = None,
    ) -> None:
        # What `dataclass` would write takes twice as long, and every request makes a run.
        _set_run_id(self, run_id)
        _set_workflow(self, workflow)
        _set_environment(self, environment)
        _set_event_id(self, event_id)
        _set_customer_id(self, customer_id)
        _set_tenant_id(self, tenant_id)
        _set_parent_run_id(self, parent_run_id)
        _set_root_run_id(self, root_run_id)
        _set_attempt(self, attempt)
        _set_retry_of_run_id(self, retry_of_run_id)
        _set_deadline(self, deadline)
        _set_cancelled(self, cancelled)
        _set_step(self, step)

    @classmethod
    def new(
        cls,
        *,
        environment: str,
        workflow: str | None = None,
        event_id: str | None = None,
        customer_id: str | None = None,
        tenant_id: str | None = None,
        parent: "Run | None" = None,
        deadline: float | None = None,
    ) -> Self:
        """A new transaction, nested in `parent` where one is given. It inherits the parent's customer and tenant."""
        run_id = new_run_id()
        if parent is None:
            return cls(
                run_id=run_id,
                workflow=workflow,
                environment=environment,
                event_id=event_id,
                customer_id=customer_id,
                tenant_id=tenant_id,
                root_run_id=run_id,
                deadline=deadline,
            )
        return cls(
            run_id=run_id,
            workflow=workflow,
            environment=environment,
            event_id=event_id,
            customer_id=customer_id or parent.customer_id,
            tenant_id=tenant_id or parent.tenant_id,
            parent_run_id=parent.run_id,
            root_run_id=parent.root_run_id,
            deadline=_earlier(deadline, parent.deadline),
            cancelled=parent.cancelled,
        )

    def retried(self) -> Self:
        """The same transaction done again as a whole: a new id, the same root, one attempt more.

        The deadline and the request to cancel belonged to the attempt that is over and are not carried on.
        """
        return replace(
            self,
            run_id=new_run_id(),
            retry_of_run_id=self.run_id,
            attempt=self.attempt + 1,
            deadline=None,
            cancelled=False,
            step=None,
        )

    def filled(
        self, *, workflow: str | None, event_id: str | None, customer_id: str | None, tenant_id: str | None
    ) -> Self:
        """The same run with what was missing filled in; nothing that is known is overwritten."""
        return replace(
            self,
            workflow=self.workflow or workflow,
            event_id=self.event_id or event_id,
            customer_id=self.customer_id or customer_id,
            tenant_id=self.tenant_id or tenant_id,
        )

    def attributes(self) -> dict[str, str | int]:
        """What every span of the run carries: the keys of contract section 2, only those that are known."""
        found: dict[str, str | int] = {
            sc.RUN_ID: self.run_id,
            sc.WORKFLOW: self.workflow or UNNAMED,
            sc.ENVIRONMENT: self.environment,
        }
        if self.event_id is not None:
            found[sc.EVENT_ID] = self.event_id
        if self.customer_id is not None:
            found[sc.CUSTOMER_ID] = self.customer_id
        if self.tenant_id is not None:
            found[sc.TENANT_ID] = self.tenant_id
        if self.parent_run_id is not None:
            found[sc.PARENT_RUN_ID] = self.parent_run_id
        if self.root_run_id != self.run_id:
            found[sc.ROOT_RUN_ID] = self.root_run_id
        if self.attempt > 1:
            found[sc.ATTEMPT] = self.attempt
        if self.step is not None:
            found[sc.STEP] = self.step
        return found

    def members(self) -> dict[str, str]:
        """What crosses the wire, unencoded, most needed first: the keys of contract section 4."""
        found: dict[str, str] = {sc.RUN_ID: self.run_id}
        if self.workflow is not None:
            found[sc.WORKFLOW] = self.workflow
        if self.event_id is not None:
            found[sc.EVENT_ID] = self.event_id
        if self.customer_id is not None:
            found[sc.CUSTOMER_ID] = self.customer_id
        found[sc.ENVIRONMENT] = self.environment
        if self.tenant_id is not None:
            found[sc.TENANT_ID] = self.tenant_id
        if self.parent_run_id is not None:
            found[sc.PARENT_RUN_ID] = self.parent_run_id
        if self.root_run_id != self.run_id:
            found[sc.ROOT_RUN_ID] = self.root_run_id
        if self.attempt > 1:
            found[sc.ATTEMPT] = str(self.attempt)
        if self.retry_of_run_id is not None:
            found[sc.RETRY_OF_RUN_ID] = self.retry_of_run_id
        if self.deadline is not None:
            found[sc.DEADLINE] = f"{self.deadline:.3f}"
        if self.cancelled:
            found[sc.CANCELLED] = "true"
        if self.step is not None:
            found[sc.STEP] = self.step
        return found

    @classmethod
    def from_members(cls, members: Mapping[str, object], *, environment: str) -> "Run | None":
        """Read a run off the wire, checking every value before use.

        Args:
            members: Baggage members, decoded. Those of others are ignored.
            environment: What holds where the wire does not say.

        Returns:
            The run, or `None` where the id is missing or malformed, or any other value is: what does not check
            out is dropped whole, because half a run would be booked on the wrong customer.
        """
        run_id = members.get(sc.RUN_ID)
        if type(run_id) is not str or _UUID.fullmatch(run_id) is None:
            return None
        found = _checked(members)
        if found is None:
            return None
        get = found.get
        parent_run_id = retry_of_run_id = step = deadline = None
        root_run_id, attempt, cancelled = run_id, 1, False
        if not _PLAIN_MEMBERS.issuperset(found):
            linked = [get(key) for key in (sc.PARENT_RUN_ID, sc.ROOT_RUN_ID, sc.RETRY_OF_RUN_ID)]
            if any(value is not None and not is_run_id(value) for value in linked):
                return None
            parent_run_id, root_run_id, retry_of_run_id = linked[0], linked[1] or run_id, linked[2]
            attempt, deadline = _attempt(get(sc.ATTEMPT)), _deadline(get(sc.DEADLINE))
            cancelled, step = get(sc.CANCELLED) == "true", get(sc.STEP)
        return cls(
            run_id=run_id,
            workflow=get(sc.WORKFLOW),
            environment=get(sc.ENVIRONMENT) or environment,
            event_id=get(sc.EVENT_ID),
            customer_id=get(sc.CUSTOMER_ID),
            tenant_id=get(sc.TENANT_ID),
            parent_run_id=parent_run_id,
            root_run_id=root_run_id,
            attempt=attempt,
            retry_of_run_id=retry_of_run_id,
            deadline=deadline,
            cancelled=cancelled,
            step=step,
        )


(
    _set_run_id, _set_workflow, _set_environment, _set_event_id, _set_customer_id, _set_tenant_id, _set_parent_run_id,
    _set_root_run_id, _set_attempt, _set_retry_of_run_id, _set_deadline, _set_cancelled, _set_step,
) = (vars(Run)[each.name].__set__ for each in fields(Run))  # fmt: skip


def _checked(members: Mapping[str, object]) -> Mapping[str, str] | None:
    """The members that a run is made of, if each is an id that may travel."""
    try:
        together = "".join(members.values())  # type: ignore[arg-type]  # what is no text raises
    except TypeError:
        together = "\0"
    if together.isprintable() and len(together) <= MAX_ID_CHARS and all(members.values()):
        return members  # type: ignore[return-value]  # as they mostly are: short, and text
    found: dict[str, str] = {}
    for key, value in members.items():
        if key not in RUN_MEMBERS:
            continue
        if type(value) is not str or not value or len(value) > MAX_ID_CHARS or not value.isprintable():
            return None
        found[key] = value
    return found


_TEXT_MEMBERS: Final = (
    sc.WORKFLOW,
    sc.ENVIRONMENT,
    sc.EVENT_ID,
    sc.CUSTOMER_ID,
    sc.TENANT_ID,
    sc.PARENT_RUN_ID,
    sc.ROOT_RUN_ID,
    sc.RETRY_OF_RUN_ID,
    sc.ATTEMPT,
    sc.DEADLINE,
    sc.CANCELLED,
    sc.STEP,
)
# All that a run says that is nested in none, is the first try, and has no deadline.
_PLAIN_MEMBERS: Final = frozenset(
    (sc.RUN_ID, sc.WORKFLOW, sc.ENVIRONMENT, sc.EVENT_ID, sc.CUSTOMER_ID, sc.TENANT_ID, sc.SIGNATURE)
)
RUN_MEMBERS: Final = frozenset((sc.RUN_ID, *_TEXT_MEMBERS, sc.SIGNATURE))
"""The baggage members that a run is made of, and the one that vouches for them; nobody else may set them."""


def _attempt(text: str | None) -> int:
    is_number = text is not None and text.isascii() and text.isdigit() and len(text) <= 6
    return max(1, int(text)) if text is not None and is_number else 1


def _deadline(text: str | None) -> float | None:
    return float(text) if text is not None and _MOMENT.fullmatch(text) else None


_MOMENT: Final = re.compile(r"[1-9][0-9]{0,10}(?:\.[0-9]{1,9})?")


def _earlier(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else min(one, other)
