"""`Tracker`: one open span with typed, chainable setters."""

import time
from collections.abc import Mapping, Sequence
from contextvars import Token
from enum import Enum
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from botanu_core import semconv as sc
from botanu_core.log import warn_once
from botanu_core.model.run import clean
from botanu_core.model.usage import MAX_AMOUNT, count_of
from botanu_core.privacy.content import safe_text
from botanu_core.runtime import billing, guard, telemetry
from botanu_core.runtime.context import SPAN_KEY, RunContext, current_run, record_error, restore
from botanu_core.runtime.current import current_step
from botanu_core.runtime.spans import set_attributes

__all__ = ["MAX_INT", "Tracker", "items_of"]

MAX_INT: Final = 2**63 - 1
"""The largest whole number that OTLP can carry."""

_MAX_METADATA_CHARS: Final = 1024
# An SDK span holds 128 attributes and drops the oldest, which are the run's.
_MAX_METADATA: Final = 32
_MAX_ITEMS: Final = 128
_TEXTS: Final = (str, bytes, bytearray, memoryview)
_NO_METADATA: Final[Mapping[str, Any]] = {}


class Tracker:
    """One open span. ``with`` (or ``async with``) for people; `start` and `finish` for callbacks and streams.

    What is known at the start is on the span when samplers see it; the rest is written once, when it ends. Setters
    return the tracker, never raise, and leave out what will not do.
    """

    __slots__ = ("_attributes", "_context", "_ended", "_error", "_kind", "_late", "_metadata_left", "_name",
                 "_previous", "_run", "_started_ns", "_step", "_token", "span")  # fmt: skip

    def __init__(
        self, name: str, kind: SpanKind, attributes: Mapping[str, Any], metadata: Mapping[str, Any] = _NO_METADATA
    ) -> None:
        self._name, self._kind, self._attributes = name, kind, attributes
        self._late: dict[str, Any] = {}
        self._metadata_left = _MAX_METADATA
        if metadata:
            self._attributes = {**attributes, **self._metadata(metadata)}
        self._run: RunContext | None = None
        self._step: str | None = None
        self._error: BaseException | None = None
        self._ended = False
        self._token: Token[Any] | None = None
        self._started_ns = 0
        self.span: Span = INVALID_SPAN

    # --- its life -----------------------------------------------------------------------------------------------

    def start(self, context: Context | None = None) -> Self:
        """Start the span without making it current. Twice counts once: a tracker is for one call.

        Args:
            context: The OpenTelemetry Context to start it in; the current one without it.
        """
        if self._started_ns:
            if self._ended:
                warn_once("tracker.reused", "a tracker is for one call: make a new one for the next")
            return self
        context = otel.get_current() if context is None else context
        run = self._run = current_run(context)
        if run is None:
            telemetry.noticed()  # else it has looked when it was opened
            attributes = self._attributes
        else:
            step = self._step = current_step(context)
            around = run.attributes if step is None else {**run.attributes, sc.STEP: step}
            attributes = {**around, **self._attributes}
        self._started_ns = time.perf_counter_ns()
        self.span = telemetry.start_span(self._name, self._kind, attributes, context, is_known=True)
        self._begin(context)
        return self

    def finish(self, error: BaseException | None = None) -> None:
        """End the span. Twice counts once; one that never started is no call.

        Args:
            error: What ended it, if it failed.
        """
        if self._ended or not self._started_ns:
            return
        self._ended = True
        try:
            if error is not None:
                self._fail(error)
            self._close((time.perf_counter_ns() - self._started_ns) / 1e9)
        except Exception as failure:
            guard.failed("tracker end", failure)
        if self._late:  # apart from the above: a meter that fails must not cost the span its attributes
            set_attributes(self.span, self._late, is_known=True)
        telemetry.end_span(self.span)

    def _begin(self, context: Context) -> None:
        """What a kind of tracker does once its span has started in `context`."""

    def _close(self, duration_s: float) -> None:
        """What a kind of tracker adds when it ends: attributes in `_late`, metrics, an entry in the ledger."""

    def _bill(self, kind: str, name: str, duration_s: float, counts: Mapping[str, str]) -> None:
        """Price what was counted, by the contracts' `units`.

        Args:
            kind: What was used.
            name: The tool, or the system and its operation.
            duration_s: How long it took.
            counts: Names of what is counted, and the attributes that hold how many.
        """
        late = self._late
        self._late.update(
            billing.use_units(
                self._run,
                kind,
                name,
                {name: late[key] for name, key in counts.items() if key in late},
                step=self._step,
                span_context=self.span.get_span_context(),
                duration_s=duration_s,
                error_type=self._error_type(),
            )
        )

    def _error_type(self) -> str | None:
        return None if self._error is None else type(self._error).__name__

    def attach(self) -> None:
        """Make the span current, in this context."""
        if self._token is not None:
            return
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
        try:
            self.finish(error)
        finally:
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

    def set_canceled(self) -> Self:
        """Mark the call as given up by its caller: no failure, and no answer."""
        self._late[sc.OUTCOME_STATUS] = "canceled"
        return self

    def set_items_returned(self, count: int) -> Self:
        """Record how many things were found."""
        self._count(sc.TOOL_ITEMS_RETURNED, count)
        return self

    def _fail(self, error: BaseException) -> None:
        # Cancellation and a generator's end are no errors: neither on the span nor in metrics.
        if error is self._error or not isinstance(error, Exception):
            return
        self._error = error
        record_error(self._run, self.span, error)

    def add_metadata(self, /, **metadata: Any) -> Self:
        """Add attributes of your own: ``add_metadata(prompt_version="v2")`` is ``botanu.prompt_version``.

        A name that Botanu uses itself is written as ``botanu.metadata.<name>``. At most 32 names a call; text is
        scrubbed, and cut to 1,024 characters.
        """
        self._late.update(self._metadata(metadata))
        return self

    def _metadata(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """The user's own facts as attributes; what will not do is left out and warned about once."""
        found: dict[str, Any] = {}
        for name, value in metadata.items():
            key, kept = _metadata_key(name), _attribute_value(value)
            if key is None or kept is None:
                if value is not None:
                    warn_once("metadata.type", "metadata must be text, numbers, booleans or lists of one of them")
                continue
            if key not in self._late and key not in self._attributes:
                if self._metadata_left <= 0:
                    warn_once("metadata.full", "only the first %d metadata items of a call are kept", _MAX_METADATA)
                    continue
                self._metadata_left -= 1
            found[key] = kept
        return found

    def attributes(self) -> dict[str, Any]:
        """Everything set so far."""
        return {**self._attributes, **self._late}

    def late(self) -> dict[str, Any]:
        """What the setters have set so far."""
        return dict(self._late)

    def _rename(self, name: str) -> None:
        self._name = name
        if self.span.is_recording():
            self.span.update_name(name)

    def _text(self, key: str, value: object) -> None:
        text = clean(value, key)
        if text is not None:
            self._late[key] = text

    def _flag(self, key: str, value: object) -> None:
        try:
            self._late[key] = bool(value)
        except Exception as error:
            warn_once("flag.invalid", "a flag was neither true nor false; it is left out", error=error)

    def _count(self, key: str, value: object) -> None:
        count = count_of(value, MAX_AMOUNT)
        if count is not None:
            self._late[key] = count


def items_of(values: object) -> list[Any] | None:
    """The first 128 items of a list or its like; `None` where it is none or cannot be read."""
    if type(values) is list:
        return values[:_MAX_ITEMS]
    if not isinstance(values, Sequence) or isinstance(values, _TEXTS):
        return None
    try:
        return list(islice(values, _MAX_ITEMS))
    except Exception as error:
        warn_once("items.unreadable", "a list could not be read and is left out", error=error)
        return None


def _metadata_key(name: object) -> str | None:
    text = clean(name, "metadata name")
    if text is None:
        return None
    key = sc.BAGGAGE_PREFIX + text
    family, dot, _ = text.partition(".")
    return f"botanu.metadata.{text}" if key in _RESERVED or (dot and family in _FAMILIES) else key


def _attribute_value(value: Any) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return safe_text(value, _MAX_METADATA_CHARS)
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -MAX_INT <= value <= MAX_INT else None
    given = items_of(value)
    if given is None or any(isinstance(item, list | tuple) for item in given):
        return None
    items = tuple(_attribute_value(item) for item in given)
    return items if None not in items and len({type(item) for item in items}) <= 1 else None


_OURS: Final = [value for name, value in vars(sc).items() if name.isupper() and isinstance(value, str)]
_RESERVED: Final = frozenset(value for value in _OURS if value.startswith(sc.BAGGAGE_PREFIX))
_FAMILIES: Final = frozenset(("metadata", "cost", *(key.split(".")[1] for key in _RESERVED if key.count(".") > 1)))
