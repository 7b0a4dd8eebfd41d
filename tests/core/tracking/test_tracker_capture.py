"""Prompts and answers: nothing by default; when on, both or neither, scrubbed, then cut."""

import pytest

import botanu
from botanu.tracking.llm import track_llm_call
from botanu_core import settings

PAIR = {"botanu.eval.input_content", "botanu.eval.output_content"}


@pytest.fixture
def rate(monkeypatch):
    """Sets the capture rate as the environment does."""

    def chosen(share: str) -> None:
        monkeypatch.setenv("BOTANU_CONTENT_CAPTURE_RATE", share)
        settings.activate(None)

    return chosen


def captured(spans) -> list[set[str]]:
    """Which halves of the pair each call's span carries."""
    calls = [span for span in spans.get_finished_spans() if "gen_ai.operation.name" in span.attributes]
    return [PAIR & span.attributes.keys() for span in calls]


def call(prompt: object = "Where is my order?", answer: object = "On its way.") -> None:
    with track_llm_call("openai", "m") as tracker:
        tracker.set_input_content(prompt).set_output_content(answer)


def test_by_default_nothing_is_captured(spans):
    call()
    assert captured(spans) == [set()]


def test_at_rate_one_both_are_captured(spans, rate):
    rate("1.0")
    call()
    attributes = spans.get_finished_spans()[0].attributes
    assert attributes["botanu.eval.input_content"] == "Where is my order?"
    assert attributes["botanu.eval.output_content"] == "On its way."


@pytest.mark.parametrize("inside_a_run", [True, False])
def test_prompts_and_answers_come_in_pairs(inside_a_run, spans, rate):
    rate("0.5")
    for number in range(60):
        if inside_a_run:
            with botanu.event(workflow="w", event_id=f"t-{number}"):
                call()
        else:
            call()
    seen = captured(spans)
    assert {frozenset(halves) for halves in seen} == {frozenset(), frozenset(PAIR)}


def test_a_captured_run_is_captured_whole(spans, rate):
    rate("0.5")
    for number in range(40):
        with botanu.event(workflow="w", event_id=f"t-{number}"):
            for _ in range(3):
                call()
    seen = captured(spans)
    runs = [seen[start : start + 3] for start in range(0, len(seen), 3)]
    assert all(first == second == third for first, second, third in runs)
    assert {bool(first) for first, _, _ in runs} == {True, False}


def test_personal_data_and_secrets_are_scrubbed(spans, rate):
    rate("1.0")
    key = "sk-proj-" + "Ab3dEf6hIj9lMn2pQr5tUv8x" * 2
    call(f"I am ann@example.com, key\n{key}", "Write to\tann@example.com")
    written = str(dict(spans.get_finished_spans()[0].attributes))
    assert "ann@example.com" not in written
    assert key not in written


