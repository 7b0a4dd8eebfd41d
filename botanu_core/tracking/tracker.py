"""`Tracker`: one open span with typed, chainable setters."""

import time
from collections.abc import Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import Any, Final, Self

from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from botanu_core import semconv as sc
from botanu_core.log import warn_once
from botanu_core.model.run import clean
from botanu_core.model.usage import count_of
from botanu_core.privacy.content import safe_text
from botanu_core.runtime import guard, telemetry
from botanu_core.runtime.context import SPAN_KEY, RunContext, current_run, record_error, restore, run_attributes

__all__ = ["Tracker"]

_MAX_METADATA_CHARS: Final = 1024


class Tracker:
    """One open span. ``with`` (or ``async with``) for people; `start` and `finish` for callbacks and streams.

    What is known at the start is on the span when samplers see it; the rest is written once, when it ends. Setters
    return the tracker, never raise, and leave out what will not do.
    """

    __slots__ = ("_attributes", "_context", "_ended", "_error", "_kind", "_late", "_name", "_previous", "_run",
                 "_started_ns", "_token", "span")  # fmt: skip

    def __init__(self, name: str, kind: SpanKind, attributes: dict[str, Any]) -> None:
        self._name, self._kind, self._attributes = name, kind, attributes
        self._late: dict[str, Any] = {}
        self._run: RunContext | None = None
        self._error: BaseException | None = None
        self._ended = False
        self._token: Token[Any] | None = None
        self._started_ns = 0
        self.span: Span = INVALID_SPAN

    # --- its life -----------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the span without making it current."""
        telemetry.noticed()
        context = otel.get_current()
        self._run = current_run(context)
        stamp = run_attributes(context)
        attributes = {**stamp, **self._attributes} if stamp else self._attributes
        self._started_ns = time.perf_counter_ns()
        self.span = telemetry.start_span(self._name, self._kind, attributes, context)
        return self

    def finish(self, error: BaseException | None = None) -> None:
        """End the span. Twice counts once.

        Args:
            error: What ended it, if it failed.
        """
        if self._ended:
            return
        self._ended = True
        try:
            if error is not None:
                self._fail(error)
            self._close((time.perf_counter_ns() - self._started_ns) / 1e9)
            if self._late:
                self.span.set_attributes(self._late)
        except Exception as failure:
            guard.failed("tracker end", failure)
        telemetry.end_span(self.span)

    def _close(self, duration_s: float) -> None:
        """What a kind of tracker adds when it ends: attributes in `_late`, and metrics."""

    def attach(self) -> None:
        """Make the span current, in this context."""
        self._previous = otel.get_current()
        self._context = Context({**self._previous, SPAN_KEY: self.span})
        self._token = otel.attach(self._context)

    def detach(self) -> None:
        """Make current what was so before `attach`."""
        if self._token is not None:
            restore(self._token, self._context, self._previous)
            self._token = None

    def __enter__(self) -> Self:
        self.start()
        self.attach()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.finish(error)
        self.detach()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    # --- setters ------------------------------------------------------------------------------------------------

    def set_error(self, error: BaseException) -> Self:
        """Record an error; done by itself for an exception that leaves the block."""
        if isinstance(error, BaseException):
            self._fail(error)
        else:
            warn_once("tracker.error", "set_error wants the exception, got %s", type(error).__name__)
        return self

    def _fail(self, error: BaseException) -> None:
        if error is self._error:
            return
        self._error = error
        record_error(self._run, self.span, error)

    def add_metadata(self, **metadata: Any) -> Self:
        """Add attributes of your own: ``add_metadata(prompt_version="v2")`` is ``botanu.prompt_version``.

        A name that Botanu uses itself is written as ``botanu.metadata.<name>``. Text is scrubbed.
        """
        self._late.update(metadata_attributes(metadata))
        return self

    def attributes(self) -> dict[str, Any]:
        """Everything set so far."""
        return {**self._attributes, **self._late}

    def late(self) -> dict[str, Any]:
        """What the setters have set so far."""
        return dict(self._late)

    def _text(self, key: str, value: object) -> None:
        text = clean(value, key)
        if text is not None:
            self._late[key] = text

    def _count(self, key: str, value: object) -> None:
        count = count_of(value)
        if count is not None:
            self._late[key] = count


def metadata_attributes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """User's own facts as span attributes; those that are no attribute value are left out and warned about once."""
    found: dict[str, Any] = {}
    for name, value in metadata.items():
        kept = _attribute_value(value)
        if kept is None:
            if value is not None:
                warn_once("metadata.type", "metadata must be text, numbers, booleans or lists of them")
            continue
        key = sc.BAGGAGE_PREFIX + name
        found[key if key not in _RESERVED else f"botanu.metadata.{name}"] = kept
    return found


def _attribute_value(value: Any) -> Any:
    if isinstance(value, str):
        return safe_text(value, _MAX_METADATA_CHARS)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        items = [_attribute_value(item) for item in value[:128] if not isinstance(item, list | tuple)]
        kinds = {type(item) for item in items}
        return items if len(kinds) <= 1 and None not in items else None
    return None


_RESERVED: Final = frozenset(
    value for name, value in vars(sc).items() if name.isupper() and isinstance(value, str) and value.startswith("botanu.")
)  # fmt: skip
