"""What LangChain says of a model call, in the many places where it says it."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from botanu_core.callbacks import LLMTracker, Reported, Reporter, provider_at, read_reported, reporter_of

__all__ = [
    "Answer", "added_up", "answer_of", "asked_model", "asked_provider", "call_name", "is_interrupt", "request_params",
]  # fmt: skip

_NOTHING: Final[Mapping[str, Any]] = {}
_NOTHING_SAID: Final = Reported()

# `_type` of a model's class, or what LangChain calls the provider, in the words of the price table.
_PROVIDERS: Final = {
    "amazon_bedrock": "aws.bedrock",
    "anthropic_bedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "azure": "azure.openai",
    "azure_openai": "azure.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "google_anthropic_vertex": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "mistralai": "mistral",
    "fireworks": "fireworks",
    "together": "together",
}
_BY_TYPE: Final = (
    ("azure", "azure.openai"),
    ("bedrock", "aws.bedrock"),
    ("vertex", "gcp.vertex_ai"),
    ("google-generative", "gcp.gemini"),
    ("openai", "openai"),
    ("anthropic", "anthropic"),
    ("mistral", "mistral"),
    ("cohere", "cohere"),
    ("groq", "groq"),
    ("ollama", "ollama"),
)
_MODEL_NAMES: Final = ("model", "model_name", "model_id", "deployment_name", "azure_deployment", "deployment")
_NATIVE_USAGE: Final = ("token_usage", "usage", "amazon-bedrock-invocationMetrics", "usage_metadata")
# Bedrock's older word for what its newer interface calls ``inputTokens``.
_METRICS: Final = {
    f"{kind}TokenCount": f"{kind}Tokens" for kind in ("input", "output", "cacheReadInput", "cacheWriteInput")
}
_IDS: Final = ("id", "response_id")
_MODELS: Final = ("model_name", "model", "model_id")
_REASONS: Final = ("finish_reason", "stop_reason", "stopReason", "done_reason")
_PARAMS: Final = frozenset({"temperature", "top_p", "max_tokens", "frequency_penalty", "presence_penalty"})


class Answer(NamedTuple):
    """What an ended call says of itself.

    Attributes:
        told: Usage, and what else decides about the price.
        raw: The counts as LangChain has them.
        response_id: The provider's, where LangChain hands it on; streams lose it.
        model: The model that answered.
        finish_reasons: One a choice.
    """

    told: Reported
    raw: Mapping[str, Any]
    response_id: str | None
    model: str | None
    finish_reasons: list[str]

    def tell(self, tracker: LLMTracker) -> None:
        """Tell `tracker` all of it."""
        if self.raw:
            tracker.report(self.told, self.raw, "cached_tokens")
        if self.response_id is not None:
            tracker.set_request_id(self.response_id)
        if self.model is not None:
            tracker.set_response_model(self.model)
        if self.finish_reasons:
            tracker.set_finish_reason(self.finish_reasons)
        if self.raw.get("total_cost") == 0:  # LangChain's mark of an answer from its cache
            tracker.set_cache_hit()


def asked_provider(metadata: Mapping[str, Any], params: Mapping[str, Any], serialized: object) -> str:
    """Who serves the model, as far as the start of a call tells; ``unknown`` where it does not."""
    said = metadata.get("ls_provider")
    kind = str(params.get("_type") or "").lower()
    if isinstance(said, str) and said:
        word = said.lower()
        if word == "openai":  # Azure's class inherits the word, and the class itself is used for many others
            return "azure.openai" if "azure" in kind else _whose_address(serialized) or word
        return _PROVIDERS.get(word, word)
    names = serialized.get("id") if isinstance(serialized, Mapping) else None
    path = kind or " ".join(str(part).lower() for part in names or ())
    return next((provider for word, provider in _BY_TYPE if word in path), "unknown")


def _whose_address(serialized: object) -> str | None:
    """The provider that a model of OpenAI's class is told to call, where it is known to be another."""
    options = serialized.get("kwargs") if type(serialized) is dict else None
    base = options.get("openai_api_base") if type(options) is dict else None
    try:
        host = urlsplit(base).hostname if isinstance(base, str) else None
    except ValueError:
        return None
    return provider_at(host) if host else None


def asked_model(metadata: Mapping[str, Any], params: Mapping[str, Any]) -> str | None:
    """The model that was asked for."""
    said = metadata.get("ls_model_name")
    if isinstance(said, str) and said:
        return said
    for key in _MODEL_NAMES:
        if isinstance(name := params.get(key), str) and name:
            return name
    return None


