"""The page of the model clients runs as printed, with ``llm_tracekit`` spelled ``botanu_genai``; its tables hold."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from documents import TEXTS, block, run

import botanu
from botanu_core import settings
from botanu_genai import BedrockInstrumentor, OpenAIInstrumentor

FACTS = json.loads((Path(__file__).parents[1] / "model_clients" / "facts.json").read_text())
ROWS = re.findall(r"(gen_ai\.[\w.<> ]+?)\s*`?\s*\|\s*string\s*\|", TEXTS["003"])


@pytest.fixture(autouse=True)
def account(monkeypatch, provider, receiver):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", provider.openai_url)
    monkeypatch.setenv("CX_TOKEN", "t")
    monkeypatch.setenv("CX_ENDPOINT", receiver.endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.grpc_endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_INSECURE", "true")
    yield
    for each in (OpenAIInstrumentor(), BedrockInstrumentor()):
        each.uninstrument()


def run_block(title: str, names: dict[str, Any]) -> None:
    found = block("003", title)
    run(replace(found, source=found.source.replace("llm_tracekit", "botanu_genai")), names)


def ask(names: dict[str, Any]) -> None:
    with openai.OpenAI(max_retries=0) as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])


def test_the_full_example_sends_its_call_with_prompt_and_completion(receiver):
    names: dict[str, Any] = {}
    run_block("Full Example", names)
    names["client"].close()
    assert botanu.disable()
    [span] = receiver.spans()
    assert span.resource["service.name"] == "ai-service"
    assert span.attributes["gen_ai.prompt.0.role"] == "user"
    assert span.attributes["gen_ai.prompt.0.content"] == "Write a short poem on open telemetry."
    assert span.attributes["gen_ai.completion.0.content"] == names["response"].choices[0].message.content
    assert span.attributes["gen_ai.response.id"] == names["response"].id


def test_export_is_set_up_in_one_call_and_ends_with_uninstrument(receiver):
    names: dict[str, Any] = {}
    run_block("Setting up tracing", names)
    run_block("Activation", names)
    ask(names)
    run_block("Uninstrument", names)
    ask(names)
    assert botanu.disable()
    assert [span.attributes["gen_ai.prompt.0.content"] for span in receiver.spans()] == ["Hello"]


@pytest.mark.parametrize("content", [True, False])
def test_tracing_that_is_set_up_by_hand_works_with_the_variable_alone(content, receiver, monkeypatch):
    if content:
        monkeypatch.setenv(settings.CAPTURE_VARIABLE, "true")
        settings.activate(None)
    names: dict[str, Any] = {}
    run_block("manually", names)
    run_block("Activation", names)
    ask(names)
    names["tracer_provider"].shutdown()
    [span] = receiver.spans()
    assert span.attributes["gen_ai.prompt.0.role"] == "user"
    assert ("gen_ai.prompt.0.content" in span.attributes) == content


def test_bedrock_is_used_in_the_same_way():
    activation = block("003", "Activation")
    run(
        replace(
            activation,
            source=activation.source.replace("llm_tracekit", "botanu_genai").replace("OpenAI", "Bedrock"),
        ),
        {},
    )
    assert BedrockInstrumentor().is_instrumented_by_opentelemetry


def test_the_tables_have_the_rows_that_they_have():
    assert len(ROWS) == 23


@pytest.mark.parametrize("attribute", sorted(ROWS))
def test_every_row_of_the_tables_is_held_against_a_recorded_call(attribute):
    """The values themselves: tests/model_clients/test_genai_matrix.py."""
    pattern = re.compile(re.sub(r"<[^>]*>", r"[0-9]+", attribute.replace(".", r"\.")))
    assert any(pattern.fullmatch(name) for fact in FACTS.values() for name in fact["content"])
