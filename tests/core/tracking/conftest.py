"""What the trackers' tests share: the one span that a test has made, and metrics without a collector."""

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from botanu_core.runtime import telemetry
from demo.provider import Provider


@pytest.fixture
def only(spans: InMemorySpanExporter) -> Callable[[], ReadableSpan]:
    """The one span that has ended so far."""

    def found() -> ReadableSpan:
        [span] = spans.get_finished_spans()
        return span

    return found


@pytest.fixture
def points() -> Iterator[Callable[[str], list[Any]]]:
    """The points of a metric of ours, on a meter provider of the application's."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    telemetry.use(meter_provider=provider)

    def collected(name: str) -> list[Any]:
        data = reader.get_metrics_data()
        metrics = [
            metric
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]

    yield collected
    telemetry.use()
    provider.shutdown()


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """A model provider on this machine, which keeps its own invoice."""
    with Provider() as running:
        yield running


@pytest.fixture
def gpt(provider: Provider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(provider: Provider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.url, api_key="k", max_retries=0) as client:
        yield client
