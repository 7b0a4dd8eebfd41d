"""Model clients that more than one instrumentor traces: `traced_twice`, for `doctor()` to say."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Final

from botanu_core.sdk.instrument import installed, plain_name

__all__ = ["traced_twice"]

_CLIENTS: Final = frozenset(
    {"anthropic", "bedrock", "cohere", "google-genai", "groq", "litellm", "mistralai", "ollama", "openai", "vertexai"}
)
_ALSO: Final = {"botocore": "bedrock", "google-generativeai": "google-genai", "mistral": "mistralai"}


def traced_twice() -> list[str]:
    """A sentence for each client that is; what is counted does not depend on it."""
    found: dict[str, dict[str, None]] = {}
    for point in installed():
        name = plain_name(point.name)
        client = _ALSO.get(name, name)
        if client in _CLIENTS and _is_on(point):
            found.setdefault(client, {})[point.dist.name if point.dist is not None else point.value] = None
    return list(_sentences(found))


def _sentences(found: dict[str, dict[str, None]]) -> Iterator[str]:
    for client, distributions in found.items():
        if len(distributions) > 1:
            yield (
                f"{client} is traced by {' and '.join(distributions)}: each call has a span of each and is counted "
                "once; keep one of them"
            )


def _is_on(point: EntryPoint) -> bool:
    """Whether it was switched on, by whomever; what nobody has loaded was not."""
    made = getattr(sys.modules.get(point.module), point.attr, None)
    instance = getattr(made, "_instance", None)
    return bool(getattr(instance, "is_instrumented_by_opentelemetry", False))
