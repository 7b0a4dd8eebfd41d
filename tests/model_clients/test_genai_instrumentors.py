"""Switching on and off, beside others, with the application's own hooks; and what the ledger makes of the calls."""

import io
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx2
import openai
import pytest
from calls import call, clients_of
from openai.resources.chat.completions import Completions
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as TheirOpenAI
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from wrapt import FunctionWrapper

import botanu
from botanu import ConfigError
from botanu_genai import BedrockInstrumentor, OpenAIInstrumentor

ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi, ann@example.com"}]}


@pytest.fixture
def ask(answers) -> Callable[..., object]:
    return lambda scenario="openai", **more: call(scenario, clients_of(scenario, answers.url), {**ASKED, **more})


def test_there_is_one_instrumentor_of_a_kind():
    assert OpenAIInstrumentor() is OpenAIInstrumentor()
    assert BedrockInstrumentor() is not OpenAIInstrumentor()
    assert "openai" in OpenAIInstrumentor().instrumentation_dependencies()[0]


def test_twice_on_counts_once_and_off_leaves_the_client_as_it_was(ask, seen, instrumented):
    before = vars(Completions)["create"]
    instrumented()
    OpenAIInstrumentor().instrument(tracer_provider=seen.provider)
    ask()
    assert len(seen.ended) == 1
    OpenAIInstrumentor().uninstrument()
    OpenAIInstrumentor().uninstrument()
    ask()
    assert len(seen.ended) == 1
    assert vars(Completions)["create"] is before


def test_what_another_has_put_over_ours_stays_and_ours_does_nothing(ask, seen, instrumented):
    instrumented()
    before = vars(Completions)["create"]
    heard = []

    def theirs(wrapped, _instance, args, kwargs):
        heard.append(kwargs["messages"])
        return wrapped(*args, **kwargs)

    Completions.create = on_top = FunctionWrapper(before, theirs)
    OpenAIInstrumentor().uninstrument()
    try:
        assert ask()["choices"]
        assert vars(Completions)["create"] is on_top
    finally:
        Completions.create = before.__wrapped__.__wrapped__.__wrapped__
    assert heard == [ASKED["messages"]]
    assert seen.ended == []


def test_a_cached_raw_client_is_traced_no_more_when_it_is_off(answers, seen, instrumented):
    instrumented()
    with clients_of("openai", answers.url) as client:
        raw = client.chat.completions.with_raw_response
        raw.create(**ASKED)
        OpenAIInstrumentor().uninstrument()
        assert raw.create(**ASKED).parse().choices
    assert len(seen.ended) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"messages": "xml"}, "messages must be one of 'flat', 'json', 'both', 'none', got 'xml'"),
        ({"max_attributes": -1}, "max_attributes must be a whole number from 0 on, or None, got -1"),
    ],
)
def test_a_wrong_option_is_refused_and_nothing_is_on(wrong, message):
    with pytest.raises(ConfigError, match=message):
        OpenAIInstrumentor().instrument(**wrong)
    assert not OpenAIInstrumentor().is_instrumented_by_opentelemetry


# --- beside `enable()` and others -------------------------------------------------------------------------------


def test_after_enable_it_takes_over_what_enable_has_switched_on_and_gives_it_back(ask, receiver, answers):
    botanu.enable(otlp_endpoint=receiver.endpoint, instrument=["openai"], skip_instruments=(), content_capture_rate=1.0)
    others = [report for report in botanu.doctor(io.StringIO()).instruments if report.state == "on"]
    for report in others:
        if report.instrumentor is not TheirOpenAI():
            report.instrumentor.uninstrument()
    OpenAIInstrumentor().instrument()
    with botanu.event(workflow="w", event_id="1"):
        ask()
    OpenAIInstrumentor().uninstrument()
    assert TheirOpenAI().is_instrumented_by_opentelemetry
    with botanu.event(workflow="w", event_id="2"):
        ask()
    botanu.disable()
    assert not TheirOpenAI().is_instrumented_by_opentelemetry
    ours, theirs = (span.attributes for span in receiver.spans() if span.name == "chat gpt-4o-mini")
    assert ours["gen_ai.prompt.0.content"].startswith("hi, ")
    assert "ann@example.com" not in ours["gen_ai.prompt.0.content"]
    assert "gen_ai.prompt.0.role" not in theirs
    assert ours["botanu.cost.usd"] == theirs["botanu.cost.usd"] > 0


