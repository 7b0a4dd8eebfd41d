"""Prompts and answers, for runs whose content is captured: in the shape of the GenAI conventions, and as plain text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from botanu_core.callbacks import LLMTracker

__all__ = ["answered", "asked"]

_ROLES: Final = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "tool"}


def asked(tracker: LLMTracker, prompts: Any) -> None:
    """Capture what a model was asked: lists of messages, or texts."""
    messages = [message for each in _listed(prompts) for message in _messages(each)]
    tracker.set_input_content(messages[-1]["parts"] if len(messages) == 1 else messages)
    tracker.set_messages(asked=messages)


def answered(tracker: LLMTracker, response: Any) -> None:
    """Capture what it answered."""
    messages = []
    for row in _listed(getattr(response, "generations", None)):
        for generation in _listed(row):
            message = getattr(generation, "message", None)
            text = getattr(generation, "text", "")
            found = _message(message) if message is not None else {"role": "assistant", "parts": _parts(text)}
            messages.append(found)
    if messages:
        tracker.set_output_content(messages[0]["parts"] if len(messages) == 1 else messages)
        tracker.set_messages(answered=messages)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()


def _messages(given: Any) -> Iterator[dict[str, Any]]:
    if isinstance(given, str):
        yield {"role": "user", "parts": _parts(given)}
    else:
        yield from (_message(message) for message in _listed(given))


def _message(message: Any) -> dict[str, Any]:
    kind = str(getattr(message, "type", ""))
    parts = _parts(getattr(message, "content", ""))
    for call in _listed(getattr(message, "tool_calls", None)):
        if isinstance(call, Mapping):
            parts.append(
                {"type": "tool_call", "id": call.get("id"), "name": call.get("name"), "arguments": call.get("args")}
            )
    if (answered_call := getattr(message, "tool_call_id", None)) is not None:
        parts = [{"type": "tool_call_response", "id": answered_call, "response": getattr(message, "content", "")}]
    return {"role": _ROLES.get(kind.removesuffix("MessageChunk").lower(), kind or "user"), "parts": parts}


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "content": content}] if content else []
    found: list[dict[str, Any]] = []
    for block in _listed(content):
        if isinstance(block, str):
            found.append({"type": "text", "content": block})
        elif isinstance(block, Mapping):
            text = block.get("text")
            # Pictures and sound are not captured, only that they were there.
            found.append({"type": "text", "content": text} if text is not None else {"type": str(block.get("type"))})
    return found
