"""A contract with a mistake, from the file to `enable()`: it names file, line and mend, and nothing is half on."""

import pytest
from opentelemetry import _logs, metrics, propagate, trace

import botanu
from botanu.tracking.llm import track_llm_call
from botanu_core.pricing import Contract, Rule
from tests.core.ledger.prices import CONTRACT

GOOD = """
name: good
rules:
  - provider: openai
    model: gpt-4o
    per_million: {input: 1.00, output: 2.00}
"""
MISTAKES = {
    "an unknown key": (GOOD.replace("model:", "modell:"), 5, "did you mean 'model'?"),
    "a negative price": (GOOD.replace("1.00", "-1.00"), 6, "0 or more"),
    "a price that is no decimal number": (GOOD.replace("1.00", "'1,00'"), 6, "got '1,00'"),
    "rows that overlap": (GOOD + "  - {provider: openai, model: gpt-4o, discount: 5%}\n", 7, "neither is more exact"),
    "a range that ends before it starts": (
        GOOD + "    from: 2026-02-01\n    until: 2026-01-31\n",
        8,
        "swap them",
    ),
    "an unknown currency": (GOOD + "currency: EUR\n", 7, "must be USD, got 'EUR'"),
}


def standing() -> tuple[object, ...]:
    """What `enable()` puts into a process."""
    return (
        trace._TRACER_PROVIDER,
        metrics._internal._METER_PROVIDER,
        _logs._internal._LOGGER_PROVIDER,
        propagate.get_global_textmap(),
    )


@pytest.fixture
def nothing_left(receiver):
    """After a refusal: off, as before, and a later call is priced by nobody."""
    before = standing()
    yield
    assert standing() == before
    assert not botanu.doctor().enabled
    with botanu.event(workflow="W") as run, track_llm_call("openai", "gpt-4o") as call:
        call.set_tokens(1000, 1000)
    assert botanu.explain(run).totals.llm_calls == 0
    assert receiver.requests == 0


@pytest.mark.parametrize("named_by", ["code", "environment", "file"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_enable_refuses_it_wherever_it_is_named(mistake, named_by, tmp_path, monkeypatch, receiver, nothing_left):
    """The other contract, which has none, is not taken either."""
    text, line, says = MISTAKES[mistake]
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GOOD.replace("gpt-4o", "gpt-5"))
    bad.write_text(text)
    fields = {"otlp_endpoint": receiver.endpoint, "instrument": "none"}
    if named_by == "code":
        fields["price_contracts"] = [str(good), str(bad)]
    elif named_by == "environment":
        monkeypatch.setenv("BOTANU_PRICE_CONTRACTS", f"{good},{bad}")
    else:
        settings = tmp_path / "botanu.yaml"
        settings.write_text(f"price_contracts: [{good}, {bad}]\n")
        monkeypatch.setenv("BOTANU_CONFIG_FILE", str(settings))
    with pytest.raises(botanu.ConfigError) as caught:
        botanu.enable(**fields)
    assert str(caught.value).startswith(f"{bad}:{line}: ")
    assert says in str(caught.value)


def test_contracts_that_leave_open_which_of_them_holds_are_refused(receiver, nothing_left):
    twice = [CONTRACT, Contract(name="again", rules=(Rule(provider="openai", model="priced", discount="1%"),))]
    with pytest.raises(botanu.ConfigError, match="neither is more exact"):
        botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none", price_contracts=twice)


def test_a_file_that_is_not_there_is_refused(tmp_path, receiver, nothing_left):
    with pytest.raises(botanu.ConfigError, match=r"none\.yaml: cannot be read"):
        botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none", price_contracts=[str(tmp_path / "none.yaml")])


def test_after_a_refusal_the_mended_contract_holds(tmp_path, desk):
    """The process is none the worse for the first try."""
    path = tmp_path / "prices.yaml"
    path.write_text(MISTAKES["a negative price"][0])
    with pytest.raises(botanu.ConfigError):
        botanu.enable(instrument="none", price_contracts=[str(path)])
    path.write_text(GOOD)
    here = desk(price_contracts=[str(path)])
    with track_llm_call("openai", "gpt-4o") as call:
        call.set_tokens(1000, 1000)
    [entry] = here.entries()
    assert entry.attributes["botanu.price.id"].startswith("good")
