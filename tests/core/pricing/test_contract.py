"""A contract over the list: own rates, percentages, aliases, for whom and how long, and which rule holds."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from botanu_core.errors import ConfigError
from botanu_core.model.usage import Units, Usage
from botanu_core.pricing import Alias, Contract, PriceBook, Rule, load_contract, load_contracts

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
USAGE = Usage(input_tokens=1_000_000, output_tokens=100_000)
# openai/gpt-4o: $2.50 input, $10 output, $1.25 cached input for a million; $10 for a thousand web searches.
LIST = Decimal("3.50")


def book(*rules: Rule, aliases: tuple[Alias, ...] = (), **how: object) -> PriceBook:
    return PriceBook([Contract(name="Acme", rules=rules, aliases=aliases, **how)])


def dollars(book: PriceBook, provider: str = "openai", model: object = "gpt-4o", **how: object) -> Decimal | None:
    return book.price(USAGE, provider, model, **{"at": AT, **how}).usd


def test_own_rates_hold_and_a_kind_that_is_not_named_keeps_its_list_price():
    prices = book(Rule(provider="openai", model="gpt-4o", per_million={"input": "2.00"}))
    assert dollars(prices) == Decimal("2.00") + Decimal("1.00")
    cost = prices.price(USAGE, "openai", "gpt-4o", at=AT)
    assert cost.source == "contract"
    assert cost.price_id.startswith("Acme rules[0] over genai-prices/")


@pytest.mark.parametrize(
    ("percentages", "factor"),
    [
        ({"discount": "15%"}, "0.85"),
        ({"markup": "5%"}, "1.05"),
        ({"discount": "15%", "markup": "5%"}, "0.8925"),
        ({"discount": "12.5 %"}, "0.875"),
        ({"discount": "100%"}, "0"),
        ({"discount": "0%"}, "1"),
    ],
)
def test_a_percentage_changes_every_list_price_exactly(percentages, factor):
    prices = book(Rule(provider="openai", **percentages))
    assert dollars(prices) == LIST * Decimal(factor)
    searched = Usage(input_tokens=0, output_tokens=0, units=Units(web_searches=3))
    assert prices.price(searched, "openai", "gpt-4o", at=AT).usd == Decimal("0.03") * Decimal(factor)
    assert prices.rates("openai", "gpt-4o", at=AT).factor == Decimal(factor)


def test_own_rates_are_not_discounted_and_the_rest_is():
    prices = book(Rule(provider="openai", model="gpt-4o", per_million={"input": 2}, discount="50%"))
    assert dollars(prices) == Decimal(2) + Decimal("0.50")


def test_a_discount_holds_for_every_tier():
    """gemini-2.5-pro: $1.25 and $10 up to 200,000 tokens of input, then $2.50 and $15."""
    prices = book(Rule(provider="gemini", discount="10%"))
    large = Usage(input_tokens=200_001, output_tokens=1000)
    expected = (200_001 * Decimal("2.50") + 1000 * 15) / 1_000_000 * Decimal("0.9")
    assert prices.price(large, "gemini", "gemini-2.5-pro", at=AT).usd == expected


def test_own_rates_may_have_tiers():
    tiered = {"usd": "1.25", "above": {100_000: "2.50", 500_000: "5"}}
    prices = book(Rule(provider="self", model="m", per_million={"input": tiered, "output": 0}))
    costs = [
        prices.price(Usage(input_tokens=size, output_tokens=1), "self", "m", at=AT).usd
        for size in (100_000, 100_001, 500_001)
    ]
    assert costs == [Decimal("0.125"), Decimal("0.2500025"), Decimal("2.500005")]


def test_a_model_that_the_list_does_not_know_gets_a_price():
    prices = book(Rule(provider="ollama", model="llama3*", per_million={"input": "0.05", "output": "0.10"}))
    assert dollars(prices, "ollama", "llama3.3") == Decimal("0.06")
    assert dollars(prices, "ollama", "qwen") is None


@pytest.mark.parametrize("models", ["", (), (None, None)])
def test_a_call_that_names_no_model_has_the_price_of_its_provider(models):
    prices = book(Rule(provider="self", per_million={"input": 1, "output": 2}), Rule(model="m*", discount="1%"))
    assert dollars(prices, "self", models) == Decimal("1.2")
    assert dollars(prices, "openai", models) is None


def test_a_percentage_of_an_unknown_price_is_unknown():
    assert dollars(book(Rule(discount="10%")), "ollama", "llama3") is None


def test_units_of_a_call_have_own_prices():
    prices = book(Rule(provider="groq", per_unit={"audio_seconds": "0.36 per hour", "web_searches": "0.01"}))
    heard = Usage(units=Units(audio_seconds=Decimal("12.5")))
    assert prices.price(heard, "groq", "our-own-whisper", at=AT).usd == Decimal("0.00125")


def test_rates_of_cached_tokens_and_reasoning():
    own = {"input": 4, "cache_read": "0.4", "cache_write": 5, "cache_write_1h": 8, "output": 20, "reasoning": 10}
    prices = book(Rule(provider="self", per_million=own))
    used = Usage(
        input_tokens=1000,
        output_tokens=500,
        cache_read_tokens=400,
        cache_write_tokens=300,
        cache_write_1h_tokens=100,
        reasoning_tokens=200,
    )
    million = 300 * 4 + 400 * Decimal("0.4") + 200 * 5 + 100 * 8 + 300 * 20 + 200 * 10
    assert prices.price(used, "self", "any", at=AT).usd == million / 1_000_000


def test_cached_audio_without_a_rate_costs_what_is_cached():
    prices = book(Rule(provider="self", per_million={"input": 1, "cache_read": "0.1", "input_audio": 10, "output": 0}))
    used = Usage(
        input_tokens=1000,
        output_tokens=0,
        cache_read_tokens=500,
        input_audio_tokens=400,
        cache_audio_read_tokens=300,
    )
    cost = prices.price(used, "self", "m", at=AT)
    # 400 plain, 200 cached, 100 audio, 300 cached audio.
    assert cost.usd == (400 + 200 * Decimal("0.1") + 100 * 10 + 300 * Decimal("0.1")) / 1_000_000
    assert sum(line.count for line in cost.lines) == 1000


RULES = {
    "all": Rule(discount="1%"),
    "provider": Rule(provider="OpenAI", discount="2%"),
    "wide": Rule(provider="openai", model="gpt-*", discount="3%"),
    "narrow": Rule(provider="openai", model="gpt-4o*", discount="4%"),
    "exact": Rule(provider="openai", model="GPT-4o", discount="5%"),
    "batch": Rule(provider="openai", model="gpt-4o", when={"processing": "batch"}, discount="6%"),
    "customer": Rule(customer="acme", discount="7%"),
    "customer's": Rule(customer="acme", provider="openai", discount="8%"),
}


@pytest.mark.parametrize(
    ("call", "holds"),
    [
        ({"provider": "cohere", "model": "command-a"}, "all"),
        ({"model": "o3"}, "provider"),
        ({"model": "gpt-5"}, "wide"),
        ({"model": "gpt-4o-mini"}, "narrow"),
        ({"model": "gpt-4o"}, "exact"),
        ({"model": "gpt-4o", "context": (("processing", "batch"),)}, "batch"),
        ({"model": "gpt-4o", "context": (("processing", "other"),)}, "exact"),
        ({"model": "gpt-4o", "customer": "acme"}, "customer's"),
        ({"model": "gpt-4o", "customer": "other"}, "exact"),
        ({"provider": "cohere", "model": "command-a", "customer": "acme"}, "customer"),
    ],
)
def test_the_most_exact_rule_holds_in_whatever_order_they_stand(call, holds):
    asked = {"provider": "openai", "at": AT, **call}
    asked["models"] = asked.pop("model")
    for rules in (tuple(RULES.values()), tuple(reversed(RULES.values()))):
        assert book(*rules).rates(**asked).factor == RULES[holds].factor


def test_a_rule_holds_from_its_first_day_to_its_last_in_utc():
    prices = book(
        Rule(provider="openai", discount="10%", starts=date(2026, 7, 1), until=date(2026, 7, 31)),
        Rule(provider="openai", discount="20%", starts=date(2026, 8, 1)),
    )
    found = {
        text: dollars(prices, at=datetime.fromisoformat(text))
        for text in (
            "2026-06-30T23:59:59+00:00",
            "2026-07-01T00:00:00+00:00",
            "2026-07-31T23:59:59+00:00",
            "2026-08-01T01:00:00+02:00",
            "2026-08-01T00:00:00+00:00",
        )
    }
    assert list(found.values()) == [LIST * Decimal(each) for each in ("1", "0.9", "0.9", "0.9", "0.8")]


def test_a_rule_holds_no_longer_than_its_contract():
    prices = book(Rule(provider="openai", discount="10%"), starts=date(2026, 7, 1), until=date(2026, 7, 31))
    assert dollars(prices, at=datetime(2026, 7, 15, tzinfo=UTC)) == LIST * Decimal("0.9")
    assert dollars(prices, at=datetime(2026, 8, 1, tzinfo=UTC)) == LIST


def test_a_deployment_s_alias_is_the_model_it_stands_for():
    prices = book(aliases=(Alias(provider="azure", model="prod-*", target="openai/gpt-4o"),))
    assert dollars(prices, "azure", "prod-chat") == LIST
    assert dollars(prices, "azure", "test-chat") is None
    assert prices.price(USAGE, "azure", "prod-chat", at=AT).source == "list"


def test_an_alias_may_name_a_provider_only():
    prices = book(aliases=(Alias(provider="my-gateway", target="openai/*"),))
    assert dollars(prices, "my-gateway", "gpt-4o") == LIST
    assert dollars(prices, "another-gateway", "gpt-4o") is None


def test_rules_hold_for_an_alias_under_either_name():
    alias = Alias(provider="azure", model="prod-chat", target="openai/gpt-4o")
    by_target = book(Rule(provider="openai", model="gpt-4o", discount="10%"), aliases=(alias,))
    by_name = book(Rule(provider="azure", model="prod-chat", discount="20%"), aliases=(alias,))
    assert dollars(by_target, "azure", "prod-chat") == LIST * Decimal("0.9")
    assert dollars(by_name, "azure", "prod-chat") == LIST * Decimal("0.8")


def test_the_response_s_model_has_the_price_and_a_rule_may_name_the_requested_one():
    names = ("gpt-4o-mini-2024-07-18", "gpt-4o")
    mini = Decimal("0.15") + Decimal("0.06")
    assert dollars(book(), model=names) == mini
    prices = book(Rule(provider="openai", model="gpt-4o", discount="50%"))
    assert dollars(prices, model=names) == mini / 2


def test_several_contracts_hold_together_and_the_more_exact_one_wins():
    prices = PriceBook(
        [
            Contract(name="Everybody", rules=[Rule(provider="openai", discount="10%")]),
            Contract(name="Acme", rules=[Rule(provider="openai", customer="acme", markup="10%")]),
        ]
    )
    assert dollars(prices, customer="acme") == LIST * Decimal("1.1")
    assert dollars(prices, customer="umbrella") == LIST * Decimal("0.9")
    assert prices.price(USAGE, "openai", "gpt-4o", customer="acme", at=AT).price_id.startswith("Acme rules[0] over ")


@pytest.mark.parametrize(
    ("one", "other", "is_tie"),
    [
        ({"provider": "openai"}, {"provider": "openai"}, True),
        ({"provider": "openai"}, {"provider": "OpenAI"}, True),
        ({"provider": "vertex"}, {"provider": "gcp.vertex_ai"}, True),
        ({"provider": "openai"}, {"provider": "azure"}, False),
        ({"model": "gpt-4o"}, {"model": "GPT-4o"}, True),
        ({"model": "gpt-4o"}, {"model": "gpt-5"}, False),
        ({"model": "gpt-4o"}, {"model": "gpt-4*"}, False),
        ({"model": "gpt-*"}, {"model": "gpt-4*"}, False),
        ({"model": "gpt-*"}, {"model": "*-mini"}, True),
        ({"model": "gpt-*"}, {"model": "o?"}, False),
        ({"model": "gpt-4?"}, {"model": "gpt-4*"}, False),
        ({"model": "a*b"}, {"model": "a**b"}, True),
        ({"model": "*"}, {}, True),
        ({"customer": "a"}, {"customer": "a"}, True),
        ({"customer": "a"}, {"customer": "b"}, False),
        ({"customer": "a"}, {"provider": "openai"}, False),
        ({"until": date(2026, 6, 30)}, {"starts": date(2026, 7, 1)}, False),
        ({"until": date(2026, 7, 1)}, {"starts": date(2026, 7, 1)}, True),
        ({"when": {"processing": "batch"}}, {"when": {"processing": "live"}}, False),
        ({"when": {"processing": "batch"}}, {"when": {"service_tier": "flex"}}, True),
        ({"when": {"processing": "batch"}}, {}, False),
    ],
)
def test_two_rules_of_which_neither_is_more_exact_are_refused(one, other, is_tie):
    rules = [Rule(discount="1%", **one), Rule(discount="2%", **other)]
    made = [lambda: Contract(name="Acme", rules=rules)]
    made.append(lambda: PriceBook([Contract(name=f"{n}", rules=[rule]) for n, rule in enumerate(rules)]))
    for make in made:
        if is_tie:
            with pytest.raises(ConfigError, match=r"rules\[.\]: holds for calls that .* holds for too"):
                make()
        else:
            make()


def test_aliases_that_contradict_each_other_are_refused():
    aliases = [Alias(provider="azure", model="chat", target=f"openai/{model}") for model in ("gpt-4o", "gpt-5")]
    with pytest.raises(ConfigError, match="neither is more exact"):
        Contract(name="Acme", aliases=aliases)


YAML = """\
name: Acme 2026
currency: USD
from: 2026-01-01
until: 2026-12-31
aliases:
  - provider: azure
    model: prod-chat
    is: openai/gpt-4o
