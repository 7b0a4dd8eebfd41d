"""Which spans may be model calls: by the tracer they come from, by their name, by what they know at their start.

Asked at the start of every span in the process, so a span that is none has to be told from the others at once.
"""

from collections.abc import Mapping
from typing import Any, Final

from botanu_core import semconv

__all__ = ["HANDLER_SCOPES", "KNOWN_SCOPES", "OPENLLMETRY_SCOPES", "billable_operation", "looks_billable"]

# What instrumentations call the calls that a provider bills, by what we call them. LiteLLM has an "a" before the word
# where the call was asynchronous. What is not here is a container (an agent, a chain, a workflow), a tool, a retriever.
_WORDS: Final[Mapping[str, str]] = {
    "chat": "chat chat_completion chat_completions completions responses response messages anthropic_messages"
    " generation converse invoke_model",
    "text_completion": "text_completion completion",
    "generate_content": "generate_content",
    "embeddings": "embeddings embedding embed",
    "rerank": "rerank reranking",
    "image_generation": "image_generation image_edit image_variation",
    "video_generation": "video_generation",
    "speech_to_text": "speech_to_text transcription",
    "text_to_speech": "text_to_speech speech",
    "moderation": "moderation moderations",
}
_OPERATIONS: Final = {
    prefix + word: operation for operation, words in _WORDS.items() for word in words.split() for prefix in ("", "a")
}

_OPENLLMETRY: Final = (
    "alephalpha anthropic bedrock cohere google_generativeai groq haystack langchain llamaindex mistralai ollama"
    " openai.v0 openai.v1 openai_agents replicate sagemaker together transformers vertexai voyageai watsonx writer"
)
_OPENTELEMETRY: Final = (
    "openai_v2 google_genai botocore.bedrock-runtime genai.anthropic genai.bedrock genai.cohere genai.google_genai"
    " genai.langchain genai.mistralai genai.openai genai.openai_agents genai.vertexai"
)
_OPENINFERENCE: Final = (
    "agno anthropic autogen bedrock beeai crewai dspy google_adk google_genai groq guardrails haystack instructor"
    " langchain litellm llama_index mistralai openai openai_agents portkey pydantic_ai smolagents strands_agents"
    " vertexai"
)
_OTHERS: Final = (
    "com.anthropic.sdk.python langfuse-sdk langsmith litellm pydantic-ai strands.telemetry.tracer"
    " logfire.openai logfire.anthropic"
)

OPENLLMETRY_SCOPES: Final = frozenset(f"opentelemetry.instrumentation.{name}" for name in _OPENLLMETRY.split())
"""Scopes of OpenLLMetry's instrumentations."""
KNOWN_SCOPES: Final = (
    OPENLLMETRY_SCOPES
    | frozenset(f"opentelemetry.instrumentation.{name}" for name in _OPENTELEMETRY.split())
    | frozenset(f"openinference.instrumentation.{name}" for name in _OPENINFERENCE.split())
    | frozenset(_OTHERS.split())
)
"""Scopes whose spans are model calls, or may be, though neither name nor first attributes need to tell."""
HANDLER_SCOPES: Final = frozenset(
    (
        "langfuse-sdk",
        "langsmith",
        "openinference.instrumentation.langchain",
        "opentelemetry.instrumentation.genai.langchain",
        "opentelemetry.instrumentation.langchain",
    )
)
"""Those of them that may be handlers of LangChain's callbacks, as ours is."""

_KINDS: Final = frozenset({"LLM", "EMBEDDING", "RERANKER"})
# First words of the names that the conventions make ("chat gpt-5"); azure-ai-inference knows no more at the start.
_FIRST_WORDS: Final = frozenset({"chat", "text_completion", "generate_content", "embeddings", "embedding", "rerank"})


def billable_operation(said: object) -> str | None:
    """Our word for an operation that is billed, `None` for any other."""
    if not isinstance(said, str):
        return None
    return _OPERATIONS.get(said) or _OPERATIONS.get(said.lower())


def looks_billable(name: str, attributes: Mapping[str, Any] | None) -> bool:
    """Whether a span that starts may become a billable model call.

    Args:
        name: The span's, as it starts.
        attributes: Those it starts with.

    Returns:
        True where they say so. False says nothing about a span of one of the `KNOWN_SCOPES`.
    """
    try:
        if attributes:
            operation = attributes.get(semconv.GEN_AI_OPERATION)
            if operation is not None:
                if operation == "invoke_agent":
                    return attributes.get(semconv.GEN_AI_PROVIDER) == "aws.bedrock"
                return operation in _OPERATIONS
            kind = attributes.get("openinference.span.kind")
            if kind is not None:
                return kind in _KINDS
            if "gen_ai.system" in attributes or "llm.request.type" in attributes:
                return True
        return name.partition(" ")[0] in _FIRST_WORDS
    except Exception:  # a name or a value of a type that no span can have
        return False
