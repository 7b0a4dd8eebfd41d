"""Every row of the documents' tables, as the receiver sees it."""

from typing import Any

import pytest
from documents import TEXTS, block, rows, run

import botanu
from botanu.tracking.llm import ModelOperation, set_llm_attributes, track_llm_call, track_tool_call

LLM_DOCUMENTS = ("000", "001")
ALIASES = sorted(
    {
        (alias.strip(), row["Normalized"])
        for document in LLM_DOCUMENTS
        for row in rows(document, "Input", "Normalized")
        for alias in row["Input"].split(",")
    }
)
OPERATIONS = sorted(
    {
        (row["Constant"], row["Value"].strip('"'))
        for table in (
            *((name, "Constant", "Value", "Use Case") for name in LLM_DOCUMENTS),
            ("002", "Constant", "Value"),
        )
        for row in rows(*table)
    }
)
# https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/ has the boundaries of the two histograms.
METRICS: dict[str, tuple[str, str, tuple[float, ...]]] = {
    "gen_ai.client.token.usage": ("histogram", "{token}", tuple(4.0**power for power in range(14))),
    "gen_ai.client.operation.duration": ("histogram", "s", tuple(0.01 * 2**power for power in range(14))),
    "botanu.gen_ai.attempts": ("sum", "{attempt}", ()),
}


def test_the_tables_were_read():
    assert (len(ALIASES), len(OPERATIONS)) == (17, 11)


@pytest.mark.parametrize(("alias", "normalised"), ALIASES)
def test_a_provider_is_normalised_as_documented(alias, normalised, sent):
    with track_llm_call(provider=alias, model="m"):
        pass
    with track_llm_call(vendor=alias.upper(), model="m"):
        set_llm_attributes(provider=alias, model="m")
    with track_tool_call("search", provider=alias):
        pass
    written = [(span.attributes["gen_ai.provider.name"], span.attributes["botanu.vendor"]) for span in sent.spans()]
    assert written == [(normalised, normalised)] * 3


@pytest.mark.parametrize(("constant", "value"), OPERATIONS)
def test_an_operation_constant_has_its_documented_value(constant, value, sent):
    assert getattr(ModelOperation, constant) == value
    with track_llm_call("openai", "m", operation=getattr(ModelOperation, constant)):
        pass
    assert sent.span(f"{value} m").attributes["gen_ai.operation.name"] == value


def test_there_are_no_operations_beside_the_documented_ones():
    ours = {name: value for name, value in vars(ModelOperation).items() if name.isupper()}
    assert ours == dict(OPERATIONS)


@pytest.mark.parametrize("document", LLM_DOCUMENTS)
def test_every_attribute_of_what_gets_recorded_arrives_with_its_example(document, sent):
    table = rows(document, "Attribute", "Example", "Description")
    identity = next(row["Example"] for row in table if row["Attribute"] == "gen_ai.response.id")
    with track_llm_call(provider="openai", model="gpt-4") as tracker:
        for title in ("set_tokens()", "set_response_model()"):
            run(block(document, title), {"tracker": tracker})
        tracker.set_request_id(identity)
    attributes = sent.span("chat gpt-4").attributes
    assert {row["Attribute"]: str(attributes[row["Attribute"]]) for row in table} == {
        row["Attribute"]: row["Example"] for row in table
    }


def test_the_attributes_of_captured_content_arrive(service):
    sent = service(content_capture_rate=1.0)
    table = rows("000", "Attribute", "Source")
    with track_llm_call(provider="openai", model="gpt-4") as tracker:
        for row in table:
            getattr(tracker, row["Source"].removesuffix("(text)"))("a text")
    attributes = sent.span("chat gpt-4").attributes
    assert {row["Attribute"]: attributes[row["Attribute"]] for row in table} == {
        "botanu.eval.input_content": "a text",
        "botanu.eval.output_content": "a text",
    }


def test_captured_text_is_cut_at_the_documented_length(service):
    assert "Text is truncated at\nmax_chars(default 4096)" in TEXTS["000"]
    sent = service(content_capture_rate=1.0)
    with track_llm_call(provider="openai", model="gpt-4") as tracker:
        tracker.set_input_content("word " * 2000).set_output_content("word " * 2000, max_chars=100)
    attributes = sent.span("chat gpt-4").attributes
    assert [len(attributes[f"botanu.eval.{half}_content"]) for half in ("input", "output")] == [4096, 100]


@pytest.mark.parametrize("document", LLM_DOCUMENTS)
def test_every_metric_arrives_with_its_type_unit_and_boundaries(document, sent):
    table = {row["Metric"]: row["Type"] for row in rows(document, "Metric", "Type", "Description")}
    for attempt in (1, 2):
        with botanu.event(workflow="w", event_id="1", customer_id="acme"), track_llm_call("openai", "gpt-4") as tracker:
            tracker.set_attempt(attempt).set_tokens(input_tokens=150, output_tokens=200)
    assert table.keys() == METRICS.keys()
    for name, kind in table.items():
        points = sent.points(name)
        assert {(point.kind, point.unit) for point in points} == {METRICS[name][:2]}
        assert METRICS[name][0] == {"Histogram": "histogram", "Counter": "sum"}[kind]
        assert all(point.bounds == pytest.approx(METRICS[name][2]) for point in points)
        assert not any("acme" in point.attributes.values() for point in points)
    tokens = {point.attributes["gen_ai.token.type"]: point.sum for point in sent.points("gen_ai.client.token.usage")}
    assert tokens == {"input": 300, "output": 400}
    assert [point.count for point in sent.points("gen_ai.client.operation.duration")] == [2]
    assert [point.value for point in sent.points("botanu.gen_ai.attempts")] == [2]


def environment_defaults() -> dict[str, str]:
    return {row["Variable"]: row["Default"] for row in rows("004", "Variable", "Description", "Default")}


def test_the_documented_defaults_hold_where_no_variable_is_set(monkeypatch, sent):
    defaults = environment_defaults()
    for variable in defaults:
        monkeypatch.delenv(variable, raising=False)
    assert botanu.BotanuConfig.load().endpoint_for("traces") == f"{defaults['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/traces"
    with botanu.event(workflow="w", event_id="1"):
        pass
    span = sent.span("botanu.run/w")
    # OpenTelemetry itself adds the name of the interpreter to a service without a name.
    assert span.service.partition(":")[0] == defaults["OTEL_SERVICE_NAME"]
    assert span.attributes["botanu.environment"] == defaults["BOTANU_ENVIRONMENT"]


def test_the_documented_variables_are_what_configures(monkeypatch, receiver):
    values: dict[str, Any] = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_SERVICE_NAME": "my-service",
        "BOTANU_ENVIRONMENT": "staging",
    }
    assert values.keys() == environment_defaults().keys()
    for variable, value in values.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("BOTANU_INSTRUMENT", "none")
    botanu.enable()
    with botanu.event(workflow="w", event_id="1"):
        pass
    botanu.disable()
    [span] = receiver.spans()
    assert span.service == "my-service"
    assert span.attributes["botanu.environment"] == "staging"
