"""What every test stands on: a clean process, telemetry that raises instead of being swallowed, a receiver."""

import sys
from collections.abc import Callable, Iterator

import hypothesis
import pytest
from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry import context as otel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from wrapt import FunctionWrapper

import botanu
from botanu_core import log, settings
from botanu_core.runtime import billing, guard, telemetry
from demo.receiver import Receiver

# How long an example takes says nothing on a machine that others use as well.
hypothesis.settings.register_profile("anywhere", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("anywhere")


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No provider, run, baggage, setting or count of another test; and what a test leaves behind fails it."""
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER", "BOTANU_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    _forget_providers()
    settings.activate(None)
    log.reset()
    billing.reset()
    guard.strict(True)
    propagator = propagate.get_global_textmap()
    yield
    guard.strict(False)
    botanu.disable(timeout_s=1)
    _unwrap_langchain()
    assert botanu.get_run_id() is None, "a run was left current"
    assert not otel.get_current(), "a context was left attached"
    assert propagate.get_global_textmap() is propagator, "the global propagator was changed"
    _forget_providers()


_WATCHED = {
    "langchain_core.callbacks.base": "BaseCallbackManager",
    "langchain_openai.chat_models.base": "BaseChatOpenAI",
    "langchain_openai.llms.base": "BaseOpenAI",
    "langchain.agents.middleware.types": "AgentMiddleware",
    "langgraph.pregel.main": "Pregel",
    "langgraph.types": "Command",
}


def _unwrap_langchain() -> None:
    """OpenLLMetry's instrumentor unwraps by paths that lead nowhere, and would watch the chains of all later tests."""
    for module, name in _WATCHED.items():
        owner = getattr(sys.modules.get(module), name, None)
        for method, wrapped in tuple(vars(owner).items()) if owner is not None else ():
            while isinstance(wrapped, FunctionWrapper):
                wrapped = wrapped.__wrapped__
                setattr(owner, method, wrapped)


def _forget_providers() -> None:
    """OpenTelemetry's globals can be set once a process; tests want them fresh."""
    for signal, name in ((trace, "TRACER"), (metrics._internal, "METER"), (_logs._internal, "LOGGER")):
        setattr(signal, f"_{name}_PROVIDER", None)
        getattr(signal, f"_{name}_PROVIDER_SET_ONCE")._done = False
    telemetry.reset()


@pytest.fixture
def sdk() -> Callable[..., InMemorySpanExporter]:
    """Sets an application's own SDK provider, and returns what its exporter gets."""

    def set_up(sampler: Sampler | None = None) -> InMemorySpanExporter:
        exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        return exporter

    return set_up


@pytest.fixture
def spans(sdk: Callable[..., InMemorySpanExporter]) -> InMemorySpanExporter:
    """Spans of a plain OpenTelemetry set-up, without `enable()`."""
    return sdk()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A real OTLP receiver on a free loopback port."""
    with Receiver() as running:
        yield running
