"""Prices that are easy to add up, for this process and for the children that it starts."""

from decimal import Decimal

from botanu_core.pricing import Contract, Rule, UnitPrice

__all__ = ["CONTRACT", "ONE_CALL"]

ONE_CALL = Decimal("0.003")
"""A thousand tokens in, a thousand out."""

CONTRACT = Contract(
    name="acme",
    rules=(Rule(provider="openai", model="priced", per_million={"input": "1", "output": "2"}),),
    units=(
        UnitPrice(kind="tool", name="search", prices={"calls": "0.01"}),
        UnitPrice(kind="database", name="postgresql", prices={"rows_returned": "0.001"}),
        UnitPrice(kind="storage", name="s3", prices={"bytes_written": "1 per GB"}),
        UnitPrice(kind="messaging", name="sqs", prices={"messages": "0.002"}),
    ),
)
