"""Golden vectors: a report as recorded goes in; buckets and dollars come out.

Each vector of ``golden/*.json`` names the reporter, the provider and the model, the report, the buckets it holds, and
where the expected dollars come from: the row of the price table, as the provider's price page had it on 2026-11-20, and
the arithmetic. ``context`` is what the report itself says about the price, ``asked`` what only the caller knows.
"""

import ast
import json
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from botanu_core.model.reported import Reporter, read_reported
from botanu_core.pricing import PriceBook

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
FILES = sorted((Path(__file__).parent / "golden").glob("*.json"))
VECTORS = [
    pytest.param(vector, id=f"{path.stem}: {vector['name']}")
    for path in FILES
    for vector in json.loads(path.read_text())
]


def as_object(value: Any) -> Any:
    """The same report as an SDK gives it: attributes in the place of keys."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: as_object(item) for key, item in value.items()})
    return [as_object(item) for item in value] if isinstance(value, list) else value


def worked_out(arithmetic: str) -> Fraction:
    """The value of an arithmetic expression, exactly."""

    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.Constant):
            return Fraction(ast.get_source_segment(arithmetic, node))
        assert isinstance(node, ast.BinOp)
        left, right = value(node.left), value(node.right)
        if isinstance(node.op, ast.Add):
            return left + right
        return left * right if isinstance(node.op, ast.Mult) else left / right

    return value(ast.parse(arithmetic, mode="eval").body)


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize("shape", [lambda report: report, as_object], ids=["dict", "object"])
def test_a_report_comes_out_in_its_buckets_and_costs_what_the_price_row_says(vector, shape, book: PriceBook, caplog):
    said = read_reported(vector["reporter"], shape(vector["report"]), provider=vector["provider"])
    assert said.usage.buckets() == vector["buckets"]
    assert dict(said.usage.units) == vector.get("units", {})
    assert dict(said.context) == vector.get("context", {})
    assert len(caplog.records) == vector.get("warns", False)

    context = (*said.context, *vector.get("asked", {}).items())
    cost = book.price(
        said.usage, vector["provider"], vector["model"], at=AT, context=context, provider_reported_cost=said.cost_usd
    )
    assert cost.source == vector.get("source", "list")
    if vector["usd"] is None:
        assert cost.usd is None
        return
    assert cost.usd == Decimal(vector["usd"])
    assert Fraction(vector["usd"]) == worked_out(vector["arithmetic"])
    if cost.source == "list":
        assert (
            cost.price_id.rpartition("@")[0].partition(":")[2]
            == vector["row"].split(": ")[0].split(",")[0].split(" ")[0]
        )
        # No token stands in two lines.
        tokens = sum(line.count for line in cost.lines if line.kind.endswith("_tokens"))
        assert tokens == (said.usage.input_tokens or 0) + (said.usage.output_tokens or 0)


@pytest.mark.parametrize("reporter", get_args(Reporter))
def test_every_reporter_has_vectors_with_cached_tokens_reasoning_and_tiers(reporter):
    own = [vector for vector in (parameter.values[0] for parameter in VECTORS) if vector["reporter"] == reporter]
    assert any(vector["buckets"].get("cache_read") for vector in own)
    if reporter != "cohere":  # Its reports tell no reasoning, and its prices have no tiers.
        assert any(vector["buckets"].get("reasoning") for vector in own)
        assert any(" above " in vector["row"] for vector in own)


def test_batches_and_service_tiers_have_vectors():
    facts = {
        f"{name}={value}"
        for parameter in VECTORS
        for name, value in {**parameter.values[0].get("context", {}), **parameter.values[0].get("asked", {})}.items()
    }
    assert facts == {"processing=batch", "service_tier=flex", "service_tier=priority", "speed=fast"}