def test_text_is_scrubbed_before_it_is_cut(spans, rate):
    rate("1.0")
    limit = settings.current().max_content_chars
    call("x " * (limit // 2 - 5) + "ann@example.com", "y" * 100_000)
    attributes = spans.get_finished_spans()[0].attributes
    assert "ann@" not in attributes["botanu.eval.input_content"]
    assert all(len(attributes[half]) <= limit for half in PAIR)


@pytest.mark.parametrize("content", [[{"role": "user", "content": "hi"}], {"a": 1}, 7, b"bytes", ["a", None]])
def test_what_is_no_text_is_written_as_text(content, spans, rate):
    rate("1.0")
    call(content, content)
    assert all(isinstance(spans.get_finished_spans()[0].attributes[half], str) for half in PAIR)


def test_values_under_telling_keys_are_scrubbed(spans, rate):
    rate("1.0")
    call([{"role": "user", "content": "hi", "password": "hunter2-the-second"}])
    assert "hunter2" not in str(dict(spans.get_finished_spans()[0].attributes))


def test_none_is_not_captured(spans, rate):
    rate("1.0")
    call(None, None)
    assert captured(spans) == [set()]


def test_content_that_cannot_be_written_as_text_harms_nothing(spans, rate):
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no words")

        __repr__ = __str__

    rate("1.0")
    call(Mute(), [Mute()])
    assert len(spans.get_finished_spans()) == 1


@pytest.mark.parametrize("wrong", [0, -1, "many", None, 1.5, 10**12])
def test_a_length_that_will_not_do_is_the_configured_one(wrong, spans, rate):
    rate("1.0")
    with track_llm_call("openai", "m") as tracker:
        tracker.set_input_content("word " * 2000, max_chars=wrong)
    limit = settings.current().max_content_chars
    assert len(spans.get_finished_spans()[0].attributes["botanu.eval.input_content"]) == limit


# --- by workflow, and by halves ------------------------------------------------------------------------------------


def enough_runs(workflow: str, spans, count: int = 40) -> list[set[str]]:
    spans.clear()
    for number in range(count):
        with botanu.event(workflow=workflow, event_id=f"t-{number}"):
            call()
    return captured(spans)


def test_a_workflow_may_have_a_rate_of_its_own(spans, rate, monkeypatch):
    """Above the general one, below it, or without one."""
    monkeypatch.setenv("BOTANU_CONTENT_CAPTURE_RATES", "Customer Support=1,Refund=0")
    rate("0.5")
    assert enough_runs("Customer Support", spans) == [PAIR] * 40
    assert enough_runs("Refund", spans) == [set()] * 40
    assert {frozenset(halves) for halves in enough_runs("Other", spans)} == {frozenset(), frozenset(PAIR)}
    rate("0")
    assert enough_runs("Customer Support", spans) == [PAIR] * 40


def test_two_services_agree(spans, rate, monkeypatch):
    """The second one joins the run by its baggage, and captures exactly what the first one does."""
    monkeypatch.setenv("BOTANU_CONTENT_CAPTURE_RATES", "Support=0.5")
    rate("0")
    for number in range(40):
        with botanu.event(workflow="Support", event_id=f"t-{number}") as run:
            call()
        with botanu.RunContext.from_baggage(run.to_baggage()).active():
            call()
    seen = captured(spans)
    assert seen[::2] == seen[1::2]
    assert {bool(halves) for halves in seen} == {True, False}


@pytest.mark.parametrize(
    ("variable", "left"),
    [("BOTANU_CAPTURE_INPUT", "botanu.eval.output_content"), ("BOTANU_CAPTURE_OUTPUT", "botanu.eval.input_content")],
)
def test_a_half_may_be_left_out(spans, rate, monkeypatch, variable, left):
    monkeypatch.setenv(variable, "false")
    rate("1")
    call()
    assert captured(spans) == [{left}]


@pytest.mark.parametrize(("said", "both"), [("true", True), ("SPAN_ONLY", True), ("event_only", False), ("x", False)])
def test_the_standard_switch_is_honoured(spans, monkeypatch, said, both):
    """`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says whether content may stand on spans."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", said)
    settings.activate(None)
    call()
    assert captured(spans) == [PAIR if both else set()]


@pytest.mark.parametrize("said", ["false", "no_content", "event_only"])
def test_where_the_standard_switch_says_no_nothing_is_captured(spans, rate, monkeypatch, said):
    """Whatever else says yes."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", said)
    rate("1")
    call()
    assert captured(spans) == [set()]


@pytest.mark.parametrize(
    ("variable", "left"),
    [("BOTANU_CAPTURE_INPUT", "gen_ai.output.messages"), ("BOTANU_CAPTURE_OUTPUT", "gen_ai.input.messages")],
)
def test_of_messages_a_half_may_be_left_out(spans, rate, monkeypatch, variable, left):
    monkeypatch.setenv(variable, "false")
    rate("1")
    message = [{"role": "user", "parts": [{"type": "text", "content": "Where is my order?"}]}]
    with track_llm_call("openai", "m") as tracker:
        tracker.set_messages(asked=message, answered=message)
    [span] = spans.get_finished_spans()
    assert {key for key in span.attributes if key.endswith(".messages")} == {left}
