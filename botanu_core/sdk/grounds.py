"""The three grounds `enable()` may find: no provider, the application's own, or a foreign one.

Replaces nothing. Where a private name of the SDK is used, its absence is survived and said. All calls come from
`enable` and are made under its lock.
"""

from contextlib import nullcontext
from typing import Any, Final, Literal

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, SynchronousMultiSpanProcessor, TracerProvider

from botanu_core.sdk import sampler
from botanu_core.sdk.processor import LedgerProcessor

__all__ = ["Ground", "add", "find", "leave", "make_own", "release", "take"]

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

    def become(self, *processors: Any) -> None:
        """Have these and no other."""
        self._span_processors = processors


def find() -> trace.TracerProvider | None:
    """The global provider; `None` where nobody has set one."""
    provider = trace.get_tracer_provider()
    return None if isinstance(provider, trace.ProxyTracerProvider) else provider


_own: Final[list[TracerProvider]] = []
_former: Final[list[tuple[TracerProvider, TracerProvider]]] = []  # was our own, and whose spans its tracers make now


def make_own(resource: Resource) -> TracerProvider:
    """Our provider, made once a process: tracers that others took from it outlive `disable()`."""
    fresh = TracerProvider(
        resource=resource,
        active_span_processor=_Processors(),  # type: ignore[no-untyped-call]  # the SDK's
        shutdown_on_exit=False,
    )
    if not _own:
        _own.append(fresh)
    provider = _own[0]
    # Resource and sampler are those of this `enable()`, not of an earlier one.
    provider._resource, provider.sampler = resource, fresh.sampler
    for tracer in sampler.tracers_of(provider) or ():
        tracer.resource, tracer.sampler = resource, fresh.sampler
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
    if provider in _own and isinstance(processors, _Processors):
        processors.become()
    if getattr(trace, _GLOBAL, None) is provider:
        setattr(trace, _GLOBAL, None)


def take(provider: trace.TracerProvider) -> Ground:
    """Make the spans of `provider` carry the run."""
    if isinstance(provider, TracerProvider):
        ground = Ground(provider, "own" if provider in _own else "application")
        if ground.kind == "application":
            _hand_over(provider)
        wrapped = [sampler.wrap(each) for each in _makers(provider)]
        if not all(wrapped):
            add(ground, sampler.StampProcessor())
        add(ground, LedgerProcessor())
        return ground
    ground = Ground(provider, "foreign")
    if isinstance(provider, trace.NoOpTracerProvider):
        ground.missing = "the application has set a NoOpTracerProvider: nobody's spans are made"
    elif callable(getattr(provider, "add_span_processor", None)):
        add(ground, sampler.StampProcessor())
        add(ground, LedgerProcessor())
    else:
        ground.missing = (
            f"the tracer provider is {type(provider).__module__}.{type(provider).__name__}, which is no OpenTelemetry "
            "SDK: Botanu's own spans carry the run, those of other libraries do not"
        )
    return ground


def _makers(provider: TracerProvider) -> list[TracerProvider]:
    return [provider, *(former for former, target in _former if target is provider)]


def add(ground: Ground, processor: SpanProcessor) -> None:
    """Add a processor to the ground's provider."""
    ground.provider.add_span_processor(processor)  # type: ignore[attr-defined]  # asked before
    ground.added.append(processor)


def release(ground: Ground) -> None:
    """Take away what was added; the provider goes on as it was."""
    provider = ground.provider
    if isinstance(provider, TracerProvider):
        for each in _makers(provider):
            sampler.unwrap(each)
        active = getattr(provider, "_active_span_processor", None)
        with getattr(active, "_lock", None) or nullcontext():
            processors = getattr(active, "_span_processors", None)
            if active is not None and isinstance(processors, tuple):
                active._span_processors = tuple(each for each in processors if each not in ground.added)
    for processor in ground.added:
        if isinstance(processor, sampler.StampProcessor | LedgerProcessor):
            processor.active = False


def _hand_over(target: TracerProvider) -> None:
    """Let tracers that were taken from our own provider make spans of the application's.

    For the application that sets its provider after `enable()`: instrumentations that were switched on before
    hold tracers of ours, and their spans belong to its exporter.
    """
    if not _own:
        return
    source = _own.pop()
    source._resource = target.resource
    for each in (source, *(sampler.tracers_of(source) or ())):
        each.sampler, each.id_generator = target.sampler, target.id_generator
        if each is not source:
            each.span_processor, each.resource = target._active_span_processor, target.resource
    # For spans that are still open, and for tracers that are yet to be taken.
    if isinstance(source._active_span_processor, _Processors):
        source._active_span_processor.become(target._active_span_processor)
    _former.append((source, target))
