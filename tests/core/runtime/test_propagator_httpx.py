"""A real HTTP client under its real instrumentation: what redirects and repeated requests carry."""

import httpx
import pytest
from opentelemetry import propagate
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

import botanu
from botanu_core.runtime.propagator import BotanuPropagator
from botanu_core.wire.baggage import decode


@pytest.fixture
def client(spans):
    """An httpx client that keeps the headers of all it sends; `/away` redirects to a stranger, `/on` to a neighbour."""
    sent = []

    def answer(request):
        sent.append((request.url.host, dict(request.headers)))
        targets = {"/away": "https://api.example.com/", "/on": "http://research/"}
        if request.url.path in targets:
            return httpx.Response(307, headers={"location": targets[request.url.path]})
        return httpx.Response(200)

    before = propagate.get_global_textmap()
    propagate.set_global_textmap(BotanuPropagator(before))
    with httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True) as client:
        HTTPXClientInstrumentor.instrument_client(client)
        client.sent = sent
        yield client
        HTTPXClientInstrumentor.uninstrument_client(client)
    propagate.set_global_textmap(before)


def test_a_neighbour_gets_the_run_and_a_stranger_does_not(client):
    """The instrumentation's client span says where the request goes."""
    with botanu.event("W", customer_id="acme") as run:
        client.get("http://research/")
        client.get("https://api.openai.com/")
    (_, inside), (_, outside) = client.sent
    assert decode([inside["baggage"]])["botanu.run_id"] == run.run_id
    assert "botanu" not in str(outside)
    assert "traceparent" in outside


def test_a_redirect_outside_leaves_the_run_behind(client):
    """A neighbour that redirects to a stranger does not hand our run on with it."""
    with botanu.event("W", customer_id="acme"):
        client.post("http://desk/away", json={})
    assert [host for host, _ in client.sent] == ["desk", "api.example.com"]
    assert "acme" in str(client.sent[0][1])
    assert "botanu" not in str(client.sent[1][1])


def test_a_redirect_inside_takes_the_run_along(client):
    """A neighbour that redirects to another does."""
    with botanu.event("W", event_id="T-1"):
        client.get("http://desk/on")
    assert [decode([headers["baggage"]])["botanu.event_id"] for _, headers in client.sent] == ["T-1", "T-1"]


def test_one_request_object_sent_in_two_runs(client):
    """A request that is built once and sent again carries the run it is sent in."""
    request = client.build_request("GET", "http://research/")
    ids = []
    for _ in range(2):
        with botanu.event("W") as run:
            client.send(request)
            ids.append(run.run_id)
    assert [decode([headers["baggage"]])["botanu.run_id"] for _, headers in client.sent] == ids
    client.send(request)
    assert "botanu" not in str(client.sent[2][1]), "and none outside of runs"


def test_a_header_of_the_callers_own(client):
    """A `baggage` header that the caller writes reaches a neighbour and a stranger as it was written."""
    with botanu.event("W") as run:
        for url in ("http://research/", "https://api.example.com/"):
            client.get(url, headers={"Baggage": "tenant=17;p=1"})
    (_, inside), (_, outside) = client.sent
    assert inside["baggage"] == outside["baggage"] == "tenant=17;p=1"
    assert decode([inside["x-botanu-run"]])["botanu.run_id"] == run.run_id
