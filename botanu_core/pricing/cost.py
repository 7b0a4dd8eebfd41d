"""`Cost`: what something cost, exactly, who says so, and how it came about."""

from dataclasses import dataclass
from decimal import Context, Decimal, Inexact
from typing import Any, Final, Literal, NamedTuple, Protocol

__all__ = ["EXACT", "ROUNDED", "UNPRICED", "Cost", "Itemised", "Line", "Source"]

Source = Literal["provider", "contract", "list", "none"]

# Our own contexts: the application may have set its thread's to six digits.
EXACT: Final = Context(prec=200, traps=[Inexact])
"""For sums and products, which are never rounded."""
ROUNDED: Final = Context(prec=28)
"""For a price by the hour, of which a second's share has no last digit."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill: so many of a kind, at so many dollars for `per` of them.

    Attributes:
        kind: What was counted.
        count: How many, each in one line only.
        rate_usd: US dollars for `per` of them, after the contract.
        per: A million for tokens.
        usd: What the line comes to.
    """

    kind: str
    count: int | Decimal
    rate_usd: Decimal
    per: int
    usd: Decimal


class Itemised(Protocol):
    """What can say again how it came to a sum."""

    def lines_of(self, used: Any, /) -> tuple[Line, ...]:
        """The lines of the bill."""


class Cost(NamedTuple):
    """What one call cost. A tuple, being made for every call: a frozen dataclass takes three times as long.

    Attributes:
        usd: US dollars, exact and unrounded; `None` is unknown, which is not 0.
        source: Who says so: the response, the user's contract, the price table, or nobody.
        price_id: Which row of which table or contract.
        rates: What it was priced with.
        used: What was priced.
    """

    usd: Decimal | None
    source: Source
    price_id: str = ""
    rates: Itemised | None = None
    used: Any = None

    def __repr__(self) -> str:
        return f"Cost(usd={self.usd!r}, source={self.source!r}, price_id={self.price_id!r})"

    @property
    def lines(self) -> tuple[Line, ...]:
        """How the sum came about; worked out when asked for. Empty where the provider named the sum, or nobody did."""
        return () if self.rates is None or self.usd is None else self.rates.lines_of(self.used)


UNPRICED: Final = Cost(None, "none")
