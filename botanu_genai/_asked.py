"""`Asked`: what is known of one call between its beginning, when it is read, and its end, when it is written."""

import weakref
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import Span, get_current_span

from botanu_core.clients import Capture, capturing
from botanu_genai._messages import Message, Prompts

__all__ = ["Asked", "Tool", "asked_on", "begin", "known", "take"]


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool definition; `parameters` is a schema, as the caller gave it."""

    name: str
    type: str | None = None
    description: str | None = None
    parameters: Any = None


@dataclass(slots=True)
class Asked:
    """One call.

    Attributes:
        capture: What of it may be captured, decided when it began.
        details: Whether tool schemas, and for whom it is, may be recorded.
        prompts: What it asked, where the raw request has been read.
        attributes: Facts of the request that hold no content.
        tools: Its tool definitions.
        tools_prefix: What their attributes begin with.
        choices: Reads the raw answer, where there is one.
        stream: The answer's stream, as long as somebody reads it.
        stop_reason: Bedrock's own word for why the model stopped.
        agent: What the trace of an agent said of its model: name and tokens.
    """

    capture: Capture
    details: bool
    prompts: Prompts | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    tools: Sequence[Tool] = ()
    tools_prefix: str = ""
    choices: Callable[[], list[Message]] | None = None
    stream: Callable[[], Any] | None = None
    stop_reason: str | None = None
    agent: dict[str, Any] = field(default_factory=dict)


_open: MutableMapping[Span, Asked] = weakref.WeakKeyDictionary()


def begin(*, details: bool) -> Asked | None:
    """Open the call whose span is current; `None` where that span goes nowhere.

    Args:
        details: Whether tool schemas, and for whom it is, are wanted where content is not captured.
    """
    span = get_current_span()
    asked = asked_on(span, details=details)
    if asked is not None:
        _open[span] = asked
    return asked


def asked_on(span: Span, *, details: bool) -> Asked | None:
    """The same of `span`, for whoever will end it himself."""
    if not span.is_recording() or not span.get_span_context().trace_flags.sampled:
        return None
    capture = capturing()
    return Asked(capture, capture.asked or (details and not capture.is_barred))


def known(span: Span | None) -> Asked | None:
    """The open call of `span`."""
    return None if span is None else _open.get(span)


def take(span: Span | None) -> Asked | None:
    """The call of `span`, which ends."""
    return None if span is None else _open.pop(span, None)
