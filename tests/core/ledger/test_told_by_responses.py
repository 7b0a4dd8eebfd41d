"""What a response itself says about its price: service tier, batch, cost. Real clients, from socket to entry."""

import contextlib
from decimal import Decimal

import anthropic
import openai
import pytest

from botanu.tracking.llm import llm_instrumented
from botanu_core.pricing import Contract, Rule
from demo.loopback import Handler, LoopbackServer
from demo.provider import Provider

ASK = {"messages": [{"role": "user", "content": "Which tier am I on?"}]}
TOKENS = {"input": "1", "output": "2"}
TIERS = Contract(
    name="acme",
    rules=(
        *(Rule(provider=provider, model="tiered", per_million=TOKENS) for provider in ("openai", "anthropic")),
        Rule(
            provider="openai", model="tiered", per_million={"input": "7", "output": "0"}, when={"service_tier": "flex"}
        ),
        Rule(
            provider="anthropic",
            model="tiered",
            per_million={"input": "0.5", "output": "1"},
            when={"processing": "batch"},
        ),
        Rule(provider="openrouter", per_million=TOKENS),
        Rule(provider="perplexity", per_million=TOKENS),
    ),
)
CHAT = {
    "id": "r-1",
    "object": "chat.completion",
    "created": 1,
    "model": "tiered",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000},
}
MESSAGE = {
    "id": "r-1",
    "type": "message",
    "role": "assistant",
    "model": "tiered",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1000, "output_tokens": 1000},
}


def with_usage(whole, **more):
    return {**whole, "usage": {**whole["usage"], **more}}


@contextlib.contextmanager
def answering(body):
    """A server on this machine that gives the same answer to every request; its address."""

    class Same(Handler):
        def do_POST(self):
            self.read_body()
            self.answer_json(200, body)

    server = LoopbackServer(Same)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def ask_openai(url, provider="openai"):
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
        llm_instrumented(provider=provider)(client.chat.completions.create)(model="tiered", **ASK)


def ask_anthropic(url):
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client:
        llm_instrumented(provider="anthropic")(client.messages.create)(model="tiered", max_tokens=9, **ASK)


@pytest.mark.parametrize(
    ("ask", "body", "usd", "facts"),
    [
        (ask_openai, CHAT, "0.003", {}),
        (ask_openai, {**CHAT, "service_tier": "default"}, "0.003", {}),
        (ask_openai, {**CHAT, "service_tier": "flex"}, "0.007", {"service_tier": "flex"}),
        (ask_anthropic, MESSAGE, "0.003", {}),
        (ask_anthropic, with_usage(MESSAGE, service_tier="standard"), "0.003", {}),
        (ask_anthropic, with_usage(MESSAGE, service_tier="batch"), "0.0015", {"processing": "batch"}),
        (ask_anthropic, with_usage(MESSAGE, service_tier="priority"), "0.003", {"service_tier": "priority"}),
    ],
)
def test_the_tier_that_a_response_names_decides_the_price_and_is_on_the_entry(desk, ask, body, usd, facts):
    here = desk(price_contracts=[TIERS])
    with answering(body) as url:
        ask(url)
    [entry] = here.entries()
    assert Decimal(entry.attributes["botanu.cost.usd_exact"]) == Decimal(usd)
    assert here.span("chat tiered")["botanu.cost.usd"] == float(usd)
    said = {name.removeprefix("botanu.price."): value for name, value in entry.attributes.items()}
    assert {name: said.get(name) for name in ("service_tier", "processing")} == {
        "service_tier": None,
        "processing": None,
        **facts,
    }


@pytest.mark.parametrize("is_streaming", [False, True], ids=["whole", "streamed"])
def test_a_flex_call_is_priced_by_the_list_as_such(desk, is_streaming):
    """To the last digit what the provider has on its invoice, without a contract."""
    here = desk(price_contracts=[])
    with Provider() as provider, openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as client:
        create = llm_instrumented(provider="openai", include_usage=True)(client.chat.completions.create)
        for tier in ("default", "flex"):
            answer = create(model="gpt-5-mini", service_tier=tier, stream=is_streaming, **ASK)
            for _ in answer if is_streaming else ():
                pass
        billed = {row.request_id: (row.service_tier, Decimal(row.list_usd)) for row in provider.invoice.rows()}
    said = [entry.attributes for entry in here.entries()]
    assert billed == {
        entry["gen_ai.response.id"]: (
            entry.get("botanu.price.service_tier", "default"),
            Decimal(entry["botanu.cost.usd_exact"]),
        )
        for entry in said
    }
    assert {tier for tier, _ in billed.values()} == {"default", "flex"}


@pytest.mark.parametrize(
    ("provider", "said"),
    [("openrouter", {"cost": 0.125}), ("perplexity", {"cost": {"total_cost": 0.125}})],
)
def test_the_cost_that_a_response_reports_wins_over_every_price(desk, provider, said):
    """Also over the user's own contract, and it is exact: the float's own digits."""
    here = desk(price_contracts=[TIERS])
    with answering(with_usage(CHAT, **said)) as url:
        ask_openai(url, provider)
    [entry] = here.entries()
    assert Decimal(entry.attributes["botanu.cost.usd_exact"]) == Decimal("0.125")
    assert entry.attributes["botanu.cost.source"] == "provider"
    on_span = here.span("chat tiered")
    assert (on_span["botanu.cost.usd"], on_span["botanu.cost.source"]) == (0.125, "provider")


@pytest.mark.parametrize("cost", [-1, "free", None, 1e30])
def test_a_reported_cost_that_is_no_amount_is_not_used(desk, cost):
    here = desk(price_contracts=[TIERS])
    with answering(with_usage(CHAT, cost=cost)) as url:
        ask_openai(url, "openrouter")
    [entry] = here.entries()
    assert Decimal(entry.attributes["botanu.cost.usd_exact"]) == Decimal("0.003")
    assert entry.attributes["botanu.cost.source"] == "contract"


def test_a_cost_in_a_unit_that_nobody_knows_is_not_taken_for_dollars(desk):
    """OpenAI names none; a proxy before it may, in whatever."""
    here = desk(price_contracts=[TIERS])
    with answering(with_usage(CHAT, cost=9)) as url:
        ask_openai(url)
    [entry] = here.entries()
    assert entry.attributes["botanu.cost.source"] == "contract"
