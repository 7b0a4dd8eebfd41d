"""Provider names and operations, as the documentation and OpenTelemetry spell them."""

from functools import lru_cache
from typing import Final

__all__ = ["ModelOperation", "provider_at", "provider_name"]


class ModelOperation:
    """Values of ``gen_ai.operation.name`` for the `operation` parameter; any other text is accepted too."""

    CHAT: Final = "chat"
    TEXT_COMPLETION: Final = "text_completion"
    EMBEDDINGS: Final = "embeddings"
    GENERATE_CONTENT: Final = "generate_content"
    EXECUTE_TOOL: Final = "execute_tool"
    CREATE_AGENT: Final = "create_agent"
    INVOKE_AGENT: Final = "invoke_agent"
    RERANK: Final = "rerank"
    IMAGE_GENERATION: Final = "image_generation"
    SPEECH_TO_TEXT: Final = "speech_to_text"
    TEXT_TO_SPEECH: Final = "text_to_speech"


# What people write, lower-cased and without `-`, `_` and spaces, to (documented name, OpenTelemetry's current name).
_IGNORED: Final = str.maketrans("", "", "-_ ")
_PROVIDERS: Final[dict[str, tuple[str, str]]] = {
    alias.translate(_IGNORED): names
    for names, aliases in {
        ("openai", "openai"): "openai",
        ("azure.openai", "azure.ai.openai"): "azure azure_openai azure.openai azure.ai.openai az.ai.openai",
        ("azure.ai.inference", "azure.ai.inference"): "az.ai.inference azure.ai.inference",
        ("anthropic", "anthropic"): "anthropic claude",
        ("aws.bedrock", "aws.bedrock"): "aws bedrock aws_bedrock aws.bedrock amazon_bedrock",
        ("gcp.vertex_ai", "gcp.vertex_ai"): "vertex vertex_ai gcp.vertex_ai google_vertex_ai",
        ("gcp.vertex_ai", "gcp.gemini"): "gemini gcp.gemini gcp.gen_ai google_genai google_gemini google_ai google",
        ("cohere", "cohere"): "cohere",
        ("mistral", "mistral_ai"): "mistral mistral_ai",
        ("together", "together"): "together together_ai",
        ("groq", "groq"): "groq",
        ("deepseek", "deepseek"): "deepseek",
        ("perplexity", "perplexity"): "perplexity",
        ("xai", "x_ai"): "x_ai grok",
        ("ollama", "ollama"): "ollama",
    }.items()
    for alias in aliases.split()
}


@lru_cache(maxsize=1024)
def provider_name(provider: str, semconv: str = "botanu") -> str:
    """The normalised name of a provider.

    Args:
        provider: Whatever the caller writes; case, ``-``, ``_`` and spaces do not matter.
        semconv: ``"botanu"`` for the documented table, ``"otel"`` for OpenTelemetry's current values.

    Returns:
        The name; an unknown provider comes back lower-cased.
    """
    text = provider.strip().lower()
    names = _PROVIDERS.get(text.translate(_IGNORED))
    if names is None:
        return text or "unknown"
    return names[1] if semconv == "otel" else names[0]


# Many speak OpenAI's language, so that its client is theirs as well.
_HOSTS: Final = {
    "openai.azure.com": "azure.openai",
    "services.ai.azure.com": "azure.openai",
    "cognitiveservices.azure.com": "azure.openai",
    "openrouter.ai": "openrouter",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.x.ai": "xai",
    "api.mistral.ai": "mistral",
    "api.together.xyz": "together",
    "api.fireworks.ai": "fireworks",
    "api.perplexity.ai": "perplexity",
    "api.cerebras.ai": "cerebras",
    "api.moonshot.ai": "moonshotai",
    "api.moonshot.cn": "moonshotai",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
}


@lru_cache(maxsize=256)
def provider_at(host: str) -> str | None:
    """Who answers at `host`, whosever client calls; `None` where that tells nothing.

    Args:
        host: A name, as in ``server.address``.
    """
    host = host.lower()
    if host.startswith("bedrock-runtime.") and host.endswith(".amazonaws.com"):
        return "aws.bedrock"
    known = (name for name in _HOSTS if host == name or host.endswith((f".{name}", f"-{name}")))
    return next((_HOSTS[name] for name in known), None)
