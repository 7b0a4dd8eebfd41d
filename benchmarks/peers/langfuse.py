"""langfuse: `observe`, `propagate_attributes`, a generation with usage. It always batches, in both configurations."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from benchmarks.harness import Contender
from benchmarks.peers import names
from benchmarks.providers import Config, NoopSpanExporter, prepare

TITLE = "langfuse"
REQUIREMENTS = ("langfuse",)
DISTRIBUTIONS = ("langfuse",)
NOTE = "`@observe` without input and output, `propagate_attributes` with user, session, version and two metadata"


def contenders(config: Config) -> list[Contender]:
    """Its observation, what it propagates to children, and a generation."""
    os.environ.update(LANGFUSE_MEDIA_UPLOAD_ENABLED="false")
    from langfuse import Langfuse, observe, propagate_attributes

    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    client = Langfuse(
        public_key="pk-bench",
        secret_key="sk-bench",
        base_url="http://127.0.0.1:9",
        tracer_provider=provider,
        span_exporter=NoopSpanExporter(),
        should_export_span=bool,  # Every span, as the others do: its default takes only its own and model calls.
    )
    prepare(config, with_tracer=False)

    @observe(name="w", capture_input=False, capture_output=False)
    def run() -> None:
        pass

    @contextmanager
    def opened() -> Iterator[None]:
        with client.start_as_current_observation(name="w"):
            with propagate_attributes(user_id="c", session_id="e", version="1", metadata={"a": "b", "c": "d"}):
                yield

    def llm() -> None:
        with client.start_as_current_observation(name="chat gpt-4", as_type="generation", model="gpt-4") as generation:
            generation.update(usage_details={"input": 150, "output": 200})

    return names.all_of(run, opened, llm)
