"""`Chats`: a chat whose answer comes whole, told in one pass over what is asked and one over what is answered.

OpenTelemetry's layer asks each call for the forty facts that one may have, and puts what it has found into an object, a
dataclass and three dicts: a quarter of what a chat of two messages took. What is said is the same, name by name. What
is not ordinary is left to it: streams, raw responses, calls inside of one of its own or of a conversation, an
application's hook, events, and all calls where its version is another.
"""

import timeit
from collections.abc import Mapping
from importlib import import_module
from os import environ
from typing import Any, Final

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.instrumentation.genai.openai.utils import get_server_address_and_port, get_value
from opentelemetry.metrics import Histogram
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, openai_attributes
from opentelemetry.semconv.attributes import server_attributes
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, TracerProvider, get_tracer
from opentelemetry.util.genai._conversation_context import CONVERSATION_ID_KEY
from opentelemetry.util.genai.invocation import CLIENT_INFERENCE_CONTEXT_KEY, InferenceData, InferenceInvocation
from opentelemetry.util.genai.types import Error

from botanu_core.clients import (
    SPAN_KEY,
    Sighting,
    book_ahead,
    end_span,
    failed,
    provider_at,
    read_reported,
    set_attributes,
    start_span,
)  # fmt: skip
from botanu_core.clients import semconv as sc
from botanu_genai._asked import Asked, asked_on
from botanu_genai._hook import Hook
from botanu_genai._messages import Prompts, chat_choices, chat_prompts, held, value
from botanu_genai._meters import Meters
from botanu_genai._request import read_request

__all__ = ["Chat", "Chats", "chats_of"]

_SCOPE: Final = "opentelemetry.instrumentation.genai.openai"
_WRITTEN_FOR: Final = "1.3b0"
_EVENTS: Final = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"

_ELSEWHERE: Final = frozenset((CLIENT_INFERENCE_CONTEXT_KEY, CONVERSATION_ID_KEY))
# Raw responses are asked for in a header; fields of an older client's and of other providers stand in the extra body.
_UNUSUAL: Final = frozenset(("extra_body", "extra_headers", "p"))

_LONGEST_WORD: Final = 256
_LIMIT: Final = "max_completion_tokens"
_REQUEST: Final = {
    "temperature": sc.GEN_AI_TEMPERATURE,
    "top_p": sc.GEN_AI_TOP_P,
    "max_tokens": sc.GEN_AI_MAX_TOKENS,
    _LIMIT: sc.GEN_AI_MAX_TOKENS,
    "presence_penalty": sc.GEN_AI_PRESENCE_PENALTY,
    "frequency_penalty": sc.GEN_AI_FREQUENCY_PENALTY,
    "seed": gen_ai_attributes.GEN_AI_REQUEST_SEED,
    "stop": sc.GEN_AI_STOP_SEQUENCES,
    "n": gen_ai_attributes.GEN_AI_REQUEST_CHOICE_COUNT,
    "response_format": gen_ai_attributes.GEN_AI_OUTPUT_TYPE,
    "service_tier": openai_attributes.OPENAI_REQUEST_SERVICE_TIER,
}
_ON_METRICS: Final = (
    sc.GEN_AI_RESPONSE_MODEL,
    openai_attributes.OPENAI_RESPONSE_SERVICE_TIER,
    openai_attributes.OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
    sc.ERROR_TYPE,
)


def chats_of(tracer_provider: TracerProvider | None, meters: Meters, hook: Hook, *, details: bool) -> "Chats | None":
    """What tells of chats; `None` where OpenTelemetry's layer is to do it.

    Args:
        tracer_provider: As OpenTelemetry's instrumentor was given it.
        meters: Likewise.
        hook: Likewise.
        details: Whether tool schemas, and for whom a call is, are wanted where content is not captured.
    """
    versions = [import_module(f"{package}.version").__version__ for package in (_SCOPE, "opentelemetry.util.genai")]
    if versions != [_WRITTEN_FOR, _WRITTEN_FOR] or environ.get(_EVENTS, "").strip().lower() not in ("", "false"):
        return None
    tracer = get_tracer(_SCOPE, _WRITTEN_FOR, tracer_provider, Schemas.V1_37_0.value)
    return Chats(tracer, meters, hook, details)


