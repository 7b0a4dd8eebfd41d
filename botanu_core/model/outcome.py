"""`Outcome`: how a run ended, in business words."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from botanu_core import semconv as sc

__all__ = ["STATUSES", "Outcome", "outcome_of", "status_of"]

STATUSES: Final = ("success", "partial", "failed", "timeout", "canceled", "abandoned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the user, or the way the run ended, says about it.

    Attributes:
        status: One of `STATUSES`; `None` where only a value was said and the end decides the status.
        value_type: What was achieved, such as ``"tickets_resolved"``.
        value_amount: How much of it.
        confidence: 0.0 to 1.0.
        reason: Why; scrubbed.
        error_type: Class of the error.
        metadata: Further facts; scrubbed.
    """

    status: str | None = None
    value_type: str | None = None
    value_amount: float | None = None
    confidence: float | None = None
    reason: str | None = None
    error_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_bare(self) -> bool:
        """Whether nothing but the status is said, as in most runs."""
        return (
            self.value_type is None
            and self.value_amount is None
            and self.confidence is None
            and self.reason is None
            and self.error_type is None
            and not self.metadata
        )

    def over(self, before: "Outcome") -> "Outcome":
        """This, with what it leaves open as it was said before."""
        return Outcome(
            status=self.status or before.status,
            value_type=self.value_type if self.value_type is not None else before.value_type,
            value_amount=self.value_amount if self.value_amount is not None else before.value_amount,
            confidence=self.confidence if self.confidence is not None else before.confidence,
            reason=self.reason if self.reason is not None else before.reason,
            error_type=self.error_type if self.error_type is not None else before.error_type,
            metadata={**before.metadata, **self.metadata},
        )

    def attributes(self) -> dict[str, str | float]:
        """As span attributes; only what was said."""
        if self.is_bare:
            return {sc.OUTCOME_STATUS: self.status} if self.status is not None else {}
        said = (
            (sc.OUTCOME_STATUS, self.status),
            (sc.OUTCOME_VALUE_TYPE, self.value_type),
            (sc.OUTCOME_VALUE_AMOUNT, self.value_amount),
            (sc.OUTCOME_CONFIDENCE, self.confidence),
            (sc.OUTCOME_REASON, self.reason),
            (sc.OUTCOME_ERROR_TYPE, self.error_type),
            *((sc.OUTCOME_METADATA + name, text) for name, text in self.metadata.items()),
        )
        return {key: value for key, value in said if value is not None}


_BARE: Final = {status: Outcome(status=status) for status in STATUSES}


def outcome_of(said: Outcome, status: str | None, error: BaseException | None = None) -> Outcome:
    """What was said, with the rest decided by how it ended.

    Args:
        said: What the user said; a status in it wins.
        status: How it ended; `None` leaves it to `error`, or open.
        error: The exception that ended it.
    """
    if said.status is not None or (status is None and error is None):
        return said
    ended = status if status is not None or error is None else status_of(error)
    if ended is None:
        return said
    if error is None and said.is_bare and ended in _BARE:
        return _BARE[ended]
    error_type = said.error_type
    if error_type is None and error is not None and ended != "success":
        error_type = type(error).__name__
    return replace(said, status=ended, error_type=error_type)


def status_of(error: BaseException) -> str | None:
    """The status that an exception leaving a run gives it, where the user said nothing.

    `None` leaves it open: a web framework's ``HTTPException`` of 4xx is an answer, and whose fault it is nobody knows;
    so are Django's ``Http404`` and its kin.

    Cancellation, and Celery's soft time limit, are told by the class's name in its family tree, so that asyncio's,
    concurrent.futures', trio's, and greenlets' are known without importing any of them.
    """
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, GeneratorExit | KeyboardInterrupt):
        return "canceled"
    if isinstance(error, SystemExit):
        return "success" if error.code in (None, 0) else "failed"
    names = {kind.__name__ for kind in type(error).__mro__}
    if not names.isdisjoint(_CANCELLATIONS):
        return "canceled"
    # By their full names: gRPC has a PermissionDenied, too, and that one is a failure.
    known = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    if not known.isdisjoint(_ANSWERS):
        return None
    if "HTTPException" in names or "rest_framework.exceptions.APIException" in known:
        code = getattr(error, "status_code", None) or getattr(error, "code", None)
        return None if isinstance(code, int) and code < 500 else "failed"
    return "timeout" if "SoftTimeLimitExceeded" in names else "failed"


_ANSWERS: Final = frozenset(
    {
        "django.core.exceptions.BadRequest",
        "django.core.exceptions.PermissionDenied",
        "django.core.exceptions.SuspiciousOperation",
        "django.http.multipartparser.MultiPartParserError",
        "django.http.response.Http404",
    }
)
_CANCELLATIONS: Final = frozenset({"CancelledError", "Cancelled", "GreenletExit", "ClientDisconnect"})