def test_disable_leaves_on_what_was_taken_over(ask, receiver, seen):
    botanu.enable(otlp_endpoint=receiver.endpoint, instrument=["openai"])
    for report in botanu.doctor(io.StringIO()).instruments:
        if report.state == "on" and report.instrumentor is not TheirOpenAI():
            report.instrumentor.uninstrument()
    OpenAIInstrumentor().instrument(tracer_provider=seen.provider)
    botanu.disable()
    ask()
    assert len(seen.ended) == 1
    OpenAIInstrumentor().uninstrument()
    TheirOpenAI().uninstrument()


def test_two_instrumentors_of_one_client_are_reported_and_its_calls_counted_once(ask, receiver, instrumented):
    from openinference.instrumentation.openai import OpenAIInstrumentor as Inference

    botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none")
    OpenAIInstrumentor().instrument()
    Inference().instrument()
    try:
        with botanu.event(workflow="w", event_id="1"):
            ask()
        page = io.StringIO()
        botanu.doctor(page)
    finally:
        Inference().uninstrument()
        OpenAIInstrumentor().uninstrument()
    botanu.disable()
    assert (
        "openai is traced by openinference-instrumentation-openai and opentelemetry-instrumentation-genai-openai"
        in (page.getvalue())
    )
    assert len([span for span in receiver.spans() if "gen_ai.usage.input_tokens" in span.attributes]) == 1
    assert len([event for event in receiver.events() if event.event_name == "botanu.ledger.entry"]) == 1


def test_one_instrumentor_is_no_note(receiver, instrumented):
    botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none")
    OpenAIInstrumentor().instrument()
    assert botanu.doctor(io.StringIO()).notes == ()
    OpenAIInstrumentor().uninstrument()


@pytest.mark.parametrize(
    ("scenario", "status"),
    [
        ("openai", "ok"),
        ("openai-responses", "ok"),
        ("bedrock-converse", "ok"),
        ("bedrock-invoke-agent", "ok"),
    ],
)
def test_the_ledger_holds_each_call_once_with_its_tokens(scenario, status, answers, receiver):
    requests = {
        "openai": ASKED,
        "openai-responses": {"model": "gpt-4o-mini", "input": "hi"},
        "bedrock-converse": {
            "modelId": "amazon.nova-lite-v1:0",
            "messages": [{"role": "user", "content": [{"text": "x"}]}],
        },
        "bedrock-invoke-agent": {"inputText": "x", "enableTrace": True},
    }
    botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none")
    both = OpenAIInstrumentor(), BedrockInstrumentor()
    for each in both:
        each.instrument()
    with botanu.event(workflow="w", event_id="1"):
        call(scenario, clients_of(scenario, answers.url), requests[scenario])
    for each in both:
        each.uninstrument()
    botanu.disable()
    [entry] = [event.attributes for event in receiver.events() if event.event_name == "botanu.ledger.entry"]
    tokens = (19, 11) if scenario.startswith("openai") else (17, 8)
    assert (entry["gen_ai.usage.input_tokens"], entry["gen_ai.usage.output_tokens"]) == tokens
    assert entry["botanu.cost.source"] == "list"
    assert entry["botanu.call.status"] == status


@pytest.mark.parametrize("version", ["1.3b0", "1.4b0"], ids=["told of by us", "told of by their layer"])
@pytest.mark.parametrize("scenario", ["openai", "openai-stream"])
def test_audio_is_priced_as_audio(version, scenario, ask, receiver, monkeypatch):
    monkeypatch.setattr("opentelemetry.util.genai.version.__version__", version)
    botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none")
    OpenAIInstrumentor().instrument()
    with botanu.event(workflow="w", event_id="1"):
        more = {"stream": True, "stream_options": {"include_usage": True}} if "stream" in scenario else {}
        ask(scenario, model="gpt-audio", **more)
    OpenAIInstrumentor().uninstrument()
    botanu.disable()
    [entry] = [event.attributes for event in receiver.events() if event.event_name == "botanu.ledger.entry"]
    # 50 and 80 tokens of text at $2.50 and $10 a million, 400 and 320 of audio at $32 and $64.
    assert Decimal(entry["botanu.cost.usd_exact"]) == Decimal("0.034205")


