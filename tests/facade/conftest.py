"""What the documents' tests share: Botanu switched on as a service does, and a receiver that says what arrived."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import botanu
from demo.provider import Provider
from demo.receiver import MetricPoint, Receiver, Span


class Sent:
    """What a service has sent, once it has ended."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def spans(self, scope: str = "") -> list[Span]:
        """The spans, in the order in which they ended; of one instrumentation, or of all."""
        assert botanu.disable(timeout_s=5), "the receiver did not get everything"
        return [span for span in self._receiver.spans() if scope in ("", span.scope)]

    def span(self, name: str) -> Span:
        """The one span of this name."""
        [span] = [span for span in self.spans() if span.name == name]
        return span

    def points(self, name: str) -> list[MetricPoint]:
        """The last points of a metric."""
        assert botanu.disable(timeout_s=5), "the receiver did not get everything"
        points = [point for point in self._receiver.points() if point.name == name]
        return [point for point in points if point.time_ns == points[-1].time_ns]


@pytest.fixture
def service(receiver: Receiver) -> Callable[..., Sent]:
    """Switches Botanu on, with further settings, and returns what it will have sent."""

    def enable(**settings: Any) -> Sent:
        botanu.enable(**{"otlp_endpoint": receiver.endpoint, "instrument": "none", **settings})
        return Sent(receiver)

    return enable


@pytest.fixture
def sent(service: Callable[..., Sent]) -> Sent:
    """Botanu is on; this is what it will have sent."""
    return service()


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """A model provider on this machine, which keeps its own invoice."""
    with Provider() as running:
        yield running
