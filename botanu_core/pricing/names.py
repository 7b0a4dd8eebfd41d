"""What people and responses call a provider and a model, in the price table's words. Nothing is guessed."""

import re
from collections.abc import Mapping
from typing import Final

from botanu_core.model.vocabulary import provider_name

__all__ = ["model_spellings", "table_provider"]

# Documented names, OpenTelemetry's and those of LangChain and LiteLLM that are not the table's own.
_PROVIDERS: Final[Mapping[str, str]] = {
    "azure.openai": "azure",
    "azure.ai.inference": "azure",
    "azure_ai": "azure",
    "aws.bedrock": "aws",
    "bedrock_converse": "aws",
    "gcp.vertex_ai": "google",
    "gcp.gen_ai": "google",
    "google_anthropic_vertex": "google",
    "xai": "x-ai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "moonshot": "moonshotai",
    "voyage": "voyageai",
    "z_ai": "zai",
}
# Bedrock's ARNs name a model in these resources only; of the others the price is agreed, or by the hour.
_ARN: Final = re.compile(r"arn:aws[\w-]*:bedrock:[^/]*:(?:foundation-model|inference-profile)/(.+)")


def table_provider(provider: str) -> str:
    """The table's id of a provider; an unknown one comes back as it is, and is not there."""
    name = provider_name(provider)
    key = name.replace("-", "_").replace(" ", "_")
    return _PROVIDERS.get(name) or _PROVIDERS.get(key) or name


def model_spellings(provider: str, model: str) -> tuple[str, tuple[str, ...]]:
    """Where to look a model up, and as what, the likeliest first.

    Args:
        provider: As the call names it.
        model: As a response or a request names it: bare, as a resource (``models/gemini-2.5-pro``,
            ``projects/…/publishers/google/models/…``, an ARN of Bedrock), or with its provider before it
            (``openai/gpt-5``), as LiteLLM writes it.

    Returns:
        The table's id of the provider, and names; none for a resource that names no model.
    """
    theirs = table_provider(provider)
    model = model.strip()
    if model.startswith("arn:"):
        named = _ARN.fullmatch(model)
        return theirs, (named[1],) if named else ()
    first, slash, rest = model.partition("/")
    if slash and theirs == "litellm":
        return table_provider(first), (rest,)
    found = [model]
    if slash and table_provider(first) == theirs:
        found.append(rest)
    if "/models/" in f"/{model}":
        found.append(f"/{model}".rpartition("/models/")[2])
    return theirs, tuple(found)
