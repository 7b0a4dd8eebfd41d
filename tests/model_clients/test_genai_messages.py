"""What of a conversation is on the span: how much, in which shape, and what never."""

import base64
import json
import logging

import openai
import pytest
from calls import clients_of
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import botanu
from botanu_core import semconv
from botanu_genai import OpenAIInstrumentor

SYSTEM = {"role": "system", "content": "Be brief."}
TOOL = {
    "type": "function",
    "function": {"name": "look_up", "description": "Looks up.", "parameters": {"type": "object"}},
}


def talk(turns: int) -> list[dict[str, str]]:
    return [SYSTEM, *({"role": "user", "content": f"question {number}"} for number in range(1, turns))]


@pytest.fixture
def ask(answers):
    """A chat call of a real client."""
    made: list[openai.OpenAI] = []

    def call(messages=None, **options):
        client = clients_of("openai", answers.url)
        made.append(client)
        options = {"model": "gpt-4o-mini", **options}
        return client.chat.completions.create(messages=messages if messages is not None else talk(2), **options)

    yield call
    for client in made:
        client.close()


# --- the budget -----------------------------------------------------------------------------------------------------


def test_of_200_messages_the_newest_and_the_systems_stay_and_nothing_else_is_lost(ask, receiver, off_at_the_end):
    botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none", content_capture_rate=1.0)
    OpenAIInstrumentor().instrument()
    with botanu.event(workflow="Support", event_id="t-1", customer_id="acme"):
        ask(talk(200), tools=[TOOL])
    botanu.disable()
    [said] = [span.attributes for span in receiver.spans() if span.name == "chat gpt-4o-mini"]
    assert said["gen_ai.request.model"] == "gpt-4o-mini"
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (19, 11)
    assert said["botanu.cost.usd"] > 0
    assert said["botanu.workflow"] == "Support"
    assert said["gen_ai.completion.0.content"] == "This is a test 0."
    assert said["gen_ai.prompt.0.content"] == "Be brief."
    assert said["gen_ai.prompt.199.content"] == "question 199"
    assert "gen_ai.prompt.1.role" not in said
    whole = [name for name in said if name.startswith("gen_ai.prompt.") and name.endswith(".content")]
    assert said["botanu.messages.omitted"] == 200 - len(whole)
    assert len(said) <= 128


@pytest.mark.parametrize("turns", [1, 2, 30, 127, 128, 129, 1000])
def test_every_message_is_on_the_span_or_counted_as_left_out(turns, ask, seen, instrumented):
    instrumented()
    ask(talk(turns))
    [span] = seen.ended
    whole = sum(name.startswith("gen_ai.prompt.") and name.endswith(".content") for name in span.attributes)
    assert whole + span.attributes.get(semconv.MESSAGES_OMITTED, 0) == turns
    assert span.dropped_attributes == 0


@pytest.mark.parametrize("limit", [16, 32, 64, 1000, None])
def test_whatever_a_span_holds_the_calls_own_facts_stay_on_it(limit, ask, seen, answers, instrumented):
    instrumented()
    OpenAIInstrumentor().uninstrument()
    provider = TracerProvider(
        span_limits=SpanLimits(max_span_attributes=limit or SpanLimits.UNSET), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(seen.exporter))
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    ask(talk(300), tools=[TOOL] * 30)
    [span] = seen.ended
    assert span.attributes["gen_ai.request.model"] == "gpt-4o-mini"
    assert span.attributes["gen_ai.usage.output_tokens"] == 11
    assert span.dropped_attributes == 0


def test_the_budget_can_be_smaller(ask, seen, instrumented):
    instrumented(max_attributes=8)
    ask(talk(10))
    flat = [name for name in seen.attributes if name.startswith(("gen_ai.prompt.", "gen_ai.completion."))]
    assert len(flat) == 7  # the eighth says how many are missing
    assert seen.attributes[semconv.MESSAGES_OMITTED] == 8


def test_tools_that_do_not_fit_are_counted(ask, seen, instrumented):
    instrumented()
    ask(tools=[TOOL] * 64)
    names = [name for name in seen.attributes if name.endswith(".function.name")]
    assert len(names) + seen.attributes[semconv.TOOLS_OMITTED] == 64
    assert seen.attributes["gen_ai.prompt.1.content"] == "question 1"


def test_a_message_with_more_tool_calls_than_fit_is_cut_and_counted(ask, seen, instrumented):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    instrumented()
    ask([{"role": "assistant", "content": None, "tool_calls": [call] * 100}])
    assert seen.attributes["gen_ai.prompt.0.role"] == "assistant"
    assert seen.attributes[semconv.MESSAGES_OMITTED] == 1
    assert seen.ended[0].dropped_attributes == 0


