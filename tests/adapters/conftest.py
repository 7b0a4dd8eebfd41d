"""What all adapters' tests stand on."""

from collections.abc import Callable

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import botanu


@pytest.fixture
def exported(sdk: Callable[..., InMemorySpanExporter], monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What an application's own exporter gets, Botanu being on."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    found = sdk()
    botanu.enable(instrument="none")
    return found
