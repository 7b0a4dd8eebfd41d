"""What the ledger's tests share: Botanu on over a real receiver, and what came out of it."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from random import SystemRandom

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator

import botanu
from demo.receiver import LogEvent, Receiver
from tests.core.ledger.arrived import entries_at, events_at
from tests.core.ledger.prices import CONTRACT


class OwnIds(IdGenerator):
    """Ids that no two examples share, though the test's random numbers begin anew in each."""

    def __init__(self) -> None:
        self._random = SystemRandom()

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128) | 1

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64) | 1


class Desk:
    """Botanu switched on in this process, and what came out of it."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.exported = InMemorySpanExporter()

    def entries(self) -> list[LogEvent]:
        """The ledger entries that have arrived; what is waiting is sent before."""
        assert botanu.flush()
        return entries_at(self.receiver)

    def completed(self) -> list[LogEvent]:
        """The runs that were completed, likewise."""
        assert botanu.flush()
        return events_at(self.receiver, "botanu.run.completed")

    def total(self) -> Decimal:
        """What all entries come to."""
        found = [entry.attributes.get("botanu.cost.usd_exact") for entry in self.entries()]
        return sum((Decimal(each) for each in found if each is not None), Decimal(0))

    def sums(self, metric: str) -> list[tuple[float, dict]]:
        """What a counter of ours has come to by now, and under which labels."""
        self.receiver.clear()
        assert botanu.flush()
        return [(point.value, point.attributes) for point in self.receiver.points() if point.name == metric]

    def span(self, name: str) -> dict:
        """The attributes of the one span of that name that the application's exporter was given."""
        [span] = [span for span in self.exported.get_finished_spans() if span.name == name]
        return dict(span.attributes)


@pytest.fixture
def desk(receiver, clean_process) -> Iterator[Callable[..., Desk]]:
    """Switches Botanu on above an application's own provider; events go to the receiver."""

    def switch_on(sampler=None, **fields) -> Desk:
        found = Desk(receiver)
        provider = TracerProvider(sampler=sampler, id_generator=OwnIds(), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(found.exported))
        trace.set_tracer_provider(provider)
        fixed = {"instrument": "none", "export_interval_s": 600, "metric_interval_s": 600}
        botanu.enable(**{**fixed, "otlp_endpoint": receiver.endpoint, "price_contracts": [CONTRACT], **fields})
        return found

    yield switch_on
    botanu.disable()
