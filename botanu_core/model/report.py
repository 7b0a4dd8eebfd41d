"""`Reported`, and how a report is taken apart: every look is safe, whatever the report is."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from botanu_core.model.usage import NO_UNITS, Units, Usage, amount_of

__all__ = [
    "Reported",
    "context_of",
    "get",
    "items",
    "tier_context",
    "tier_of",
    "total_of",
    "units_of",
    "with_parts",
    "within",
    "word",
]

_MOST_ITEMS: Final = 10_000
_PLAIN_TIERS: Final = ("auto", "default", "standard", "traffic_type_unspecified", "service_tier_unspecified")


class Reported(NamedTuple):
    """What a report says.

    Attributes:
        usage: The counts, with no part larger than its whole.
        context: What else decides about the price: service tier, batch, speed; as `PriceBook` takes it.
        cost_usd: The cost that the response itself names.
    """

    usage: Usage = Usage()
    context: tuple[tuple[str, str], ...] = ()
    cost_usd: Decimal | None = None

    def after(self, before: "Reported") -> "Reported":
        """This report, and what an earlier one of the same call knew beyond it."""
        usage = before.usage.updated(self.usage)
        return Reported(usage, self.context or before.context, self.cost_usd or before.cost_usd)


def get(source: Any, *names: str) -> Any:
    """The first of `names` that `source`, a mapping or an object, has. Never raises."""
    if type(source) is dict:
        for name in names:
            value = source.get(name)
            if value is not None:
                return value
        return None
    for name in names:
        try:
            value = source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
        except Exception:
            value = None
        if value is not None:
            return value
    return None


def within(source: Any, *names: str) -> Any:
    """The usage in a response, in the message of an event, or `source` itself, which is the usage already."""
    for place in (source, get(source, "message"), get(source, "response"), get(source, "metadata")):
        if place is not None and not isinstance(place, str) and (found := get(place, *names)) is not None:
            return found
    return source


def items(value: Any) -> Iterable[Any]:
    return value[:_MOST_ITEMS] if isinstance(value, (list, tuple)) else ()


def word(value: Any) -> str:
    """A word of a response, lower-cased, also where it is a member of an enumeration."""
    value = getattr(value, "value", value)
    return value.lower()[:64] if isinstance(value, str) else ""


def tier_of(value: Any) -> str:
    """A service tier; nothing for the one that everybody gets."""
    tier = word(value)
    return "" if tier in _PLAIN_TIERS else tier


def context_of(**facts: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in facts.items() if value))


def tier_context(tier: str) -> tuple[tuple[str, str], ...]:
    """A service tier as what decides about the price; a batch is not served in one, but priced by itself."""
    name = tier_of(tier)
    return context_of(processing="batch" if name == "batch" else "", service_tier="" if name == "batch" else name)


def total_of(*counts: int | None) -> int | None:
    """The sum of what is known; `None` where nothing is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def units_of(**found: object) -> Units:
    """What was used beside tokens."""
    counts = {name: count for name, value in found.items() if (count := amount_of(value))}
    return Units(counts) if counts else NO_UNITS


def with_parts(whole: int | None, *parts: int | None) -> int | None:
    """A whole that was reported without its parts."""
    return None if whole is None else whole + sum(part or 0 for part in parts)
