"""One message, whoever's words it came in: as OpenAI's clients take it, or as OpenTelemetry's packages read it.

Messages are tuples, for fifty may be made in a call: a frozen dataclass takes three times as long.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

__all__ = [
    "MOST_READ", "SYSTEM_ROLES", "Message", "Prompts", "ToolCall", "as_json", "chat_choices", "chat_prompts", "held",
    "of_parts", "value",
]  # fmt: skip

# A call may bring thousands; no span holds more than the newest of them.
MOST_READ: Final = 128
SYSTEM_ROLES: Final = frozenset({"system", "developer"})
_SPEAKERS: Final = ("user", "system", "developer")  # who neither calls tools nor is one


class ToolCall(NamedTuple):
    """A tool that the model asks for.

    Attributes:
        arguments: JSON, as the model wrote it where that is known.
    """

    id: str | None
    name: str
    arguments: str | None
    type: str = "function"


class Message(NamedTuple):
    """One message of a prompt, or one choice of an answer.

    Attributes:
        number: Its place among all of its call.
        content: Text, or OpenAI's list of parts; `None` for none.
    """

    number: int
    role: str
    content: Any = None
    tool_calls: Sequence[ToolCall] = ()
    tool_call_id: str | None = None
    finish_reason: str | None = None

    @property
    def text(self) -> str | None:
        """What was said; parts that are no text are named in brackets."""
        content = self.content
        if content is None or isinstance(content, str):
            return content
        if isinstance(content, Iterable):
            return "\n".join(_said(part) for part in content)
        return None


class Prompts(NamedTuple):
    """What a call asked.

    Attributes:
        read: The system's messages, which come first, and the newest; in their order.
        total: How many there were.
    """

    read: Sequence[Message]
    total: int


def value(source: Any, name: str) -> Any:
    """A field of a mapping or of an object: clients take both."""
    if type(source) is dict or isinstance(source, Mapping):  # of a plain one the type alone is asked, which is quicker
        return source.get(name)
    return getattr(source, name, None)


def held(messages: Any) -> Any:
    """The messages of a call, to be read by us and then by the client: of an iterator the list that it makes of it."""
    return list(messages) if type(messages) is not list and isinstance(messages, Iterator) else messages


def chat_prompts(messages: Any) -> Prompts:
    """Read the ``messages`` of a chat call; what is no list of messages reads as none."""
    if type(messages) is not list and (not isinstance(messages, Sequence) or isinstance(messages, str | bytes)):
        return Prompts((), 0)
    total = len(messages)
    if total <= MOST_READ:
        numbers: Iterable[int] = range(total)
    else:
        leading = next((at for at in range(MOST_READ) if value(messages[at], "role") not in SYSTEM_ROLES), 0)
        numbers = (*range(leading), *range(total - MOST_READ + leading, total))
    return Prompts([_chat_message(number, messages[number]) for number in numbers], total)


def chat_choices(choices: Iterable[Any]) -> Iterator[Message]:
    """Read the ``choices`` of a chat answer."""
    for choice in choices:
        said = choice.message
        yield Message(
            choice.index,
            said.role or "assistant",
            said.content if said.content is not None else getattr(said, "refusal", None),
            _chat_tool_calls(getattr(said, "tool_calls", None)),
            None,
            choice.finish_reason or "error",
        )


def of_parts(
    messages: Iterable[Any], system: Sequence[Any] = (), finish_reasons: Mapping[str, str] | None = None
) -> list[Message]:
    """Read messages of `opentelemetry.util.genai.types`.

    Args:
        messages: Each with ``role`` and ``parts``.
        system: The parts of the system's instructions, which come first.
        finish_reasons: The provider's own words for theirs.
    """
    found: list[Message] = []
    if system:
        found.append(Message(0, "system", "".join(part.content for part in system if _is(part, "text"))))
    for message in messages:
        parts = message.parts
        for part in parts:
            if _is(part, "tool_call_response"):
                found.append(Message(len(found), "tool", _response(part.response), (), part.id))
        others = [part for part in parts if not _is(part, "tool_call_response")]
        if not others and parts:
            continue
        reason = getattr(message, "finish_reason", None)
        found.append(
            Message(
                len(found),
                message.role,
                "\n".join(said) if (said := [text for part in others if (text := _part(part))]) else None,
                [ToolCall(part.id, part.name, as_json(part.arguments)) for part in others if _is(part, "tool_call")],
                None,
                (finish_reasons or {}).get(reason, reason) if reason is not None else None,
            )
        )
    return found


def as_json(data: Any) -> str | None:
    """JSON of `data`; text stays as it is."""
    if data is None or isinstance(data, str):
        return data
    try:
        return json.dumps(data, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return None


def _chat_message(number: int, message: Any) -> Message:
    said = message.get if type(message) is dict else partial(value, message)
    content, role = said("content"), said("role")
    if type(content) is str and type(role) is str and role in _SPEAKERS:
        return Message(number, role, content)
    if isinstance(content, list):
        content = list(content)  # the application may go on writing in its own
    calls = said("tool_calls") if role == "assistant" else None
    answered = said("tool_call_id") if role == "tool" else None
    if content is None and role == "assistant":
        content = said("refusal")
    return Message(number, str(role), content, _chat_tool_calls(calls), answered)


def _chat_tool_calls(calls: Any) -> Sequence[ToolCall]:
    if not calls or not isinstance(calls, Iterable):
        return ()
    found = []
    for call in calls:
        kind = value(call, "type") or "function"
        what = value(call, kind) or {}
        arguments = value(what, "arguments" if kind == "function" else "input")
        # Line breaks are what pretty-printing models put between keys: the documented value has none.
        plain = arguments.replace("\n", "") if isinstance(arguments, str) else None
        found.append(ToolCall(value(call, "id"), value(what, "name") or "", plain, kind))
    return found


def _said(part: Any) -> str:
    """One part of a list of content."""
    if isinstance(part, str):
        return part
    text = value(part, "text")
    if isinstance(text, str):
        return text
    refusal = value(part, "refusal")
    return refusal if isinstance(refusal, str) else f"[{value(part, 'type') or 'part'}]"


def _is(part: Any, kind: str) -> bool:
    return getattr(part, "type", None) == kind


def _part(part: Any) -> str:
    """What a part says in a message's text; tool calls and the model's reasoning say nothing there."""
    if _is(part, "text"):
        return str(part.content)
    modality = getattr(part, "modality", None)
    return f"[{getattr(modality, 'value', modality)}]" if modality is not None else ""


def _response(response: Any) -> str | None:
    """What a tool answered: text, or blocks of text and JSON."""
    if not isinstance(response, list):
        return as_json(response)
    texts = []
    for block in response:
        said = value(block, "text") if not isinstance(block, str) else block
        texts.append(said if isinstance(said, str) else as_json(value(block, "json")) or _said(block))
    return "".join(texts)