class Chats:
    """Begins chats.

    Args:
        tracer: Of OpenTelemetry's instrumentation.
        meters: What its instruments were made of.
        hook: Knows how messages are written.
        details: See `chats_of`.
    """

    def __init__(self, tracer: Tracer, meters: Meters, hook: Hook, details: bool) -> None:
        self.tracer, self.hook, self.details = tracer, hook, details
        self.duration: Histogram = meters.histograms[sc.METRIC_OPERATION_DURATION]
        self.tokens: Histogram = meters.histograms[sc.METRIC_TOKEN_USAGE]

    def begin(self, completions: Any, kwargs: dict[str, Any]) -> "Chat | None":
        """Begin a call; `None` where OpenTelemetry's layer is to tell of it.

        Args:
            completions: Whose method is called.
            kwargs: With what.
        """
        model = kwargs.get("model")
        if type(model) is not str or not model or kwargs.get("stream") or not _UNUSUAL.isdisjoint(kwargs):
            return None
        context = get_current()
        if not _ELSEWHERE.isdisjoint(context):
            return None
        try:
            return Chat(self, completions, model, kwargs, context)
        except Exception as error:
            failed("genai", error)
            return None


class Chat:
    """One call, whose span is current until `end`."""

    __slots__ = (
        "_asked",
        "_born",
        "_chats",
        "_context",
        "_inside",
        "_kwargs",
        "_name",
        "_requested",
        "_span",
        "_started",
        "_token",
    )

    def __init__(self, chats: Chats, completions: Any, model: str, kwargs: dict[str, Any], context: Context) -> None:
        born: dict[str, Any] = {
            sc.GEN_AI_OPERATION: "chat",
            sc.GEN_AI_PROVIDER: "openai",
            sc.GEN_AI_REQUEST_MODEL: model,
        }
        self._born = born
        address, port = get_server_address_and_port(completions)
        if address:
            born[server_attributes.SERVER_ADDRESS] = address
        if port:
            born[server_attributes.SERVER_PORT] = port
        self._chats, self._kwargs, self._inside = chats, kwargs, _Inside()
        self._requested = _requested(kwargs)
        self._name = f"chat {model}"
        self._span = start_span(self._name, SpanKind.CLIENT, born, context, chats.tracer)
        self._asked: Asked | None = None
        self._context = Context({**context, SPAN_KEY: self._span, CLIENT_INFERENCE_CONTEXT_KEY: self._inside})
        self._token = attach(self._context)
        self._started = timeit.default_timer()

    def read(self) -> dict[str, Any]:
        """Read the request; what the client is to be called with."""
        kwargs = self._kwargs
        given = kwargs.get("messages")
        messages = held(given)
        if messages is not given:
            kwargs = {**kwargs, "messages": messages}
        try:
            asked = self._asked = asked_on(self._span, details=self._chats.details)
            if asked is not None:
                read_request(asked, kwargs)
                asked.prompts = chat_prompts(messages)
        except Exception as error:
            failed("genai", error)
        return kwargs

    def end(self, answer: Any = None, error: BaseException | None = None) -> None:
        """End the call.

        Args:
            answer: What the client returned.
            error: What it raised instead.
        """
        try:
            self._tell(answer, error)
        except Exception as failure:
            failed("genai", failure)
        detach(self._token)
        end_span(self._span)

    def _tell(self, answer: Any, error: BaseException | None) -> None:
        seconds = max(timeit.default_timer() - self._started, 0.0)
        found = self._requested
        if error is None:
            _add_answer(found, answer)
        else:
            failure = Error.from_exception(error)
            self._span.set_status(Status(StatusCode.ERROR, failure.message))
            found[sc.ERROR_TYPE] = failure.type
        if self._inside.is_told:
            found = {**self._inside.told(self._chats.tracer, self._born), **found}
        seen = _sighting(self._born, found, answer)
        written = {**found, **book_ahead(self._span, seen, name=self._name, duration_s=seconds)}
        if self._asked is not None:
            written.update(self._messages(self._asked, getattr(answer, "choices", None), len(written)))
        set_attributes(self._span, written)
        self._measure(found, seconds)  # last: a meter that fails must not cost the span its attributes

    def _measure(self, found: Mapping[str, Any], seconds: float) -> None:
        labels = {**self._inside.metric_attributes, **self._born}
        labels.update({name: found[name] for name in _ON_METRICS if name in found})
        self._chats.duration.record(seconds, labels, self._context)
        for kind, name in (("input", sc.GEN_AI_INPUT_TOKENS), ("output", sc.GEN_AI_OUTPUT_TOKENS)):
            if (count := found.get(name)) is not None:
                self._chats.tokens.record(count, {**labels, sc.GEN_AI_TOKEN_TYPE: kind}, self._context)

    def _messages(self, asked: Asked, choices: Any, more: int) -> dict[str, Any]:
        try:
            answered = list(chat_choices(choices)) if isinstance(choices, list) else []
            return self._chats.hook.written_on(self._span, asked, asked.prompts or _NO_PROMPTS, answered, more)
        except Exception as error:
            failed("genai", error)
            return {}


_NO_PROMPTS: Final = Prompts((), 0)


