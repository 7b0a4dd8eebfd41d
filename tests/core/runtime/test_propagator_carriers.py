"""Outgoing: headers that were written on before, by us or by the application, and carriers of other kinds."""

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

import botanu
from botanu_core.wire.baggage import decode
from tests.core.runtime.outgoing import OURS, THEIRS, sent_to


@pytest.fixture(autouse=True)
def recording(spans):
    """A client span says where it goes only where it is recorded."""


def test_a_request_that_is_redirected_outside():
    """Headers written for a call inside and used again for one outside keep nothing of ours."""
    for name in ("baggage", "Baggage"):
        with botanu.event("W", customer_id="acme"):
            headers = {
                ("Baggage" if key == "baggage" and name == "Baggage" else key): value
                for key, value in sent_to("db").items()
            }
            assert "acme" in headers[name]
            headers["X-Botanu-Run"] = headers[name]
            sent_to("api.example.com", carrier=headers)
        assert {key.lower() for key in headers} == {"traceparent"}


def test_a_redirect_keeps_what_others_wrote(their_baggage):
    """Of a header that held the run and others' members, the others' stay."""
    with botanu.event("W"):
        headers = sent_to("db")
        sent_to("api.example.com", carrier=headers)
    stock = {}
    THEIRS.inject(stock)
    assert headers["baggage"] == stock["baggage"]


def test_a_request_that_is_tried_again():
    """The second try carries the run of that moment, once."""
    with botanu.event("W") as run:
        with botanu.step("first"):
            headers = sent_to("db")
        with botanu.step("second"):
            sent_to("db", carrier=headers)
    assert decode([headers["baggage"]])["botanu.step"] == "second"
    assert headers["baggage"].count("botanu.run_id") == 1
    assert decode([headers["baggage"]])["botanu.run_id"] == run.run_id


def test_a_header_that_the_application_wrote_itself():
    """A `baggage` header that is there already is not displaced: the run goes beside it."""
    for name in ("baggage", "Baggage", "BAGGAGE"):
        headers = {name: "tenant=17;p, x=y"}
        with botanu.event("W") as run:
            sent_to("db", carrier=headers)
            sent_to("db", carrier=headers)
        assert headers[name] == "tenant=17;p, x=y"
        assert decode([headers["x-botanu-run"]])["botanu.run_id"] == run.run_id
        sent_to("api.example.com", carrier=headers)
        assert headers[name] == "tenant=17;p, x=y"
        assert "x-botanu-run" not in headers


def test_carriers_that_are_no_mapping():
    """A setter of the caller's own is used for all that is written."""
    written = []

    class Setter:
        def set(self, carrier, key, value):
            carrier.append((key, value))

    with botanu.event("W"):
        with trace.get_tracer("http").start_as_current_span(
            "GET", kind=SpanKind.CLIENT, attributes={"server.address": "db"}
        ):
            OURS.inject(written, setter=Setter())
    assert sorted(key for key, _ in written) == ["baggage", "traceparent"]
