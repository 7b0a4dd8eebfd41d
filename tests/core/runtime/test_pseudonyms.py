"""Customers under a pseudonym: on spans, on the wire, in events and logs; never their ids, and prices still hold."""

import logging

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

import botanu
from botanu.tracking.llm import track_llm_call
from botanu_core import settings
from botanu_core.adapter import accept, from_mapping
from botanu_core.errors import ConfigError
from botanu_core.settings import Settings
from botanu_core.wire.baggage import decode

KEY = "one key for all services of a company"
ACME = botanu.pseudonym("acme", key=KEY)
HASHED = Settings(customer_id_form="hashed", customer_id_key=KEY.encode(), in_baggage=True)


@pytest.fixture(autouse=True)
def hashed():
    settings.activate(HASHED)


def test_what_a_pseudonym_looks_like():
    """Short, the same for the same key and customer, another for another, and its own pseudonym."""
    assert "cust_" + ACME[5:] == ACME
    assert len(ACME) == 37
    assert botanu.pseudonym("acme") == botanu.pseudonym("acme", key=KEY.encode()) == ACME
    others = {botanu.pseudonym("acme", key="another" * 9), botanu.pseudonym("Acme"), botanu.pseudonym("acme ")}
    assert len(others | {ACME}) == 4
    assert botanu.pseudonym(ACME) == ACME
    assert botanu.pseudonym("cust_acme") != "cust_acme"
    settings.activate(Settings())
    with pytest.raises(ConfigError, match="BOTANU_CUSTOMER_ID_KEY"):
        botanu.pseudonym("acme")


def test_the_id_is_on_no_span_and_in_no_baggage(spans):
    """Wherever the application names the customer."""

    @botanu.botanu_workflow(
        "Extracted", event_id=lambda order: order["id"], customer_id=lambda order: order["customer"]
    )
    def handle(order):
        trace.get_tracer("library").start_span("child").end()

    handle({"id": "T-1", "customer": "acme"})
    with botanu.event(workflow="Named", event_id="T-2", customer_id="acme") as run:
        assert run.customer_id == ACME
        assert botanu.get_baggage("botanu.customer_id") == ACME
        with botanu.step("s"):
            trace.get_tracer("library").start_span("child").end()
        assert botanu.RunContext.from_baggage(run.to_baggage()).customer_id == ACME
        retried = botanu.RunContext.create_retry(run)
    with botanu.event(workflow="Late", event_id="T-3"):
        botanu.set_business_context(customer_id="acme", team="desk")
        trace.get_tracer("library").start_span("child").end()
    created = botanu.RunContext.create("Made", customer_id="acme")
    assert retried.customer_id == created.customer_id == ACME
    done = spans.get_finished_spans()
    assert {span.attributes.get("botanu.customer_id", ACME) for span in done} == {ACME}
    assert all("acme" not in repr((span.name, dict(span.attributes), span.events)) for span in done)


def test_outside_a_run_too(spans):
    """`set_business_context` on a span of somebody else's."""
    with trace.get_tracer("library").start_as_current_span("plain"):
        botanu.set_business_context(customer_id="acme")
    assert spans.get_finished_spans()[0].attributes["botanu.customer_id"] == ACME


def test_the_wire_has_the_pseudonym_only(sdk, monkeypatch):
    """With `enable()`, as it is used."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    sdk()
    botanu.enable(instrument="none", customer_id_form="hashed", customer_id_key=KEY)
    with botanu.event(workflow="W", customer_id="acme"):
        call = trace.get_tracer("http").start_span(
            "GET", kind=SpanKind.CLIENT, attributes={"url.full": "http://desk:8000/"}
        )
        from opentelemetry import propagate

        headers = {}
        with trace.use_span(call, end_on_exit=True):
            propagate.inject(headers)
    assert decode([headers["baggage"]])["botanu.customer_id"] == ACME


def test_a_plain_id_that_arrives_goes_no_further():
    """From a service that is not set up yet; a pseudonym stays as it came."""
    line = "botanu.run_id=0190a000-0000-7000-8000-000000000001,botanu.customer_id="
    assert accept(from_mapping({"baggage": line + "acme"})).customer_id == ACME
    assert accept(from_mapping({"baggage": line + ACME})).customer_id == ACME


def test_log_records_have_the_pseudonym(caplog):
    """Through the filter."""
    caplog.handler.addFilter(botanu.RunIdFilter())
    with botanu.event(workflow="W", customer_id="acme"), caplog.at_level(logging.INFO):
        logging.getLogger("shop").info("hello")
    assert caplog.records[0].customer_id == ACME


def test_without_a_key_no_customer_is_named(spans):
    """Rather than a customer by name, where the environment asks for pseudonyms and has no key for them."""
    settings.activate(Settings(customer_id_form="hashed"))
    with botanu.event(workflow="W", event_id="T", customer_id="acme"):
        pass
    assert "botanu.customer_id" not in spans.get_finished_spans()[0].attributes


def test_a_contract_that_names_the_customer_holds(sdk, monkeypatch, tmp_path):
    """The file has the customer's id, the run its pseudonym; the price is the customer's own."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    contract = tmp_path / "prices.yaml"
    contract.write_text(
        "name: ours\n"
        "rules:\n"
        "  - {provider: openai, model: house-model, per_million: {input: 1, output: 1}}\n"
        "  - {provider: openai, model: house-model, customer: acme, per_million: {input: 2, output: 2}}\n"
    )
    exporter = sdk()
    botanu.enable(instrument="none", customer_id_form="hashed", customer_id_key=KEY, price_contracts=[str(contract)])
    for customer in ("acme", "other"):
        with botanu.event(workflow="W", customer_id=customer), track_llm_call("openai", "house-model") as tracker:
            tracker.set_tokens(input_tokens=1_000_000, output_tokens=0)
    costs = [
        span.attributes["botanu.cost.usd"]
        for span in exporter.get_finished_spans()
        if "botanu.cost.usd" in span.attributes
    ]
    assert costs == [2.0, 1.0]
