"""`read_request`: what a request to OpenAI says beside its messages."""

from collections.abc import Mapping
from typing import Any, Final

from botanu_core.clients import cut
from botanu_core.clients import semconv as sc
from botanu_genai._asked import Asked, Tool
from botanu_genai._messages import value

__all__ = ["read_request"]

_LONGEST_USER: Final = 256


def read_request(asked: Asked, kwargs: Mapping[str, Any]) -> None:
    """Note the facts of a request that OpenTelemetry's package drops, and its tools."""
    user, seed, shape = kwargs.get("user"), kwargs.get("seed"), kwargs.get("response_format")
    if isinstance(user, str) and asked.details:
        asked.attributes[sc.OPENAI_USER] = cut(user, _LONGEST_USER)
    if type(seed) is int:
        asked.attributes[sc.OPENAI_SEED] = seed
    if shape is not None:
        kind = "json_schema" if isinstance(shape, type) else value(shape, "type")
        if isinstance(kind, str):
            asked.attributes[sc.OPENAI_RESPONSE_FORMAT] = kind
    tools = kwargs.get("tools")
    if isinstance(tools, list | tuple) and tools:
        asked.tools, asked.tools_prefix = [_tool(tool) for tool in tools], sc.OPENAI_TOOLS


def _tool(tool: Any) -> Tool:
    """A tool of a chat, or of the Responses API, where the function's fields are the tool's own."""
    kind = value(tool, "type")
    what = value(tool, "function") or (value(tool, kind) if isinstance(kind, str) else None) or tool
    return Tool(
        str(value(what, "name") or kind or ""),
        kind if isinstance(kind, str) else None,
        value(what, "description"),
        value(what, "parameters"),
    )