rules:
  - provider: openai
    discount: 15%
  - provider: anthropic
    model: claude-sonnet-4-5*
    customer: acme
    until: 2026-11-30
    per_million:
      input: 2.40
      cache_read: 0.2400000000000000000001
      output: {usd: 12, above: {200000: 18.00}}
    per_unit:
      web_searches: 9.50 per 1000
units:
  - kind: tool
    name: web_search
    prices: {calls: 0.005}
"""


def test_a_file_says_the_same_as_objects_and_its_numbers_are_exact(tmp_path: Path):
    path = tmp_path / "acme.yaml"
    path.write_text(YAML)
    contract = load_contract(path)
    assert contract == load_contracts(str(path))[0]
    assert contract.name == "Acme 2026"
    prices = PriceBook([contract])
    assert dollars(prices) == LIST * Decimal("0.85")
    assert dollars(prices, "azure", "prod-chat") == LIST * Decimal("0.85")
    used = Usage(input_tokens=250_000, output_tokens=10, cache_read_tokens=1, units=Units(web_searches=2))
    cost = prices.price(used, "anthropic", "claude-sonnet-4-5-20250929", customer="acme", at=AT)
    million = 249_999 * Decimal("2.40") + Decimal("0.2400000000000000000001") + 10 * 18
    assert cost.usd == million / 1_000_000 + Decimal("0.019")
    assert prices.cost_of_units("tool", "web_search", {"calls": 3}, at=AT).usd == Decimal("0.015")


def test_contracts_of_several_files_that_contradict_each_other_are_refused(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nrules:\n  - provider: openai\n    discount: 1%\n")
    with pytest.raises(ConfigError, match=r"b\.yaml:3: holds for calls that .*a\.yaml:3 holds for too"):
        load_contracts(tmp_path / "a.yaml", tmp_path / "b.yaml")
