"""What both instrumentors are: OpenTelemetry's own one, with a hook at the end of a call and a reader at its beginning.

A client's method ends up inside three layers: ours, which looks at the arguments before anybody else; OpenTelemetry's,
which makes the span; and ours again, in which that span is current. What our first layer can tell by itself does not
pass the other two. All three stay where they are, and do nothing, when somebody has put another one over them before
they are to be taken off.
"""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ClassVar, Final, Self, cast

from wrapt import FunctionWrapper

from botanu_core.clients import ConfigError, MissingExtra, logger
from botanu_genai._hook import Hook
from botanu_genai._meters import Meters
from botanu_genai._writing import FORMATS

__all__ = ["Instrumentor", "Layer", "Target"]

_MODE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_lock = threading.RLock()

Layer = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]
"""What a wrapper of a method is called with: the method, its object, and the arguments."""


class Target:
    """One method of a client, and the layers around it.

    Args:
        owner: The class.
        name: The method.
        inner: The layer in which the span is current.
        outer: The layer before anybody else, if there is one.
    """

    def __init__(self, owner: type, name: str, inner: Layer, outer: Layer | None = None) -> None:
        self._owner, self._name = owner, name
        self._inner, self._outer = inner, outer
        self._before = self._theirs = self._top = vars(owner)[name]

    def begin(self) -> None:
        """Put the inner layer on."""
        setattr(self._owner, self._name, FunctionWrapper(self._before, self._inner))

    def complete(self) -> None:
        """Put the outer one over what OpenTelemetry's has put on meanwhile."""
        self._theirs = self._top = vars(self._owner)[self._name]
        if self._outer is not None:
            self._top = FunctionWrapper(self._theirs, self._outer)
            setattr(self._owner, self._name, self._top)

    def uncover(self) -> Callable[[], None]:
        """Let OpenTelemetry's layer be on top, to be taken off; what is returned puts back what belongs there."""
        there = vars(self._owner)[self._name]
        setattr(self._owner, self._name, self._theirs)
        after = self._before if there is self._top else there
        return lambda: setattr(self._owner, self._name, after)


class Instrumentor(ABC):
    """One instrumentor a process: each call of the class returns the same one."""

    _extra: ClassVar[str] = "genai"
    _package: ClassVar[str]
    _class: ClassVar[str]
    _one: ClassVar[Any] = None

    _base: Any
    _hook: Hook
    _targets: tuple[Target, ...]
    _is_on: bool
    _was_on: bool
    _details: bool
    _reads_events: bool

    def __new__(cls) -> Self:
        """The one of this process."""
        if cls._one is None:
            one = super().__new__(cls)
            one._is_on = one._was_on = False
            one._targets = ()
            cls._one = one
        return cast(Self, cls._one)

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether it is on, as OpenTelemetry's own instrumentors say it."""
        return self._is_on

    def instrumentation_dependencies(self) -> Collection[str]:
        """The clients' distributions and versions that can be instrumented."""
        return tuple(self._theirs().instrumentation_dependencies())

    def instrument(
        self,
        *,
        tracer_provider: Any = None,
        meter_provider: Any = None,
        logger_provider: Any = None,
        completion_hook: Any = None,
        messages: str = "flat",
        max_attributes: int | None = None,
        user_and_tools: bool = False,
        **options: Any,
    ) -> None:
        """Trace all clients of this process, those that exist as well. Twice counts once.

        OpenTelemetry's own instrumentor of the same client is taken over where it is on already.

        Args:
            tracer_provider: Makes the spans; the global one without it.
            meter_provider: Takes the metrics; the global one without it.
            logger_provider: Takes the events; the global one without it.
            completion_hook: Called at the end of each call, after ours.
            messages: ``"flat"`` attributes, ``"json"`` as in OpenTelemetry's conventions, ``"both"`` or ``"none"``.
            max_attributes: How many attributes messages and tools may take; as many as the span holds without it.
            user_and_tools: Whether ``user`` and the schemas of tools are recorded where content is not captured, too.
            options: For OpenTelemetry's instrumentor.

        Raises:
            ConfigError: An option is wrong.
            MissingExtra: What this stands on is not installed.
        """
        if messages not in FORMATS:
            raise ConfigError(f"messages must be one of {', '.join(map(repr, FORMATS))}, got {messages!r}")
        if max_attributes is not None and (type(max_attributes) is not int or max_attributes < 0):
            raise ConfigError(f"max_attributes must be a whole number from 0 on, or None, got {max_attributes!r}")
        with _lock:
            if self._is_on:
                logger.info("%s is on already; the first call of instrument() holds", type(self).__name__)
                return
            base = self._theirs()
            self._was_on = bool(base.is_instrumented_by_opentelemetry)
            if self._was_on:
                base.uninstrument()
            self._details = user_and_tools
            self._base, self._hook = base, Hook(cast(Any, messages), max_attributes, completion_hook)
            targets = tuple(self._found_targets())
            for target in targets:
                target.begin()
            meters = Meters(meter_provider)
            with _capturing_nothing() as self._reads_events:
                base.instrument(
                    tracer_provider=tracer_provider,
                    meter_provider=meters,
                    logger_provider=logger_provider,
                    completion_hook=self._hook,
                    **options,
                )
            self._prepare(tracer_provider, meters)
            for target in targets:
                target.complete()
            self._targets = targets
            self._is_on = bool(base.is_instrumented_by_opentelemetry)
            base.taken_over = True  # `botanu.disable()` leaves it to us

    def uninstrument(self, **_: Any) -> None:
        """Leave the clients as they were before `instrument`. Calls that are open end as they would have."""
        with _lock:
            if not self._is_on:
                return
            self._is_on = False
            base, targets = self._base, self._targets
            finish = [target.uncover() for target in targets]
            if base.is_instrumented_by_opentelemetry:
                base.uninstrument()
            for each in finish:
                each()
            self._targets = ()
            base.taken_over = False
            if self._was_on:
                base.instrument()

    @property
    def _listens(self) -> bool:
        """Whether a call that begins now is ours."""
        return self._is_on and bool(self._base.is_instrumented_by_opentelemetry)

    @property
    def _is_read_by_others(self) -> bool:
        """Whether somebody wants the messages as OpenTelemetry's package reads them."""
        return self._hook.is_chained or self._reads_events

    def _prepare(self, tracer_provider: Any, meters: Meters) -> None:  # noqa: B027  # not all have anything to do
        """Do what else is to be done once OpenTelemetry's instrumentor is on, and before the outer layers are."""

    @abstractmethod
    def _found_targets(self) -> Iterator[Target]:
        """The methods of the client that are to be read."""

    def _theirs(self) -> Any:
        try:
            return getattr(import_module(self._package), self._class)()
        except ModuleNotFoundError as error:
            raise MissingExtra(type(self).__name__, self._extra) from error


@contextmanager
def _capturing_nothing() -> Iterator[bool]:
    """Keep OpenTelemetry's packages from writing messages on spans by themselves, which would be unscrubbed.

    They read their variable when they are switched on. What it says of events they go on to do: those pass the hook.

    Yields:
        Whether there will be such events.
    """
    said = os.environ.get(_MODE)
    has_events = (said or "").strip().lower() in ("event_only", "span_and_event")
    os.environ[_MODE] = "EVENT_ONLY" if has_events else "NO_CONTENT"
    try:
        yield has_events
    finally:
        if said is None:
            del os.environ[_MODE]
        else:
            os.environ[_MODE] = said