# --- shapes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "flat", "as_json"), [("flat", 1, 0), ("json", 0, 1), ("both", 1, 1), ("none", 0, 0)])
def test_messages_are_flat_json_both_or_none(form, flat, as_json, ask, seen, instrumented):
    instrumented(messages=form)
    ask()
    said = seen.attributes
    assert ("gen_ai.prompt.1.content" in said, "gen_ai.completion.0.content" in said) == (flat, flat)
    names = "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"
    assert [name in said for name in names] == [as_json] * 3
    if as_json:
        assert json.loads(said["gen_ai.input.messages"]) == [
            {"role": "user", "parts": [{"type": "text", "content": "question 1"}]}
        ]
        [answer] = json.loads(said["gen_ai.output.messages"])
        assert answer["parts"] == [{"type": "text", "content": "This is a test 0."}]
        assert json.loads(said["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be brief."}]


def test_json_stays_json_when_a_text_is_cut(ask, seen, instrumented, monkeypatch):
    monkeypatch.setenv("BOTANU_MAX_CONTENT_CHARS", "20")
    instrumented(messages="json")
    ask([{"role": "user", "content": "x" * 1000}])
    [asked] = json.loads(seen.attributes["gen_ai.input.messages"])
    assert asked["parts"][0]["content"] == "x" * 19 + "…"


def test_parts_that_are_no_text_are_named_and_not_quoted(ask, seen, instrumented):
    picture = base64.b64encode(b"\x89PNG" * 1000).decode()
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
    ]
    instrumented()
    ask([{"role": "user", "content": parts}])
    assert seen.attributes["gen_ai.prompt.0.content"] == "What is this?\n[image_url]"


def test_messages_that_are_the_clients_own_objects_are_read(ask, seen, instrumented):
    instrumented()
    answer = ask(model="tools-model").choices[0].message
    seen.exporter.clear()
    ask([*talk(2), answer, {"role": "tool", "tool_call_id": "call_aaa", "content": "rain"}])
    assert seen.attributes["gen_ai.prompt.2.tool_calls.0.function.arguments"] == '{  "location": "Seattle, WA"}'
    assert seen.attributes["gen_ai.prompt.3.tool_call_id"] == "call_aaa"


def test_what_the_application_appends_while_it_streams_was_not_asked(ask, seen, instrumented):
    instrumented()
    messages = talk(2)
    stream = ask(messages, stream=True)
    messages.append({"role": "assistant", "content": "later"})
    list(stream)
    assert "gen_ai.prompt.2.role" not in seen.attributes


# --- what never leaves ----------------------------------------------------------------------------------------------

SECRET = "My card is 4111 1111 1111 1111, write to ann@example.com."


@pytest.mark.parametrize("form", ["flat", "json", "both"])
def test_content_is_scrubbed(form, ask, seen, instrumented):
    instrumented(messages=form)
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"to": SECRET})}}
    ask([{"role": "user", "content": SECRET}, {"role": "assistant", "tool_calls": [call]}])
    everything = repr(seen.attributes)
    assert "4111" not in everything
    assert "ann@example.com" not in everything
    assert "My card is" in everything


@pytest.mark.parametrize(
    ("switch", "asked"),
    [("true", True), ("1", True), ("span_only", True), ("span_and_event", True), ("SPAN_ONLY", True),
     ("false", False), ("no_content", False), ("event_only", False), ("", False)],
)  # fmt: skip
def test_every_value_of_the_standard_switch_works(switch, asked, ask, seen, instrumented, caplog):
    instrumented(switch)
    ask()
    assert ("gen_ai.prompt.1.content" in seen.attributes) == asked
    assert seen.attributes["gen_ai.prompt.1.role"] == "user"
    assert "gen_ai.input.messages" not in seen.attributes
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_run_whose_gate_is_closed_is_not_captured(ask, seen, instrumented, monkeypatch):
    monkeypatch.setenv("BOTANU_CONTENT_CAPTURE_RATES", "Refund=0")
    instrumented()
    with botanu.event(workflow="Refund", event_id="1"):
        ask()
    with botanu.event(workflow="Support", event_id="2"):
        ask()
    refund, support = (span.attributes for span in seen.ended)
    assert "gen_ai.prompt.1.content" not in refund
    assert support["gen_ai.prompt.1.content"] == "question 1"


def test_prompts_and_answers_have_switches_of_their_own(ask, seen, instrumented, monkeypatch):
    monkeypatch.setenv("BOTANU_CAPTURE_INPUT", "false")
    instrumented()
    ask(user="u-1")
    assert "gen_ai.prompt.1.content" not in seen.attributes
    assert "gen_ai.openai.request.user" not in seen.attributes
    assert seen.attributes["gen_ai.completion.0.content"] == "This is a test 0."


def test_user_and_tool_schemas_are_recorded_without_content_when_asked_for(ask, seen, instrumented):
    instrumented(False, user_and_tools=True)
    ask(user="u-1", tools=[TOOL])
    assert seen.attributes["gen_ai.openai.request.user"] == "u-1"
    assert seen.attributes["gen_ai.openai.request.tools.0.function.parameters"] == '{"type": "object"}'
    assert "gen_ai.prompt.1.content" not in seen.attributes


def test_a_call_that_is_not_sampled_is_not_read(ask, answers, instrumented, seen):
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    instrumented()
    OpenAIInstrumentor().uninstrument()
    OpenAIInstrumentor().instrument(tracer_provider=TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    assert ask().choices[0].message.content == "This is a test 0."
