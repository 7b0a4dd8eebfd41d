"""Model calls: `track_llm_call`, its tracker, and the helpers for code that has a span already."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

from opentelemetry.trace import SpanKind, get_current_span

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.log import warn_once
from botanu_core.model.run import clean
from botanu_core.model.usage import Usage, usage_of
from botanu_core.model.vocabulary import ModelOperation, provider_name
from botanu_core.privacy.content import capture_decided, captured_text
from botanu_core.runtime import guard, telemetry
from botanu_core.tracking.tracker import Tracker, metadata_attributes

__all__ = ["LLMTracker", "set_llm_attributes", "set_token_usage", "track_llm_call"]


class LLMTracker(Tracker):
    """One model call. Made by `track_llm_call`."""

    __slots__ = ("_capturing", "_model", "_operation", "_provider", "_reported", "usage")

    def __init__(
        self, provider: str, model: str | None, operation: str, client_request_id: str | None, metadata: dict[str, Any]
    ) -> None:
        self._provider = provider_name(provider, settings.current().semconv)
        self._model, self._operation = model, operation
        self._capturing: bool | None = None
        self._reported: dict[str, int | None] = {}
        self.usage = Usage()
        attributes: dict[str, Any] = {
            sc.GEN_AI_OPERATION: operation,
            sc.GEN_AI_PROVIDER: self._provider,
            sc.VENDOR: self._provider,
        }
        if model is not None:
            attributes[sc.GEN_AI_REQUEST_MODEL] = model
        if metadata:
            attributes.update(metadata_attributes(metadata))
        super().__init__(f"{operation} {model}" if model is not None else operation, SpanKind.CLIENT, attributes)
        if client_request_id is not None:
            self._text(sc.VENDOR_CLIENT_REQUEST_ID, client_request_id)

    def set_tokens(
        self,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cached_tokens: int | None = None,
        cache_read_tokens: int | None = None,
        cache_write_tokens: int | None = None,
    ) -> Self:
        """Record the usage as the provider reports it; what is not given, or is no count, stays unknown.

        Args:
            input_tokens: Prompt tokens. Anthropic and Bedrock leave cached ones out, the others include them; the
                span's ``gen_ai.usage.input_tokens`` always includes them.
            output_tokens: Completion tokens, reasoning included.
            cached_tokens: OpenAI's word for cache reads.
            cache_read_tokens: Anthropic's word for cache reads.
            cache_write_tokens: Input written to the cache.
        """
        self._reported = {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "cached_tokens": cached_tokens,
            "cache_read_tokens": cache_read_tokens,
            "cache_write_tokens": cache_write_tokens,
        }
        self.usage = usage = usage_of(
            self._provider,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=cached_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
        )
        late = self._late
        if usage.input_tokens is not None:
            late[sc.GEN_AI_INPUT_TOKENS] = usage.input_tokens
        if usage.output_tokens is not None:
            late[sc.GEN_AI_OUTPUT_TOKENS] = usage.output_tokens
        if usage.cache_read_tokens is not None:
            late[sc.GEN_AI_CACHE_READ_TOKENS] = usage.cache_read_tokens
        if usage.cache_write_tokens is not None:
            late[sc.GEN_AI_CACHE_WRITE_TOKENS] = usage.cache_write_tokens
        self._count(sc.USAGE_CACHED_TOKENS, cached_tokens)
        self._count(sc.USAGE_CACHE_READ_TOKENS, cache_read_tokens)
        self._count(sc.USAGE_CACHE_WRITE_TOKENS, cache_write_tokens)
        return self

    def update_tokens(self, **reported: int) -> Self:
        """Record counts that come piece by piece, as in a stream; each replaces what was reported under its name."""
        known = {name: count for name, count in self._reported.items() if count is not None}
        return self.set_tokens(**{**known, **reported})

    def set_request_id(
        self,
        provider_request_id: str | None = None,
        client_request_id: str | None = None,
        *,
        vendor_request_id: str | None = None,
    ) -> Self:
        """Record ids for reconciling with the provider's invoice.

        Args:
            provider_request_id: From the provider's response.
            client_request_id: Your own.
            vendor_request_id: Another name for `provider_request_id`.
        """
        theirs = provider_request_id if provider_request_id is not None else vendor_request_id
        if theirs is not None:
            self._text(sc.GEN_AI_RESPONSE_ID, theirs)
            self._text(sc.VENDOR_REQUEST_ID, theirs)
        if client_request_id is not None:
            self._text(sc.VENDOR_CLIENT_REQUEST_ID, client_request_id)
        return self

    def set_response_model(self, model: str) -> Self:
        """Record the model that answered, where it is not the one that was asked."""
        self._text(sc.GEN_AI_RESPONSE_MODEL, model)
        return self

    def set_finish_reason(self, reason: str | Sequence[str]) -> Self:
        """Record why the answer stopped: ``stop``, ``length``, ``content_filter`` …; one, or one a choice."""
        reasons = [reason] if isinstance(reason, str) else list(reason) if isinstance(reason, Iterable) else []
        kept = [text for item in reasons if (text := clean(item, "finish_reason")) is not None]
        if kept:
            self._late[sc.GEN_AI_FINISH_REASONS] = kept
        return self

    def set_streaming(self, is_streaming: bool = True) -> Self:
        """Mark the answer as streamed."""
        self._late[sc.REQUEST_STREAMING] = bool(is_streaming)
        return self

    def set_cache_hit(self, cache_hit: bool = True) -> Self:
        """Mark the answer as taken from a cache of your own (a semantic cache)."""
        self._late[sc.REQUEST_CACHE_HIT] = bool(cache_hit)
        return self

    def set_attempt(self, attempt_number: int) -> Self:
        """Set which try this is; 1 is the first."""
        self._count(sc.REQUEST_ATTEMPT, attempt_number)
        return self

    def set_request_params(
        self,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop_sequences: Sequence[str] | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
    ) -> Self:
        """Record how the model was asked."""
        for key, value in (
            (sc.GEN_AI_TEMPERATURE, temperature),
            (sc.GEN_AI_TOP_P, top_p),
            (sc.GEN_AI_MAX_TOKENS, max_tokens),
            (sc.GEN_AI_FREQUENCY_PENALTY, frequency_penalty),
            (sc.GEN_AI_PRESENCE_PENALTY, presence_penalty),
        ):
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._late[key] = value
            elif value is not None:
                warn_once("params.invalid", "a request parameter was not a number; it is left out")
        if stop_sequences is not None:
            given = [stop_sequences] if isinstance(stop_sequences, str) else stop_sequences
            if isinstance(given, Iterable):
                self._late[sc.GEN_AI_STOP_SEQUENCES] = [item for item in given if isinstance(item, str)]
        return self

    def set_input_content(self, text: Any) -> Self:
        """Capture the prompt, if this run is captured; scrubbed, then cut to `max_content_chars`."""
        return self._capture(sc.EVAL_INPUT_CONTENT, text)

    def set_output_content(self, text: Any) -> Self:
        """Capture the answer, if this run is captured; scrubbed, then cut to `max_content_chars`."""
        return self._capture(sc.EVAL_OUTPUT_CONTENT, text)

    def _capture(self, key: str, text: Any) -> Self:
        rate = settings.current().content_capture_rate
        if rate <= 0.0 or text is None:
            return self
        try:
            if self._capturing is None:
                self._capturing = capture_decided(self._run.run_id if self._run is not None else None, rate)
            if self._capturing:
                self._late[key] = captured_text(text, settings.current().max_content_chars)
        except Exception as error:
            guard.failed("capture", error)
        return self

    def _close(self, duration_s: float) -> None:
        run = self._run
        labels: dict[str, Any] = {
            sc.GEN_AI_OPERATION: self._operation,
            sc.GEN_AI_PROVIDER: self._provider,
        }
        if self._model is not None:
            labels[sc.GEN_AI_REQUEST_MODEL] = self._model
        if run is not None:
            labels[sc.WORKFLOW] = run.attributes[sc.WORKFLOW]
            labels[sc.ENVIRONMENT] = run.attributes[sc.ENVIRONMENT]
        else:
            labels[sc.ENVIRONMENT] = settings.current().environment
        instruments = telemetry.instruments()
        instruments.attempts.add(tuple(labels.items()))
        usage = self.usage
        if usage.input_tokens is not None:
            instruments.token_usage.record(usage.input_tokens, {**labels, sc.GEN_AI_TOKEN_TYPE: "input"})
        if usage.output_tokens is not None:
            instruments.token_usage.record(usage.output_tokens, {**labels, sc.GEN_AI_TOKEN_TYPE: "output"})
        if self._error is not None:
            labels[sc.ERROR_TYPE] = type(self._error).__name__
        instruments.operation_duration.record(duration_s, labels)


def track_llm_call(
    provider: str = "",
    model: str | None = None,
    operation: str = ModelOperation.CHAT,
    client_request_id: str | None = None,
    *,
    vendor: str = "",
    **kwargs: Any,
) -> LLMTracker:
    """Track one model call: ``with track_llm_call(provider="openai", model="gpt-5") as tracker:``.

    Args:
        provider: Who serves the model; spelled as you like, see `docs/tracking.md` for the table of names.
        model: The model asked for.
        operation: One of `ModelOperation`, or your own word.
        client_request_id: Your own id of the call.
        vendor: Another name for `provider`.
        kwargs: Further attributes, as `add_metadata` takes them.
    """
    return LLMTracker(
        _plain(provider or vendor, "provider") or "unknown",
        _plain(model, "model"),
        _plain(operation, "operation") or ModelOperation.CHAT,
        client_request_id,
        kwargs,
    )


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
    """Write a model call's attributes on the current span, for code that has one already."""
    span = get_current_span()
    if not span.is_recording():
        return
    try:
        tracker = track_llm_call(provider, model, operation, vendor=vendor, **kwargs)
        tracker.set_tokens(input_tokens, output_tokens, cached_tokens, cache_read_tokens, cache_write_tokens)
        tracker.set_request_id(provider_request_id, vendor_request_id=vendor_request_id)
        if streaming is not None:
            tracker.set_streaming(streaming)
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
    span = get_current_span()
    if not span.is_recording():
        return
    try:
        known = getattr(span, "attributes", None) or {}
        tracker = track_llm_call(str(known.get(sc.GEN_AI_PROVIDER) or ""))
        tracker.set_tokens(input_tokens, output_tokens, cached_tokens, cache_read_tokens, cache_write_tokens)
        span.set_attributes(tracker.late())
    except Exception as error:
        guard.failed("set_token_usage", error)


def _plain(value: object, name: str) -> str | None:
    return clean(value, name) if value is not None and value != "" else None
