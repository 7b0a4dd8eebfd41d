"""Run attributes given at birth: the cheapest moment a span has, and the one its sampler sees.

The application's sampler decides as before; ours wraps it, changes no decision to export, and adds the run's
attributes to what it answers.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, Span, SpanKind, TraceFlags, TraceState, get_current_span

from botanu_core import semconv as sc
from botanu_core.ledger.foreign import KNOWN_SCOPES, looks_billable
from botanu_core.ledger.open_spans import open_spans
from botanu_core.runtime.context import run_attributes

__all__ = ["RunSampler", "StampProcessor", "scope_of", "tracers_of", "unwrap", "wrap"]


_CALLERS: Final = (SpanKind.CLIENT, SpanKind.PRODUCER)


class RunSampler(Sampler):
    """`inner`, with the run's attributes.

    Some spans that `inner` drops are recorded, and still not exported: a client's or producer's inside a run, for what
    it calls decides whether the run may travel with the request; and one that is a model call, or is inside one, for
    the ledger counts every call, whatever is exported.

    Args:
        inner: The application's sampler.
        is_known: Whether the spans are of a scope that makes model calls, though nothing at their start need tell.
        tracers: Those of the provider, which come to this sampler while they are new.
    """

    def __init__(self, inner: Sampler, *, is_known: bool = False, tracers: Mapping[Any, Any] | None = None) -> None:
        self.inner, self._is_known = inner, is_known
        self._tracers: Mapping[Any, Any] = tracers if tracers is not None else {}
        self._seen = len(self._tracers)
        # As the SDK's default does: inside a sampled span of this process it need not be asked.
        self._follows = type(inner) is ParentBased and getattr(inner, "_local_parent_sampled", None) is ALWAYS_ON

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
        parent = get_current_span(parent_context).get_span_context() if self._follows else None
        if parent is not None and parent.is_valid and not parent.is_remote:
            born = self.as_around(parent.trace_flags, attributes or {}, parent_context)
            if born is not None:
                return SamplingResult(Decision.RECORD_AND_SAMPLE, born, parent.trace_state)
        result = self.inner.should_sample(parent_context, trace_id, name, kind, attributes, links)
        given: Mapping[str, Any] = result.attributes or {}
        decision = result.decision
        if sc.RUN_ID in given and decision is not Decision.DROP:
            return result
        is_ours = attributes is not None and sc.RUN_ID in attributes
        # A span of ours brings its run along; a sampler that answers without attributes has lost it.
        run: Mapping[str, Any] | None = attributes if is_ours else run_attributes(parent_context)
        if decision is Decision.DROP:
            if not _is_inside_a_call(parent_context) and (
                is_ours
                or not (
                    self._is_known
                    or (kind in _CALLERS and run is not None)
                    or looks_billable(name, attributes)
                    or (len(self._tracers) != self._seen and self._is_by_newcomer())
                )
            ):
                return result
            # A dropped result carries no attributes; this span needs its own to say where it goes.
            decision, given = Decision.RECORD_ONLY, attributes or {}
        elif run is None:
            return result
        if run is None:
            return SamplingResult(decision, given, result.trace_state)
        return SamplingResult(decision, {**given, **run} if given else run, result.trace_state)

    def as_around(self, flags: int, attributes: Mapping[str, Any], context: Context | None) -> Mapping[str, Any] | None:
        """What a span is born with that is sampled because the one around it is, as the SDK's default has it.

        Args:
            flags: Those of the span around it, which is of this process.
            attributes: What it is to be born with, but for its run.
            context: What it is in; `None` for what is current.

        Returns:
            `None` where `inner` is to be asked.
        """
        if not self._follows or not flags & TraceFlags.SAMPLED:
            return None
        if sc.RUN_ID in attributes or (run := run_attributes(context)) is None:
            return attributes
        return {**attributes, **run}

    def _is_by_newcomer(self) -> bool:
        """Whether a known scope's tracer is new: this span may be its first. The next has a sampler of its own."""
        found = False
        count = len(self._tracers)
        for tracer in tuple(self._tracers.values()):
            if tracer.sampler is self and _is_known(tracer):
                tracer.sampler, found = RunSampler(self.inner, is_known=True), True
        self._seen = count
        return found

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
    tracers, known = tracers_of(provider), getattr(provider, "_tracers", None)
    try:
        ours = RunSampler(_inner_of(provider), tracers=known if isinstance(known, dict) else None)
        provider.sampler = ours
    except AttributeError:  # a subclass that keeps its sampler to itself
        return False
    for tracer in tracers or ():
        inner = _inner_of(tracer)
        is_known = _is_known(tracer)
        tracer.sampler = ours if inner is ours.inner and not is_known else RunSampler(inner, is_known=is_known)
    return tracers is not None


def unwrap(provider: TracerProvider) -> None:
    """Undo `wrap`."""
    for each in (provider, *(tracers_of(provider) or ())):
        sampler = getattr(each, "sampler", None)
        if isinstance(sampler, RunSampler):
            each.sampler = sampler.inner


def _inner_of(maker: Any) -> Sampler:
    sampler: Sampler = maker.sampler
    return sampler.inner if isinstance(sampler, RunSampler) else sampler


def _is_known(tracer: Any) -> bool:
    return scope_of(tracer) in KNOWN_SCOPES


def scope_of(made: Any) -> str:
    """The name of a tracer, or of the tracer that made a span; empty where there is none."""
    # The public name is a property of a span, and every span of the process is asked three times.
    scope = getattr(made, "_instrumentation_scope", None) or getattr(made, "instrumentation_scope", None)
    return getattr(scope, "name", "") or ""


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