class _Inside(InferenceData):
    """What calls inside of one say, which are no calls of their own. Hardly any has one: all is unset until then."""

    def __init__(self) -> None:
        self.attributes, self.metric_attributes = {}, {}

    @property
    def is_told(self) -> bool:
        """Whether any has said something."""
        return len(vars(self)) > 2 or bool(self.attributes)

    def told(self, tracer: Tracer, born: Mapping[str, Any]) -> dict[str, Any]:
        """What they have said, but for what the call itself was `born` with."""
        nobody: Any = None
        invocation = InferenceInvocation(tracer, nobody, nobody, nobody, "openai", start_span=False)
        invocation.enrich_from_context(self)
        found = {**invocation._get_attributes(), **invocation.attributes}
        return {name: value for name, value in found.items() if name not in born}


# --- what is asked, and what is answered -------------------------------------------------------------------------


def _sighting(born: Mapping[str, Any], found: Mapping[str, Any], answer: Any) -> Sighting:
    """What the ledger would read on the span; and of a client that calls somebody else, what he says himself."""
    provider = provider_at(born.get(server_attributes.SERVER_ADDRESS, "")) or "openai"
    is_theirs = provider == "openai"
    said = read_reported("otel", found) if is_theirs else read_reported("openai_chat", answer, provider=provider)
    return Sighting(
        "otel",
        "chat",
        provider,
        born[sc.GEN_AI_REQUEST_MODEL][:_LONGEST_WORD],
        _word(found.get(sc.GEN_AI_RESPONSE_MODEL)),
        _word(found.get(sc.GEN_AI_RESPONSE_ID)),
        said.usage,
        said.context,
        said.cost_usd,
        {name: found[name] for name in found if name.startswith("gen_ai.usage.")},
        found.get(sc.ERROR_TYPE),
    )


def _word(said: Any) -> str | None:
    return said[:_LONGEST_WORD] if isinstance(said, str) and said else None


def _requested(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: given for name, given in kwargs.items() if name in _REQUEST and get_value(given) is not None}
    if not said:
        return said
    if _LIMIT in said:
        said["max_tokens"] = said.pop(_LIMIT)
    if "stop" in said:
        said["stop"] = [said["stop"]] if isinstance(said["stop"], str) else list(said["stop"])
    if "n" in said and (not isinstance(said["n"], int) or said["n"] == 1):
        del said["n"]
    if said.get("service_tier") == "auto":
        del said["service_tier"]
    if "response_format" in said and (kind := _output_type(said.pop("response_format"))) is not None:
        said["response_format"] = kind
    return {_REQUEST[name]: given for name, given in said.items()}


def _output_type(shape: Any) -> Any:
    if isinstance(shape, type):
        return "json"
    kind = get_value(shape.get("type")) if isinstance(shape, Mapping) else shape if isinstance(shape, str) else None
    return "json" if kind in ("json_object", "json_schema") else kind


def _add_answer(found: dict[str, Any], answer: Any) -> None:
    if model := getattr(answer, "model", None):
        found[sc.GEN_AI_RESPONSE_MODEL] = model
    if choices := getattr(answer, "choices", None):
        found[sc.GEN_AI_FINISH_REASONS] = [getattr(choice, "finish_reason", None) or "error" for choice in choices]
    if response_id := getattr(answer, "id", None):
        found[sc.GEN_AI_RESPONSE_ID] = response_id
    if tier := getattr(answer, "service_tier", None):
        found[openai_attributes.OPENAI_RESPONSE_SERVICE_TIER] = tier
    if fingerprint := getattr(answer, "system_fingerprint", None):
        found[openai_attributes.OPENAI_RESPONSE_SYSTEM_FINGERPRINT] = fingerprint
    if usage := getattr(answer, "usage", None):
        _add_usage(found, usage)


def _add_usage(found: dict[str, Any], usage: Any) -> None:
    if (count := getattr(usage, "prompt_tokens", None)) is not None:
        found[sc.GEN_AI_INPUT_TOKENS] = count
    if (count := getattr(usage, "completion_tokens", None)) is not None:
        found[sc.GEN_AI_OUTPUT_TOKENS] = count
    for part, names in _PARTS:
        if (details := getattr(usage, part, None)) is not None:
            for name, key in names:
                if count := value(details, name):
                    found[key] = count


_PARTS: Final = (
    (
        "prompt_tokens_details",
        (
            ("cached_tokens", sc.GEN_AI_CACHE_READ_TOKENS),
            ("cache_write_tokens", sc.GEN_AI_CACHE_WRITE_TOKENS),
            ("audio_tokens", "gen_ai.usage.audio.input_tokens"),
        ),
    ),
    (
        "completion_tokens_details",
        (
            ("reasoning_tokens", gen_ai_attributes.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS),
            ("audio_tokens", "gen_ai.usage.audio.output_tokens"),
        ),
    ),
)
