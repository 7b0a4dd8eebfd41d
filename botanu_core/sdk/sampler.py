"""Run attributes given at birth: the cheapest moment a span has, and the one its sampler sees.

The application's sampler decides as before; ours wraps it, changes no decision to export, and adds the run's
attributes to what it answers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, Span, SpanKind, TraceState

from botanu_core import semconv as sc
from botanu_core.runtime.context import run_attributes

__all__ = ["RunSampler", "StampProcessor", "unwrap", "wrap"]


class RunSampler(Sampler):
    """`inner`, with the run's attributes.

    A client span that `inner` drops inside a run is recorded, and still not exported: what it calls decides whether
    the run may travel with the request, and a span that is not recorded cannot say.

    Args:
        inner: The application's sampler.
    """

    def __init__(self, inner: Sampler) -> None:
        self.inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Ask `inner`, and stamp the answer."""
        result = self.inner.should_sample(parent_context, trace_id, name, kind, attributes, links)
        given: Mapping[str, Any] = result.attributes
        if sc.RUN_ID in given:
            return result
        run = run_attributes(parent_context)
        if run is None:
            return result
        decision = result.decision
        if decision is Decision.DROP:
            if kind is not SpanKind.CLIENT or (attributes is not None and sc.RUN_ID in attributes):
                return result
            # A dropped result carries no attributes; this span needs its own to say where it goes.
            decision, given = Decision.RECORD_ONLY, attributes or {}
        return SamplingResult(decision, {**given, **run} if given else run, result.trace_state)

    def get_description(self) -> str:
        """`inner`'s, for it is the one that decides."""
        return self.inner.get_description()


def wrap(provider: TracerProvider) -> bool:
    """Put `RunSampler` around the provider's sampler and those of the tracers it has already made.

    Returns:
        Whether tracers already made were reached; where this SDK keeps them elsewhere, use `StampProcessor`.
    """
    provider.sampler = _wrapped(provider.sampler)
    tracers = getattr(provider, "_tracers", None)
    if not isinstance(tracers, dict):
        return False
    for tracer in list(tracers.values()):
        tracer.sampler = _wrapped(tracer.sampler)
    return True


def unwrap(provider: TracerProvider) -> None:
    """Undo `wrap`."""
    provider.sampler = _unwrapped(provider.sampler)
    for tracer in list((getattr(provider, "_tracers", None) or {}).values()):
        tracer.sampler = _unwrapped(tracer.sampler)


def _wrapped(sampler: Sampler) -> Sampler:
    return sampler if isinstance(sampler, RunSampler) else RunSampler(sampler)


def _unwrapped(sampler: Sampler) -> Sampler:
    return sampler.inner if isinstance(sampler, RunSampler) else sampler


class StampProcessor(SpanProcessor):
    """The same attributes set just after birth, for providers whose sampler cannot be wrapped."""

    def __init__(self) -> None:
        self.active = True

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamp `span`, unless it is already."""
        if not self.active:
            return
        run = run_attributes(parent_context)
        if run is not None and sc.RUN_ID not in (getattr(span, "attributes", None) or {}):
            span.set_attributes(run)

    def on_end(self, span: Any) -> None:
        """Nothing to do."""

    def shutdown(self) -> None:
        """Stop stamping."""
        self.active = False

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held."""
        return True
