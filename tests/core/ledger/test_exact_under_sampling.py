"""Whatever the application's head sampler drops, the ledger has every call; what is exported is what it alone would."""

import random
from collections import Counter
from decimal import Decimal

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import SpanKind

import botanu
from botanu.tracking.llm import track_llm_call
from tests.core.ledger.arrived import entries_at
from tests.core.ledger.prices import CONTRACT, ONE_CALL

RUNS = 2000
CALLS_A_RUN = 6


class Seeded(IdGenerator):
    """The same ids every time; trace ids do not depend on how many spans there are."""

    def __init__(self) -> None:
        self._traces, self._spans = random.Random(7), random.Random(8)

    def generate_trace_id(self) -> int:
        return self._traces.getrandbits(128) | 1

    def generate_span_id(self) -> int:
        return self._spans.getrandbits(64) | 1


class EveryOther(Sampler):
    """An application's own."""

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        return SamplingResult(Decision.RECORD_AND_SAMPLE if trace_id & 2 else Decision.DROP, attributes)

    def get_description(self):
        return "EveryOther"


SAMPLERS = {
    "a tenth, by parent": lambda: ParentBased(TraceIdRatioBased(0.1)),
    "none": lambda: ALWAYS_OFF,
    "its own": EveryOther,
    "by the environment": lambda: None,
}
USED = {
    "gen_ai.provider.name": "openai",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 1000,
}
ASKED = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "priced"}


def serve() -> None:
    """Two thousand runs of six calls: ours, others', one that says what it is at its end only, one by a late tracer."""
    early = trace.get_tracer("opentelemetry.instrumentation.openai.v1")
    app = trace.get_tracer("application")
    for number in range(RUNS):
        with app.start_as_current_span("request"), botanu.event(workflow="W", event_id=str(number)):
            with track_llm_call("openai", "priced") as ours:
                with botanu.step("inside"), early.start_as_current_span("chat priced") as twin:
                    twin.set_attributes({**ASKED, **USED})  # of the same call, below a step
                ours.set_tokens(1000, 1000)
            for kind in (SpanKind.CLIENT, SpanKind.INTERNAL):
                with app.start_as_current_span("chat priced", kind=kind, attributes=ASKED) as span:
                    span.set_attributes(USED)
            with early.start_as_current_span("nothing tells") as span:
                span.set_attributes({**ASKED, **USED})
            late = trace.get_tracer("openinference.instrumentation.openai", f"1.{number % 3}")
            with late.start_as_current_span("nothing tells either") as span:
                span.set_attributes({**ASKED, **USED})
            with app.start_as_current_span("work"), track_llm_call("openai", "priced") as ours:
                ours.set_tokens(1000, 1000)


def exported(sampler: Sampler | None) -> InMemorySpanExporter:
    """What the application's exporter gets, in a process of its own as it were."""
    trace._TRACER_PROVIDER = None
    trace._TRACER_PROVIDER_SET_ONCE._done = False
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, id_generator=Seeded(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


def traces(exporter: InMemorySpanExporter) -> Counter[tuple[int, str]]:
    return Counter((span.context.trace_id, span.name) for span in exporter.get_finished_spans())


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_ledger_is_whole_and_the_exporter_sees_no_difference(name, receiver, monkeypatch):
    """Two thousand runs cost two thousand times what one does; trace ids, names and counts are those without us."""
    if name == "by the environment":
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.1")
    without = exported(SAMPLERS[name]())
    serve()
    within = exported(SAMPLERS[name]())
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")  # spans are the application's own affair
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint, price_contracts=[CONTRACT])
    serve()
    assert botanu.disable()
    entries = entries_at(receiver)
    costs = Counter(entry.attributes.get("botanu.cost.usd_exact") for entry in entries)
    assert costs == {"0.003000": RUNS * CALLS_A_RUN}
    assert sum((Decimal(usd) * count for usd, count in costs.items()), Decimal(0)) == RUNS * CALLS_A_RUN * ONE_CALL
    assert {entry.attributes["botanu.event_id"] for entry in entries} == {str(number) for number in range(RUNS)}
    assert traces(within) == traces(without)
    assert name == "none" or traces(without)