@pytest.fixture
def calling(receiver):
    """Calls a provider's address with OpenAI's client, without a network; the call's entry in the ledger."""

    def call_there(base_url: str, answer: dict[str, Any]) -> dict[str, Any]:
        whole = {"id": "gen-1", "object": "chat.completion", "created": 1, **answer}
        whole["choices"] = [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Paris."}}
        ]
        transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=whole))
        client = openai.OpenAI(api_key="k", base_url=base_url, http_client=httpx2.Client(transport=transport))
        botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none")
        OpenAIInstrumentor().instrument()
        with botanu.event(workflow="w", event_id="1"):
            client.chat.completions.create(**{**ASKED, "model": answer["model"]})
        OpenAIInstrumentor().uninstrument()
        botanu.disable()
        [entry] = [event.attributes for event in receiver.events() if event.event_name == "botanu.ledger.entry"]
        return entry

    return call_there


@pytest.mark.parametrize("version", ["1.3b0", "1.4b0"], ids=["told of by us", "told of by their layer"])
def test_a_client_that_calls_another_provider_pays_his_price(version, calling, monkeypatch):
    monkeypatch.setattr("opentelemetry.util.genai.version.__version__", version)
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    entry = calling("https://api.cerebras.ai/v1", {"model": "gpt-oss-120b", "usage": usage})
    assert entry["gen_ai.provider.name"] == "cerebras"
    # At $0.35 and $0.75 a million; OpenAI's own list has a model of this name for less.
    assert Decimal(entry["botanu.cost.usd_exact"]) == Decimal("0.000425")


def test_what_openrouter_says_that_a_call_cost_is_what_it_cost(calling):
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, "cost": 0.00123}
    entry = calling("https://openrouter.ai/api/v1", {"model": "openai/gpt-4o-mini", "usage": usage})
    assert entry["gen_ai.provider.name"] == "openrouter"
    assert (entry["botanu.cost.usd_exact"], entry["botanu.cost.source"]) == ("0.00123", "provider")


# --- hooks, events, metrics -----------------------------------------------------------------------------------------


class Noting:
    def __init__(self, raises: bool = False) -> None:
        self.heard: list[dict[str, object]] = []
        self.raises = raises

    def on_completion(self, **said: object) -> None:
        self.heard.append(said)
        if self.raises:
            raise RuntimeError("the hook is broken")


def test_the_applications_hook_is_called_with_the_messages_and_the_finished_span(ask, seen, instrumented):
    hook = Noting()
    instrumented(completion_hook=hook)
    ask("openai-chat-generator")
    [said] = hook.heard
    assert said["inputs"][0].parts[0].content == "hi, ann@example.com"
    assert said["outputs"][0].parts[0].content == "This is a test 0."
    assert said["span"].attributes["gen_ai.prompt.0.role"] == "user"


def test_a_hook_that_raises_is_said_once_and_the_calls_go_on(ask, seen, instrumented, caplog):
    instrumented(completion_hook=Noting(raises=True))
    with caplog.at_level(logging.WARNING):
        assert ask() == ask()
    said = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert ["the completion hook raised" in each for each in said] == [True]
    assert len(seen.ended) == 2


@pytest.mark.parametrize("mode", ["event_only", "span_and_event"])
def test_events_carry_scrubbed_content(mode, ask, instrumented):
    exporter = InMemoryLogRecordExporter()
    logs = LoggerProvider(shutdown_on_exit=False)
    logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    instrumented(mode, logger_provider=logs)
    ask()
    [event] = exporter.get_finished_logs()
    said = repr(event.log_record.attributes)
    assert "This is a test 0." in said
    assert "hi, " in said
    assert "ann@example.com" not in said


def test_metrics_are_taken_without_the_one_of_every_chunk(ask, seen, instrumented):
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    instrumented(meter_provider=meters)
    ask(stream=True, stream_options={"include_usage": True})
    found = [
        metric.name
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    assert sorted(found) == [
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
    ]
    meters.shutdown()


def test_what_cannot_be_read_of_a_request_is_the_clients_to_refuse(answers, seen, instrumented):
    instrumented()
    request = {"model": "gpt-4o-mini", "messages": [None, 7, {"role": 3}], "tools": [None], "user": 5, "seed": "x"}
    plain = clients_of("openai", answers.url)
    OpenAIInstrumentor().uninstrument()
    expected = call("openai", plain, request)
    OpenAIInstrumentor().instrument(tracer_provider=seen.provider)
    assert call("openai", clients_of("openai", answers.url), request) == expected
    assert not seen.open


def test_the_callers_error_is_the_same_object(answers, instrumented):
    class Own(Exception):
        pass

    def broken():
        yield ASKED["messages"][0]
        raise error

    error = Own()
    instrumented()
    with clients_of("openai", answers.url) as client, pytest.raises(Own) as caught:
        client.chat.completions.create(model="gpt-4o-mini", messages=broken())
    assert caught.value is error
    assert isinstance(client, openai.OpenAI)
