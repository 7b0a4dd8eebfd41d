"""`Contract`: a user's own prices, in code; `contract_file` reads the same from YAML.

Everything is checked when it is made, and what two rows leave open when they come together, so that a mistake in a
contract is an error at set-up and never a wrong bill.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final, TypeVar

from botanu_core.errors import ConfigError
from botanu_core.model.vocabulary import provider_name
from botanu_core.pricing.amounts import day, factor_of, rates_of, refuse, suggest, text, unit_rates
from botanu_core.pricing.rates import Rate, Rates
from botanu_core.pricing.scope import Scope

__all__ = ["UNIT_KINDS", "Alias", "Contract", "Rule", "UnitPrice", "best", "refuse_ties"]

UNIT_KINDS: Final = ("tool", "database", "storage", "messaging")
"""What can have a price besides model calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A price of model calls. Without `per_million` and `per_unit` it changes the list price by a percentage.

    Attributes:
        provider: Spelled as you like; all without it.
        model: Exact, or with ``*`` and ``?``; all without it.
        customer: For this customer's calls only.
        starts: First day, UTC.
        until: Last day, UTC.
        when: What the context of the call must say, such as ``{"processing": "batch"}``.
        per_million: Own rates for a million tokens, by kind: ``input``, ``cache_read``, ``output`` … They hold as they
            are; a kind that is not named keeps its list price. ``{"usd": 1.25, "above": {200000: 2.5}}`` is a tier.
        per_unit: Own rates for one of what is no token, by kind: ``{"web_searches": "10 per 1000"}``.
        discount: Off the list price, as text: ``"15%"``.
        markup: On the list price, after the discount: ``"5%"``.
        where: The place in a file, for messages.
    """

    provider: str | None = None
    model: str | None = None
    customer: str | None = None
    starts: date | None = None
    until: date | None = None
    when: Mapping[str, str] = field(default_factory=dict)
    per_million: Mapping[str, Any] | None = None
    per_unit: Mapping[str, Any] | None = None
    discount: str | None = None
    markup: str | None = None
    where: str = field(default="rule", compare=False, repr=False)
    scope: Scope = field(init=False, repr=False, compare=False)
    rates: tuple[Rate, ...] = field(init=False, repr=False, compare=False)
    factor: Decimal = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rates = rates_of(self.per_million, self.per_unit, self.where)
        if not rates and self.discount is None and self.markup is None:
            raise ConfigError(f"{self.where}: a rule needs a price: per_million, per_unit, discount or markup")
        object.__setattr__(self, "scope", _scope(self, self.provider, self.model, self.customer, self.when))
        object.__setattr__(self, "rates", rates)
        object.__setattr__(self, "factor", factor_of(self.discount, self.markup, self.where))

    def applied_to(self, listed: Rates | None, name: str) -> Rates | None:
        """What this rule makes of a list price.

        Args:
            listed: The list price, or `None` where there is none.
            name: What the rule is called in `Rates.price_id`.

        Returns:
            The rates; `None` for a percentage of a price that nobody knows.
        """
        own = {rate.kind for rate in self.rates}
        kept = tuple(rate for rate in listed.rates if rate.kind not in own) if listed is not None else ()
        if not own and not kept:
            return None
        price_id = f"{name} over {listed.price_id}" if listed is not None and kept else name
        rates = (*self.rates, *(rate.times(self.factor) for rate in kept))
        return Rates(rates, "contract", price_id, self.factor if kept else Decimal(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Another name of a model: an Azure deployment's, or a gateway's.

    Attributes:
        provider: As the calls name it.
        model: As the calls name it, exact or with ``*`` and ``?``; every model without it.
        target: What it is: ``openai/gpt-5``, or ``openai/*`` where only the provider has another name.
        where: The place in a file, for messages.
    """

    provider: str
    target: str
    model: str | None = None
    where: str = field(default="alias", compare=False, repr=False)
    scope: Scope = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        provider, slash, model = (text(self.target, self.where, "is") or "").partition("/")
        if not (provider.strip() and slash and model.strip()):
            raise refuse(self.target, self.where, f"is must be provider/model, got {self.target[:40]!r}")
        object.__setattr__(self, "scope", _scope(self, self.provider, self.model, None, {}))

    def applied_to(self, model: str) -> tuple[str, str]:
        """The provider and the model that are meant."""
        provider, _, target = self.target.strip().partition("/")
        return provider_name(provider), model if target.strip() == "*" else target.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPrice:
    """The price of what is no model call.

    Attributes:
        kind: ``tool``, ``database``, ``storage`` or ``messaging``.
        name: The tool, or the system and its operation: ``s3``, ``s3/PUT``, ``bigquery``; ``*`` and ``?`` make it a
            pattern, and a name without ``/`` holds for all below it. Everything of the kind without it.
        prices: By what is counted: ``{"calls": 0.005, "bytes_scanned": "6.25 per TiB"}``.
        customer: For this customer only.
        starts: First day, UTC.
        until: Last day, UTC.
        where: The place in a file, for messages.
    """

    kind: str
    prices: Mapping[str, Any]
    name: str | None = None
    customer: str | None = None
    starts: date | None = None
    until: date | None = None
    where: str = field(default="unit", compare=False, repr=False)
    scope: Scope = field(init=False, repr=False, compare=False)
    rates: tuple[tuple[str, Decimal, int], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in UNIT_KINDS:
            raise refuse(self.kind, self.where, f"kind {str(self.kind)[:40]!r}: {suggest(str(self.kind), UNIT_KINDS)}")
        scope = _scope(self, None, self.name, self.customer, {})
        object.__setattr__(self, "scope", replace(scope, group=str(self.kind), is_path=True))
        rates = unit_rates(self.prices, self.where)
        if not rates:
            raise refuse(self.prices, self.where, "prices must be a table of counts and prices, such as {calls: 0.005}")
        object.__setattr__(self, "rates", rates)


_Priced = TypeVar("_Priced", Rule, UnitPrice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Prices that were agreed on.

    Attributes:
        name: In the ledger beside each price that comes from here.
        rules: Prices of model calls; the most exact one holds.
        aliases: Other names of models.
        units: Prices of what is no model call.
        starts: First day, UTC.
        until: Last day, UTC.
        currency: ``USD``; no other is known.
        where: The file, for messages.
    """

    name: str
    rules: Sequence[Rule] = ()
    aliases: Sequence[Alias] = ()
    units: Sequence[UnitPrice] = ()
    starts: date | None = None
    until: date | None = None
    currency: str = "USD"
    where: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        where = self.where or f"contract {str(self.name)[:40]!r}"
        if text(self.name, where, "name") is None:
            raise refuse(self.name, where, "a contract needs a name")
        if self.currency != "USD":
            raise refuse(
                self.currency, where, f"currency must be USD, got {str(self.currency)[:10]!r}: convert the prices"
            )
        starts, until = _range(self, where)
        for name, what, kind in (("rules", "rule", Rule), ("aliases", "alias", Alias), ("units", "unit", UnitPrice)):
            rows: list[Any] = []
            for number, row in enumerate(getattr(self, name)):
                if not isinstance(row, kind):
                    raise ConfigError(f"{where}: {name}[{number}] must be a {kind.__name__}")
                label = row.where if row.where != what else f"{where}: {name}[{number}]"
                scope = _within(row.scope, starts, until, label)
                rows.append(replace(row, where=label))
                object.__setattr__(rows[-1], "scope", scope)
            object.__setattr__(self, name, tuple(rows))
        refuse_ties([self])

    def renamed(self, called: Callable[[str], str]) -> "Contract":
        """The same prices for customers that calls name otherwise, such as by a pseudonym.

        Args:
            called: From a customer's id in the contract to the one that calls give.
        """

        def known(row: _Priced) -> _Priced:
            return row if row.customer is None else replace(row, customer=called(row.customer))

        rules, units = tuple(map(known, self.rules)), tuple(map(known, self.units))
        return replace(self, rules=rules, units=units)


def refuse_ties(contracts: Sequence[Contract]) -> None:
    """Refuse two rows of which neither is the more exact one for a call that both are for.

    Raises:
        ConfigError: Names both.
    """
    for name in ("rules", "aliases", "units"):
        rows: list[Any] = [row for contract in contracts for row in getattr(contract, name)]
        for number, row in enumerate(rows):
            for other in rows[:number]:
                if row.scope.clashes(other.scope):
                    raise ConfigError(
                        f"{row.where}: holds for calls that {other.where} holds for too, and neither is more exact: "
                        "narrow one by model, customer or dates"
                    )


_Row = TypeVar("_Row", Rule, Alias, UnitPrice)


def best(
    rows: Iterable[_Row],
    names: Iterable[tuple[str, str]],
    customer: str | None,
    on: date,
    context: Mapping[str, str],
) -> _Row | None:
    """The most exact of the rows that hold for a call under one of its names."""
    named = tuple(names)
    found = [row for row in rows if any(row.scope.matches(*name, customer, on, context) for name in named)]
    return max(found, key=lambda row: row.scope.rank, default=None)


def _scope(row: Any, provider: object, name: object, customer: object, when: object) -> Scope:
    where = row.where
    starts, until = _range(row, where) if hasattr(row, "starts") else (None, None)
    group = text(provider, where, "provider")
    named = text(name, where, "name" if isinstance(row, UnitPrice) else "model")
    if not isinstance(when, Mapping) or not all(isinstance(word, str) for pair in when.items() for word in pair):
        raise refuse(when, where, "when must be a table of texts, such as {processing: batch}")
    return Scope(
        group=None if group is None else provider_name(group),
        # Two stars match what one does, and a lone one what no name at all does.
        name=None if named is None or not named.strip("*") else _single_stars(named.lower()),
        customer=text(customer, where, "customer"),
        starts=starts,
        until=until,
        when={str(key): str(value) for key, value in when.items()},
    )


def _single_stars(name: str) -> str:
    while "**" in name:
        name = name.replace("**", "*")
    return name


def _range(row: Any, where: str) -> tuple[date | None, date | None]:
    starts, until = day(row.starts, where, "from"), day(row.until, where, "until")
    if starts is not None and until is not None and until < starts:
        raise refuse(row.until, where, f"until ({until}) lies before from ({starts}): swap them")
    return starts, until


def _within(scope: Scope, starts: date | None, until: date | None, where: str) -> Scope:
    """A row holds no longer than its contract."""
    first = max((each for each in (scope.starts, starts) if each is not None), default=None)
    last = min((each for each in (scope.until, until) if each is not None), default=None)
    if first is not None and last is not None and last < first:
        raise ConfigError(f"{where}: lies outside the dates of its contract: mend either")
    return replace(scope, starts=first, until=last)
