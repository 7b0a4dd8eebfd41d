"""Provider names and operations, as the documentation and OpenTelemetry spell them."""

from functools import lru_cache
from typing import Final

__all__ = ["ModelOperation", "provider_name"]


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


# What people write, lower-cased and with `-` and spaces as `_`, to (documented name, OpenTelemetry's current name).
_PROVIDERS: Final[dict[str, tuple[str, str]]] = {
    alias: names
    for names, aliases in {
        ("openai", "openai"): "openai",
        ("azure.openai", "azure.ai.openai"): "azure_openai azureopenai azure.openai azure.ai.openai az.ai.openai",
        ("anthropic", "anthropic"): "anthropic claude",
        ("aws.bedrock", "aws.bedrock"): "bedrock aws_bedrock aws.bedrock amazon_bedrock",
        (
            "gcp.vertex_ai",
            "gcp.vertex_ai",
        ): "vertex vertexai vertex_ai gcp.vertex_ai google_vertexai google_vertex_ai",
        ("gcp.vertex_ai", "gcp.gemini"): "gemini gcp.gemini google_genai google_gemini google_ai google",
        ("cohere", "cohere"): "cohere",
        ("mistral", "mistral_ai"): "mistral mistralai mistral_ai",
        ("together", "together"): "together togetherai together_ai",
        ("groq", "groq"): "groq",
        ("deepseek", "deepseek"): "deepseek",
        ("perplexity", "perplexity"): "perplexity",
        ("xai", "x_ai"): "xai x_ai grok",
        ("ollama", "ollama"): "ollama",
    }.items()
    for alias in aliases.split()
}


@lru_cache(maxsize=1024)
def provider_name(provider: str, semconv: str = "botanu") -> str:
    """The normalised name of a provider.

    Args:
        provider: Whatever the caller writes, in any case, with ``-``, ``_`` or a space.
        semconv: ``"botanu"`` for the documented table, ``"otel"`` for OpenTelemetry's current values.

    Returns:
        The name; an unknown provider comes back lower-cased.
    """
    text = provider.strip().lower()
    names = _PROVIDERS.get(text.replace("-", "_").replace(" ", "_"))
    if names is None:
        return text or "unknown"
    return names[1] if semconv == "otel" else names[0]
