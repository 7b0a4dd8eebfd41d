"""Model calls: `track_llm_call`, its tracker, and the helpers for code that has a span already."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from opentelemetry.trace import SpanKind, get_current_span

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.log import warn_once
from botanu_core.model.usage import Usage, count_of, usage_of
from botanu_core.model.vocabulary import ModelOperation, provider_name
from botanu_core.privacy.content import capture_decided, safe_text
from botanu_core.runtime import guard, telemetry
from botanu_core.tracking.tracker import MAX_INT, Tracker, items_of, plain

__all__ = ["LLMTracker", "set_llm_attributes", "set_token_usage", "track_llm_call"]

_MAX_STOP_CHARS: Final = 128
_UNKNOWN: Final = Usage()
# What the caller reported, as reported; the `gen_ai.usage` counts beside it are made comparable.
_AS_REPORTED: Final = {
    "cached_tokens": sc.USAGE_CACHED_TOKENS,
    "cache_read_tokens": sc.USAGE_CACHE_READ_TOKENS,
    "cache_write_tokens": sc.USAGE_CACHE_WRITE_TOKENS,
}


class LLMTracker(Tracker):
    """One model call. Made by `track_llm_call`."""

    __slots__ = ("_capturing", "_is_cache_beside_input", "_model", "_operation", "_provider", "_reported", "usage")

    def __init__(
        self, provider: str, model: str | None, operation: str, client_request_id: str | None, metadata: dict[str, Any]
    ) -> None:
        self._provider = provider_name(provider, settings.current().semconv)
        self._model, self._operation = model, operation
        self._capturing: bool | None = None
        self._reported: dict[str, int] = {}
        self._is_cache_beside_input: bool | None = None
        self.usage = _UNKNOWN
        attributes: dict[str, Any] = {
            sc.GEN_AI_OPERATION: operation,
            sc.GEN_AI_PROVIDER: self._provider,
            sc.VENDOR: self._provider,
        }
        if model is not None:
            attributes[sc.GEN_AI_REQUEST_MODEL] = model
        if client_request_id is not None:
            attributes[sc.VENDOR_CLIENT_REQUEST_ID] = client_request_id
        super().__init__(
            f"{operation} {model}" if model is not None else operation, SpanKind.CLIENT, attributes, metadata
        )

    def set_tokens(
        self,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cached_tokens: int | None = None,
        cache_read_tokens: int | None = None,
        cache_write_tokens: int | None = None,
    ) -> Self:
        """Record the usage as the provider reports it. What is not given, or is no count, stays as it was: unknown.

        Called again, as for the pieces of a stream, each count replaces the one reported under its name before.

        Args:
            input_tokens: Prompt tokens. Anthropic and Bedrock leave cached ones out, the others include them; the
                span's ``gen_ai.usage.input_tokens`` always includes them.
            output_tokens: Completion tokens, reasoning included.
            cached_tokens: OpenAI's word for cache reads.
            cache_read_tokens: Anthropic's word for cache reads.
            cache_write_tokens: Input written to the cache.
        """
        given: dict[str, object] = {}
        if input_tokens is not None:
            given["input_tokens"] = input_tokens
        if output_tokens is not None:
            given["output_tokens"] = output_tokens
        if cached_tokens is not None:
            given["cached_tokens"] = cached_tokens
        if cache_read_tokens is not None:
            given["cache_read_tokens"] = cache_read_tokens
        if cache_write_tokens is not None:
            given["cache_write_tokens"] = cache_write_tokens
        return self.report_tokens(given)

    def report_tokens(self, counts: Mapping[str, object], *, is_cache_beside_input: bool | None = None) -> Self:
        """Record counts under the names that `set_tokens` has for them.

        Args:
            counts: What is reported.
            is_cache_beside_input: Whether the input leaves out what was cached, where the report shows it; without
                it the provider's name decides.
        """
        if self._ended:
            warn_once("tokens.late", "tokens came after the call had ended and are lost: set them inside its block")
        reported, late = self._reported, self._late
        for name, value in counts.items():
            if (count := count_of(value)) is not None:
                reported[name] = count
                if name in _AS_REPORTED:
                    late[_AS_REPORTED[name]] = count
        if is_cache_beside_input is not None:
            self._is_cache_beside_input = is_cache_beside_input
        self.usage = usage = usage_of(self._provider, is_cache_beside_input=self._is_cache_beside_input, **reported)
        if usage.input_tokens is not None:
            late[sc.GEN_AI_INPUT_TOKENS] = usage.input_tokens
        if usage.output_tokens is not None:
            late[sc.GEN_AI_OUTPUT_TOKENS] = usage.output_tokens
        if usage.cache_read_tokens is not None:
            late[sc.GEN_AI_CACHE_READ_TOKENS] = usage.cache_read_tokens
        if usage.cache_write_tokens is not None:
            late[sc.GEN_AI_CACHE_WRITE_TOKENS] = usage.cache_write_tokens
        return self

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
        reasons = [reason] if isinstance(reason, str) else items_of(reason) or []
        kept = [text for item in reasons if (text := plain(item, "finish_reason")) is not None]
        if kept:
            self._late[sc.GEN_AI_FINISH_REASONS] = kept
        return self

    def set_streaming(self, is_streaming: bool = True) -> Self:
        """Mark the answer as streamed."""
        self._flag(sc.REQUEST_STREAMING, is_streaming)
        return self

    def set_cache_hit(self, cache_hit: bool = True) -> Self:
        """Mark the answer as taken from a cache of your own (a semantic cache)."""
        self._flag(sc.REQUEST_CACHE_HIT, cache_hit)
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
            # NaN and infinity are outside as well.
            if isinstance(value, int | float) and not isinstance(value, bool) and -MAX_INT <= value <= MAX_INT:
                self._late[key] = value
            elif value is not None:
                warn_once("params.invalid", "a request parameter was not a number; it is left out")
        given = [stop_sequences] if isinstance(stop_sequences, str) else items_of(stop_sequences)
        if given is not None and (
            kept := [safe_text(item, _MAX_STOP_CHARS) for item in given if isinstance(item, str)]
        ):
            self._late[sc.GEN_AI_STOP_SEQUENCES] = kept
        return self

    def set_input_content(self, text: Any, max_chars: int | None = None) -> Self:
        """Capture the prompt, if this run is captured; scrubbed, then cut.

        Args:
            text: Text, or data that becomes JSON once it is scrubbed.
            max_chars: Less than the configured ``max_content_chars``.
        """
        return self._capture(sc.EVAL_INPUT_CONTENT, text, max_chars)

    def set_output_content(self, text: Any, max_chars: int | None = None) -> Self:
        """Capture the answer, if this run is captured; scrubbed, then cut.

        Args:
            text: Text, or data that becomes JSON once it is scrubbed.
            max_chars: Less than the configured ``max_content_chars``.
        """
        return self._capture(sc.EVAL_OUTPUT_CONTENT, text, max_chars)

    def _capture(self, key: str, text: Any, max_chars: int | None) -> Self:
        known = settings.current()
        if known.content_capture_rate <= 0.0 or text is None:
            return self
        try:
            if self._capturing is None:
                self._capturing = self._may_capture(known.content_capture_rate)
            if self._capturing:
                limit = known.max_content_chars
                if type(max_chars) is int and 0 < max_chars < limit:
                    limit = max_chars
                self._late[key] = safe_text(text, limit)
        except Exception as error:
            guard.failed("capture", error)
        return self

    def _may_capture(self, rate: float) -> bool:
        run = self._run
        if run is not None and run.carried.get(sc.CAPTURE) == "off":
            return False  # said by the adapter that opened the run, here or upstream
        return capture_decided(run.run_id if run is not None else None, rate)

    def _close(self, duration_s: float) -> None:
        try:
            self._price()
        except Exception as error:
            guard.failed("price", error)
        instruments = telemetry.instruments()
        if instruments is not None:
            self._measure(instruments, duration_s)

    def _price(self) -> None:
        """Write what the call costs, where somebody knows. Unknown is never zero: then there is no amount."""
        prices = settings.current().prices
        usage, late = self.usage, self._late
        used_nothing = self._error is not None and usage.input_tokens is usage.output_tokens is None
        if prices is None or used_nothing or late.get(sc.REQUEST_CACHE_HIT):
            return  # a call that failed before it was answered, or that a cache of the application's own answered
        customer = self._run.customer_id if self._run is not None else None
        models = (late.get(sc.GEN_AI_RESPONSE_MODEL) or "", self._model or "")
        cost = prices.price(usage, self._provider, models, customer=customer)
        late[sc.COST_SOURCE] = cost.source
        if cost.usd is not None:
            late[sc.COST_USD] = float(cost.usd)

    def _measure(self, instruments: telemetry.Instruments, duration_s: float) -> None:
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
        plain(provider, "provider") or plain(vendor, "provider") or "unknown",
        plain(model, "model"),
        plain(operation, "operation") or ModelOperation.CHAT,
        plain(client_request_id, "client_request_id") if client_request_id is not None else None,
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
