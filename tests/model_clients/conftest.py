"""The server that answers, and instrumentors that end with the test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from answering import Answers
from listening import Spans

from botanu_core import settings
from botanu_genai import BedrockInstrumentor, OpenAIInstrumentor


@pytest.fixture(scope="session")
def answers() -> Iterator[Answers]:
    server = Answers()
    server.start()
    yield server
    server.stop()


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
            each.instrument(**{"tracer_provider": seen.provider, **options})

    return switch_on
