"""`PriceBook`: the rates of a model on a day; `genai-prices` under the user's contracts."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from botanu_core.log import warn_once
from botanu_core.model.usage import MAX_AMOUNT, Usage, amount_of
from botanu_core.model.vocabulary import provider_name
from botanu_core.pricing.contract import Contract, Rule, UnitPrice, best, refuse_ties
from botanu_core.pricing.cost import EXACT, UNPRICED, Cost, Line
from botanu_core.pricing.errors import PricingError, UnknownUsage, UnpricedModel
from botanu_core.pricing.rates import Rates, line_of
from botanu_core.pricing.table import Daily, Table

__all__ = ["Context", "Models", "PriceBook"]

Context = tuple[tuple[str, str], ...]
"""What of a call decides about its price: ``(("processing", "batch"), ("service_tier", "flex"))``."""

Models = str | tuple[str | None, ...]
"""A model's name, or several, the best first: as the response says, as the request did."""

_DAY: Final = 86_400
_MAX_ENTRIES: Final = 8192
_MAX_DOLLARS: Final = Decimal(10) ** 9
_HIDDEN: Final = re.compile(r"[^\w.:;=/@+ -]", re.ASCII)
_MISSING: Final[Any] = object()
_Value = TypeVar("_Value")


class PriceBook:
    """Prices, looked up once for each (provider, model, day, customer, context), then remembered.

    Safe for threads. Bounded: a stranger who invents model names makes it forget, not grow.

    Args:
        contracts: The user's own; of several rules that hold for a call the most exact one is in force.
        list_prices: Whether the price table is asked. It is loaded by the first look-up, or by `warm`.
        strict: Whether a model or a usage without a price raises. For tests: in flight it is a warning.

    Raises:
        ConfigError: Two contracts leave open which of them holds for a call.
    """

    def __init__(self, contracts: Sequence[Contract] = (), *, list_prices: bool = True, strict: bool = False) -> None:
        refuse_ties(contracts)
        self.contracts = tuple(contracts)
        self.strict = strict
        self._table: Table | None = None
        self._has_table = list_prices
        self._rules = [(each, rule) for contract in contracts for each, rule in _named(contract, contract.rules)]
        self._units = [(each, unit) for contract in contracts for each, unit in _named(contract, contract.units)]
        self._aliases = [alias for contract in contracts for alias in contract.aliases]
        scopes = [row.scope for _, row in self._rules] + [row.scope for _, row in self._units]
        self._customers = frozenset(scope.customer for scope in scopes if scope.customer is not None)
        self._found: dict[Any, Any] = {}

    def warm(self) -> "PriceBook":
        """Load the price table now, which takes half a second, and not at the first call."""
        if self._has_table and self._table is None:
            self._table = Table()
        return self

    def price(
        self,
        usage: Usage,
        provider: str,
        models: Models,
        *,
        at: datetime | float | None = None,
        customer: str | None = None,
        context: Context = (),
        provider_reported_cost: object = None,
    ) -> Cost:
        """What a call cost.

        Args:
            usage: What it used.
            provider: In either spelling. Unknown ones are not guessed from the model's name; a contract may alias them.
            models: The model, or several names of it, the best first: the response's, the request's.
            at: When the call was made, as an aware datetime or seconds since 1970; now without it.
            customer: For contracts that name one.
            context: What else decides: service tier, batch …
            provider_reported_cost: US dollars, where the response itself names them; wins over all.

        Returns:
            Exact dollars; none, with the source ``none``, where the price or the usage is unknown.

        Raises:
            UnpricedModel: In a strict book, nobody knows the model's price.
            UnpricedUsage: In a strict book, something was used that has no rate.
        """
        if provider_reported_cost is not None and (usd := _dollars(provider_reported_cost)) is not None:
            return Cost(usd, "provider")
        rates = self.rates(provider, models, at=at, customer=customer, context=context)
        try:
            if rates is not None:
                return rates.cost_of(usage)
        except UnknownUsage:
            return UNPRICED
        except PricingError as error:
            if self.strict:
                raise
            warn_once(f"price.rate:{_shown(str(error))}", "%s; what used it counts as unpriced", _shown(str(error)))
            return UNPRICED
        name = _shown("/".join([provider, *_names(models)[:1]]))
        if self.strict:
            raise UnpricedModel(f"no price is known for {name}: add a rule or an alias to a contract")
        warn_once(f"price.model:{name}", "no price is known for %s; its calls count as unpriced", name)
        return UNPRICED

    def rates(
        self,
        provider: str,
        models: Models,
        *,
        at: datetime | float | None = None,
        customer: str | None = None,
        context: Context = (),
    ) -> Rates | None:
        """The rates that hold for a call; `None` where nobody knows them. Arguments as in `price`."""
        second = int(time.time() if at is None else at if isinstance(at, int | float) else _seconds(at))
        day = second // _DAY
        key = (provider, models, day, customer if customer in self._customers else None, context)
        found = self._found.get(key, _MISSING)
        if found is _MISSING:
            found = self._remember(key, self._look_up(provider, models, day, customer, dict(context)))
        if type(found) is Daily:
            return found.at(second % _DAY)
        return found  # type: ignore[no-any-return]  # the cache holds rates, of several shapes

    def cost_of_units(
        self,
        kind: str,
        name: str,
        counts: Mapping[str, object],
        *,
        at: datetime | float | None = None,
        customer: str | None = None,
    ) -> Cost | None:
        """What something other than a model call cost, by the contracts' `units`.

        Args:
            kind: ``tool``, ``database``, ``storage`` or ``messaging``.
            name: The tool, or the system and its operation: ``s3/PUT``.
            counts: How many ``calls``, ``rows_returned``, ``bytes_scanned``, ``seconds`` … it took.
            at: As in `price`.
            customer: As in `price`.

        Returns:
            `None` where no contract has a price for it; a cost without dollars where what has one was not counted.
        """
        if not self._units:
            return None
        day = int(time.time() if at is None else at if isinstance(at, int | float) else _seconds(at)) // _DAY
        key = (kind, name, day, customer if customer in self._customers else None)
        found = self._found.get(key, _MISSING)
        if found is _MISSING:
            row = best((row for _, row in self._units), [(kind, name)], customer, _date(day), {})
            label = next((label for label, each in self._units if each is row), "")
            found = self._remember(key, None if row is None else _UnitRates(row, label))
        return None if found is None else found.cost_of(counts)

    def _remember(self, key: Any, found: _Value) -> _Value:
        # No lock, which a fork could leave locked: each step is one of the dict's own, and what two threads may both
        # look up is the same.
        if len(self._found) >= _MAX_ENTRIES:
            for old in list(self._found)[: _MAX_ENTRIES // 4]:
                self._found.pop(old, None)
        self._found[key] = found
        return found

    def _look_up(
        self, provider: str, models: Models, day: int, customer: str | None, context: Mapping[str, str]
    ) -> Rates | Daily | None:
        on = _date(day)
        names: list[tuple[str, str]] = []
        # A call that names no model may still have a price by its provider.
        for model in _names(models) or [""]:
            called = (provider_name(provider), model)
            alias = best(self._aliases, [called], None, on, {})
            names += [called] if alias is None else [alias.applied_to(model), called]
        rule = best((rule for _, rule in self._rules), names, customer, on, context)
        listed: Rates | Daily | None = None
        if self._has_table:
            table = self._table or self.warm()._table
            row = next((row for name in names if table and name[1] and (row := table.find(*name)) is not None), None)
            if table and row is not None:
                listed = table.rates(*row, on, context)
        if rule is None:
            return listed
        label = next(label for label, each in self._rules if each is rule)
        if isinstance(listed, Daily):
            return Daily(listed.begins, tuple(rule.applied_to(rates, label) for rates in listed.rates))
        return rule.applied_to(listed, label)


class _UnitRates:
    """A row of `units`, ready to price."""

    def __init__(self, row: UnitPrice, label: str) -> None:
        self._row, self._label = row, label

    def cost_of(self, counts: Mapping[str, object]) -> Cost:
        """The sum over what has a price; unknown where one of those was not counted. Nothing said, it is one call."""
        known = {
            name: amount_of(counts.get(name, 1 if name == "calls" else None), MAX_AMOUNT)
            for name, _, _ in self._row.rates
        }
        if any(count is None for count in known.values()):
            return Cost(None, "none", self._label)
        total = Decimal(0)
        for line in self.lines_of(known):
            total = EXACT.add(total, line.usd)
        return Cost(total, "contract", self._label, self, known)

    def lines_of(self, counts: Mapping[str, Any]) -> tuple[Line, ...]:
        """The lines of the bill."""
        return tuple(line_of(name, counts[name], usd, per) for name, usd, per in self._row.rates if counts[name])


def _named(contract: Contract, rows: Iterable[_Value]) -> Iterator[tuple[str, _Value]]:
    for number, row in enumerate(rows):
        what = "rules" if isinstance(row, Rule) else "units"
        yield f"{contract.name} {what}[{number}]", row


def _names(models: Models) -> list[str]:
    """The names that are some, each once."""
    several = (models,) if isinstance(models, str) else models
    return list(dict.fromkeys(name for name in several if isinstance(name, str) and name.strip()))


def _seconds(at: datetime) -> float:
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _date(day: int) -> date:
    return datetime.fromtimestamp(day * _DAY, UTC).date()


def _dollars(value: object) -> Decimal | None:
    """What a response says a call cost; a float is read from its digits."""
    if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        try:
            usd = Decimal(str(value))
            if usd.is_finite() and 0 <= usd <= _MAX_DOLLARS:
                return usd
        except ArithmeticError:
            pass
    warn_once("price.reported", "a cost that a response reported was not an amount of dollars; it is not used")
    return None


def _shown(name: str) -> str:
    """A name as it may stand in a log: whoever calls a model something does not write our log."""
    return _HIDDEN.sub("?", str(name)[:160])
