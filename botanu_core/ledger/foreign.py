"""What the span of somebody else's instrumentation says of a model call: `sighting_of`.

Whose words they are is told by the attributes, and by the tracer's scope where those do not tell. Containers of calls
(agents, chains, workflows) often carry the sum of what is in them: they are no calls.
"""

import ast
import json
import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from botanu_core import semconv
from botanu_core.ledger.scopes import KNOWN_SCOPES, OPENLLMETRY_SCOPES, billable_operation, looks_billable
from botanu_core.ledger.sighting import UNKNOWN_USAGE, Sighting
from botanu_core.log import warn_once
from botanu_core.model.report import context_of, tier_of
from botanu_core.model.reported import Reported, Reporter, read_reported
from botanu_core.model.usage import Usage
from botanu_core.model.vocabulary import provider_at, provider_name

__all__ = ["KNOWN_SCOPES", "looks_billable", "sighting_of"]

_LONGEST_WORD: Final = 256
_LONGEST_ANSWER: Final = 32_768
_LONGEST_RAW: Final = 1_024
_MOST_RAW: Final = 32
_RAW: Final = (
    "gen_ai.usage.",
    "llm.usage.",
    "llm.token_count.",
    "anthropic.usage.",
    "langfuse.observation.usage_details",
    "metadata.usage_object",
)
_RAW_HEADS: Final = frozenset(prefix[:9] for prefix in _RAW)
_STREAMING: Final = ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")
# They stand where a provider should, and are none.
_FRAMEWORKS: Final = frozenset(
    {"strands-agents", "langchain", "llamaindex", "haystack", "crewai", "litellm", "pydantic-ai", "unknown", "_other"}
)
# Whose model it is, where only its name tells: the names that one provider alone gives.
_MAKERS: Final = (
    (re.compile(r"(?:[a-z-]{2,8}\.)?(?:anthropic|amazon|meta|mistral|cohere|ai21|deepseek)\.[\w.:-]+"), "aws.bedrock"),
    (re.compile(r"gpt-(?!oss)[\w.:-]+|o[134](?:-[\w.-]+)?|text-embedding-(?:3|ada)-[\w.-]+"), "openai"),
    (re.compile(r"claude-[\w.-]+"), "anthropic"),
    (re.compile(r"gemini-[\w.-]+"), "gcp.vertex_ai"),
)
_INFERENCE_KINDS: Final = {"LLM": "chat", "EMBEDDING": "embeddings", "RERANKER": "rerank"}
_LANGFUSE_KINDS: Final = {"generation": "chat", "embedding": "embeddings"}
_ASKED_MODEL: Final = re.compile(r'"model":\s*"([^"\\]{1,256})"')
_ASKED_STREAM: Final = re.compile(r'"stream":\s*true')


def sighting_of(name: str, scope: str, attributes: Mapping[str, Any], error_type: str | None) -> Sighting | None:
    """Read a span that has ended.

    Args:
        name: The span's.
        scope: The name of the tracer that made it.
        attributes: All that it has; of any types.
        error_type: The exception's class name, where the span recorded one.

    Returns:
        What it says of a model call; `None` where it is none that a provider bills.
    """
    try:
        if type(attributes) is not dict:
            # A span's own are read under a lock, one by one; its copy is a plain dict at once.
            attributes = attributes.copy() if hasattr(attributes, "copy") else dict(attributes)
        if "openinference.span.kind" in attributes:
            return _openinference(attributes, error_type)
        if "langfuse.observation.type" in attributes:
            return _langfuse(attributes, error_type)
        return _conventional(name, scope, attributes, error_type)
    except Exception as error:
        warn_once("span.unreadable", "a span of another instrumentation could not be read", error=error)
        return None


