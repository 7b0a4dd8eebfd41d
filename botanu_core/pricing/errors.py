"""What the pricing room raises. In flight `PriceBook.price` catches it: an unknown price is a `Cost` without dollars.

BotanuError
└── PricingError      no price can be told
    ├── UnpricedModel     nobody knows the model's price; raised by a strict `PriceBook`
    └── UnpricedUsage     something was used for which the model's row has no rate
        └── UnknownUsage      how much was used is not known
"""

from botanu_core.errors import BotanuError

__all__ = ["PricingError", "UnknownUsage", "UnpricedModel", "UnpricedUsage"]


class PricingError(BotanuError, LookupError):
    """No price can be told, which is not the same as a price of zero."""


class UnpricedModel(PricingError):
    """Neither a contract nor the price table knows the model."""


class UnpricedUsage(PricingError):
    """Something was used for which there is no rate."""


class UnknownUsage(UnpricedUsage):
    """How much was used is not known, so neither is its price."""
