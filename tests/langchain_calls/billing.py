"""What a provider's invoice comes to, by the price list."""

from collections.abc import Iterable
from decimal import Decimal

from botanu_core.model.usage import Usage
from botanu_core.pricing import PriceBook
from demo.invoice import Bill

__all__ = ["owed"]


def owed(bills: Iterable[Bill]) -> Decimal:
    """Exact dollars of all that is on the invoice."""
    book, total = PriceBook(), Decimal(0)
    for bill in bills:
        usage = Usage(
            input_tokens=bill.input_tokens,
            output_tokens=bill.output_tokens,
            cache_read_tokens=bill.cached_tokens,
            cache_write_tokens=bill.cache_write_tokens,
        )
        usd = book.price(usage, bill.provider, bill.model).usd
        assert usd is not None
        total += usd
    return total
