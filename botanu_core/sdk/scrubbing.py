"""Scrubs what others wrote on spans, as it leaves by our way out: prompts, statements, URLs, errors.

The application's span objects stay as they are, for its own exporters may hold them, too: a span that holds something
is replaced, in our batch alone, by a copy. This runs on the exporting thread, and a span has a bounded share of it.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status

from botanu_core.privacy.named import is_secret_name
from botanu_core.privacy.pattern import words
from botanu_core.privacy.scrubber import CUT, WITHHELD, Scrubber, default_scrubber
from botanu_core.runtime import guard
from botanu_core.runtime.spans import attributes_of

__all__ = ["scrubbed"]

# Characters of one span that are looked at; what is beyond is withheld.
_BUDGET: Final = 1 << 18
_ITEMS: Final = 256

# Where instrumentors of model clients, frameworks, databases and HTTP put what people said. Sources: OpenTelemetry's
# semantic conventions, OpenInference, OpenLLMetry, Vercel AI SDK, MLflow, Langfuse, Logfire, Pydantic AI.
_PREFIXES: Final = (
    "gen_ai.prompt", "gen_ai.completion", "gen_ai.input", "gen_ai.output", "gen_ai.system_instructions",
    "gen_ai.tool.call.", "gen_ai.tool.message", "gen_ai.event.content", "gen_ai.retrieval", "gen_ai.evaluation",
    "llm.input_messages", "llm.output_messages", "llm.prompt", "llm.completion", "llm.request", "llm.response",
    "llm.function_call", "llm.invocation_parameters", "input.value", "output.value", "traceloop.entity.",
    "retrieval.documents", "reranker.", "embedding.embeddings", "tool.parameters", "tool_", "message.",
    "document.", "ai.prompt", "ai.response", "ai.toolCall", "mlflow.spanInputs", "mlflow.spanOutputs",
    "langfuse.observation.", "langfuse.trace.", "langsmith.", "lk.", "metadata", "db.statement", "db.query.",
    "db.params", "db.operation.parameter.", "url.full", "url.query", "url.path", "url.original", "http.url",
    "http.target", "http.request.header.", "http.response.header.", "http.request.body", "http.response.body",
    "rpc.request.", "rpc.response.", "rpc.grpc.request.metadata.", "rpc.grpc.response.metadata.", "exception.",
    "error.message", "graphql.document", "messaging.message.body", "messaging.message.header.", "aws.request",
    "faas.", "event.body", "process.command",
)  # fmt: skip
# The last part of a name that says so, whatever stands before it.
_WORDS: Final = words(
    "arguments args body command completion content cookie data description document documents error event exception "
    "headers input inputs kwargs message messages msg output outputs params parameters payload prompt prompts query "
    "question answer reason referer referrer request response result results stacktrace statement stderr stdout text "
    "uri url user_prompt value values"
)


def scrubbed(spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
    """`spans`, with a scrubbed copy in place of each that held something; one that cannot be scrubbed is emptied."""
    scrubber = default_scrubber()
    return [_scrubbed(span, scrubber) for span in spans]


def _scrubbed(span: ReadableSpan, scrubber: Scrubber) -> ReadableSpan:
    try:
        work = _Work(scrubber)
        attributes = work.attributes(attributes_of(span))
        events = work.events(span.events)
        status = work.status(span.status)
    except Exception as error:
        guard.failed("span scrubbing", error)
        return _Copy(span, {}, (), Status(span.status.status_code, WITHHELD if span.status.description else None))
    if attributes is None and events is None and status is None:
        return span
    return _Copy(
        span,
        dict(attributes_of(span)) if attributes is None else attributes,
        span.events if events is None else events,
        span.status if status is None else status,
    )


@functools.lru_cache(maxsize=4096)
def _kind_of(name: str) -> Literal["secret", "content", ""]:
    """What an attribute of that name holds. Our own were scrubbed when they were set."""
    if name.startswith("botanu."):
        return ""
    if is_secret_name(name):
        return "secret"
    return "content" if name.startswith(_PREFIXES) or name.rpartition(".")[2].lower() in _WORDS else ""


class _Work:
    """One span's share. Each method returns `None` where nothing has to change."""

    __slots__ = ("_left", "_scrubber")

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._left = _BUDGET

    def attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any] | None:
        changed: dict[str, Any] = {}
        for name, value in attributes.items():
            if type(value) in (bool, int, float) or not (kind := _kind_of(name)):
                continue
            clean = self._value(value) if kind == "content" else self._hidden(name, value)
            if clean is not value:
                changed[name] = clean
        return {**attributes, **changed} if changed else None

    def events(self, events: Sequence[Event]) -> tuple[Event, ...] | None:
        if not events:
            return None
        clean = [self._event(event) for event in events]
        return tuple(clean) if any(one is not other for one, other in zip(clean, events, strict=True)) else None

    def status(self, status: Status) -> Status | None:
        if not status.description:
            return None
        description = self._text(status.description)
        return None if description is status.description else Status(status.status_code, description)

    def _event(self, event: Event) -> Event:
        attributes = self.attributes(attributes_of(event))
        return event if attributes is None else _EventCopy(event, attributes)

    def _hidden(self, name: str, value: Any) -> Any:
        clean = self._scrubber.scrub_value({name: value})
        hidden = next(iter(clean.values())) if isinstance(clean, dict) and len(clean) == 1 else WITHHELD
        return value if hidden == value else hidden

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes):
            text = value.decode("utf-8", "replace")
            return value if (clean := self._text(text)) is text else clean
        if isinstance(value, Sequence):
            items = [self._value(item) for item in value[:_ITEMS]]
            items += ["[more]"] if len(value) > _ITEMS else []
            return value if all(one is other for one, other in zip(items, value, strict=False)) else tuple(items)
        return self._scrubber.scrub_value(value)

    def _text(self, text: str) -> str:
        """`text` itself if it holds nothing."""
        window, self._left = self._left, max(self._left - len(text), 0)
        if not window:
            return CUT
        clean = self._scrubber.scrub(text, window=window)
        return text if clean == text else clean


class _Copy(ReadableSpan):
    """A span for our exporter, with other attributes, events and status than the original."""

    def __init__(
        self, span: ReadableSpan, attributes: Mapping[str, Any], events: Sequence[Event], status: Status
    ) -> None:
        super().__init__(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=attributes,
            events=events,
            links=span.links,
            kind=span.kind,
            status=status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )
        self._dropped = span.dropped_attributes, span.dropped_events, span.dropped_links

    @property
    def dropped_attributes(self) -> int:
        return self._dropped[0]

    @property
    def dropped_events(self) -> int:
        return self._dropped[1]

    @property
    def dropped_links(self) -> int:
        return self._dropped[2]


class _EventCopy(Event):
    """The same for an event."""

    def __init__(self, event: Event, attributes: Mapping[str, Any]) -> None:
        super().__init__(event.name, attributes, event.timestamp)
        self._were_dropped = event.dropped_attributes

    @property
    def dropped_attributes(self) -> int:
        return self._were_dropped
