"""`setup_export_to_coralogix`: what arrives there, what it refuses, and what a backend that is away costs a call."""

import io
import threading

import pytest
from calls import call, clients_of

import botanu
from botanu import ConfigError
from botanu_genai import OpenAIInstrumentor, setup_export_to_coralogix

ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
NAMES = ("CX_TOKEN", "CX_ENDPOINT", "CX_APPLICATION_NAME", "CX_SUBSYSTEM_NAME")


@pytest.fixture(autouse=True)
def no_account(monkeypatch, off_at_the_end):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ask(answers):
    return lambda: call("openai", clients_of("openai", answers.url), ASKED)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "CX_TOKEN and CX_ENDPOINT"),
        ({"coralogix_token": "t"}, "CX_ENDPOINT"),
        ({"coralogix_endpoint": "https://example.com"}, "CX_TOKEN"),
    ],
)
def test_what_is_missing_is_one_error_that_names_both_variables(given, missing):
    with pytest.raises(ConfigError) as caught:
        setup_export_to_coralogix("desk", **given)
    assert "CX_TOKEN" in str(caught.value)
    assert "CX_ENDPOINT" in str(caught.value)
    assert str(caught.value).endswith(f"missing: {missing}")
    assert not botanu.doctor(io.StringIO()).enabled


def test_a_wrong_endpoint_is_refused_without_the_token():
    with pytest.raises(ConfigError, match="otlp_endpoint") as caught:
        setup_export_to_coralogix("desk", coralogix_token="secret-token", coralogix_endpoint="ftp://example.com")
    assert "secret-token" not in str(caught.value)


def test_spans_arrive_with_content_scrubbed_priced_and_by_their_service(ask, receiver, monkeypatch):
    monkeypatch.setenv("CX_TOKEN", "t")
    monkeypatch.setenv("CX_ENDPOINT", receiver.endpoint)
    setup_export_to_coralogix("desk", application_name="app", subsystem_name="sub", capture_content=True)
    OpenAIInstrumentor().instrument()
    ask()
    assert botanu.disable()
    [span] = receiver.spans()
    assert span.resource["service.name"] == "desk"
    assert span.attributes["gen_ai.prompt.0.content"] == "hi"
    assert span.attributes["gen_ai.completion.0.content"] == "This is a test 0."
    assert span.attributes["botanu.cost.usd"] > 0


def test_content_is_off_unless_it_is_asked_for(ask, receiver):
    setup_export_to_coralogix("desk", "t", receiver.endpoint)
    OpenAIInstrumentor().instrument()
    ask()
    botanu.disable()
    [span] = receiver.spans()
    assert span.attributes["gen_ai.prompt.0.role"] == "user"
    assert "gen_ai.prompt.0.content" not in span.attributes


def test_without_batches_a_span_leaves_as_it_ends(ask, receiver):
    setup_export_to_coralogix("desk", "t", receiver.endpoint, use_batch_processor=False)
    OpenAIInstrumentor().instrument()
    ask()
    assert receiver.wait_for(lambda receiver: bool(receiver.spans()), timeout=30)


def test_after_enable_spans_go_to_both_and_events_stay_where_they_are(ask, receiver):
    from demo.receiver import Receiver

    botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none")
    with Receiver() as coralogix:
        setup_export_to_coralogix("desk", "t", coralogix.endpoint, capture_content=True)
        setup_export_to_coralogix("desk", "t", coralogix.endpoint, capture_content=True)
        OpenAIInstrumentor().instrument()
        with botanu.event(workflow="w", event_id="1"):
            ask()
        assert coralogix.endpoint in botanu.doctor(io.StringIO()).signals["traces"]
        assert botanu.disable()
        assert {span.name for span in coralogix.spans()} == {"botanu.run/w", "chat gpt-4o-mini"}
        assert len(coralogix.spans()) == len(receiver.spans()) == 2
        assert coralogix.events() == []
        assert [span for span in coralogix.spans() if "gen_ai.prompt.0.content" in span.attributes]


@pytest.mark.parametrize("in_batches", [True, False], ids=["batched", "at once"])
def test_a_backend_that_never_answers_holds_up_no_call(in_batches, ask, receiver):
    receiver.stall(60)
    setup_export_to_coralogix("desk", "t", receiver.endpoint, use_batch_processor=in_batches)
    OpenAIInstrumentor().instrument()
    done = threading.Event()

    def work():
        for _ in range(20):
            ask()
        done.set()

    threading.Thread(target=work, daemon=True).start()
    assert done.wait(45), "calls waited for the backend"
    assert receiver.spans() == []
    receiver.stall(0)


def test_a_backend_that_is_away_is_said_once_and_counted(ask, caplog):
    setup_export_to_coralogix("desk", "t", "http://127.0.0.1:9", use_batch_processor=False)
    OpenAIInstrumentor().instrument()
    assert ask()["choices"]
    assert not botanu.disable(timeout_s=1)
    said = [record.getMessage() for record in caplog.records if "127.0.0.1:9" in record.getMessage()]
    assert len([line for line in said if "is away" in line]) <= 1
    assert len([line for line in said if "dropped 1 span" in line]) == 1


def test_headers_say_whose_it_is(receiver, monkeypatch):
    from botanu_core.sdk import enable

    monkeypatch.setenv("CX_APPLICATION_NAME", "app")
    setup_export_to_coralogix("desk", "t", receiver.endpoint)
    config = enable._state.enabled.config
    sent = config.headers_for(config.endpoint_for("traces"))
    assert sent == {"authorization": "Bearer t", "cx-application-name": "app", "cx-subsystem-name": "desk"}
