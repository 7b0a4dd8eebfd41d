"""The three grounds `enable()` may find: no provider, the application's own, or a foreign one.

Replaces nothing. Where a private name of the SDK is used, its absence is survived and said.
"""

import threading
from typing import Any, Final, Literal

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, SynchronousMultiSpanProcessor, TracerProvider

from botanu_core.sdk import sampler

__all__ = ["Ground", "find", "leave", "make_own", "move", "release", "take"]

Kind = Literal["own", "application", "foreign"]

_GLOBAL: Final = "_TRACER_PROVIDER"


class Ground:
    """The tracer provider we stand on, and what we have added to it.

    Attributes:
        provider: The provider.
        kind: ``own`` we made it, ``application`` the application's SDK, ``foreign`` anything else.
        missing: What cannot be had on it, in words for `doctor()`; empty where nothing is missing.
    """

    def __init__(self, provider: trace.TracerProvider, kind: Kind) -> None:
        self.provider, self.kind = provider, kind
        self.missing = ""
        self.added: list[Any] = []


class _Processors(SynchronousMultiSpanProcessor):
    """The span processors of our own provider, which can be taken away again."""

    def empty(self) -> None:
        """Take all away."""
        self._span_processors = ()


def find() -> trace.TracerProvider | None:
    """The global provider; `None` where nobody has set one."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    return provider


_own: Final[list[TracerProvider]] = []
_lock: Final = threading.Lock()


def make_own(resource: Resource) -> TracerProvider:
    """Our provider, made once a process: tracers that others took from it outlive `disable()`."""
    with _lock:
        if not _own:
            _own.append(
                TracerProvider(
                    resource=resource,
                    active_span_processor=_Processors(),  # type: ignore[no-untyped-call]  # the SDK's
                    shutdown_on_exit=False,
                )
            )
        provider = _own[0]
    update = getattr(provider, "_update_resource", None)
    if update is not None:
        update(resource)
    if getattr(trace, _GLOBAL, False) is None:
        # Not `set_tracer_provider`, which can be called once a process: an application that brings its own provider
        # later must still be able to.
        setattr(trace, _GLOBAL, provider)
    else:
        trace.set_tracer_provider(provider)
    return provider


def leave(provider: TracerProvider) -> None:
    """Give the global place back, if ours still holds it."""
    processors = provider._active_span_processor
    if isinstance(processors, _Processors):
        processors.empty()
    if getattr(trace, _GLOBAL, None) is provider:
        setattr(trace, _GLOBAL, None)


def take(provider: trace.TracerProvider, kind: Kind) -> Ground:
    """Make the spans of `provider` carry the run."""
    ground = Ground(provider, kind)
    if isinstance(provider, TracerProvider):
        if not sampler.wrap(provider):
            add(ground, sampler.StampProcessor())
    elif callable(getattr(provider, "add_span_processor", None)):
        add(ground, sampler.StampProcessor())
    else:
        ground.missing = (
            f"the tracer provider is {type(provider).__module__}.{type(provider).__name__}, which is no OpenTelemetry "
            "SDK: Botanu's own spans carry the run, those of other libraries do not"
        )
    return ground


def add(ground: Ground, processor: SpanProcessor) -> None:
    """Add a processor to the ground's provider."""
    ground.provider.add_span_processor(processor)  # type: ignore[attr-defined]  # asked before
    ground.added.append(processor)


def release(ground: Ground) -> None:
    """Take away what was added; the provider goes on as it was."""
    provider = ground.provider
    if isinstance(provider, TracerProvider):
        sampler.unwrap(provider)
        active = provider._active_span_processor
        processors = getattr(active, "_span_processors", None)
        if isinstance(processors, tuple):
            active._span_processors = tuple(each for each in processors if each not in ground.added)
    for processor in ground.added:
        if isinstance(processor, sampler.StampProcessor):
            processor.active = False


def move(source: TracerProvider, target: TracerProvider) -> None:
    """Let tracers that were taken from `source` make spans of `target`.

    For the application that sets its provider after `enable()`: instrumentations that were switched on before
    hold tracers of ours, and their spans belong to its exporter.
    """
    for tracer in list((getattr(source, "_tracers", None) or {}).values()):
        tracer.sampler = target.sampler
        tracer.span_processor = target._active_span_processor
        tracer.id_generator = target.id_generator
        tracer.resource = target.resource
