"""traceloop-sdk (OpenLLMetry): workflow decorator, association properties, manual LLM tracking."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context

from benchmarks.harness import Contender
from benchmarks.peers import names
from benchmarks.providers import Config, prepare, span_processor

TITLE = "traceloop-sdk"
REQUIREMENTS = ("traceloop-sdk", "httpx")  # It imports httpx without asking for it.
DISTRIBUTIONS = ("traceloop-sdk",)
NOTE = "`@workflow`, workflow name, entity path and five association properties on children, manual `track_llm_call`"

_PROPERTIES = {f"property{number}": "value" for number in range(5)}


def contenders(config: Config) -> list[Contender]:
    """Its workflow, what it stamps on children of one, and its manual LLM span."""
    os.environ.update(TRACELOOP_TRACE_CONTENT="false", TRACELOOP_TELEMETRY="false")
    from traceloop.sdk import Traceloop
    from traceloop.sdk.decorators import workflow
    from traceloop.sdk.tracing.manual import LLMUsage, track_llm_call
    from traceloop.sdk.tracing.tracing import set_association_properties, set_entity_path, set_workflow_name

    Traceloop.init("bench", telemetry_enabled=False, processor=span_processor(config), instruments=set())
    prepare(config, with_tracer=False)

    @workflow(name="w")
    def run() -> None:
        pass

    @contextmanager
    def opened() -> Iterator[None]:
        token = context.attach(context.get_current())
        try:
            set_workflow_name("w")
            set_entity_path("w")
            set_association_properties(_PROPERTIES)
            yield
        finally:
            context.detach(token)

    def llm() -> None:
        with track_llm_call("openai", "chat") as span:
            span.report_request("gpt-4", [])
            span.report_usage(LLMUsage(prompt_tokens=150, completion_tokens=200, total_tokens=350))

    return names.all_of(run, opened, llm)
