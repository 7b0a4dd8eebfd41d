"""What LangChain says of a model call, in the many places where it says it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from botanu_core.callbacks import Reported, Reporter, read_reported, reporter_of

__all__ = ["Answer", "answer_of", "asked_model", "asked_provider", "call_name", "request_params"]

_NOTHING: Final[Mapping[str, Any]] = {}

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
_PARAMS: Final = ("temperature", "top_p", "max_tokens", "frequency_penalty", "presence_penalty")


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


def asked_provider(metadata: Mapping[str, Any], params: Mapping[str, Any], serialized: Mapping[str, Any]) -> str:
    """Who serves the model, as far as the start of a call tells; ``unknown`` where it does not."""
    said = metadata.get("ls_provider")
    kind = str(params.get("_type") or "").lower()
    if isinstance(said, str) and said:
        word = said.lower()
        # Azure's class inherits OpenAI's word.
        return "azure.openai" if word == "openai" and "azure" in kind else _PROVIDERS.get(word, word)
    path = kind or " ".join(str(part).lower() for part in serialized.get("id") or ())
    return next((provider for word, provider in _BY_TYPE if word in path), "unknown")


def asked_model(metadata: Mapping[str, Any], params: Mapping[str, Any]) -> str | None:
    """The model that was asked for."""
    for name in (metadata.get("ls_model_name"), *(params.get(key) for key in _MODEL_NAMES)):
        if isinstance(name, str) and name:
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
    found = {name: params[name] for name in _PARAMS if params.get(name) is not None}
    if stop := params.get("stop") or params.get("stop_sequences"):
        found["stop_sequences"] = stop
    return found


def answer_of(response: Any) -> Answer:
    """Read an `LLMResult`, whole or of a call that failed on the way. One source a call; nothing is summed twice."""
    output = getattr(response, "llm_output", None)
    output = output if isinstance(output, Mapping) else _NOTHING
    generations = list(_generations(response))
    messages = [message for each in generations if (message := getattr(each, "message", None)) is not None]
    places = [*(_mapping(message, "response_metadata") for message in messages)]
    infos = [_mapping(each, "generation_info") for each in generations]
    native = _first_of(_NATIVE_USAGE, [*places[:1], output, *infos[:1]])
    metadata = next((found for message in messages if (found := getattr(message, "usage_metadata", None))), None)
    told, raw = _told(metadata, native)
    everywhere = [*places, output, *infos]
    identity = _text(everywhere, "id", "response_id")
    if identity is None:
        identity = next((each for each in (_message_id(message) for message in messages) if each), None)
    return Answer(
        told,
        raw,
        identity,
        _text(everywhere, "model_name", "model", "model_id"),
        [reason for place in _paired(places, infos) if (reason := _reason(place)) is not None],
    )


def _told(metadata: Any, native: Any) -> tuple[Reported, Mapping[str, Any]]:
    own: Reporter | None = reporter_of(native) if native else None
    said = read_reported(own, native) if own is not None else Reported()
    if not metadata:
        return said, native if isinstance(native, Mapping) else _NOTHING
    told = read_reported("langchain", metadata)
    # The provider's own words know more than LangChain's of what is beside tokens: tiers, searches, a named cost.
    units = told.usage.units or said.usage.units
    usage = told.usage.updated(type(told.usage)(units=units)) if units else told.usage
    return Reported(usage, told.context or said.context, told.cost_usd or said.cost_usd), metadata


def _generations(response: Any) -> Iterator[Any]:
    rows = getattr(response, "generations", None)
    for row in rows if isinstance(rows, Sequence) else ():
        yield from row if isinstance(row, Sequence) else ()


def _mapping(source: Any, name: str) -> Mapping[str, Any]:
    found = getattr(source, name, None)
    return found if isinstance(found, Mapping) else _NOTHING


def _first_of(names: Sequence[str], places: Sequence[Mapping[str, Any]]) -> Any:
    for place in places:
        for name in names:
            if found := place.get(name):
                return found
    return None


def _text(places: Sequence[Mapping[str, Any]], *names: str) -> str | None:
    for place in places:
        for name in names:
            if isinstance(found := place.get(name), str) and found:
                return found
    return None


def _message_id(message: Any) -> str | None:
    """A message's id where the provider gave it: LangChain's own are of its run, not of the response."""
    said = getattr(message, "id", None)
    return said if isinstance(said, str) and not said.startswith(("run-", "lc_run-")) else None


def _paired(places: Sequence[Mapping[str, Any]], infos: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for number in range(max(len(places), len(infos))):
        yield {**(infos[number] if number < len(infos) else {}), **(places[number] if number < len(places) else {})}


def _reason(place: Mapping[str, Any]) -> str | None:
    for name in ("finish_reason", "stop_reason", "stopReason", "done_reason"):
        if isinstance(found := place.get(name), str) and found:
            return found
    return None
