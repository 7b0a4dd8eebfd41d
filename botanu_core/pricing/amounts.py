"""Prices, percentages and names as people write them, in a file or in code; a mistake names its place and the mend."""

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, Inexact, InvalidOperation
from typing import Any, Final

from botanu_core.errors import ConfigError
from botanu_core.pricing.cost import EXACT
from botanu_core.pricing.kinds import KINDS
from botanu_core.pricing.rates import Rate, Tier

__all__ = ["COUNTS", "Located", "day", "dollars", "factor_of", "rates_of", "refuse", "suggest", "text", "unit_rates"]

COUNTS: Final = (
    "calls",
    "items",
    "messages",
    "objects",
    "rows",
    "rows_returned",
    "rows_affected",
    "bytes",
    "bytes_read",
    "bytes_written",
    "bytes_scanned",
    "seconds",
)
"""What of a tool, a database, a storage or a queue can have a price."""

_MAX_TEXT: Final = 200
_LARGEST: Final = Decimal(10) ** 9
_PER: Final = re.compile(r"(?P<usd>\S+)\s+per\s+(?P<many>\S+)")
_SIZES: Final[Mapping[str, tuple[int, str]]] = {
    **{f"{prefix}B": (1000**power, "bytes") for power, prefix in enumerate("KMGTP", 1)},
    **{f"{prefix}iB": (1024**power, "bytes") for power, prefix in enumerate("KMGTP", 1)},
    "minute": (60, "seconds"),
    "hour": (3600, "seconds"),
    "thousand": (1000, ""),
    "million": (1_000_000, ""),
}


class Located(str):
    """Text from a file, and the place where it stands there."""

    __slots__ = ("where",)
    where: str

    def __new__(cls, value: str, where: str) -> "Located":
        """Text at a place, such as ``prices.yaml:12``."""
        self = super().__new__(cls, value)
        self.where = where
        return self


def refuse(value: object, owner: str, complaint: str) -> ConfigError:
    """The error for a mistake: its line where `value` comes from a file, else what it belongs to."""
    return ConfigError(f"{getattr(value, 'where', owner)}: {complaint}")


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about a word that is not known."""
    names = list(known)
    close = difflib.get_close_matches(word, names, 1)
    return f"did you mean {close[0]!r}?" if close else f"write one of {', '.join(names)}"


def text(value: object, owner: str, name: str) -> str | None:
    """A name, stripped; `None` stays."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > _MAX_TEXT:
        raise refuse(value, owner, f"{name} must be a text of 1 to {_MAX_TEXT} characters")
    return str(value).strip()


def day(value: object, owner: str, name: str) -> date | None:
    """A day, in UTC."""
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    try:
        if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise refuse(value, owner, f"{name} must be a day such as 2026-01-31, got {str(value)[:40]!r}")


def dollars(value: object, owner: str, name: str) -> Decimal:
    """A price, exactly as it is written: a float is read from its digits."""
    # YAML reads `yes` as true, and true is the number 1.
    if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        usd = _number(str(value))
        if usd is not None:
            return usd
    raise refuse(value, owner, f"{name} must be a price in dollars, 0 or more, such as 2.50; got {str(value)[:40]!r}")


def factor_of(discount: object, markup: object, owner: str) -> Decimal:
    """What a discount and a mark-up make of a price: ``15%`` off is 0.85."""
    less, more = _percent(discount, owner, "discount"), _percent(markup, owner, "markup")
    if less > 1:
        raise refuse(discount, owner, f"discount must lie in 0%-100%, got {str(discount)[:40]!r}")
    return EXACT.multiply(EXACT.subtract(Decimal(1), less), EXACT.add(Decimal(1), more))


def _percent(value: object, owner: str, name: str) -> Decimal:
    if value is None:
        return Decimal(0)
    if isinstance(value, str) and value.strip().endswith("%"):
        share = _number(value.strip()[:-1])
        if share is not None:
            return EXACT.divide(share, Decimal(100))
    raise refuse(value, owner, f"{name} must be a percentage such as 15%, got {str(value)[:40]!r}")


