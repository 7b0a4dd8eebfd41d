"""An independent price check: Phoenix prices the same spans, and agrees on the models that both know.

Its table is LiteLLM's, ours that of `genai-prices`. The spans are an OpenTelemetry instrumentor's, so that both sides
read them in words that are neither's own; ours come out of the ledger, exact, theirs out of Phoenix's GraphQL, as
floats.
"""

import json
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry import trace

import botanu
from demo.receiver import Receiver

_PRICED_WITHIN_S = 60.0

USAGE: Mapping[str, Mapping[str, int]] = {
    "plain": {"input_tokens": 1_000, "output_tokens": 100},
    "cached": {"input_tokens": 1_000, "output_tokens": 100, "cache_read.input_tokens": 200},
    "written": {
        "input_tokens": 1_000,
        "output_tokens": 100,
        "cache_read.input_tokens": 200,
        "cache_creation.input_tokens": 100,
    },
    "long": {"input_tokens": 300_000, "output_tokens": 100, "cache_read.input_tokens": 200},
}

_CACHED = "no rate for cached input in our table, so that it costs what input costs; Phoenix has one"
KNOWN_DIFFERENCES: Mapping[str, tuple[set[str], str]] = {
    "gemini-2.5-pro-preview-tts": ({"cached", "long"}, _CACHED),
    "gemini-3-pro-image": ({"cached", "long"}, f"{_CACHED}, and a tier above 200,000 tokens"),
    "gemini-3-pro-image-preview": ({"cached", "long"}, f"{_CACHED}, and a tier above 200,000 tokens"),
    "gemini-3.1-flash-image": ({"cached", "long"}, _CACHED),
    "gemini-3.1-flash-image-preview": ({"cached", "long"}, _CACHED),
    "gemini-3.1-flash-lite-image": ({"cached", "long"}, _CACHED),
    "gemini-nano-banana-2.1": ({"cached", "long"}, _CACHED),
    "gemini-3.8-flash-cyber": (
        {"plain", "cached", "long"},
        "our table takes it for gemini-3.8-flash",
    ),
    "gpt-5.6-cyber": ({"long"}, "a tier above 272,000 tokens there, none in our table"),
    "gpt-4o-mini-tts": ({"plain", "cached", "long"}, "output costs 12 dollars a million here, 10 there"),
    "gpt-4o-search-preview": ({"cached", "long"}, _CACHED),
}
"""Which models the tables do not agree on, for which usage, and why. Each of them must still differ."""

Priced = dict[tuple[str, str], tuple[Decimal | None, float | None]]


def provider_of(model: str) -> str | None:
    """Whose model it is: of those whose names in Phoenix's table are the ones that go over the wire."""
    heads = {"gpt-": "openai", "o1": "openai", "o3": "openai", "o4": "openai", "claude-": "anthropic"}
    heads["gemini-"] = "gcp.gemini"
    return next((provider for head, provider in heads.items() if model.startswith(head)), None)


def call(model: str, usage: str) -> None:
    """A model call as an OpenTelemetry instrumentor tells it."""
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider_of(model),
        "gen_ai.request.model": model,
        "gen_ai.response.id": json.dumps([model, usage]),
    }
    attributes |= {f"gen_ai.usage.{name}": count for name, count in USAGE[usage].items()}
    tracer = trace.get_tracer("opentelemetry.instrumentation.openai_v2")
    with tracer.start_as_current_span(f"chat {model}", attributes=attributes):
        pass


def priced_by(phoenix) -> dict[tuple[str, str], float | None]:
    """What Phoenix says, once it has priced as many spans as it is going to."""
    query = "{projects{edges{node{name spans(first:1000){edges{node{attributes costSummary{total{cost}}}}}}}}}"
    found = {}
    for project in phoenix.ask(query)["projects"]["edges"]:
        for edge in project["node"]["spans"]["edges"]:
            identity = json.loads(edge["node"]["attributes"])["gen_ai"]["response"]["id"]
            cost = edge["node"]["costSummary"]
            found[tuple(json.loads(identity))] = cost["total"]["cost"] if cost else None
    return found


@pytest.fixture(scope="module")
def priced(phoenix) -> Priced:
    """Ours and theirs, by model and usage."""
    listed = phoenix.ask("{generativeModels(first:1000){edges{node{name}}}}")["generativeModels"]["edges"]
    models = sorted(name for edge in listed if provider_of(name := edge["node"]["name"]))
    calls = [(model, usage) for model in models for usage in USAGE if usage != "written" or "claude" in model]
    with Receiver() as receiver, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        patch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{phoenix.url}/v1/traces")
        botanu.enable(service_name="prices", instrument="none")
        for model, usage in calls:
            call(model, usage)
        assert botanu.disable(timeout_s=60), "Phoenix did not take every span"
        ours = {tuple(json.loads(event.attributes["gen_ai.response.id"])): event for event in receiver.events()}
    until = time.monotonic() + _PRICED_WITHIN_S
    while True:
        theirs = priced_by(phoenix)
        if len(theirs) == len(calls) or time.monotonic() > until:
            break
    assert theirs.keys() == ours.keys() == set(calls)
    exact = {key: event.attributes.get("botanu.cost.usd_exact") for key, event in ours.items()}
    return {key: (None if exact[key] is None else Decimal(exact[key]), theirs[key]) for key in calls}


def both_know(priced: Priced) -> dict[tuple[str, str], bool]:
    """Of the calls that both sides have a price for, whether it is the same."""
    return {
        key: float(ours) == pytest.approx(theirs, rel=1e-9)
        for key, (ours, theirs) in priced.items()
        if ours is not None and theirs is not None
    }


def test_the_two_tables_agree_but_for_what_is_listed(priced):
    """Plain, cached, cache writes and long prompts of every model of OpenAI, Anthropic and Google that both know."""
    agree = both_know(priced)
    differs = {key for key, is_equal in agree.items() if not is_equal}
    listed = {(model, usage) for model, (usages, _) in KNOWN_DIFFERENCES.items() for usage in usages}
    told = {key: priced[key] for key in differs ^ listed}
    assert not told, "the first is ours; list a new difference with its reason, take out what agrees by now"
    assert sum(agree.values()) > 300


@pytest.mark.parametrize("model", ["gpt-5-mini", "gpt-5.4", "claude-sonnet-5", "claude-sonnet-4-5", "gemini-2.5-pro"])
def test_models_of_every_day_agree(priced, model):
    """By name, so that the comparison above cannot be empty of them."""
    agree = both_know(priced)
    assert [agree[model, usage] for usage in ("plain", "cached", "long")] == [True] * 3