def _conventional(name: str, scope: str, attributes: Mapping[str, Any], error_type: str | None) -> Sighting | None:
    """OpenTelemetry's conventions of any year, and who speaks like them: OpenLLMetry and most frameworks."""
    provider = _provider(attributes, semconv.GEN_AI_PROVIDER, "gen_ai.system")
    operation = _operation(name, provider, attributes)
    if operation is None:
        return None
    asked = _word(attributes, semconv.GEN_AI_REQUEST_MODEL)
    provider = provider or _maker(asked)
    # LiteLLM writes to whichever span is current, so that its scope tells nothing.
    litellm = attributes.get("metadata.usage_object")
    is_unknown = scope not in KNOWN_SCOPES and litellm is None
    is_llmetry = scope in OPENLLMETRY_SCOPES or (is_unknown and "llm.request.type" in attributes)
    reporter: Literal["openllmetry", "otel"] = "openllmetry" if is_llmetry else "otel"
    reported = read_reported(reporter, attributes, provider=provider)
    if litellm is not None:
        reported = _richer(reported, "openai_chat", _literal(litellm), provider)
    if provider == "openai" and (host := _word(attributes, "server.address")) is not None:
        provider = provider_at(host) or provider  # its client is used for many others
    return Sighting(
        reporter=reporter,
        operation=operation,
        provider=provider,
        request_model=asked,
        response_model=_word(attributes, semconv.GEN_AI_RESPONSE_MODEL),
        response_id=_word(attributes, semconv.GEN_AI_RESPONSE_ID),
        usage=reported.usage,
        context=reported.context,
        reported_usd=reported.cost_usd,
        raw=_raw(attributes),
        error_type=error_type or _word(attributes, semconv.ERROR_TYPE),
        is_cache_hit=_is_said(attributes, semconv.REQUEST_CACHE_HIT),
        is_streaming=_is_said(attributes, *_STREAMING),
    )


def _operation(name: str, provider: str, attributes: Mapping[str, Any]) -> str | None:
    said = attributes.get(semconv.GEN_AI_OPERATION)
    if said is None:
        said = attributes.get("llm.request.type")
    if said == "invoke_agent":
        # Bedrock's agents call their models on the server: nobody else's span shows it.
        is_billed = provider == "aws.bedrock" and any(key.startswith("gen_ai.usage.") for key in attributes)
        return "invoke_agent" if is_billed else None
    if said is not None and said != "unknown":
        return billable_operation(said)
    if "gen_ai.provider.name" not in attributes and "gen_ai.system" not in attributes:
        return None
    # Who says no operation: a call has counts, and is no agent's span, which may carry the sum of its calls.
    is_container = "traceloop.span.kind" in attributes or "gen_ai.agent.name" in attributes
    if (is_container and name != "Model invoke") or semconv.GEN_AI_TOOL_NAME in attributes:
        return None
    has_counts = any(key.startswith(("gen_ai.usage.", "llm.usage.")) for key in attributes)
    return "chat" if has_counts else None


def _openinference(attributes: Mapping[str, Any], error_type: str | None) -> Sighting | None:
    kind = attributes["openinference.span.kind"]
    operation = _INFERENCE_KINDS.get(kind) if isinstance(kind, str) else None
    if operation is None:
        return None
    provider = _provider(attributes, "llm.provider", "llm.system")
    reported = read_reported("openinference", attributes, provider=provider)
    # Most keep the whole answer, which has the id, and more of what decides about the price.
    answer = _answer(attributes.get("output.value"))
    if answer is not None:
        if attributes.get("llm.system") == "anthropic":
            reported = _richer(reported, "anthropic", answer, provider)
        elif "output" in answer or reported.usage == UNKNOWN_USAGE:
            reported = _richer(reported, "openai_chat", answer, provider)
        elif tier := tier_of(answer.get("service_tier")):
            reported = Reported(reported.usage, context_of(service_tier=tier))
    answered = _word(
        attributes, "llm.response.model_name", "llm.model_name", "embedding.model_name", "reranker.model_name"
    )
    asked = attributes.get("llm.invocation_parameters")
    asked = asked[:_LONGEST_ANSWER] if isinstance(asked, str) else ""
    named = _ASKED_MODEL.search(asked)
    return Sighting(
        reporter="openinference",
        operation=operation,
        provider=provider or _maker(answered),
        request_model=_word(attributes, "llm.request.model_name") or (named[1] if named else None),
        response_model=answered,
        response_id=_word(answer, "id") if answer is not None else None,
        usage=reported.usage,
        context=reported.context,
        reported_usd=reported.cost_usd,
        raw=_raw(attributes),
        error_type=error_type or _word(attributes, semconv.ERROR_TYPE),
        is_cache_hit=_is_said(attributes, semconv.REQUEST_CACHE_HIT),
        is_streaming=_ASKED_STREAM.search(asked) is not None,
    )


