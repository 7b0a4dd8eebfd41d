"""The distribution `botanu` 0.1.dev77 on PyPI: run-level cost attribution, the nearest relative.

Its `enable()` always makes OTLP exporters, so the same processors are put together here by hand on no-op exporters.
"""

import os
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from benchmarks.harness import Contender
from benchmarks.peers import names
from benchmarks.providers import Config, prepare, span_processor

TITLE = "botanu 0.1.dev77 (PyPI)"
REQUIREMENTS = ("botanu==0.1.dev77",)
DISTRIBUTIONS = ("botanu",)
NOTE = "`event`, `RunContextEnricher` (five attributes), `track_llm_call`; the processors of its `enable()`"


def contenders(config: Config) -> list[Contender]:
    """Its run, stamping and LLM tracker."""
    _enable(config)
    import botanu
    from botanu.tracking.llm import track_llm_call

    def opened() -> Any:
        return botanu.event(workflow="w", event_id="e", customer_id="c", environment="bench")

    def run() -> None:
        with botanu.event(workflow="w", event_id="e", customer_id="c"):
            pass

    def llm() -> None:
        with track_llm_call("openai", "gpt-4") as tracker:
            tracker.set_tokens(input_tokens=150, output_tokens=200)

    return names.all_of(run, opened, llm)


def _enable(config: Config) -> None:
    from botanu.processors import ResourceEnricher, RunContextEnricher
    from botanu.sdk import bootstrap
    from botanu.sdk.config import BotanuConfig

    provider = TracerProvider()
    for processor in (RunContextEnricher(), ResourceEnricher(), span_processor(config)):
        provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    prepare(config, with_tracer=False)
    # Its own mark of "enabled"; otherwise the first `event` would call `enable()` and open connections.
    state: Any = bootstrap
    state._initialized, state._initialized_pid = True, os.getpid()
    state._current_config = BotanuConfig(content_capture_rate=0.0)
