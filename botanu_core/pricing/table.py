"""The list prices: `genai-prices` and its data, loaded when the first price is asked for, which takes half a second."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version
from typing import Any, Final

from botanu_core.log import warn_once
from botanu_core.pricing.kinds import BY_TABLE_KEY
from botanu_core.pricing.names import model_spellings
from botanu_core.pricing.rates import Rate, Rates, Tier

__all__ = ["Daily", "Table"]

_MAX_ROWS: Final = 4096

# Groq bills ten seconds of each transcription at least; the library has this in its code, not in its data.
_MINIMUM: Final = {("groq", "whisper-large-v3"): 10, ("groq", "whisper-large-v3-turbo"): 10}


@dataclass(frozen=True, slots=True)
class Daily:
    """The rates of one day, for a price that depends on the time of day.

    Attributes:
        begins: Seconds since midnight UTC at which a price begins to hold, ascending, from 0.
        rates: The price from each of them on.
    """

    begins: tuple[int, ...]
    rates: tuple[Rates | None, ...]

    def at(self, second: int) -> Rates | None:
        """The rates that hold in a second of the day."""
        return self.rates[bisect_right(self.begins, second) - 1]


class Table:
    """The rows of `genai-prices`, as they are at the moment of asking: `UpdatePrices` of that library is followed."""

    def __init__(self) -> None:
        from genai_prices import data_snapshot

        self._snapshot = data_snapshot.get_snapshot
        self._version = version("genai-prices")
        # Many names stand for one row: `gpt-4o` and all that is dated.
        self._compiled: dict[Any, Rates | Daily | None] = {}
        self._compiled_from: object = self._snapshot()

    def find(self, provider: str, model: str) -> tuple[Any, Any] | None:
        """The provider and the row of a model, or `None`."""
        providers = self._snapshot().providers
        theirs, names = model_spellings(provider, model)
        seller = next((each for each in providers if each.id == theirs), None)
        if seller is None:
            return None
        # Not the snapshot's own look-up: it remembers every name that was ever asked for.
        for name in names:
            row = seller.find_model(name, all_providers=providers)
            if row is not None:
                return seller, row
        return None

    def rates(self, seller: Any, row: Any, day: date, context: Mapping[str, str]) -> Rates | Daily | None:
        """What a row says for a day; `None` where it is an empty row, which is not a price of zero."""
        snapshot = self._snapshot()
        if snapshot is not self._compiled_from or len(self._compiled) >= _MAX_ROWS:
            self._compiled, self._compiled_from = {}, snapshot
        compiled = self._compiled  # another thread may put a new one in its place
        # As in the library: another provider's row holds the price, not the conditions of its own batches.
        is_own = _has(seller, row)
        said = dict(context) if is_own else {}
        owner = seller if is_own else next((each for each in snapshot.providers if _has(each, row)), seller)
        key = (owner.id, row.id, day, tuple(sorted(said.items())))
        if key not in compiled:
            begins = _begins(row)
            moments = [datetime.combine(day, _time(begin), UTC) for begin in begins]
            found = tuple(self._rates_at(owner.id, row, moment, said) for moment in moments)
            compiled[key] = found[0] if len(found) == 1 else Daily(begins, found)
        return compiled[key]

    def _rates_at(self, owner: str, row: Any, moment: datetime, context: Mapping[str, str]) -> Rates | None:
        prices = row.get_prices(moment, dict(context) or None)
        rates: list[Rate] = []
        for key, price in prices.__dict__.items():
            if price is None:
                continue
            if key not in BY_TABLE_KEY:
                warn_once("price.kind", "the price table has a kind of price that this version does not know")
                continue
            least = _MINIMUM.get((owner, row.id), 0) if key.endswith("audio_hours") else 0
            rates.append(_rate(BY_TABLE_KEY[key].name, price, least))
        if not rates and row.id.endswith(":free"):
            rates = [Rate("input_tokens", Decimal(0)), Rate("output_tokens", Decimal(0))]
        said = "".join(f";{key}={value}" for key, value in sorted(context.items()))
        price_id = f"genai-prices/{self._version}:{owner}/{row.id}@{moment.date()}{said}"
        return Rates(tuple(rates), "list", price_id) if rates else None


def _has(seller: Any, row: Any) -> bool:
    return any(row is each for each in seller.models)


def _rate(kind: str, price: Any, least: int) -> Rate:
    if isinstance(price, Decimal):
        return Rate(kind, price, (), least)
    return Rate(kind, price.base, tuple(Tier(tier.start, tier.price) for tier in price.tiers), least)


def _begins(row: Any) -> tuple[int, ...]:
    """When in a day (UTC) a row's price may change."""
    dated = row.prices if isinstance(row.prices, list) else []
    found = {0}
    for each in (*dated, *(row.price_variants or ())):
        for name in ("start_time", "end_time"):
            if (clock := getattr(each.constraint, name, None)) is not None:
                if clock.tzinfo is not None:
                    clock = datetime.combine(date(2000, 1, 2), clock).astimezone(UTC).time()
                # Rounded up: a second is priced by what holds at its start.
                found.add(min(clock.hour * 3600 + clock.minute * 60 + clock.second + (clock.microsecond > 0), 86_399))
    return tuple(sorted(found))


def _time(second: int) -> time:
    return time(second // 3600, second // 60 % 60, second % 60)
