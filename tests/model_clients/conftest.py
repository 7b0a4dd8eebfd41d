"""The server that answers, a provider that knows which spans are open, and instrumentors that end with the test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from answering import Answers
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from botanu_core import settings
from botanu_genai import BedrockInstrumentor, OpenAIInstrumentor


@pytest.fixture(scope="session")
def answers() -> Iterator[Answers]:
    server = Answers()
    server.start()
    yield server
    server.stop()


class Spans(SimpleSpanProcessor):
    """What has ended, and what has not."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        super().__init__(self.exporter)
        self.open: set[int] = set()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self)

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.open.add(span.context.span_id)

    def on_end(self, span: ReadableSpan) -> None:
        assert span.context is not None
        self.open.discard(span.context.span_id)
        super().on_end(span)

    @property
    def ended(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    @property
    def attributes(self) -> dict[str, Any]:
        """Those of the one span there is."""
        [span] = self.ended
        return dict(span.attributes or {})


@pytest.fixture
def seen() -> Spans:
    return Spans()


@pytest.fixture
def off_at_the_end() -> Iterator[None]:
    """Whatever a test has switched on."""
    yield
    for each in (OpenAIInstrumentor(), BedrockInstrumentor()):
        each.uninstrument()


@pytest.fixture
def instrumented(seen: Spans, off_at_the_end: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Switches both instrumentors on, with content captured or not, as the environment says it: without `enable()`."""

    def switch_on(content: bool | str = True, **options: Any) -> None:
        monkeypatch.setenv(settings.CAPTURE_VARIABLE, content if isinstance(content, str) else str(content).lower())
        settings.activate(None)
        for each in (OpenAIInstrumentor(), BedrockInstrumentor()):
            each.instrument(tracer_provider=seen.provider, **options)

    return switch_on
