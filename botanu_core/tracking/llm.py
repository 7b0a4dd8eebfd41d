"""Model calls: `track_llm_call` and its tracker."""

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Self

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.ledger.call import Call
from botanu_core.ledger.sighting import UNKNOWN_USAGE, Sighting
from botanu_core.log import warn_once
from botanu_core.model.report import Reported, tier_context
from botanu_core.model.run import clean
from botanu_core.model.usage import Usage, count_of, usage_of
from botanu_core.model.vocabulary import ModelOperation, provider_name
from botanu_core.pricing import UnpricedModel
from botanu_core.privacy.content import safe_text
from botanu_core.runtime import billing, guard, telemetry
from botanu_core.runtime.current import span_in
from botanu_core.tracking.capture import may_capture
from botanu_core.tracking.tracker import MAX_INT, Tracker, items_of

__all__ = ["LLMTracker", "track_llm_call"]

_MAX_STOP_CHARS: Final = 128
_NOTHING_REPORTED: Final = Reported()
_NOTHING: Final[Mapping[str, Any]] = {}
_OF_INPUT: Final = (sc.EVAL_INPUT_CONTENT, sc.GEN_AI_INPUT_MESSAGES)
# What the caller reported, as reported; the `gen_ai.usage` counts beside it are made comparable.
_AS_REPORTED: Final = {
    "cached_tokens": sc.USAGE_CACHED_TOKENS,
    "cache_read_tokens": sc.USAGE_CACHE_READ_TOKENS,
    "cache_write_tokens": sc.USAGE_CACHE_WRITE_TOKENS,
}


@lru_cache(maxsize=512)
def _asked(provider: str, model: str | None, operation: str, semconv: str) -> tuple[str, str, Mapping[str, Any]]:
    """Of a call its provider's name, its span's, and what the span is born with: the same for thousands."""
    name = provider_name(provider, semconv)
    attributes = {sc.GEN_AI_OPERATION: operation, sc.GEN_AI_PROVIDER: name, sc.VENDOR: name}
    if model is None:
        return name, operation, attributes
    return name, f"{operation} {model}", {**attributes, sc.GEN_AI_REQUEST_MODEL: model}