def call_name(serialized: object, named: object, otherwise: str) -> str:
    """What a chain, tool or retriever is called. `serialized` is `None` for most of them."""
    if isinstance(named, str) and named:
        return named
    if isinstance(serialized, Mapping):
        said = serialized.get("name") or next(iter(reversed(serialized.get("id") or ())), None)
        if isinstance(said, str) and said:
            return said
    return otherwise


def request_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """How the model was asked, in the names of `LLMTracker.set_request_params`."""
    found = {name: value for name in params.keys() & _PARAMS if (value := params[name]) is not None}
    if stop := params.get("stop") or params.get("stop_sequences"):
        found["stop_sequences"] = stop
    return found


def answer_of(response: Any) -> Answer:
    """Read an `LLMResult`, whole or of a call that failed on the way. One source a call; nothing is summed twice."""
    output = _mapping(response, "llm_output")
    metadata = native = identity = own_identity = model = None
    reasons = []
    for generation in _generations(response) or (None,):  # a call that failed may have used tokens all the same
        message = getattr(generation, "message", None)
        place, info = _mapping(message, "response_metadata"), _mapping(generation, "generation_info")
        metadata = metadata or getattr(message, "usage_metadata", None)
        for source in (place, output, info):
            if source:
                native = native or _first_of(_NATIVE_USAGE, source)
                identity = identity or _text(_IDS, source)
                model = model or _text(_MODELS, source)
        own_identity = identity or own_identity or _message_id(message)
        if reason := _text(_REASONS, place) or _text(_REASONS, info):
            reasons.append(reason)
    told, raw = _told(metadata, native)
    return Answer(told, raw, identity or own_identity, model, reasons)


def _told(metadata: Any, native: Any) -> tuple[Reported, Mapping[str, Any]]:
    said = _native(native) if native else _NOTHING_SAID
    if not metadata:
        return said, native if isinstance(native, Mapping) else _NOTHING
    told = read_reported("langchain", metadata)
    if said is _NOTHING_SAID:
        return told, metadata
    # The provider's own words know more than LangChain's of what is beside tokens: tiers, searches, a named cost.
    units = told.usage.units or said.usage.units
    usage = told.usage.updated(type(told.usage)(units=units)) if units else told.usage
    return Reported(usage, told.context or said.context, told.cost_usd or said.cost_usd), metadata


def _native(usage: Any) -> Reported:
    """In the provider's own words."""
    if isinstance(usage, Mapping) and not _METRICS.keys().isdisjoint(usage):
        usage = {_METRICS.get(name, name): count for name, count in usage.items()}
    own: Reporter | None = reporter_of(usage)
    return read_reported(own, usage) if own is not None else _NOTHING_SAID


def _generations(response: Any) -> list[Any]:
    return [generation for row in _listed(getattr(response, "generations", None)) for generation in _listed(row)]


def _listed(found: Any) -> Sequence[Any]:
    return found if type(found) is list or isinstance(found, Sequence) else ()


def _mapping(source: Any, name: str) -> Mapping[str, Any]:
    found = getattr(source, name, None)
    # The type itself first, here and elsewhere: an abstract class takes ten times as long to say yes, or no.
    return found if type(found) is dict or (found is not None and isinstance(found, Mapping)) else _NOTHING


def _first_of(names: Sequence[str], place: Mapping[str, Any]) -> Any:
    for name in names:
        if found := place.get(name):
            return found
    return None


def _text(names: Sequence[str], place: Mapping[str, Any]) -> str | None:
    for name in names:
        if isinstance(found := place.get(name), str) and found:
            return found
    return None


def _message_id(message: Any) -> str | None:
    """A message's id where the provider gave it: LangChain's own are of its run, not of the response."""
    said = getattr(message, "id", None)
    return said if isinstance(said, str) and said and not said.startswith(("run-", "lc_run-")) else None


def is_interrupt(error: BaseException) -> bool:
    """Whether a graph stopped to ask somebody, or to hand over: by type, for its subclasses are many."""
    errors = sys.modules.get("langgraph.errors")
    bubbles = getattr(errors, "GraphBubbleUp", None)
    return isinstance(bubbles, type) and isinstance(error, bubbles)


def added_up(before: dict[str, Any] | None, more: Mapping[str, Any]) -> dict[str, Any]:
    """Usage of one more piece: LangChain's pieces add up."""
    found = dict(before or {})
    for name, value in more.items():
        if isinstance(value, Mapping):
            found[name] = added_up(found.get(name), value)
        elif isinstance(value, int):
            found[name] = found.get(name, 0) + value
    return found
