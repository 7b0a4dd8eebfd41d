"""What the provider asks for its work: its own price list and its own arithmetic.

Written down by hand and independent of Botanu, so that the comparison at the end of the demonstration means something:
nothing here comes from `genai-prices`, nor from Botanu's price book or its contracts. The rates are those that the
providers publish (openai.com/api/pricing, claude.com/pricing), taken from LiteLLM's list of them as arize-phoenix
20.26 carries it; flex costs half. US dollars for a million tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from demo.invoice import Tokens

__all__ = ["AGREED", "KEY_OF_ACCOUNT", "account_of", "charge"]

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars for a million tokens; reasoning is output, and costs what output costs."""

    input: Decimal
    cached: Decimal
    cache_write: Decimal
    output: Decimal


def _rates(input: str, cached: str, cache_write: str, output: str) -> Rates:
    return Rates(Decimal(input), Decimal(cached), Decimal(cache_write), Decimal(output))


# OpenAI bills no cache writes for these models; vectors have no output.
_LIST: Mapping[tuple[str, str], Rates] = {
    ("gpt-5-mini", "default"): _rates("0.25", "0.025", "0", "2.00"),
    ("gpt-5-mini", "flex"): _rates("0.125", "0.0125", "0", "1.00"),
    ("text-embedding-3-small", "default"): _rates("0.02", "0.02", "0", "0"),
    ("claude-sonnet-5", "default"): _rates("2.00", "0.20", "2.50", "10.00"),
    ("claude-sonnet-4-5", "default"): _rates("3.00", "0.30", "3.75", "15.00"),
}
_LONG: Mapping[str, tuple[int, Rates]] = {
    # Above so many tokens of input the whole request costs more.
    "claude-sonnet-4-5": (200_000, _rates("6.00", "0.60", "7.50", "22.50")),
}

AGREED: Mapping[str, Decimal] = {"corvid": Decimal("0.15")}
"""What an account has been promised off the list."""

KEY_OF_ACCOUNT = "key-of-"
"""How the API key of an account begins."""


def account_of(api_key: str) -> str:
    """Who pays for what comes with this key."""
    return api_key.removeprefix(KEY_OF_ACCOUNT) if api_key.startswith(KEY_OF_ACCOUNT) else ""


def charge(model: str, service_tier: str, tokens: Tokens, account: str) -> tuple[Decimal, Decimal] | None:
    """What a call costs.

    Args:
        model: The model that answered.
        service_tier: ``default`` or ``flex``.
        tokens: What was used.
        account: Who pays.

    Returns:
        US dollars by the list, and what is due of them; `None` for what is not on the list.
    """
    rates = _LIST.get((model, service_tier))
    if rates is None:
        return None
    above, dearer = _LONG.get(model, (tokens.input, rates))
    if tokens.input > above:
        rates = dearer
    plain = tokens.input - tokens.cached - tokens.cache_write
    micro_usd = (
        plain * rates.input
        + tokens.cached * rates.cached
        + tokens.cache_write * rates.cache_write
        + tokens.output * rates.output
    )
    listed = micro_usd / _MILLION
    return listed, listed - listed * AGREED.get(account, Decimal(0))