def _langfuse(attributes: Mapping[str, Any], error_type: str | None) -> Sighting | None:
    kind = attributes["langfuse.observation.type"]
    operation = _LANGFUSE_KINDS.get(kind) if isinstance(kind, str) else None
    if operation is None:
        return None
    usage = _answer(attributes.get("langfuse.observation.usage_details"))
    if usage is not None and "prompt_tokens" not in usage and "input_tokens" not in usage:
        # Langfuse's own words, which people pass as well.
        usage = {"input_tokens": usage.get("input"), "output_tokens": usage.get("output")}
    model = _word(attributes, "langfuse.observation.model.name")
    return Sighting(
        reporter="otel",
        operation=operation,
        provider=_maker(model),
        response_model=model,
        usage=read_reported("openai_chat", usage).usage,
        raw=_raw(attributes),
        error_type=error_type or _word(attributes, semconv.ERROR_TYPE),
        is_streaming="langfuse.observation.completion_start_time" in attributes,
    )


def _provider(attributes: Mapping[str, Any], *names: str) -> str:
    said = _word(attributes, *names)
    provider = provider_name(said) if said else ""
    return "" if provider in _FRAMEWORKS else provider


def _maker(model: str | None) -> str:
    """The provider that alone gives its models such names; empty where several do."""
    return next((provider for names, provider in _MAKERS if names.fullmatch(model)), "") if model else ""


def _richer(reported: Reported, reporter: Reporter, answer: object, provider: str) -> Reported:
    """`reported`, or the provider's own report of the same counts: it has more of their parts, and perhaps a cost."""
    own = read_reported(reporter, answer, provider=provider)
    is_same = reported.usage == UNKNOWN_USAGE or _wholes(own.usage) == _wholes(reported.usage)
    usage = own.usage if is_same else reported.usage
    return Reported(usage, own.context or reported.context, own.cost_usd or reported.cost_usd)


def _wholes(usage: Usage) -> tuple[int | None, int | None]:
    return usage.input_tokens, usage.output_tokens


def _answer(value: object) -> dict[str, Any] | None:
    """A JSON object, where the value is one and not too long to read."""
    if not isinstance(value, str) or len(value) > _LONGEST_ANSWER or not value.startswith("{"):
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _literal(value: object) -> object:
    """What LiteLLM writes: Python's own spelling of a dict."""
    if not isinstance(value, str) or len(value) > _LONGEST_RAW:
        return None
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _word(attributes: Mapping[str, Any], *names: str) -> str | None:
    """The first of `names` that holds text."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str) and value:
            return value[:_LONGEST_WORD]
    return None


def _is_said(attributes: Mapping[str, Any], *names: str) -> bool:
    for name in names:
        if (value := attributes.get(name)) is not None and (value is True or value in ("True", "true")):
            return True
    return False


def _raw(attributes: Mapping[str, Any]) -> dict[str, Any]:
    names = [name for name in attributes if name[:9] in _RAW_HEADS and name.startswith(_RAW)]
    return {
        name: value[:_LONGEST_RAW] if isinstance(value, str) else value
        for name in names[:_MOST_RAW]
        for value in (attributes[name],)
    }
