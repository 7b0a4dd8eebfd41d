"""logfire: `span`, `set_baggage` on children, a span with the GenAI attributes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness import Contender
from benchmarks.peers import names
from benchmarks.providers import Config, span_processor

TITLE = "logfire"
REQUIREMENTS = ("logfire",)
DISTRIBUTIONS = ("logfire",)
NOTE = "`logfire.span` with two attributes, `set_baggage` with five members, `logfire.span` with the GenAI attributes"

_BAGGAGE = {f"member{number}": "value" for number in range(5)}
_GEN_AI = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4"}


def contenders(config: Config) -> list[Contender]:
    """Its span, what its baggage adds to children, and a model call as one makes it by hand."""
    os.environ.update(LOGFIRE_SEND_TO_LOGFIRE="false", LOGFIRE_CONSOLE="false")
    import logfire

    metrics = False if config == "spans" else logfire.MetricsOptions(collect_in_spans=False)
    logfire.configure(
        send_to_logfire=False,
        console=False,
        metrics=metrics,
        inspect_arguments=False,
        additional_span_processors=[span_processor(config)],
    )

    def run() -> None:
        with logfire.span("w", event_id="e", customer_id="c"):
            pass

    @contextmanager
    def opened() -> Iterator[None]:
        with logfire.span("w"), logfire.set_baggage(**_BAGGAGE):
            yield

    def llm() -> None:
        with logfire.span("chat gpt-4", **_GEN_AI) as span:
            span.set_attribute("gen_ai.usage.input_tokens", 150)
            span.set_attribute("gen_ai.usage.output_tokens", 200)

    return names.all_of(run, opened, llm)
