"""Prices: the table and your contracts over it."""

from botanu_core.model.reported import read_reported as read_reported
from botanu_core.model.usage import Usage as Usage
from botanu_core.pricing import Alias as Alias
from botanu_core.pricing import Contract as Contract
from botanu_core.pricing import Cost as Cost
from botanu_core.pricing import PriceBook as PriceBook
from botanu_core.pricing import Rule as Rule
from botanu_core.pricing import UnitPrice as UnitPrice
from botanu_core.pricing import load_contract as load_contract
from botanu_core.pricing import load_contracts as load_contracts

__all__ = [
    "Alias",
    "Contract",
    "Cost",
    "PriceBook",
    "Rule",
    "UnitPrice",
    "Usage",
    "load_contract",
    "load_contracts",
    "read_reported",
]
