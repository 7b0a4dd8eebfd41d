"""A chat that we tell of says what OpenTelemetry's layer says of it: on its span, in events and in metrics."""

import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import openai
import pytest
from calls import OWN, call, clients_of
from listening import points_of, sinks, span_of
from opentelemetry import trace
from opentelemetry.instrumentation.genai.openai import patch
from opentelemetry.util.genai import invocation, version
from opentelemetry.util.genai.handler import TelemetryHandler

from botanu_genai import BedrockInstrumentor, OpenAIInstrumentor

FACTS = json.loads(Path(__file__).with_name("facts.json").read_text())
REQUESTS = {name: fact["request"] for name, fact in FACTS.items()} | OWN
LEFT_TO_THEM = re.compile("stream|raw-response|responses|embed|legacy|max-completion-tokens|missing-model")
MINE = [name for name in REQUESTS if name.startswith("openai") and not LEFT_TO_THEM.search(name)]
ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


class Said(NamedTuple):
    """What a call left behind, but for times and ids."""

    spans: list[Any]
    events: list[Any]
    points: list[Any]
    answer: Any


@pytest.fixture
def theirs(monkeypatch):
    """Counts the calls that OpenTelemetry's layer tells of."""
    begun: list[Any] = []
    create = patch.create_chat_invocation
    monkeypatch.setattr(
        patch, "create_chat_invocation", lambda *args, **more: begun.append(args) or create(*args, **more)
    )
    return begun


@pytest.fixture
def said(instrumented, answers, monkeypatch):
    """What a call says, told of by us or, where OpenTelemetry's version is another, by its own layer."""

    def call_and_look(scenario: str, request: Any, *, by_us: bool, content: Any = True, **options: Any) -> Said:
        found = sinks()
        with monkeypatch.context() as patched:
            if not by_us:
                patched.setattr(version, "__version__", "1.4b0")
            instrumented(content, **{**found.providers, **options})
            answer = call(scenario, clients_of(scenario, answers.url), request)
        assert not found.spans.open
        assert not trace.get_current_span().get_span_context().is_valid
        for each in (OpenAIInstrumentor(), BedrockInstrumentor()):
            each.uninstrument()
        events = [record.log_record for record in found.logs.get_finished_logs()]
        points = points_of(found.reader)
        found.providers["meter_provider"].shutdown()
        return Said(
            list(map(span_of, found.spans.ended)),
            [(event.event_name, event.attributes) for event in events],
            points,
            answer,
        )

    return call_and_look


@pytest.mark.parametrize("content", [True, False], ids=["content", "no content"])
@pytest.mark.parametrize("scenario", MINE)
def test_what_we_tell_is_what_they_tell(scenario, content, said, theirs):
    ours = said(scenario, REQUESTS[scenario], by_us=True, content=content)
    assert not theirs, "their layer told of it"
    other = said(scenario, REQUESTS[scenario], by_us=False, content=content)
    assert theirs, "their layer did not tell of it"
    assert ours == other
    assert len(ours.spans) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0, "top_p": 0.5, "seed": 7, "frequency_penalty": 1, "presence_penalty": 0.0},
        {"max_tokens": 5, "max_completion_tokens": 6},
        {"max_completion_tokens": 6, "max_tokens": 5},
        {"max_completion_tokens": None, "max_tokens": 5},
        {"stop": "end"},
        {"stop": ["end", "stop"]},
        {"stop": None, "n": 1},
        {"stop": ("end", "stop"), "n": "two"},
        {"n": 3},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}},
        {"response_format": {"type": "text"}},
        {"response_format": {"type": None}},
        {"response_format": "json_schema"},
        {"service_tier": "flex"},
        {"service_tier": "auto"},
        {"temperature": openai.NOT_GIVEN, "stop": openai.omit, "n": openai.NOT_GIVEN, "stream": openai.omit},
        {"user": "u", "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"stream": False, "timeout": 5, "extra_query": {"a": "b"}},
    ],
    ids="-".join,
)
def test_every_parameter_is_said_as_they_say_it(more, said, theirs):
    request = {**ASKED, **more}
    ours = said("openai", request, by_us=True)
    assert not theirs
    assert ours == said("openai", request, by_us=False)


