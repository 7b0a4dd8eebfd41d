"""`PriceBook`: found once and remembered, for the right day and customer; unknown is never zero."""

import decimal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from botanu_core import errors
from botanu_core.model.usage import Units, Usage
from botanu_core.pricing import (
    UNPRICED,
    Contract,
    PriceBook,
    PricingError,
    Rate,
    Rates,
    Rule,
    UnknownUsage,
    UnpricedModel,
    UnpricedUsage,
)

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
USAGE = Usage(input_tokens=1000, output_tokens=500)
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("provider", "model", "row"),
    [
        # Dated and compact.
        ("openai", "gpt-5-2025-08-07", "openai/gpt-5"),
        ("openai", "gpt-5.2-20251211", "openai/gpt-5.2"),
        ("anthropic", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"),
        ("OpenAI", "GPT-4o", "openai/gpt-4o"),
        # Providers in all their spellings.
        ("azure.openai", "gpt-4.1-2025-04-14", "openai/gpt-4.1"),
        ("azure.ai.openai", "gpt-35-turbo", "openai/gpt-3.5-turbo"),
        ("gcp.gemini", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("mistral_ai", "mistral-large-latest", "mistral/mistral-large"),
        ("x_ai", "grok-4", "x-ai/grok-4-0709"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "together/meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("openrouter", "anthropic/claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5"),
        # Bedrock: a profile of a region costs more than the global one.
        ("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", f"aws/regional.{HAIKU}"),
        ("bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0", f"aws/global.{HAIKU}"),
        ("aws.bedrock", "us.amazon.nova-pro-v1:0", "aws/amazon.nova-pro-v1:0"),
        (
            "aws.bedrock",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        ("aws.bedrock", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "aws/amazon.nova-pro-v1:0"),
        # Vertex.
        ("vertex_ai", "publishers/google/models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("gemini", "models/gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("vertex_ai", "projects/p/locations/l/publishers/google/models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("vertex_ai", "claude-sonnet-4@20250514", "google/claude-4-sonnet"),
        # Fine-tunes have rows of their own.
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc123", "openai/ft:gpt-4o-mini"),
        # LiteLLM writes the provider before the model.
        ("litellm", "openai/gpt-4o", "openai/gpt-4o"),
        ("openai", "openai/gpt-4o", "openai/gpt-4o"),
        ("bedrock", "bedrock/us.amazon.nova-pro-v1:0", "aws/amazon.nova-pro-v1:0"),
    ],
)  # fmt: skip
def test_a_model_is_found_under_the_names_that_responses_and_requests_have_for_it(book, provider, model, row):
    assert book.rates(provider, model, at=AT).price_id.partition(":")[2] == f"{row}@2026-11-20"


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        # A provider that nobody knows is not guessed from the model's name, nor from a part of its own.
        ("my-gateway", "gpt-4o"),
        ("my-openai-proxy", "gpt-4o"),
        ("unknown", "claude-sonnet-4-5"),
        ("", "gpt-4o"),
        ("litellm", "gpt-4o"),
        ("litellm", "nobody/gpt-4o"),
        # A fine-tune without a row is not its base model.
        ("openai", "ft:gpt-4.1-mini-2025-04-14:acme::abc"),
        ("mistral", "ft:open-mistral-7b:abc:20240101:1"),
        # Nor is what is billed by the hour, or agreed, or says nothing.
        ("bedrock", "arn:aws:bedrock:us-east-1:123:custom-model/amazon.nova-lite-v1:0:300k/abcd"),
        ("bedrock", "arn:aws:bedrock:us-east-1:123:provisioned-model/abcd"),
        ("bedrock", "arn:aws:bedrock:us-east-1:123:application-inference-profile/abcd"),
        ("vertex_ai", "projects/p/locations/l/endpoints/123"),
        ("azure", "prod-chat"),
        ("ollama", "llama3"),
        ("openai", ""),
        ("openai", ()),
        ("openai", (None, "")),
        # A row without prices is not a price of zero.
        ("openai", "omni-moderation-latest"),
    ],
)
def test_what_nobody_knows_the_price_of_has_none(book, provider, model):
    assert book.price(USAGE, provider, model, at=AT) == UNPRICED
    assert UNPRICED.usd is None
    assert UNPRICED.source == "none"


def test_a_model_that_is_free_of_charge_costs_nothing_and_that_is_known(book):
    cost = book.price(USAGE, "openrouter", "deepseek/deepseek-r1:free", at=AT)
    assert (cost.usd, cost.source) == (0, "list")


def test_the_response_s_model_comes_first_and_the_request_s_where_it_says_nothing(book):
    rows = [
        book.rates("openai", names, at=AT).price_id.rpartition("/")[2].partition("@")[0]
        for names in [("gpt-4o-mini", "gpt-4o"), (None, "gpt-4o"), ("my-deployment", "gpt-4o"), "gpt-4o"]
    ]
    assert rows == ["gpt-4o-mini", "gpt-4o", "gpt-4o", "gpt-4o"]


def test_a_model_without_a_price_is_warned_about_once_and_its_name_cannot_write_the_log(book, caplog):
    for _ in range(3):
        book.price(USAGE, "openai", "evil\nmodel\x1b[31m", at=AT)
        book.price(USAGE, "openai", "other", at=AT)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert messages[0].startswith("no price is known for openai/evil?model??31m; its calls count as unpriced")


@pytest.mark.parametrize(
    ("reported", "usd"),
    [(0.0123, "0.0123"), ("0.5", "0.5"), (Decimal("1e-10"), "1e-10"), (0, "0"), (2, "2")],
)
def test_what_the_response_says_it_cost_wins_over_all(book, reported, usd):
    cost = book.price(USAGE, "openrouter", "whatever", at=AT, provider_reported_cost=reported)
    assert (cost.usd, cost.source, cost.price_id, cost.lines) == (Decimal(usd), "provider", "", ())


@pytest.mark.parametrize("reported", [-1, float("nan"), float("inf"), "free", "1e30", True, [], b"1", "NaN", "sNaN"])
def test_a_reported_cost_that_is_no_amount_is_not_used(book, reported, caplog):
    cost = book.price(USAGE, "openai", "gpt-4o", at=AT, provider_reported_cost=reported)
    assert (cost.usd, cost.source) == (Decimal("0.0075"), "list")
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("usage", "model"),
    [
        (Usage(), "gpt-4o"),
        (Usage(input_tokens=100), "gpt-4o"),
        (Usage(output_tokens=100), "gpt-4o"),
        (Usage(cache_read_tokens=100, output_tokens=5), "gpt-4o"),
        (Usage(), "text-embedding-3-small"),
        (Usage(), "whisper-1"),
    ],
)
def test_a_usage_of_which_a_billed_side_is_unknown_has_no_price(book, usage, model):
    assert book.price(usage, "openai", model, at=AT) == UNPRICED
    with pytest.raises(UnknownUsage):
        book.rates("openai", model, at=AT).cost_of(usage)


def test_a_side_that_is_not_billed_may_be_unknown(book):
    """Embeddings have no output, and OpenAI reports none."""
    cost = book.price(Usage(input_tokens=1_000_000), "openai", "text-embedding-3-small", at=AT)
    assert cost.usd == Decimal("0.02")


@pytest.mark.parametrize(
    ("usage", "model"),
    [
        (Usage(input_tokens=10, output_tokens=1), "text-embedding-3-small"),
        (Usage(input_tokens=10, output_tokens=1, units=Units(social_searches=1)), "gpt-4o"),
        (Usage(input_tokens=10, output_tokens=1, units=Units(unheard_of=1)), "gpt-4o"),
        (Usage(input_tokens=10, output_tokens=1, units=Units(web_searches=1)), "gpt-3.5-turbo"),
    ],
)
def test_what_was_used_and_has_no_rate_is_unpriced_and_not_free(book, usage, model, caplog):
    assert book.price(usage, "openai", model, at=AT) == UNPRICED
    assert "has no rate for" in caplog.text
    with pytest.raises(UnpricedUsage, match="has no rate for"):
        book.rates("openai", model, at=AT).cost_of(usage)


def test_a_fee_for_a_request_is_in_the_price_and_has_its_searches_in_it(book):
    """sonar-pro: $3 and $15 for a million tokens, $14 for a thousand requests."""
    used = Usage(input_tokens=1000, output_tokens=100, units=Units(web_searches=4))
    for usage in (used, Usage(input_tokens=1000, output_tokens=100)):
        cost = book.price(usage, "perplexity", "sonar-pro", at=AT)
        assert cost.usd == Decimal("0.003") + Decimal("0.0015") + Decimal("0.014")
        assert sum(line.usd for line in cost.lines) == cost.usd


def test_transcription_is_billed_by_the_second_and_at_groq_for_ten_at_least(book):
    """whisper-large-v3-turbo at Groq: $0.04 an hour."""
    hour = Decimal("0.04") / 3600
    for seconds, billed in ((3, 10), (Decimal("12.5"), Decimal("12.5"))):
        heard = Usage(units=Units(audio_seconds=seconds, input_audio_seconds=seconds))
        assert abs(book.price(heard, "groq", "whisper-large-v3-turbo", at=AT).usd - billed * hour) < Decimal("1e-25")


def test_pages_and_searches_are_billed_by_the_piece(book):
    """mistral-ocr-2505: $1 for a thousand pages."""
    assert book.price(Usage(units=Units(input_document_pages=7)), "mistral", "mistral-ocr-2503", at=AT).usd == Decimal(
        "0.007"
    )


def test_strict_books_raise_what_others_warn_about():
    strict = PriceBook(strict=True)
    with pytest.raises(UnpricedModel, match="no price is known for my-gateway/gpt-4o: add a rule or an alias"):
        strict.price(USAGE, "my-gateway", "gpt-4o", at=AT)
    with pytest.raises(UnpricedUsage):
        strict.price(USAGE, "openai", "text-embedding-3-small", at=AT)
    # Not knowing what was used is nobody's mistake.
    assert strict.price(Usage(), "openai", "gpt-4o", at=AT) == UNPRICED
    assert issubclass(UnpricedModel, PricingError)
    assert issubclass(PricingError, errors.BotanuError)


def test_a_price_is_looked_up_once_a_day_and_misses_too():
    prices = PriceBook()
    first = prices.rates("openai", "gpt-4o", at=AT.timestamp())
    assert prices.rates("openai", "gpt-4o", at=AT.timestamp() + 3600) is first
    assert prices.rates("openai", "gpt-4o", at=AT.timestamp() + 86_400) is not first
    assert prices.rates("openai", "gpt-4o", at=AT, customer="nobody's") is first
    for _ in range(3):
        assert prices.rates("openai", "nope", at=AT) is None
    assert len(prices._found) == 3


def test_customers_share_a_price_unless_a_contract_names_them():
    prices = PriceBook([Contract(name="Acme", rules=[Rule(provider="openai", customer="acme", discount="10%")])])
    for number in range(100):
        prices.rates("openai", "gpt-4o", at=AT, customer=f"customer-{number}")
    assert len(prices._found) == 1
    assert prices.rates("openai", "gpt-4o", at=AT, customer="acme").factor == Decimal("0.9")
    assert len(prices._found) == 2


def test_whoever_invents_model_names_makes_the_book_forget_and_not_grow():
    prices = PriceBook(list_prices=False)
    for number in range(20_000):
        prices.rates("openai", f"model-{number}", at=AT)
    assert len(prices._found) <= 8192


def test_threads_get_the_same_prices():
    prices = PriceBook()
    models = ["gpt-4o", "gpt-5", "o3", "nope", "gpt-4.1", "gpt-5.6-sol"] * 20
    results: list[list[Decimal | None]] = []
    start = threading.Barrier(8)

    def run() -> None:
        start.wait()
        results.append([prices.price(USAGE, "openai", model, at=AT).usd for model in models])

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(result == results[0] for result in results)


def test_the_application_s_decimal_context_does_not_round_money(book):
    used = Usage(input_tokens=123_456_789_123, output_tokens=987_654_321, units=Units(web_searches=7))
    expected = book.price(used, "openai", "gpt-4o", at=AT).usd
    with decimal.localcontext() as context:
        context.prec = 3
        context.traps[decimal.Inexact] = True
        assert book.price(used, "openai", "gpt-4o", at=AT).usd == expected
        discounted = PriceBook([Contract(name="A", rules=[Rule(discount="12.345%")])])
        assert discounted.price(used, "openai", "gpt-4o", at=AT).usd is not None


def test_inconsistent_usage_made_by_hand_costs_what_was_evidently_meant(book):
    """gpt-4o: $2.50, cached $1.25, output $10 for a million."""
    said = Usage(input_tokens=100, output_tokens=10, cache_read_tokens=900)
    meant = Usage(input_tokens=1000, output_tokens=10, cache_read_tokens=900)
    assert book.price(said, "openai", "gpt-4o", at=AT).usd == book.price(meant, "openai", "gpt-4o", at=AT).usd


def test_lines_say_how_a_sum_came_about(book):
    used = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=600, units=Units(web_searches=2))
    lines = book.price(used, "openai", "gpt-4o", at=AT).lines
    assert {(line.kind, line.count, line.rate_usd, line.per, line.usd) for line in lines} == {
        ("input_tokens", 400, Decimal("2.5"), 1_000_000, Decimal("0.001")),
        ("cache_read_tokens", 600, Decimal("1.25"), 1_000_000, Decimal("0.00075")),
        ("output_tokens", 500, Decimal(10), 1_000_000, Decimal("0.005")),
        ("web_searches", 2, Decimal(10), 1000, Decimal("0.02")),
    }


def test_rates_of_a_single_kind_are_rates():
    rates = Rates((Rate("output_tokens", Decimal(1)),), "contract", "x")
    assert rates.cost_of(Usage(output_tokens=3)).usd == Decimal("0.000003")
    with pytest.raises(UnpricedUsage):
        rates.cost_of(Usage(input_tokens=1, output_tokens=3))


def test_importing_the_room_loads_no_table_no_pydantic_and_no_yaml():
    program = (
        "import sys, botanu_core.pricing as p; p.PriceBook(); "
        "print([name for name in ('genai_prices', 'pydantic', 'yaml') if name in sys.modules]); "
        "p.PriceBook().warm(); print('genai_prices' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]
