"""What is written on spans and read from them, whosever implementation they are: errors, events, attributes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import Span, Status, StatusCode

from botanu_core import semconv as sc
from botanu_core.model.outcome import status_of
from botanu_core.privacy.content import safe_text
from botanu_core.runtime import guard

if TYPE_CHECKING:
    from botanu_core.runtime.context import RunContext

__all__ = ["add_event", "attributes_of", "fitting_in", "kept_by", "record_error", "set_attributes"]

_NOTHING: Final[Mapping[str, Any]] = {}


def record_error(run: "RunContext | None", span: Span, error: BaseException) -> None:
    """Mark `span` as failed by `error`; the exception itself is written in full on the first span of the run only.

    Cancellation is no error: the span stays unset, as it does where a program exits as it should.
    """
    if not span.is_recording() or status_of(error) in (None, "canceled", "success"):
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


def add_event(span: Span, name: str) -> None:
    """Add an event to `span`, whosever implementation it is."""
    try:
        span.add_event(name)
    except Exception as error:
        guard.failed("span event", error)


def set_attributes(span: Any, attributes: Mapping[str, Any], *, is_known: bool = False) -> None:
    """Set attributes on `span`, while it is open.

    On a span of the SDK they are written as it would, but for what it looks for in every value and what cannot be
    there, which takes as long as the rest of a span. Where it might find something, or keeps them elsewhere, it does.

    Args:
        span: The span.
        attributes: What is to be set.
        is_known: As `fitting_in` takes it.
    """
    try:
        # A span of the run that has ended meanwhile would log a warning for something that is nobody's mistake.
        if not span.is_recording():
            return
        known = kept_by(span) if type(span).__module__ == _SDK else None
        fitting = fitting_in(span._attributes, attributes, is_known=is_known) if known is not None else None
        if known is None or fitting is None:
            span.set_attributes(attributes)
            return
        with span._lock:
            if span.is_recording():
                known.update(fitting)
    except Exception as error:
        guard.failed("span attributes", error)


def attributes_of(span: Any) -> Mapping[str, Any]:
    """Those of a span or its event, to be read at once: the SDK's take a lock, and an exception for an absent key."""
    known = kept_by(span)
    return known if known is not None else getattr(span, "attributes", None) or _NOTHING


def kept_by(span: Any) -> dict[str, Any] | None:
    """Where a span of the SDK, or its event, keeps its attributes; `None` where that is elsewhere."""
    known = getattr(getattr(span, "_attributes", None), "_dict", None)
    return known if isinstance(known, dict) else None


_SDK: Final = "opentelemetry.sdk.trace"
_PLAIN: Final = frozenset((str, int, float, bool))
_ROWS: Final = (list, tuple)


def fitting_in(kept: Any, attributes: Mapping[str, Any], *, is_known: bool = False) -> Mapping[str, Any] | None:
    """`attributes` as the SDK would keep them; `None` where it is to see to it.

    Args:
        kept: What the SDK keeps attributes in, which knows its limits.
        attributes: What is to be added.
        is_known: Whether each is known to be text, a number or a boolean, or a tuple of them.
    """
    if kept.max_value_len is not None or (kept.maxlen is not None and len(kept._dict) + len(attributes) > kept.maxlen):
        return None
    if is_known:
        return attributes
    fitting: Any = attributes
    for key, value in attributes.items():
        if type(value) in _PLAIN:
            continue
        if type(value) not in _ROWS or not _PLAIN.issuperset(map(type, value)):
            return None
        if type(value) is list:
            if fitting is attributes:
                fitting = dict(attributes)
            fitting[key] = tuple(value)
    return fitting  # type: ignore[no-any-return]  # a mapping, whichever
