"""Our arithmetic is that of `genai-prices`: the same dollars for every row of its table."""

from datetime import UTC, date, datetime
from decimal import Decimal, localcontext

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.data_units import unit_data
from genai_prices.units import _get_registry
from hypothesis import given, settings
from hypothesis import strategies as st

from botanu_core.model.usage import Units, Usage
from botanu_core.pricing import PriceBook, Rates, UnpricedUsage
from botanu_core.pricing.kinds import KINDS, OUR_NAME, parts_of
from botanu_core.pricing.table import Daily, Table

ROWS = [(provider, row) for provider in get_snapshot().providers for row in provider.models]
THEIR_NAME = {ours: theirs for theirs, ours in OUR_NAME.items()}
TABLE = Table()
counts = st.integers(0, 3_000_000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Any usage whose parts add up to their wholes."""
    plain, read, write, hour, audio, cached_audio, image = (draw(st.one_of(st.just(0), counts)) for _ in range(7))
    text, reasoning, spoken, drawn = (draw(st.one_of(st.just(0), counts)) for _ in range(4))
    return Usage(
        input_tokens=plain + read + write + hour + audio + cached_audio + image,
        output_tokens=text + reasoning + spoken + drawn,
        cache_read_tokens=read + cached_audio,
        cache_write_tokens=write + hour,
        cache_write_1h_tokens=hour,
        reasoning_tokens=reasoning,
        input_audio_tokens=audio + cached_audio,
        cache_audio_read_tokens=cached_audio,
        output_audio_tokens=spoken,
        input_image_tokens=image,
        output_image_tokens=drawn,
    )


@st.composite
def units_of(draw: st.DrawFn, rates: Rates) -> Units:
    """Units that a row has a price for; audio in seconds and their fractions, under both of its names."""
    found: dict[str, int | Decimal] = {}
    for rate in rates.rates:
        if "tokens" not in KINDS[rate.kind].marks and rate.kind != "requests":
            found[rate.kind] = draw(st.integers(0, 5000))
    if "input_annotated_document_pages" in found:
        found["input_document_pages"] += found["input_annotated_document_pages"]
    if "audio_seconds" in found:
        found["audio_seconds"] = seconds = draw(st.decimals(0, 7200, places=2))
        if "input_audio_seconds" in found:
            found["input_audio_seconds"] = seconds
    return Units(found)


def theirs(usage: Usage) -> genai_prices.Usage:
    """The same in the library's words. It wants to hear of every kind of token, of which there were none too."""
    named = {THEIR_NAME.get(kind, kind): usage.amount(kind) for kind in KINDS if kind.endswith("_tokens")}
    return genai_prices.Usage(**{**named, **usage.units})


def contexts(row: object) -> list[dict[str, str]]:
    return [{}, *(variant.when for variant in row.price_variants or ())]


def rates_at(provider: object, row: object, moment: datetime, context: dict[str, str]) -> Rates | None:
    found = TABLE.rates(provider, row, moment.date(), context)
    second = moment.hour * 3600 + moment.minute * 60 + moment.second
    return found.at(second) if isinstance(found, Daily) else found


def test_our_kinds_are_those_of_the_library_with_the_same_parts():
    assert {OUR_NAME.get(name, name): (unit["price_key"], unit["per"]) for name, unit in unit_data.items()} == {
        kind.name: (kind.table_key, kind.per) for kind in KINDS.values()
    }
    for name in unit_data:
        wholes = {OUR_NAME.get(whole, whole) for whole in _get_registry().ancestor_usage_keys(name)}
        assert wholes == {kind for kind in KINDS if OUR_NAME.get(name, name) in parts_of(kind, tuple(KINDS))}


@settings(max_examples=1500, deadline=None)
@given(st.data(), st.datetimes(datetime(2024, 1, 1), datetime(2027, 6, 1), timezones=st.just(UTC)), usages())
def test_any_usage_of_any_model_costs_what_the_library_says(data: st.DataObject, moment: datetime, usage: Usage):
    """Tiers, cached, audio, images, reasoning, batches and service tiers, prices that change by the day and hour."""
    provider, row = data.draw(st.sampled_from(ROWS))
    context = data.draw(st.sampled_from(contexts(row)))
    rates = rates_at(provider, row, moment, context)
    if rates is None:
        return
    usage = data.draw(st.just(usage) | units_of(rates).map(lambda units: with_units(usage, units)))
    try:
        cost = rates.cost_of(usage)
    except UnpricedUsage:
        # What has no rate: the library takes it for free.
        bare = [side for side in ("input_tokens", "output_tokens") if side not in {rate.kind for rate in rates.rates}]
        assert any(usage.amount(side) for side in bare) or rates._measures
        return
    expected = row.calc_price(
        theirs(usage), provider, genai_request_timestamp=moment, price_context=context
    ).total_price
    assert abs(cost.usd - expected) < Decimal("1e-20")
    if not usage.units:
        assert cost.usd == expected
    with localcontext(prec=100):
        assert sum((line.usd for line in cost.lines), Decimal(0)) == cost.usd


def with_units(usage: Usage, units: Units) -> Usage:
    return Usage(**{name: getattr(usage, name) for name in Usage._fields if name != "units"}, units=units)


@pytest.mark.parametrize("size", [1_000, 32_001, 100_000, 128_001, 199_999, 200_000, 200_001, 272_001, 600_000])
def test_every_row_in_every_context_costs_what_the_library_says(size: int):
    """At and around every threshold of the table's tiers."""
    usage = Usage(
        input_tokens=size,
        output_tokens=777,
        cache_read_tokens=size // 3,
        cache_write_tokens=size // 5,
        cache_write_1h_tokens=size // 7,
        reasoning_tokens=99,
    )
    moment = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
    compared = 0
    for provider, row in ROWS:
        for context in contexts(row):
            rates = rates_at(provider, row, moment, context)
            if rates is None or rates._bare or rates._measures:
                continue
            expected = row.calc_price(
                theirs(usage), provider, genai_request_timestamp=moment, price_context=context
            ).total_price
            assert rates.cost_of(usage).usd == expected, (provider.id, row.id, context)
            compared += 1
    assert compared > 2000


def test_the_book_finds_the_row_that_the_library_finds(book: PriceBook):
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for provider, row in ROWS:
        name = row.id
        found = provider.find_model(name, all_providers=get_snapshot().providers)
        rates = book.rates(provider.id, name, at=at)
        if found is None or rates is None:
            assert rates is None
        else:
            assert rates.price_id.rpartition("@")[0].endswith(f"/{found.id}"), (provider.id, name)


def test_another_provider_s_row_is_not_priced_by_that_provider_s_conditions(book: PriceBook):
    """As in the library: Azure falls back on OpenAI's row, and OpenAI's flex rates are not Azure's."""
    at = datetime(2026, 11, 20, tzinfo=UTC)
    flex = (("service_tier", "flex"),)
    azure, openai = book.rates("azure", "gpt-5.4", at=at, context=flex), book.rates("openai", "gpt-5.4", at=at)
    assert azure is not None
    assert openai is not None
    assert azure.rates == openai.rates
    assert book.rates("openai", "gpt-5.4", at=at, context=flex).rates != openai.rates


def test_a_price_of_the_night_holds_to_the_second(book: PriceBook):
    """DeepSeek's prices changed at 00:30 and 16:30 UTC."""
    prices = {
        clock: book.rates("deepseek", "deepseek-chat", at=datetime(2026, 11, 20, *clock, tzinfo=UTC))
        for clock in [(0, 29, 59), (0, 30, 0), (16, 29, 59), (16, 30, 0), (23, 59, 59)]
    }
    each = [next(rate.usd for rate in rates.rates if rate.kind == "input_tokens") for rates in prices.values()]
    assert each == [Decimal(text) for text in ("0.135", "0.27", "0.27", "0.135", "0.135")]


def test_the_day_is_utc_s(book: PriceBook):
    """Sol became cheaper on 2026-08-21."""
    before = book.rates("openai", "gpt-5.6-sol", at=datetime.fromisoformat("2026-08-21T01:59:59+02:00"))
    after = book.rates("openai", "gpt-5.6-sol", at=datetime.fromisoformat("2026-08-21T02:00:00+02:00"))
    naive = book.rates("openai", "gpt-5.6-sol", at=datetime(2026, 8, 21))
    usage = Usage(input_tokens=100_000, output_tokens=0)
    dollars = [rates.cost_of(usage).usd for rates in (before, after, naive)]
    assert dollars == [Decimal("0.5"), Decimal("0.4"), Decimal("0.4")]
    assert str(date(2026, 8, 20)) in before.price_id
