"""Text without bytes in UTF-8, such as half an emoji or a file name of another encoding, must not stop what is sent.

OTLP is protobuf: its encoder drops an attribute that holds a lone surrogate, with a traceback in the log, and a whole
batch of spans where it stands in a status.
"""

import pytest

import botanu
from botanu.tracking.llm import track_llm_call

HALF = "caf\udce9"


def failing_call() -> None:
    with track_llm_call("openai", "m"):
        raise FileNotFoundError(f"no such file: {HALF}")


def test_an_exception_that_quotes_it_does_not_cost_the_batch(sent):
    with botanu.event(workflow="beside", event_id="1"):
        pass
    with pytest.raises(FileNotFoundError):
        failing_call()
    assert [span.name for span in sent.spans()] == ["botanu.run/beside", "chat m"]


def test_content_and_metadata_that_hold_it_arrive(service):
    sent = service(content_capture_rate=1.0)
    with track_llm_call("openai", "m", file=HALF) as tracker:
        tracker.set_input_content(HALF).set_output_content([{"content": HALF}])
        tracker.set_request_params(stop_sequences=[HALF])
    attributes = sent.span("chat m").attributes
    assert attributes["botanu.file"].startswith("caf")
    assert "caf" in attributes["botanu.eval.input_content"]
    assert "caf" in attributes["botanu.eval.output_content"]
    assert attributes["gen_ai.request.stop_sequences"][0].startswith("caf")


def test_names_and_ids_that_hold_it_are_left_out(sent):
    with track_llm_call("openai", HALF, client_request_id=HALF) as tracker:
        tracker.set_request_id(HALF).set_response_model(HALF).set_finish_reason(HALF).add_metadata(**{HALF: 1, "ok": 2})
    assert sent.span("chat").attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "botanu.vendor": "openai",
        "botanu.ok": 2,
        "botanu.cost.source": "none",
    }
