"""What is written on a span, and how much of it: flat attributes, JSON, both or none, within what a span holds."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, Literal

from botanu_core.clients import Capture, cut
from botanu_core.clients import semconv as sc
from botanu_genai._asked import Asked, Tool
from botanu_genai._messages import SYSTEM_ROLES, Message, Prompts, as_json

__all__ = ["FORMATS", "Format", "room_on", "written"]

Format = Literal["flat", "json", "both", "none"]
FORMATS: Final = ("flat", "json", "both", "none")

_SDK_LIMIT: Final = 128  # attributes of a span; beyond it the SDK drops the oldest, which are the run's
_KEPT_FREE: Final = 24  # for what is written after us: the cost, and the application's own
_MOST: Final = 1024  # where a span has no limit
_LONGEST_WORD: Final = 256


def room_on(span: Any, wanted: int | None, more: int = 0) -> int:
    """How many attributes may be added to `span`, and to `more`, so that none that it has, or needs, is dropped."""
    limits = getattr(span, "_limits", None)
    limit = getattr(limits, "max_span_attributes", _SDK_LIMIT) if limits is not None else _SDK_LIMIT
    there = getattr(span, "attributes", None)
    free = _MOST if limit is None else limit - (0 if there is None else len(there)) - more - _KEPT_FREE
    return max(0, free if wanted is None else min(free, wanted))


def written(asked: Asked, prompts: Prompts, choices: Sequence[Message], form: Format, room: int) -> dict[str, Any]:
    """The attributes of one call.

    Answers come first, then tool definitions, the system's messages, and the newest of the others.
    """
    found: dict[str, Any] = dict(asked.attributes)
    room -= len(found)
    if form in ("json", "both"):
        room -= 3
    omitted = prompts.total - len(prompts.read)
    if form in ("flat", "both"):
        omitted = _flat(found, asked, prompts, choices, room)
    if form in ("json", "both"):
        _as_json(found, asked.capture, prompts.read, choices)
    if omitted and form != "none":
        found[sc.MESSAGES_OMITTED] = omitted
    return found


def _flat(found: dict[str, Any], asked: Asked, prompts: Prompts, choices: Sequence[Message], room: int) -> int:
    """Add flat attributes to `found`; how many messages were left out, or cut."""
    capture = asked.capture
    end = len(found) + max(0, room - 1)  # one for saying what is missing
    cut_short = 0
    for choice in choices:
        cut_short += _add(found, sc.GEN_AI_COMPLETION, choice, capture, capture.answered, end)
    _add_tools(found, asked, len(found) + (end - len(found)) // 4)
    for message in _by_worth(prompts.read):
        cut_short += _add(found, sc.GEN_AI_PROMPT, message, capture, capture.asked, end)
    return cut_short + prompts.total - len(prompts.read)


def _by_worth(messages: Sequence[Message]) -> list[Message]:
    leading = 0
    while leading < len(messages) and messages[leading].role in SYSTEM_ROLES:
        leading += 1
    return [*messages[:leading], *reversed(messages[leading:])]


def _add(found: dict[str, Any], kind: str, message: Message, capture: Capture, is_captured: bool, end: int) -> bool:
    """Add as much of `message` as fits; whether something does not."""
    free = end - len(found)
    if free <= 0:
        return True
    pairs = _pairs(f"{kind}{message.number}.", message, capture, is_captured)
    found.update(pairs if len(pairs) <= free else islice(pairs.items(), free))
    return len(pairs) > free


def _add_tools(found: dict[str, Any], asked: Asked, end: int) -> None:
    for number, tool in enumerate(asked.tools):
        pairs = _tool_pairs(f"{asked.tools_prefix}{number}.", tool, asked)
        if len(found) + len(pairs) >= end:
            found[sc.TOOLS_OMITTED] = len(asked.tools) - number
            return
        found.update(pairs)


def _tool_pairs(prefix: str, tool: Tool, asked: Asked) -> dict[str, str]:
    pairs = {f"{prefix}type": tool.type} if tool.type else {}
    pairs[f"{prefix}function.name"] = cut(tool.name, _LONGEST_WORD)
    if asked.details:
        if tool.description:
            pairs[f"{prefix}function.description"] = asked.capture.text(tool.description)
        if (schema := as_json(tool.parameters)) is not None:
            pairs[f"{prefix}function.parameters"] = asked.capture.text(schema)
    return pairs


def _pairs(prefix: str, message: Message, capture: Capture, is_captured: bool) -> dict[str, str]:
    pairs = {f"{prefix}role": cut(message.role, _LONGEST_WORD)}
    content = message.content
    if is_captured and content is not None and (text := content if type(content) is str else message.text) is not None:
        pairs[f"{prefix}content"] = capture.text(text)
    if message.finish_reason is not None:
        pairs[f"{prefix}finish_reason"] = message.finish_reason
    if message.tool_call_id is not None:
        pairs[f"{prefix}tool_call_id"] = cut(str(message.tool_call_id), _LONGEST_WORD)
    for at, call in enumerate(message.tool_calls):
        name = f"{prefix}tool_calls.{at}."
        if call.id is not None:
            pairs[f"{name}id"] = cut(call.id, _LONGEST_WORD)
        pairs[f"{name}type"] = call.type
        pairs[f"{name}function.name"] = cut(call.name, _LONGEST_WORD)
        if is_captured and call.arguments is not None:
            pairs[f"{name}function.arguments"] = capture.text(call.arguments)
    return pairs


def _as_json(found: dict[str, Any], capture: Capture, prompts: Sequence[Message], choices: Sequence[Message]) -> None:
    """The messages in the shape of the conventions, each text scrubbed and cut by itself, so that the JSON is whole."""
    if capture.asked:
        system = [message for message in prompts if message.role in SYSTEM_ROLES]
        others = [_shaped(message, capture) for message in prompts if message.role not in SYSTEM_ROLES]
        found[sc.GEN_AI_INPUT_MESSAGES] = as_json(others)
        if system:
            found[sc.GEN_AI_SYSTEM_INSTRUCTIONS] = as_json(list(_texts(system, capture)))
    if capture.answered and choices:
        found[sc.GEN_AI_OUTPUT_MESSAGES] = as_json([_shaped(message, capture) for message in choices])


def _texts(messages: Iterable[Message], capture: Capture) -> Iterator[dict[str, Any]]:
    for message in messages:
        if (text := message.text) is not None:
            yield {"type": "text", "content": capture.text(text)}


def _shaped(message: Message, capture: Capture) -> dict[str, Any]:
    if message.tool_call_id is not None:
        said = capture.text(message.text) if message.text is not None else None
        parts = [{"type": "tool_call_response", "id": message.tool_call_id, "response": said}]
    else:
        parts = list(_texts([message], capture))
    for call in message.tool_calls:
        arguments = capture.text(call.arguments) if call.arguments is not None else None
        parts.append({"type": "tool_call", "id": call.id, "name": call.name, "arguments": arguments})
    shaped: dict[str, Any] = {"role": message.role, "parts": parts}
    if message.finish_reason is not None:
        shaped["finish_reason"] = message.finish_reason
    return shaped
