"""What is no model call costs what a contract says: tools, databases, storage, messages."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from botanu_core.pricing import Contract, PriceBook, UnitPrice

AT = datetime(2026, 11, 20, tzinfo=UTC)


def book(*units: UnitPrice) -> PriceBook:
    return PriceBook([Contract(name="Acme", units=units)], list_prices=False)


@pytest.mark.parametrize(
    ("prices", "counts", "usd"),
    [
        ({"calls": "0.005"}, {"calls": 1}, "0.005"),
        ({"calls": "0.005"}, {}, "0.005"),  # Nothing said, it is one call.
        ({"calls": "0.40 per 1000000"}, {"calls": 3}, "0.0000012"),
        ({"calls": "0.40 per million"}, {"calls": 3}, "0.0000012"),
        ({"rows_returned": "0.10 per thousand"}, {"rows_returned": 250}, "0.025"),
        ({"bytes_read": "0.09 per GB"}, {"bytes_read": 1_500_000_000}, "0.135"),
        ({"bytes_scanned": "6.25 per TiB"}, {"bytes_scanned": 2**40}, "6.25"),
        ({"bytes_scanned": "6.25 per TiB"}, {"bytes_scanned": 1}, "5.684341886080801486968994140625E-12"),
        ({"seconds": "3.60 per hour"}, {"seconds": 0.5}, "0.0005"),
        ({"seconds": "0.60 per minute"}, {"seconds": Decimal("1.5")}, "0.015"),
        ({"calls": "0.01", "items": "0.001"}, {"calls": 1, "items": 10}, "0.02"),
        ({"calls": 0}, {"calls": 5}, "0"),
        ({"rows": "1"}, {"rows": 0}, "0"),
    ],
)
def test_what_was_counted_is_multiplied_exactly(prices, counts, usd):
    cost = book(UnitPrice(kind="database", prices=prices)).cost_of_units("database", "warehouse", counts, at=AT)
    assert cost.usd == Decimal(usd)
    assert cost.source == "contract"
    if len(cost.lines) == 1:
        assert cost.lines[0].usd == cost.usd


def test_a_price_by_the_hour_is_rounded_only_where_it_has_no_last_digit():
    cost = book(UnitPrice(kind="tool", prices={"seconds": "1 per hour"})).cost_of_units("tool", "t", {"seconds": 1})
    assert cost.usd == Decimal("0.0002777777777777777777777777778")


@pytest.mark.parametrize("wrong", [None, -1, float("nan"), "12", True, 1e30])
def test_what_has_a_price_and_was_not_counted_is_unknown_and_not_zero(wrong):
    prices = book(UnitPrice(kind="database", prices={"calls": 1, "bytes_scanned": 1}))
    cost = prices.cost_of_units("database", "bigquery", {"calls": 1, "bytes_scanned": wrong}, at=AT)
    assert cost.usd is None
    assert cost.source == "none"
    assert cost.lines == ()


def test_what_no_contract_speaks_of_has_no_price_and_is_no_unpriced_call():
    assert PriceBook(list_prices=False).cost_of_units("tool", "search", {"calls": 1}) is None
    assert book(UnitPrice(kind="tool", name="a", prices={"calls": 1})).cost_of_units("tool", "b", {"calls": 1}) is None
    assert book(UnitPrice(kind="tool", prices={"calls": 1})).cost_of_units("storage", "b", {"calls": 1}) is None


@pytest.mark.parametrize(
    ("name", "customer", "usd"),
    [
        ("s3/PUT", None, 5),
        ("s3/GET", None, 4),
        ("S3/get", None, 4),
        ("s3", None, 4),
        ("gcs/GET", None, 3),
        ("azure-blob", None, 2),
        ("minio", None, 1),
        ("minio", "acme", 6),
        ("minio", "other", 1),
    ],
)
def test_the_most_exact_row_holds(name, customer, usd):
    rows = [
        UnitPrice(kind="storage", prices={"calls": 1}),
        UnitPrice(kind="storage", name="azure*", prices={"calls": 2}),
        UnitPrice(kind="storage", name="gc?/GET", prices={"calls": 3}),
        UnitPrice(kind="storage", name="s3", prices={"calls": 4}),
        UnitPrice(kind="storage", name="s3/PUT", prices={"calls": 5}),
        UnitPrice(kind="storage", customer="acme", prices={"calls": 6}),
    ]
    assert book(*rows).cost_of_units("storage", name, {}, at=AT, customer=customer).usd == usd
    assert book(*reversed(rows)).cost_of_units("storage", name, {}, at=AT, customer=customer).usd == usd


def test_a_row_holds_for_its_days():
    prices = book(
        UnitPrice(kind="messaging", prices={"messages": 1}, until=date(2026, 11, 19)),
        UnitPrice(kind="messaging", prices={"messages": 2}, starts=date(2026, 11, 20)),
    )
    days = [datetime(2026, 11, day, tzinfo=UTC).timestamp() for day in (19, 20)]
    assert [prices.cost_of_units("messaging", "sqs", {"messages": 1}, at=day).usd for day in days] == [1, 2]
    assert prices.cost_of_units("messaging", "sqs", {"messages": 1}, at=AT).price_id == "Acme units[1]"
