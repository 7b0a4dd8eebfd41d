"""Run attributes given at birth: the cheapest moment a span has, and the one its sampler sees.

The application's sampler decides as before; ours wraps it, changes no decision to export, and adds the run's
attributes to what it answers.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, Span, SpanKind, TraceState, get_current_span

from botanu_core import semconv as sc
from botanu_core.ledger.foreign import looks_billable
from botanu_core.runtime.billing import open_spans
from botanu_core.runtime.context import run_attributes

__all__ = ["RunSampler", "StampProcessor", "tracers_of", "unwrap", "wrap"]


_CALLERS: Final = (SpanKind.CLIENT, SpanKind.PRODUCER)


class RunSampler(Sampler):
    """`inner`, with the run's attributes.

    Some spans that `inner` drops are recorded, and still not exported: a client's or producer's inside a run, for what
    it calls decides whether the run may travel with the request; and one that is a model call, or is inside one, for
    the ledger counts every call, whatever is exported.

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
        trace_state: TraceState | None = None,  # noqa: ARG002 - the SDK gives none, and not all samplers take one
    ) -> SamplingResult:
        """Ask `inner`, and stamp the answer."""
        result = self.inner.should_sample(parent_context, trace_id, name, kind, attributes, links)
        given: Mapping[str, Any] = result.attributes or {}
        if sc.RUN_ID in given:
            return result
        is_ours = attributes is not None and sc.RUN_ID in attributes
        # A span of ours brings its run along; a sampler that answers without attributes has lost it.
        run: Mapping[str, Any] | None = attributes if is_ours else run_attributes(parent_context)
        decision = result.decision
        if decision is Decision.DROP:
            if not _is_inside_a_call(parent_context) and (
                is_ours or not ((kind in _CALLERS and run is not None) or looks_billable(name, attributes))
            ):
                return result
            # A dropped result carries no attributes; this span needs its own to say where it goes.
            decision, given = Decision.RECORD_ONLY, attributes or {}
        elif run is None:
            return result
        if run is None:
            return SamplingResult(decision, given, result.trace_state)
        return SamplingResult(decision, {**given, **run} if given else run, result.trace_state)

    def get_description(self) -> str:
        """`inner`'s, for it is the one that decides."""
        return self.inner.get_description()


def _is_inside_a_call(context: Context | None) -> bool:
    around = get_current_span(context).get_span_context().span_id
    return around != 0 and (call := open_spans.get(around)) is not None and call.nearest_open() is not None


def tracers_of(provider: TracerProvider) -> list[Any] | None:
    """The tracers that `provider` has already made; `None` where this SDK keeps them elsewhere."""
    with getattr(provider, "_tracers_lock", None) or nullcontext():
        tracers = getattr(provider, "_tracers", None)
        return list(tracers.values()) if isinstance(tracers, dict) else None


def wrap(provider: TracerProvider) -> bool:
    """Put `RunSampler` around the provider's sampler and those of the tracers it has already made.

    Returns:
        Whether tracers already made were reached; where this SDK keeps them elsewhere, use `StampProcessor`.
    """
    try:
        provider.sampler = _wrapped(provider.sampler)
    except AttributeError:  # a subclass that keeps its sampler to itself
        return False
    tracers = tracers_of(provider)
    for tracer in tracers or ():
        tracer.sampler = _wrapped(tracer.sampler)
    return tracers is not None


def unwrap(provider: TracerProvider) -> None:
    """Undo `wrap`."""
    for each in (provider, *(tracers_of(provider) or ())):
        sampler = getattr(each, "sampler", None)
        if isinstance(sampler, RunSampler):
            each.sampler = sampler.inner


def _wrapped(sampler: Sampler) -> Sampler:
    return sampler if isinstance(sampler, RunSampler) else RunSampler(sampler)


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

    def shutdown(self) -> None:
        """Stop stamping."""
        self.active = False
