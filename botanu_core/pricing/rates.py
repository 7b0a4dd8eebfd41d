"""`Rates`: what one model costs on one day, compiled so that pricing a call is a few integer operations.

A rate is written for a kind of token, and kinds overlap: a cached token is also an input token. The most specific rate
wins and every token is priced once, which is the rule of `genai-prices`; tests hold this code to that library's result.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, Inexact
from operator import attrgetter
from typing import Any, Final, NamedTuple

from botanu_core.model.usage import Usage
from botanu_core.pricing.cost import EXACT, ROUNDED, Cost, Line, Source
from botanu_core.pricing.errors import UnknownUsage, UnpricedUsage
from botanu_core.pricing.kinds import KINDS, join, parts_of

__all__ = ["Rate", "Rates", "Tier", "line_of"]

_SIDES: Final = ("input_tokens", "output_tokens")
_COUNTED: Final = frozenset(Usage._fields) - {"units"}


@dataclass(frozen=True, slots=True)
class Tier:
    """The rate that holds for all tokens of a call with more than `above` input tokens."""

    above: int
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Rate:
    """One price.

    Attributes:
        kind: What is counted: a field of `Usage`, or a key of its `units`.
        usd: US dollars for as many as `KINDS` says: a million for tokens.
        tiers: Rates for long contexts, ascending.
        minimum: At least so many are billed, where there are any.
    """

    kind: str
    usd: Decimal
    tiers: tuple[Tier, ...] = ()
    minimum: int = 0

    def at(self, input_tokens: int) -> Decimal:
        """The rate for a call with that much input."""
        for tier in reversed(self.tiers):
            if input_tokens > tier.above:
                return tier.usd
        return self.usd

    def times(self, factor: Decimal) -> "Rate":
        """This rate with a discount or a mark-up."""
        tiers = tuple(Tier(tier.above, EXACT.multiply(tier.usd, factor)) for tier in self.tiers)
        return replace(self, usd=EXACT.multiply(self.usd, factor), tiers=tiers)


class _Plan(NamedTuple):
    """The rates for one size of context, for tokens and the calls of the provider's own tools.

    Prices are whole numbers of the smallest amount that occurs, so that a sum is integers until its end. What a kind
    is billed for is what its parts leave of it. That is linear, so it is worked out beforehand: `factors` are the
    prices of the whole counts, and `checks` name the wholes, each with the counts of its parts and their signs.
    `sides` are the prices of input and output by themselves, where both have one: most calls have no more.
    """

    sides: tuple[int, int] | None
    read: Any
    factors: tuple[int, ...]
    needed: tuple[int, ...]
    checks: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
    tools: Mapping[str, int]
    per_request: int
    exponent: Decimal


@dataclass(frozen=True, slots=True)
class Rates:
    """The prices of one model on one day, for one customer, in one context.

    Attributes:
        rates: One a kind.
        source: ``list`` or ``contract``.
        price_id: Which row: ``openai/gpt-5@2026-11-21``, or the contract's name and rule over it.
        factor: What a contract did to the list: 0.85 is 15 % off. The rates have it in them.
    """

    rates: tuple[Rate, ...]
    source: Source
    price_id: str
    factor: Decimal = Decimal(1)
    _parts: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _needed: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _bare: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _measures: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _tiers: tuple[tuple[int, _Plan], ...] = field(init=False, repr=False, compare=False)
    _plans: tuple[_Plan, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Most specific first: what a kind's parts have taken is known when the kind itself is counted.
        rates = sorted(_with_joins(self.rates), key=lambda rate: -len(KINDS[rate.kind].marks))
        costly = [rate.kind for rate in rates if rate.usd or any(tier.usd for tier in rate.tiers)]
        tiers = tuple(sorted({tier.above for rate in rates for tier in rate.tiers}))
        # Audio by the hour, pages, searches of a reranker: where these have a price, tokens may well be absent.
        measures = tuple(kind for kind in costly if not KINDS[kind].marks & {"tokens", "tool_call", "request"})
        kinds = tuple(rate.kind for rate in rates)
        compiled = {
            "rates": tuple(rates),
            "_parts": {kind: parts_of(kind, kinds) for kind in kinds},
            "_needed": tuple(side for side in _SIDES if side in costly),
            "_bare": tuple(side for side in _SIDES if side not in kinds),
            "_measures": measures,
        }
        for name, value in compiled.items():
            object.__setattr__(self, name, value)
        plans = () if measures else tuple(_plan(self.rates, above + 1, self._needed) for above in (-1, *tiers))
        object.__setattr__(self, "_plans", plans)
        object.__setattr__(self, "_tiers", tuple(zip(tiers, plans[1:], strict=False)))

    def cost_of(self, usage: Usage) -> Cost:
        """Price one call.

        Args:
            usage: What it used. Kinds without a rate of their own are priced as what they are part of.

        Returns:
            Exact dollars.

        Raises:
            UnpricedUsage: Something was used for which there is no rate.
            UnknownUsage: A side of the usage that has a price is unknown.
        """
        if not self._plans:
            return self._itemised(usage)
        plan = self._plans[0]
        if self._tiers:
            size = usage.input_tokens or 0
            for above, larger in self._tiers:
                if size > above:
                    plan = larger
        if (sides := plan.sides) is not None:
            inputs, outputs, *others = usage
            if inputs is not None and outputs is not None and not any(others):
                total = plan.per_request + inputs * sides[0] + outputs * sides[1]
                return Cost(EXACT.scaleb(total, plan.exponent), self.source, self.price_id, self, usage)
        counts = plan.read(usage)
        total = plan.per_request
        for count, factor in zip(counts, plan.factors, strict=False):
            if count:
                total += count * factor
        for side in plan.needed:
            if counts[side] is None:
                raise UnknownUsage(f"{self.price_id}: how many tokens were used is not known")
        for whole, parts in plan.checks:
            rest = counts[whole] or 0
            for part, sign in parts:
                if count := counts[part]:
                    rest += sign * count
            if rest < 0:
                return self._itemised(usage)
        if usage.units:
            for kind, many in usage.units.items():
                if kind not in plan.tools or type(many) is not int:
                    return self._itemised(usage)
                total += many * plan.tools[kind]
        for bare in self._bare:
            if getattr(usage, bare):
                return self._itemised(usage)
        return Cost(EXACT.scaleb(total, plan.exponent), self.source, self.price_id, self, usage)

    def lines_of(self, usage: Usage) -> tuple[Line, ...]:
        """The lines of the bill for a usage, every token in one of them."""
        usage = usage.mended()
        size = usage.input_tokens or 0
        counts = self._leaves(usage)
        return tuple(
            line_of(rate.kind, max(count, rate.minimum), rate.at(size), KINDS[rate.kind].per)
            for rate in self.rates
            if (count := counts[rate.kind])
        )

    def _leaves(self, usage: Usage) -> dict[str, int | Decimal]:
        """How many of each kind that has a rate, less what its parts have taken."""
        leaves: dict[str, int | Decimal] = {}
        for kind, parts in self._parts.items():
            count = usage.units.get(kind, 1) if kind == "requests" else usage.amount(kind)
            leaves[kind] = count - sum(leaves[part] for part in parts)
            if leaves[kind] < 0:
                raise UnknownUsage(f"{self.price_id}: parts of the usage exceed the whole")
        return leaves

    def _itemised(self, usage: Usage) -> Cost:
        """As `cost_of`, for every usage there can be."""
        usage = usage.mended()
        self._check(usage)
        total = Decimal(0)
        for line in self.lines_of(usage):
            total = EXACT.add(total, line.usd)
        return Cost(total, self.source, self.price_id, self, usage)

    def _check(self, usage: Usage) -> None:
        """Refuse what has no rate, and what is not known."""
        is_known = bool(self._needed or not self._measures) and all(
            getattr(usage, side) is not None for side in self._needed
        )
        if not is_known and not any(usage.amount(kind) for kind in self._measures):
            raise UnknownUsage(f"{self.price_id}: how much was used of what this model is billed by is not known")
        leaves = self._leaves(usage) if self._bare else {}
        for side in self._bare:
            if sum(count for kind, count in leaves.items() if KINDS[kind].side == side) != usage.amount(side):
                raise UnpricedUsage(f"{self.price_id} has no rate for {side.replace('_', ' ')}")
        for kind, count in usage.units.items():
            if count and kind != "requests" and not self._is_priced(kind):
                raise UnpricedUsage(f"{self.price_id} has no rate for {kind.replace('_', ' ')}")

    def _is_priced(self, kind: str) -> bool:
        """Whether a kind has a rate, or something that it is part of; a fee a request has its searches in it."""
        marks = KINDS[kind].marks if kind in KINDS else frozenset({"?"})
        if "tool_call" in marks and "requests" in self._parts:
            return True
        return any(KINDS[other].marks <= marks for other in self._parts)


def line_of(kind: str, count: int | Decimal, rate_usd: Decimal, per: int) -> Line:
    """So many at a rate; rounded, to 28 digits, only where a share of `per` has no last digit."""
    product = EXACT.multiply(rate_usd, Decimal(count))
    try:
        usd = EXACT.divide(product, Decimal(per))
    except Inexact:
        usd = ROUNDED.divide(product, Decimal(per))
    return Line(kind, count, rate_usd, per, usd)


def _plan(rates: tuple[Rate, ...], size: int, needed: tuple[str, ...]) -> _Plan:
    each = {
        rate.kind: EXACT.divide(rate.at(size), Decimal(KINDS[rate.kind].per))
        for rate in rates
        if rate.kind in _COUNTED or KINDS[rate.kind].marks & {"tool_call", "request"}
    }
    exponent = min((price.as_tuple().exponent for price in each.values()), default=0)
    whole = {kind: int(EXACT.scaleb(price, -int(exponent))) for kind, price in each.items()}
    kinds = tuple(kind for kind in each if kind in _COUNTED)
    # What is left of each kind, as a sum over counts; a kind comes after its parts.
    rests: dict[str, Counter[str]] = {}
    for kind in kinds:
        rests[kind] = rest = Counter({kind: 1})
        for part in parts_of(kind, kinds):
            rest.subtract(rests[part])
    factors = tuple(sum(whole[kind] * rest[name] for kind, rest in rests.items()) for name in kinds)
    checks = tuple(
        (kinds.index(kind), tuple((kinds.index(name), sign) for name, sign in rest.items() if sign and name != kind))
        for kind, rest in rests.items()
        if len(rest) > 1
    )
    return _Plan(
        sides=(whole["input_tokens"], whole["output_tokens"]) if set(_SIDES) <= whole.keys() else None,
        # With one name only, attrgetter gives no tuple; `zip` stops at the last factor.
        read=attrgetter(*kinds, *_SIDES),
        factors=factors,
        needed=tuple(kinds.index(side) for side in needed),
        checks=checks,
        tools={kind: whole[kind] for kind in each if "tool_call" in KINDS[kind].marks},
        per_request=whole.get("requests", 0),
        exponent=Decimal(exponent),
    )


def _with_joins(rates: tuple[Rate, ...]) -> list[Rate]:
    """The rates, and those of what is two priced kinds at once: cached audio without a rate costs what is cached."""
    found = {rate.kind: rate for rate in rates}
    for one in rates:
        for other in rates:
            both = join(one.kind, other.kind)
            if both is not None and both not in found and KINDS[one.kind].marks & {"cache_read", "cache_write"}:
                found[both] = replace(one, kind=both)
    return list(found.values())
