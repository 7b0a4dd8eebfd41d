"""What the ledger says: bills made from its events, and their comparison with the provider's own invoice.

Only log events are read here, as the receiver got them: `botanu.ledger.entry` and `botanu.run.completed`, joined by the
id of the run. No span is needed, and so no sampler can be in the way.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from demo.otlp import LogEvent

__all__ = ["Bill", "Comparison", "Entry", "Finished", "bills_by", "compare", "entries_of", "finished_of"]

_NOTHING = Decimal(0)
_TOKENS = "botanu.tokens."

Invoice = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One billable call.

    Attributes:
        usd: What it cost; `None` where nobody knows.
        buckets: Its tokens; none stands in two of them.
    """

    entry_id: str
    kind: str
    run_id: str
    customer: str
    workflow: str
    model: str
    response_id: str
    source: str
    usd: Decimal | None
    buckets: Mapping[str, int]
    is_failed: bool

    @classmethod
    def of(cls, event: LogEvent) -> Self:
        """Read one from its event."""
        said = event.attributes
        exact = said.get("botanu.cost.usd_exact")
        return cls(
            entry_id=said["botanu.entry_id"],
            kind=said["botanu.entry_kind"],
            run_id=said.get("botanu.run_id", ""),
            customer=said.get("botanu.customer_id", "–"),
            workflow=said.get("botanu.workflow", "–"),
            model=said.get("gen_ai.response.model") or said.get("gen_ai.request.model") or said["botanu.entry_name"],
            response_id=said.get("gen_ai.response.id", ""),
            source=said["botanu.cost.source"],
            usd=None if exact is None else Decimal(exact),
            buckets={name.removeprefix(_TOKENS): said[name] for name in said if name.startswith(_TOKENS)},
            is_failed=said["botanu.call.status"] == "error",
        )

    @property
    def tokens(self) -> int:
        """All of them."""
        return sum(self.buckets.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """One run, as its opener told when it ended."""

    run_id: str
    customer: str
    workflow: str
    outcome: str
    duplicates: int

    @property
    def is_success(self) -> bool:
        """Whether there is something to show for the money."""
        return self.outcome == "success"


def entries_of(events: Iterable[LogEvent]) -> list[Entry]:
    """The entries; one that was delivered twice has the same id, and is taken once."""
    found = (Entry.of(event) for event in events if event.event_name == "botanu.ledger.entry")
    return list({entry.entry_id: entry for entry in found}.values())


def finished_of(events: Iterable[LogEvent]) -> list[Finished]:
    """The runs that have ended."""
    return [
        Finished(
            run_id=event.attributes["botanu.run_id"],
            customer=event.attributes.get("botanu.customer_id", "–"),
            workflow=event.attributes["botanu.workflow"],
            outcome=event.attributes.get("botanu.outcome.status", "–"),
            duplicates=event.attributes.get("botanu.run.duplicate_calls", 0),
        )
        for event in events
        if event.event_name == "botanu.run.completed"
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What one customer, workflow or model comes to."""

    name: str
    runs: int
    successful: int
    calls: int
    unpriced: int
    tokens: int
    cached: int
    usd: Decimal

    @property
    def usd_per_success(self) -> Decimal | None:
        """All that was spent, failures included, over what succeeded; `None` where nothing did."""
        return self.usd / self.successful if self.successful else None


def bills_by(
    name_of: Callable[[Entry | Finished], str], entries: Iterable[Entry], runs: Iterable[Finished] = ()
) -> list[Bill]:
    """One bill a name, the dearest first.

    Args:
        name_of: Whom or what an entry, and a run, belongs to.
        entries: What was spent.
        runs: What came of it.
    """
    spent: defaultdict[str, list[Entry]] = defaultdict(list)
    ended: defaultdict[str, list[Finished]] = defaultdict(list)
    for entry in entries:
        spent[name_of(entry)].append(entry)
    for run in runs:
        ended[name_of(run)].append(run)
    bills = [
        Bill(
            name=name,
            runs=len(ended[name]),
            successful=sum(run.is_success for run in ended[name]),
            calls=len(spent[name]),
            unpriced=sum(entry.usd is None and not entry.is_failed for entry in spent[name]),
            tokens=sum(entry.tokens for entry in spent[name]),
            cached=sum(entry.buckets.get("cache_read", 0) for entry in spent[name]),
            usd=sum((entry.usd or _NOTHING for entry in spent[name]), _NOTHING),
        )
        for name in spent.keys() | ended.keys()
    ]
    return sorted(bills, key=lambda bill: (-bill.usd, bill.name))


@dataclass(frozen=True, slots=True)
class Difference:
    """One response about which the two sides do not agree; `None` where a side has nothing."""

    response_id: str
    model: str
    ledger_usd: Decimal | None
    invoice_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The ledger against the invoice, response by response.

    Attributes:
        ledger_usd: What the ledger's model calls cost.
        invoice_usd: What is due by the invoice.
        list_usd: The same at list prices.
        untold: Rows of answers whose usage the provider told nobody, which the ledger has, with no price.
        untold_usd: What these cost.
        differs: Everything else that is not equal to the last digit.
        responses: How many were compared.
        not_billed: Rows of the invoice that cost nothing, by their status.
    """

    ledger_usd: Decimal
    invoice_usd: Decimal
    list_usd: Decimal
    untold: int
    untold_usd: Decimal
    differs: Sequence[Difference]
    responses: int
    not_billed: Mapping[str, int]

    @property
    def difference_usd(self) -> Decimal:
        """What the two sums differ by, once what nobody was told is added."""
        return self.ledger_usd + self.untold_usd - self.invoice_usd


def compare(entries: Iterable[Entry], invoice: Invoice) -> Comparison:
    """Compare over the id that both sides know a response by, so that errors cannot cancel out."""
    calls = {entry.response_id: entry for entry in entries if entry.kind == "llm" and entry.response_id}
    nameless = [entry for entry in entries if entry.kind == "llm" and not entry.response_id and entry.usd]
    billed = {row["request_id"]: row for row in invoice if row["input_tokens"] or row["output_tokens"]}
    due = {identity: Decimal(row["due_usd"] or "NaN") for identity, row in billed.items()}
    untold = {identity for identity in calls.keys() & billed.keys() if _is_untold(calls[identity])}
    differs = [Difference(entry.entry_id, entry.model, entry.usd, None) for entry in nameless]
    for identity in sorted((calls.keys() | billed.keys()) - untold):
        entry, usd = calls.get(identity), due.get(identity)
        if (entry.usd if entry is not None else None) != usd:
            model = entry.model if entry is not None else billed[identity]["model"]
            differs.append(Difference(identity, model, entry.usd if entry is not None else None, usd))
    return Comparison(
        ledger_usd=sum((entry.usd or _NOTHING for entry in (*calls.values(), *nameless)), _NOTHING),
        invoice_usd=sum(due.values(), _NOTHING),
        list_usd=sum((Decimal(row["list_usd"] or "NaN") for row in billed.values()), _NOTHING),
        untold=len(untold),
        untold_usd=sum((due[identity] for identity in untold), _NOTHING),
        differs=differs,
        responses=len(calls.keys() | billed.keys()),
        not_billed=Counter(str(row["status"]) for row in invoice if row["request_id"] not in billed),
    )


def _is_untold(entry: Entry) -> bool:
    return entry.usd is None and entry.source == "none" and not entry.buckets