@pytest.mark.parametrize("messages", ["flat", "json", "both", "none"])
@pytest.mark.parametrize("max_attributes", [None, 5])
def test_every_form_is_written_alike(messages, max_attributes, said, theirs):
    request = {**ASKED, "messages": [{"role": "user", "content": f"hello {number}"} for number in range(60)]}
    options = {"messages": messages, "max_attributes": max_attributes}
    ours = said("openai", request, by_us=True, **options)
    assert not theirs
    assert ours == said("openai", request, by_us=False, **options)


@pytest.mark.parametrize("scenario", [name for name in REQUESTS if name.startswith("openai") and name not in MINE])
def test_what_is_not_ordinary_is_left_to_them(scenario, said, theirs):
    said(scenario, REQUESTS[scenario], by_us=True)
    assert bool(theirs) == (not re.search("responses|embed|legacy", scenario))


@pytest.mark.parametrize("emits", ["true", "TRUE", "false", "perhaps"])
def test_events_are_theirs_to_emit(emits, said, theirs, monkeypatch):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT", emits)
    ours = said("openai", ASKED, by_us=True, content=False)
    assert bool(theirs) == (emits != "false")
    assert len(ours.events) == (emits.lower() == "true")
    assert ours == said("openai", ASKED, by_us=False, content=False)


def test_where_their_package_has_other_parts_all_is_left_to_them(said, theirs, monkeypatch):
    monkeypatch.delitem(sys.modules, "botanu_genai._chat", raising=False)
    monkeypatch.delattr(invocation, "InferenceData")
    found = said("openai", ASKED, by_us=True)
    assert theirs
    assert len(found.spans) == 1


# --- calls in and around others ------------------------------------------------------------------------------------


@pytest.fixture
def asked_inside(seen, instrumented, answers):
    """A call whose transport makes a call of its own, by OpenTelemetry's helpers; what each span says."""

    def ask(inside: Any, *, by_us: bool, monkeypatch: Any) -> list[Any]:
        found = sinks()
        handler = TelemetryHandler(tracer_provider=found.providers["tracer_provider"])

        class Asking(httpx2.HTTPTransport):
            def handle_request(self, request: httpx2.Request) -> httpx2.Response:
                inside(handler)
                return super().handle_request(request)

        with monkeypatch.context() as patched:
            if not by_us:
                patched.setattr(version, "__version__", "1.4b0")
            instrumented(**found.providers)
            http = httpx2.Client(transport=Asking())
            with openai.OpenAI(api_key="k", base_url=answers.openai_url, http_client=http) as client:
                client.chat.completions.create(**ASKED)
        OpenAIInstrumentor().uninstrument()
        BedrockInstrumentor().uninstrument()
        points = points_of(found.reader)
        found.providers["meter_provider"].shutdown()
        return [*map(span_of, found.spans.ended), points]

    return ask


def says_nothing(handler: TelemetryHandler) -> None:
    handler.inference("other", request_model="m").stop()


def says_much(handler: TelemetryHandler) -> None:
    with handler.inference("other", request_model="m", server_address="elsewhere") as found:
        found.temperature, found.top_k = 0.5, 3
        found.input_tokens, found.response_model_name = 1000, "m-1"
        found.attributes["own"], found.metric_attributes["label"] = "yes", "a"


@pytest.mark.parametrize("inside", [says_nothing, says_much])
def test_a_call_inside_is_no_call_of_its_own_and_adds_what_it_knows(inside, asked_inside, theirs, monkeypatch):
    ours = asked_inside(inside, by_us=True, monkeypatch=monkeypatch)
    assert not theirs
    assert len(ours) == 2
    assert ours == asked_inside(inside, by_us=False, monkeypatch=monkeypatch)
    assert theirs


@pytest.mark.parametrize("is_told", [True, False])
def test_a_call_inside_one_of_theirs_is_left_to_them(is_told, seen, instrumented, answers, theirs):
    instrumented()
    handler = TelemetryHandler(tracer_provider=seen.provider)
    around = handler.inference("other") if is_told else handler.workflow("flow", conversation_id="c1")
    with around:
        call("openai", clients_of("openai", answers.url), ASKED)
    assert theirs
    assert len(seen.ended) == (1 if is_told else 2)
    assert seen.ended[0].attributes["gen_ai.response.id"]
    assert seen.ended[0].attributes.get("gen_ai.conversation.id") == (None if is_told else "c1")