class LLMTracker(Tracker):
    """One model call, made by `track_llm_call`; `provider` serves it, `usage` is what is known of it so far."""

    __slots__ = (
        "_call", "_capturing", "_is_cut", "_is_unpriced", "_model", "_operation", "_raw", "_response",
        "_said", "provider", "usage",
    )  # fmt: skip

    def __init__(
        self, provider: str, model: str | None, operation: str, client_request_id: str | None, metadata: dict[str, Any]
    ) -> None:
        self.provider, name, attributes = _asked(provider, model, operation, settings.current().semconv)
        self._model, self._operation = model, operation
        self._capturing: bool | None = None
        self._call: Call | None = None
        self._said: dict[str, int] = {}
        self._response = _NOTHING_REPORTED
        self._raw: Mapping[str, Any] = _NOTHING
        self._is_cut: bool | None = None
        self._is_unpriced = False
        self.usage = UNKNOWN_USAGE
        if client_request_id is not None:
            attributes = {**attributes, sc.VENDOR_CLIENT_REQUEST_ID: client_request_id}
        super().__init__(name, SpanKind.CLIENT, attributes, metadata)

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
        if self._ended:
            warn_once("tokens.late", "tokens came after the call had ended and are lost: set them inside its block")
        said, late = self._said, self._late
        for name, value in given.items():
            if (count := count_of(value)) is not None:
                said[name] = count
                if name in _AS_REPORTED:
                    late[_AS_REPORTED[name]] = count
        usage = usage_of(self.provider, **said)
        return self._use(usage if self._response is _NOTHING_REPORTED else self._response.usage.updated(usage))

    def report(self, told: Reported, raw: Mapping[str, Any], cached_as: str) -> Self:
        """Record what a response says, or a piece of one; what it does not say stays as it was.

        Args:
            told: From `read_reported`.
            raw: The same in the response's own words, for `explain`.
            cached_as: The reporter's word for cache reads: ``cached_tokens`` or ``cache_read_tokens``.
        """
        if self._response is not _NOTHING_REPORTED:
            told = told.after(self._response)
        self._response, usage = told, told.usage
        self._raw = {**self._raw, **raw}
        if usage.cache_read_tokens is not None:
            self._late[_AS_REPORTED[cached_as]] = usage.cache_read_tokens
        if usage.cache_write_tokens is not None:
            self._late[sc.USAGE_CACHE_WRITE_TOKENS] = usage.cache_write_tokens
        return self._use(usage if not self._said else usage.updated(usage_of(self.provider, **self._said)))

    def _use(self, usage: Usage) -> Self:
        self.usage, late = usage, self._late
        if usage.input_tokens is not None:
            late[sc.GEN_AI_INPUT_TOKENS] = usage.input_tokens
        if usage.output_tokens is not None:
            late[sc.GEN_AI_OUTPUT_TOKENS] = usage.output_tokens
        if usage.cache_read_tokens is not None:
            late[sc.GEN_AI_CACHE_READ_TOKENS] = usage.cache_read_tokens
        if usage.cache_write_tokens is not None:
            late[sc.GEN_AI_CACHE_WRITE_TOKENS] = usage.cache_write_tokens
        return self

    def set_stream_over(self, is_whole: bool | None = None) -> Self:
        """Say that a stream has ended. What it said before its last word is an estimate of what is billed.

        Args:
            is_whole: Whether the last word was seen; where it is not known, that there is a finish reason says so.
        """
        if self._is_cut is None or is_whole is not None:
            self._is_cut = not (is_whole or sc.GEN_AI_FINISH_REASONS in self._late)
        return self

    def set_request_id(
        self,
        provider_request_id: str | None = None,
        client_request_id: str | None = None,
        *,
        vendor_request_id: str | None = None,
    ) -> Self:
        """Record ids for reconciling with the invoice: the provider's (`vendor_request_id` is the same), your own."""
        theirs = provider_request_id if provider_request_id is not None else vendor_request_id
        if (text := clean(theirs, sc.GEN_AI_RESPONSE_ID)) is not None:
            self._late[sc.GEN_AI_RESPONSE_ID] = self._late[sc.VENDOR_REQUEST_ID] = text
        if client_request_id is not None:
            self._text(sc.VENDOR_CLIENT_REQUEST_ID, client_request_id)
        return self

    def set_response_model(self, model: str) -> Self:
        """Record the model that answered, where it is not the one that was asked."""
        self._text(sc.GEN_AI_RESPONSE_MODEL, model)
        return self

    def set_service_tier(self, tier: str) -> Self:
        """Record the tier that the answer was served in, where it has a price of its own: ``flex``, ``batch`` …"""
        if (name := clean(tier, "service_tier")) is not None:
            self._response = self._response._replace(context=tier_context(name))
        return self

    def set_finish_reason(self, reason: str | Sequence[str]) -> Self:
        """Record why the answer stopped: ``stop``, ``length``, ``content_filter`` …; one, or one a choice."""
        reasons = (reason,) if isinstance(reason, str) else items_of(reason) or ()
        kept = tuple([text for item in reasons if (text := clean(item, "finish_reason")) is not None])
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
            kept := tuple(safe_text(item, _MAX_STOP_CHARS) for item in given if isinstance(item, str))
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

    def set_messages(self, *, asked: Any = None, answered: Any = None) -> Self:
        """Capture messages in the shape of the GenAI conventions, if this run is captured; scrubbed, then cut.

        Args:
            asked: ``[{"role": "user", "parts": [{"type": "text", "content": …}]}]``.
            answered: The same of the answer.
        """
        self._capture(sc.GEN_AI_INPUT_MESSAGES, asked, None)
        return self._capture(sc.GEN_AI_OUTPUT_MESSAGES, answered, None)

    def set_first_token(self) -> Self:
        """Record that the answer begins to arrive, in a stream."""
        self._late[sc.REQUEST_STREAMING] = True
        self._late[sc.GEN_AI_TIME_TO_FIRST_CHUNK] = (time.perf_counter_ns() - self._started_ns) / 1e9
        return self

    @property
    def call(self) -> Call | None:
        """What the ledger knows the call as; `None` while nothing is counted."""
        return self._call

    @property
    def captures(self) -> bool:
        """Whether content may be captured at all: what is not, need not be put together."""
        known = settings.current()
        return bool(known.content_capture_rate or known.content_capture_rates)

    def _capture(self, key: str, text: Any, max_chars: int | None) -> Self:
        known = settings.current()
        is_wanted = known.capture_input if key in _OF_INPUT else known.capture_output
        if not is_wanted or text is None or not self.captures:
            return self
        try:
            if self._capturing is None:
                run = self._run
                self._capturing = may_capture(run, known)
            if self._capturing:
                limit = known.max_content_chars
                if type(max_chars) is int and 0 < max_chars < limit:
                    limit = max_chars
                self._late[key] = safe_text(text, limit)
        except Exception as error:
            guard.failed("capture", error)
        return self

    def _begin(self, context: Context) -> None:
        if settings.current().prices is not None:
            around = span_in(context)
            parent_id = around.get_span_context().span_id if around is not None else 0
            span_id = self.span.get_span_context().span_id
            self._call = billing.open_call(self._run, span_id, parent_id, self._step)
            self._call.teller = self

    def _close(self, duration_s: float) -> None:
        if self._call is not None:
            try:
                self._book(self._call, duration_s)
            except Exception as error:
                guard.failed("ledger", error)
        instruments = telemetry.instruments()
        if instruments is not None:
            what, usage = (self._operation, self.provider, self._model), self.usage
            run = self._run.attributes if self._run is not None else None
            tokens = usage.input_tokens, usage.output_tokens
            instruments.later(instruments.measure_call, what, tokens, self._error_type(), duration_s, run)

    def _book(self, call: Call, duration_s: float) -> None:
        """Price the call, and enter it into the ledger of its run."""
        said = billing.end_call(
            call,
            self.sighting(),
            name=self._name,
            span_context=self.span.get_span_context(),
            duration_s=duration_s,
        )
        self._late.update(said)
        self._is_unpriced = said.get(sc.COST_SOURCE) == "none"

    def finish(self, error: BaseException | None = None) -> None:
        """End the span, price the call and enter it into the ledger. Twice counts once.

        Args:
            error: What ended it, if it failed.

        Raises:
            UnpricedModel: With ``strict_prices``, nobody knows what the call cost. For tests.
        """
        super().finish(error)
        if self._is_unpriced and error is None and settings.current().strict_prices:
            raise UnpricedModel(f"no price is known for {self.provider}/{self._model}: add a rule or an alias")

    def give_up(self) -> None:
        """End the call with what is known of it: the process ends, and nobody will."""
        self.set_stream_over()
        super().finish()

    def sighting(self) -> Sighting:
        """What is known of the call by now."""
        late, response = self._late, self._response
        return Sighting(
            "tracker",
            self._operation,
            self.provider,
            self._model,
            late.get(sc.GEN_AI_RESPONSE_MODEL),
            late.get(sc.GEN_AI_RESPONSE_ID),
            self.usage,
            response.context,
            response.cost_usd,
            {**self._raw, **self._said} if self._raw and self._said else self._raw or self._said,
            self._error_type(),
            late.get(sc.REQUEST_CACHE_HIT) is True,
            late.get(sc.REQUEST_STREAMING) is True,
            self._is_cut is True,
        )


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
        clean(provider, "provider") or clean(vendor, "provider") or "unknown",
        clean(model, "model"),
        clean(operation, "operation") or ModelOperation.CHAT,
        clean(client_request_id, "client_request_id") if client_request_id is not None else None,
        kwargs,
    )
