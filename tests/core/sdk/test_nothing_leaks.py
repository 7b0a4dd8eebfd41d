"""One secret of each kind goes in wherever text goes in; none comes out, in spans, events or metrics."""

import pytest

import botanu
from botanu.tracking.llm import track_llm_call, track_tool_call

SECRETS = {
    "email": "jane.doe@example.com",
    "card": "4111 1111 1111 1111",
    "key": "sk-" + "proj-aB3dE5gH7jK9mN1pQ3sT5vW7",
    "password": "password=hunter2x",
    "url": "postgres://app:hunter2x@db/x",
}


@pytest.fixture
def everything(receiver):
    """Says `secret` at every place where Botanu takes text, and gives all that arrived."""

    def say(secret: str) -> str:
        botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none", content_capture_rate=1.0)

        @botanu.botanu_workflow("desk", event_id="T-1", customer_id="acme")
        def work() -> None:
            botanu.set_correlation(zendesk=f"of {secret}")
            with track_llm_call("openai", "gpt-4o") as call:
                call.set_input_content({"messages": [{"role": "user", "content": f"see\n{secret}"}]})
                call.set_output_content(f"I see {secret}")
                call.add_metadata(note=f"of {secret}")
                call.set_request_params(stop_sequences=[secret])
            with pytest.raises(RuntimeError), track_tool_call("lookup"):
                raise RuntimeError(f"tool: {secret}")
            botanu.emit_outcome("failed", reason=f"because of {secret}", metadata={"who": secret})
            raise ValueError(f"no {secret}")

        with pytest.raises(ValueError, match="no "):
            work()
        botanu.disable()
        assert receiver.wait_for(lambda it: len(it.spans()) == 3 and it.events() and it.points(), timeout=30)
        return repr((receiver.spans(), receiver.events(), receiver.points()))

    return say


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_comes_out_nowhere(everything, secret):
    """Captured content, metadata, correlation, errors, stack traces, status, outcome, its events and metrics."""
    arrived = everything(secret)
    assert secret not in arrived
    assert "hunter2x" not in arrived
    for place in (
        "botanu.eval.input_content",
        "botanu.eval.output_content",
        "exception.stacktrace",
        "botanu.outcome.reason",
    ):
        assert place in arrived
    assert "botanu.correlation.zendesk" in arrived