def rates_of(per_million: object, per_unit: object, owner: str) -> tuple[Rate, ...]:
    """A contract's own rates: tokens by the million, all else by the piece."""
    rates: dict[str, Rate] = {}
    for field, table, is_token in (("per_million", per_million, True), ("per_unit", per_unit, False)):
        known = {
            name.removesuffix("_tokens") if is_token else name: kind
            for name, kind in KINDS.items()
            if ("tokens" in kind.marks) is is_token
        }
        for name, price in _entries(table, owner, field):
            if name not in known:
                raise refuse(name, owner, f"{field} knows no {str(name)[:40]!r}: {suggest(name, known)}")
            kind = known[name]
            rates[kind.name] = _tiered(kind.name, price, owner) if is_token else _piece(kind.name, price, owner)
    return tuple(rates.values())


def _number(written: str) -> Decimal | None:
    """A number from 0 to a billion, with at most 30 digits after the point."""
    try:
        number = Decimal(written.strip())
    except InvalidOperation:
        return None
    exponent = number.as_tuple().exponent
    return number if isinstance(exponent, int) and exponent >= -30 and 0 <= number <= _LARGEST else None


def _entries(table: object, owner: str, field: str) -> list[tuple[str, Any]]:
    if table is None:
        return []
    if not isinstance(table, Mapping) or not table or not all(isinstance(key, str) for key in table):
        raise refuse(table, owner, f"{field} must be a table of names and prices, such as {{input: 2.50}}")
    return list(table.items())


def _tiered(kind: str, price: Any, owner: str) -> Rate:
    if not isinstance(price, Mapping):
        return Rate(kind, dollars(price, owner, kind))
    entries = dict(_entries(price, owner, kind))
    for key in entries:
        if key not in ("usd", "above"):
            raise refuse(key, owner, f"{kind} has a usd and an above, not {key[:40]!r}")
    above = entries.get("above")
    if "usd" not in entries or not isinstance(above, Mapping) or not above:
        raise refuse(price, owner, f"{kind} must be a price, or {{usd: 1.25, above: {{200000: 2.50}}}}")
    tiers = {}
    for size, usd in above.items():
        if not re.fullmatch(r"\d{1,12}", str(size)) or isinstance(size, bool):
            raise refuse(size, owner, f"above must name a number of input tokens, got {str(size)[:40]!r}")
        tiers[int(size)] = dollars(usd, owner, kind)
    return Rate(kind, dollars(entries["usd"], owner, kind), tuple(Tier(size, tiers[size]) for size in sorted(tiers)))


def _piece(kind: str, price: Any, owner: str) -> Rate:
    usd, many = _per(price, owner, kind)
    try:
        return Rate(kind, EXACT.divide(EXACT.multiply(usd, Decimal(KINDS[kind].per)), Decimal(many)))
    except Inexact:
        raise refuse(price, owner, f"{kind} must have a price with a last digit for {KINDS[kind].per}") from None


def unit_rates(prices: object, owner: str) -> tuple[tuple[str, Decimal, int], ...]:
    """The prices of what is not tokens, each with how many it is for: ``6.25 per TiB`` or, for one, ``0.005``."""
    rates = []
    for name, price in _entries(prices, owner, "prices"):
        if name not in COUNTS:
            raise refuse(name, owner, f"prices knows no {str(name)[:40]!r}: {suggest(name, COUNTS)}")
        rates.append((str(name), *_per(price, owner, name)))
    return tuple(rates)


def _per(price: Any, owner: str, name: str) -> tuple[Decimal, int]:
    said = _PER.fullmatch(price.strip()) if isinstance(price, str) else None
    if said is None:
        return dollars(price, owner, name), 1
    where = getattr(price, "where", owner)
    usd, many = dollars(Located(said["usd"], where), owner, name), said["many"]
    if re.fullmatch(r"[1-9]\d{0,14}", many):
        return usd, int(many)
    size, family = _SIZES.get(many, (0, ""))
    if not size or family not in name:
        known = [word for word, (_, each) in _SIZES.items() if each in name]
        raise refuse(price, owner, f"{name} cannot be per {many[:20]!r}: write a number, or {', '.join(known)}")
    return usd, size
