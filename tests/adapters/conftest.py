"""What all adapters' tests stand on."""

import functools
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import botanu
from tests.adapters.outbound import INSTRUMENTORS, SAMPLERS
from tests.support.servers import Mirror, Seen, Server

OUTSIDE = "api.provider.example"
"""A name that counts as outside; `outside_is_here` leads it to loopback."""


@pytest.fixture
def exported(sdk: Callable[..., InMemorySpanExporter], monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What an application's own exporter gets, Botanu being on."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    found = sdk()
    botanu.enable(instrument="none")
    return found


@pytest.fixture(scope="module")
def mirror() -> Mirror:
    """Keeps what arrives, whatever name it was called by."""
    return Mirror()


@pytest.fixture(scope="module")
def port(mirror: Mirror) -> Iterator[int]:
    """Where the mirror listens."""
    with Server(mirror) as server:
        yield server.port


@pytest.fixture
def arrived(mirror: Mirror) -> list[Seen]:
    """The requests of this test."""
    mirror.seen.clear()
    return mirror.seen


@pytest.fixture
def outside_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public-looking names that lead to the loopback address; everything else is as it was."""
    real = socket.getaddrinfo
    names = {OUTSIDE, "www.example.com", "inside.internal", "evil.example"}

    @functools.wraps(real)
    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return real("127.0.0.1" if name in names else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture(params=SAMPLERS)
def switch_on(
    request: pytest.FixtureRequest, sdk: Callable[..., InMemorySpanExporter], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., InMemorySpanExporter]:
    """Botanu with every stock instrumentor, under a sampler that keeps all or nothing."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "")

    def on(**settings: Any) -> InMemorySpanExporter:
        exporter = sdk(SAMPLERS[request.param])
        report = botanu.enable(instrument=INSTRUMENTORS, **settings)
        assert {each.state for each in report.instruments} == {"on"}, str(report)
        return exporter

    return on
