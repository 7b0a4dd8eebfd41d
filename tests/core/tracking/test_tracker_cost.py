"""What a model call costs, on its span."""

from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price

import botanu
from botanu.tracking.llm import track_llm_call

CONTRACT = """
name: acme
rules:
  - provider: openai
    model: gpt-4o
    customer: acme
    per_million: {input: 1.00, output: 2.00}
"""


@pytest.fixture
def enabled(sdk, monkeypatch):
    """Botanu on, above an application's own SDK; returns what its exporter gets."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")

    def switch_on(**fields):
        exporter = sdk()
        botanu.enable(instrument="none", **fields)
        return exporter

    return switch_on


def cost_on(exporter):
    [span] = [span for span in exporter.get_finished_spans() if span.name.startswith("chat")]
    return span.attributes.get("botanu.cost.usd"), span.attributes.get("botanu.cost.source")


def test_a_call_costs_what_the_price_table_says(enabled):
    """The figure is the library's own."""
    exporter = enabled()
    with track_llm_call("openai", "gpt-4o") as call:
        call.set_tokens(input_tokens=1200, output_tokens=300, cached_tokens=200)
    usage = Usage(input_tokens=1200, output_tokens=300, cache_read_tokens=200)
    expected = calc_price(usage, "gpt-4o", provider_id="openai").total_price
    assert cost_on(exporter) == (float(expected), "list")


def test_the_model_that_answered_is_the_one_that_is_paid(enabled):
    """The request asked for an alias; the response names the dearer model behind it."""
    exporter = enabled()
    with track_llm_call("openai", "gpt-4o-mini") as call:
        call.set_tokens(input_tokens=1000, output_tokens=0).set_response_model("gpt-4o-2024-08-06")
    assert cost_on(exporter) == (float(Decimal("0.0025")), "list")


@pytest.mark.parametrize(("customer", "expected"), [("acme", (0.0014, "contract")), ("other", (0.005, "list"))])
def test_a_contract_of_your_own_wins_for_whom_it_names(enabled, tmp_path, customer, expected):
    """The file is named in the configuration; the run says who the customer is."""
    path = tmp_path / "prices.yaml"
    path.write_text(CONTRACT)
    exporter = enabled(price_contracts=[str(path)])
    with botanu.event(workflow="W", customer_id=customer), track_llm_call("openai", "gpt-4o") as call:
        call.set_tokens(input_tokens=1000, output_tokens=200 if customer == "acme" else 250)
    assert cost_on(exporter) == expected


@pytest.mark.parametrize(
    ("provider", "model", "tokens"),
    [("openai", "no-such-model", {"input_tokens": 1, "output_tokens": 1}), ("openai", "gpt-4o", {})],
    ids=["model", "usage"],
)
def test_unknown_is_never_zero(enabled, provider, model, tokens):
    """There is no amount, and the source says that nobody knows."""
    exporter = enabled()
    with track_llm_call(provider, model) as call:
        call.set_tokens(**tokens)
    assert cost_on(exporter) == (None, "none")


def test_a_call_that_failed_unanswered_has_no_cost(enabled):
    """A refused call used nothing: it is neither priced nor unpriced."""
    exporter = enabled()
    with pytest.raises(ConnectionError), track_llm_call("openai", "gpt-4o"):
        raise ConnectionError
    assert cost_on(exporter) == (None, None)


def test_an_answer_from_a_cache_of_your_own_costs_nothing(enabled):
    """The provider was not asked, and the application says so: that is known, and not unknown."""
    exporter = enabled()
    with track_llm_call("openai", "gpt-4o") as call:
        call.set_tokens(input_tokens=1200, output_tokens=300).set_cache_hit()
    assert cost_on(exporter) == (0.0, "contract")


def test_without_enable_nothing_is_priced(spans):
    """The price table is half a second of loading; nobody has asked for it."""
    with track_llm_call("openai", "gpt-4o") as call:
        call.set_tokens(input_tokens=1200, output_tokens=300)
    assert cost_on(spans) == (None, None)


def test_a_contract_with_a_mistake_stops_enable_and_leaves_nothing_behind(enabled, tmp_path):
    """It names file, line and mend; the process is as it was."""
    path = tmp_path / "prices.yaml"
    path.write_text(CONTRACT.replace("customer", "custommer"))
    with pytest.raises(botanu.ConfigError, match=r"prices\.yaml:6.*customer"):
        enabled(price_contracts=[str(path)])
    assert not botanu.doctor().enabled
