"""Spans and events as OTLP's requests. Field numbers are those of `trace.proto`, `logs.proto` and `resource.proto`."""

from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from botanu_core.runtime.spans import attributes_of
from botanu_core.sdk.protobuf import Attributes, field, number, text

__all__ = ["Event", "EventEncoder", "SpanEncoder"]

_TIMES: Final = Struct("<BQBQ").pack
_FLAGS: Final = Struct("<BI").pack
_SPAN_FLAGS: Final = Struct("<BBI").pack
_MOMENT: Final = Struct("<BQ").pack
_REMOTE_IS_KNOWN: Final = 0x100
_IS_REMOTE: Final = 0x200


class Event(NamedTuple):
    """An event on its way out.

    Attributes:
        name: ``botanu.ledger.entry`` or ``botanu.run.completed``.
        time_ns: When it was, Unix nanoseconds.
        attributes: Says what it says; asked when it leaves, which is no affair of the caller's thread.
        span_context: In which span.
    """

    name: str
    time_ns: int
    attributes: Callable[[], Mapping[str, Any]]
    span_context: SpanContext


def _resource(resource: Resource) -> tuple[bytes, bytes]:
    """Its own field of a `ResourceSpans` or `ResourceLogs`, and that of its schema."""
    said = b"".join(Attributes(b"\x0a").encode(resource.attributes))
    return field(b"\x0a", said), _schema(resource.schema_url)


def _scope(scope: InstrumentationScope | None) -> tuple[bytes, bytes]:
    """The same of a `ScopeSpans` or `ScopeLogs`."""
    if scope is None:
        return b"\x0a\x00", b""
    said = field(b"\x0a", text(scope.name)) + field(b"\x12", text(scope.version or ""))
    said += b"".join(Attributes(b"\x1a").encode(getattr(scope, "attributes", None) or {}))
    return field(b"\x0a", said), _schema(scope.schema_url)


def _scope_spans(scope: InstrumentationScope | None, spans: list[bytes]) -> bytes:
    said, schema = _scope(scope)
    return field(b"\x12", b"".join((said, *spans, schema)))


def _schema(url: str | None) -> bytes:
    return field(b"\x1a", text(url)) if url else b""


class EventEncoder:
    """Encodes events of one resource and scope. For one thread at a time."""

    def __init__(self, resource: Resource, scope: InstrumentationScope) -> None:
        self._attributes = Attributes(b"\x32")
        self._resource, self._resource_schema = _resource(resource)
        self._scope, self._schema = _scope(scope)

    def encode(self, events: Iterable[Event]) -> bytes:
        """An `ExportLogsServiceRequest`.

        Raises:
            Unencodable: A value is nothing that OTLP knows.
        """
        records = b"".join([field(b"\x12", self._record(event)) for event in events])
        scope_logs = field(b"\x12", self._scope + records + self._schema)
        return field(b"\x0a", self._resource + scope_logs + self._resource_schema)

    def _record(self, event: Event) -> bytes:
        name, time_ns, attributes, span = event
        parts = [_TIMES(0x09, time_ns, 0x59, time_ns), b"\x10\x09\x2a\x00"]  # severity INFO, no body
        parts += self._attributes.encode(attributes())
        if span.trace_flags:
            parts.append(_FLAGS(0x45, span.trace_flags))
        if span.trace_id:
            parts += (b"\x4a\x10", span.trace_id.to_bytes(16, "big"))
        if span.span_id:
            parts += (b"\x52\x08", span.span_id.to_bytes(8, "big"))
        parts.append(field(b"\x62", text(name)))
        return b"".join(parts)


class SpanEncoder:
    """Encodes ended spans, whoever made them. For one thread at a time."""

    def __init__(self) -> None:
        self._of_span, self._of_event, self._of_link = Attributes(b"\x4a"), Attributes(b"\x1a"), Attributes(b"\x22")

    def encode(self, spans: Iterable[ReadableSpan]) -> bytes:
        """An `ExportTraceServiceRequest`.

        Raises:
            Unencodable: A value is nothing that OTLP knows.
        """
        found: dict[int, tuple[Resource, dict[int, tuple[InstrumentationScope | None, list[bytes]]]]] = {}
        for span in spans:
            resource, scope = span.resource, span.instrumentation_scope
            of_resource = found.get(id(resource)) or found.setdefault(id(resource), (resource, {}))
            of_scope = of_resource[1].get(id(scope)) or of_resource[1].setdefault(id(scope), (scope, []))
            of_scope[1].append(field(b"\x12", self._span(span)))
        request = []
        for resource, scopes in found.values():
            said, schema = _resource(resource)
            each = [_scope_spans(scope, encoded) for scope, encoded in scopes.values()]
            request.append(field(b"\x0a", b"".join((said, *each, schema))))
        return b"".join(request)

    def _span(self, span: ReadableSpan) -> bytes:
        context, parent = span.context, span.parent
        parts = [b"\x0a\x10", context.trace_id.to_bytes(16, "big"), b"\x12\x08", context.span_id.to_bytes(8, "big")]
        if context.trace_state:
            parts.append(field(b"\x1a", text(context.trace_state.to_header())))
        if parent is not None:
            parts += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
        # The kinds of the API are those of OTLP less one: there 0 is none.
        parts += (field(b"\x2a", text(span.name)), b"\x30", number(span.kind.value + 1))
        parts.append(_TIMES(0x39, span.start_time or 0, 0x41, span.end_time or 0))
        parts += self._of_span.encode(attributes_of(span))
        if dropped := span.dropped_attributes:
            parts.append(b"\x50" + number(dropped))
        parts += [field(b"\x5a", self._event(event)) for event in span.events]
        if dropped := span.dropped_events:
            parts.append(b"\x60" + number(dropped))
        parts += [field(b"\x6a", self._link(link)) for link in span.links]
        if dropped := span.dropped_links:
            parts.append(b"\x70" + number(dropped))
        code, why = span.status.status_code.value, span.status.description
        status = (field(b"\x12", text(why)) if why else b"") + (b"\x18" + number(code) if code else b"")
        parts += (field(b"\x7a", status), _SPAN_FLAGS(0x85, 0x01, _remoteness(parent)))
        return b"".join(parts)

    def _event(self, event: Any) -> bytes:
        said = self._of_event.encode(attributes_of(event))
        dropped = b"\x20" + number(event.dropped_attributes) if event.dropped_attributes else b""
        return b"".join((_MOMENT(0x09, event.timestamp), field(b"\x12", text(event.name)), *said, dropped))

    def _link(self, link: Any) -> bytes:
        context = link.context
        said = self._of_link.encode(attributes_of(link))
        dropped = b"\x28" + number(link.dropped_attributes) if link.dropped_attributes else b""
        ids = b"\x0a\x10" + context.trace_id.to_bytes(16, "big") + b"\x12\x08" + context.span_id.to_bytes(8, "big")
        return b"".join((ids, *said, dropped, _FLAGS(0x35, _remoteness(context))))


def _remoteness(context: SpanContext | None) -> int:
    return _REMOTE_IS_KNOWN | (_IS_REMOTE if context is not None and context.is_remote else 0)
