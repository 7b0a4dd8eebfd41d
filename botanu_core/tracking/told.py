"""Model calls told of on a span that is there already: the helpers for code that has one of its own."""

from typing import Any

from opentelemetry import context as otel
from opentelemetry.trace import Span, get_current_span

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.ledger.open_spans import open_spans
from botanu_core.model.vocabulary import ModelOperation
from botanu_core.runtime import billing, guard
from botanu_core.runtime.context import current_run
from botanu_core.runtime.current import current_step
from botanu_core.tracking.llm import LLMTracker, track_llm_call

__all__ = ["set_llm_attributes", "set_token_usage"]


def set_llm_attributes(
    provider: str = "",
    model: str | None = None,
    operation: str = ModelOperation.CHAT,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cached_tokens: int | None = None,
    cache_read_tokens: int | None = None,
    cache_write_tokens: int | None = None,
    streaming: bool | None = None,
    provider_request_id: str | None = None,
    *,
    vendor: str = "",
    vendor_request_id: str | None = None,
    **kwargs: Any,
) -> None:
    """Write a model call's attributes on the current span, for code that has one already.

    The call is entered into the ledger when the span ends, or else its run: one a span, as it was told of last.
    """
    try:
        tracker = track_llm_call(provider, model, operation, vendor=vendor, **kwargs)
        tracker.set_tokens(input_tokens, output_tokens, cached_tokens, cache_read_tokens, cache_write_tokens)
        tracker.set_request_id(provider_request_id, vendor_request_id=vendor_request_id)
        if streaming is not None:
            tracker.set_streaming(streaming)
        span = get_current_span()
        if (owner := _tracker_of(span)) is not None and owner.span is span:
            # Inside a tracker's own block: what it does not know yet.
            owner.set_tokens(input_tokens, output_tokens, cached_tokens, cache_read_tokens, cache_write_tokens)
            owner.set_request_id(provider_request_id, vendor_request_id=vendor_request_id)
        elif settings.current().prices is not None and span.get_span_context().is_valid:
            context = otel.get_current()
            billing.told_on(span, current_run(context), tracker, current_step(context))
        if span.is_recording():
            span.set_attributes(tracker.attributes())
    except Exception as error:
        guard.failed("set_llm_attributes", error)


def set_token_usage(
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cached_tokens: int | None = None,
    cache_read_tokens: int | None = None,
    cache_write_tokens: int | None = None,
) -> None:
    """Write token counts on the current span. Its ``gen_ai.provider.name`` decides how they are read."""
    try:
        span = get_current_span()
        counts = (input_tokens, output_tokens, cached_tokens, cache_read_tokens, cache_write_tokens)
        tracker = _tracker_of(span)
        if tracker is None:
            known = getattr(span, "attributes", None) or {}
            tracker = track_llm_call(str(known.get(sc.GEN_AI_PROVIDER) or ""))
        before = tracker.late()
        tracker.set_tokens(*counts)
        if span.is_recording():
            span.set_attributes({key: value for key, value in tracker.late().items() if before.get(key) != value})
    except Exception as error:
        guard.failed("set_token_usage", error)


def _tracker_of(span: Span) -> LLMTracker | None:
    """The tracker whose span this is, or that tells of a call on it."""
    span_id = span.get_span_context().span_id
    call = open_spans.get(span_id) if span_id else None
    if call is None or call.span_id != span_id:
        return None
    return call.teller if isinstance(call.teller, LLMTracker) else None
