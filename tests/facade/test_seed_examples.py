"""The documents' whole programs: a fallback from one provider to another, and the first service of the README."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import anthropic
import openai
import pytest
from documents import block, run
from opentelemetry import propagate, trace

import botanu
from demo.provider import Provider
from demo.receiver import Span

# Anthropic's client warns of the retired model that the document asks for.
pytestmark = pytest.mark.filterwarnings("ignore:The model 'claude-3-opus:DeprecationWarning")

REFUSED = {"x-demo-fault": "429"}
TICKET = {"id": "ticket-1", "customer_id": "acme", "prompt": "Where is my order ORD-17?"}


async def plain_words(provider: Provider, refused: bool) -> str:
    """001: the reader's own `do_work`, `event_id` and `customer_id`; here with the real clients behind them."""
    fault = REFUSED if refused else {}
    async with (
        anthropic.AsyncAnthropic(base_url=provider.url, api_key="k", max_retries=0) as claude,
        openai.AsyncOpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as gpt,
    ):

        async def do_work(data: str, *, provider: str) -> Any:
            messages: Any = [{"role": "user", "content": data}]
            if provider == "anthropic":
                model = "claude-3-opus-20240229"
                answer = await claude.messages.create(
                    model=model, max_tokens=1024, messages=messages, extra_headers=fault
                )
                return SimpleNamespace(usage=answer.usage, content=answer.content[0].text)
            whole = await gpt.chat.completions.create(model="gpt-4", messages=messages)
            return SimpleNamespace(usage=whole.usage, content=whole.choices[0].message.content)

        names = {
            "event_id": TICKET["id"],
            "customer_id": TICKET["customer_id"],
            "do_work": do_work,
            "RateLimitError": anthropic.RateLimitError,
        }
        run(block("001", "Multi-Provider Workflow"), names)
        return await names["process_with_fallback"](TICKET["prompt"])


async def verbatim(provider: Provider, refused: bool) -> str:
    """000: makes its own clients; their standard variables point them at the provider on this machine."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ANTHROPIC_BASE_URL", provider.url)
        environment.setenv("ANTHROPIC_API_KEY", "k")
        environment.setenv("OPENAI_BASE_URL", provider.openai_url)
        environment.setenv("OPENAI_API_KEY", "k")
        if refused:
            environment.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-demo-fault: 429")
        names: dict[str, Any] = {}
        run(block("000", "Multi-Provider Workflow"), names)
    async with names["anthropic"], names["openai"]:
        return await names["process_with_fallback"](TICKET)


@pytest.mark.parametrize("refused", [False, True], ids=["first provider answers", "first provider refuses"])
@pytest.mark.parametrize("program", [verbatim, plain_words], ids=["000", "001"])
def test_the_fallback_is_one_run_whose_tokens_are_those_of_the_invoice(program, refused, sent, provider):
    billed_before = len(provider.invoice.rows())
    answer = asyncio.run(program(provider, refused))
    assert "ORD-17" in answer or "your order" in answer

    *calls, whole = sent.spans("botanu")
    assert_one_run([*calls, whole])
    assert (whole.name, whole.kind, whole.status) == ("botanu.run/process-with-fallback", "SERVER", "UNSET")
    assert {key: value for key, value in whole.attributes.items() if ".outcome." in key} == {
        "botanu.outcome.status": "success",
        "botanu.outcome.value_type": "items_processed",
        "botanu.outcome.value_amount": 1,
    }
    assert [event.name for event in whole.events] == ["botanu.run.started", "botanu.run.completed"]

    *failed, good = calls
    assert [span.name for span in failed] == ["chat claude-3-opus"] * refused
    for span in failed:
        assert (span.status, span.attributes["error.type"]) == ("ERROR", "RateLimitError")
        assert span.attributes["botanu.request.attempt"] == 1
    assert good.name == ("chat gpt-4" if refused else "chat claude-3-opus")
    assert good.attributes["botanu.request.attempt"] == len(calls)

    [row] = [row for row in provider.invoice.rows()[billed_before:] if row.status == "ok"]
    assert row.provider == good.attributes["gen_ai.provider.name"]
    # The program hands on what Anthropic calls input, which leaves out what came from the cache.
    assert good.attributes["gen_ai.usage.input_tokens"] + (0 if refused else row.cached_tokens) == row.input_tokens
    assert good.attributes["gen_ai.usage.output_tokens"] == row.output_tokens


def assert_one_run(spans: list[Span]) -> None:
    assert len({span.attributes["botanu.run_id"] for span in spans}) == 1
    for span in spans:
        assert span.attributes["botanu.workflow"] == "process-with-fallback"
        assert span.attributes["botanu.event_id"] == "ticket-1"
        assert span.attributes["botanu.customer_id"] == "acme"


# --- the README ------------------------------------------------------------------------------------------------


@pytest.fixture
def by_environment(monkeypatch, receiver) -> Callable[[], list[Span]]:
    """The service is configured by variables alone, as the README says; gives what it has sent."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "my-service")
    monkeypatch.setenv("BOTANU_INSTRUMENT", "none")

    def sent() -> list[Span]:
        assert botanu.disable(timeout_s=5)
        return receiver.spans()

    return sent


def test_all_spans_of_the_entry_service_carry_the_run(by_environment):
    tracer = trace.get_tracer("a driver that is instrumented")

    async def query(ticket_id: str) -> str:
        with tracer.start_as_current_span("SELECT tickets"):
            return f"data of {ticket_id}"

    async def complete(data: str) -> str:
        with tracer.start_as_current_span("chat gpt-4"):
            return f"answer to {data}"

    names: dict[str, Any] = {"db": SimpleNamespace(query=query), "llm": SimpleNamespace(complete=complete)}
    run(block("004", "Entry service"), names)
    assert asyncio.run(names["handle_ticket"]("t-1")) == "answer to data of t-1"

    spans = by_environment()
    assert [span.name for span in spans] == ["SELECT tickets", "chat gpt-4", "botanu.run/Customer Support"]
    assert len({span.attributes["botanu.run_id"] for span in spans}) == 1
    assert {span.attributes["botanu.workflow"] for span in spans} == {"Customer Support"}
    assert {span.service for span in spans} == {"my-service"}


def test_every_other_service_takes_the_run_from_the_incoming_request(by_environment, monkeypatch):
    """The two services meet in this process, so the run is handed on whatever the destination."""
    monkeypatch.setenv("BOTANU_PROPAGATE_TO", "always")
    monkeypatch.setenv("BOTANU_TRUST_INBOUND", "always")
    run(block("004", "Every other service"), {})
    headers: dict[str, str] = {}
    with botanu.event(workflow="Customer Support", event_id="t-1") as here:
        propagate.inject(headers)
    arrived = propagate.extract(headers)
    with trace.get_tracer("a framework that is instrumented").start_as_current_span("GET /order", context=arrived):
        pass
    assert f"botanu.run_id={here.run_id}" in headers["baggage"]
    far = next(span for span in by_environment() if span.name == "GET /order")
    assert far.attributes["botanu.run_id"] == here.run_id
    assert far.attributes["botanu.workflow"] == "Customer Support"
