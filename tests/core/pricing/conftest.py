"""One price book for all tests: the table takes half a second to load."""

import pytest

from botanu_core.pricing import PriceBook


@pytest.fixture(scope="session")
def book() -> PriceBook:
    """List prices and no contract."""
    return PriceBook().warm()
