"""What a call costs: the user's contracts over the `genai-prices` table, exact, looked up once a day.

Importing this loads no table; `PriceBook.warm` or the first look-up does.
"""

from botanu_core.pricing.book import Context, Models, PriceBook
from botanu_core.pricing.contract import Alias, Contract, Rule, UnitPrice
from botanu_core.pricing.contract_file import load_contract, load_contracts
from botanu_core.pricing.cost import UNPRICED, Cost, Line, Source
from botanu_core.pricing.errors import PricingError, UnknownUsage, UnpricedModel, UnpricedUsage
from botanu_core.pricing.rates import Rate, Rates, Tier

__all__ = [
    "UNPRICED",
    "Alias",
    "Context",
    "Contract",
    "Cost",
    "Line",
    "Models",
    "PriceBook",
    "PricingError",
    "Rate",
    "Rates",
    "Rule",
    "Source",
    "Tier",
    "UnitPrice",
    "UnknownUsage",
    "UnpricedModel",
    "UnpricedUsage",
    "load_contract",
    "load_contracts",
]
