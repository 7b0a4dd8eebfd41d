"""`Explanation`: for each cent of a run, where it comes from, and what was left out and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from botanu_core import semconv as sc
from botanu_core.ledger.entry import LedgerEntry, quality_of
from botanu_core.ledger.run_ledger import LeftOut, RunLedger, Totals
from botanu_core.pricing.cost import EXACT

__all__ = ["Explanation", "explanation_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How a run's cost in this process came about. `str()` is for people.

    Attributes:
        run_id: The run; empty for what belongs to none.
        workflow: What kind it is.
        totals: The sums.
        entries: What was counted; of a long run the last thousand.
        left_out: What was seen and not counted, likewise.
    """

    run_id: str
    workflow: str
    totals: Totals
    entries: Sequence[LedgerEntry]
    left_out: Sequence[LeftOut]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        totals = self.totals
        what = f"run {self.run_id} ({self.workflow})" if self.run_id else "outside any run"
        said = [_several(totals.llm_calls, "model call")]
        if totals.unpriced_calls:
            said.append(f"{totals.unpriced_calls} without a known price, which the sum is without")
        if totals.duplicate_calls:
            said.append(f"{_several(totals.duplicate_calls, 'further sighting')} of the same calls left out")
        yield f"{what}: {_usd(totals.cost_usd)}; {', '.join(said)}"
        for entry in self.entries:
            yield from _entry_lines(entry)
        earlier = totals.cost_usd
        for entry in self.entries:
            earlier = EXACT.subtract(earlier, entry.cost.usd or Decimal(0))
        if earlier:
            yield f"  {_usd(earlier)}  earlier calls, no longer remembered one by one"
        if self.left_out:
            yield "left out:"
        for left in self.left_out:
            yield f"  {_called(left.entry)}: {left.why} was counted, as entry {left.winner}"
            yield from _reported(left.entry)


def explanation_of(ledger: RunLedger, run_id: str = "", workflow: str = "") -> Explanation:
    """What a ledger holds at this moment."""
    totals, entries, left_out = ledger.snapshot()
    return Explanation(run_id=run_id, workflow=workflow, totals=totals, entries=entries, left_out=left_out)


def _entry_lines(entry: LedgerEntry) -> Iterator[str]:
    cost = entry.cost
    yield f"  {'unpriced' if cost.usd is None else _usd(cost.usd)}  {_called(entry)}, entry {entry.entry_id}"
    yield from _reported(entry)
    factor = getattr(cost.rates, "factor", Decimal(1))
    change = f", {_change(factor)}" if factor != 1 else ""
    yield f"    price     {_SOURCES[cost.source]}{f' {cost.price_id}' if cost.price_id else ''}{change}"
    for line in cost.lines:
        per = f" per {line.per:,}" if line.per != 1 else ""
        yield f"    {line.count:>12,} {line.kind} at {_usd(line.rate_usd)}{per} = {_usd(line.usd)}"


_SOURCES = {
    "provider": "named by the response itself",
    "contract": "your contract:",
    "list": "price table:",
    "none": "nobody knows it",
}


def _reported(entry: LedgerEntry) -> Iterator[str]:
    seen = entry.sighting
    if seen is None:
        yield f"    counted   {_pairs(entry.counts)}"
        return
    raw, read = _pairs(seen.raw), _pairs({**seen.usage.buckets(), **seen.usage.units})
    quality = quality_of(seen)
    yield f"    reported  {raw or 'no usage'} (by {seen.reporter}{f', {quality}' if quality else ''})"
    yield f"    read as   {read or 'unknown'}"


def _called(entry: LedgerEntry) -> str:
    seen = entry.sighting
    step = entry.run.get(sc.STEP)
    parts = [f"{entry.name!r} span {entry.span_context.span_id:016x}"]
    if seen is not None:
        asked = f"{seen.provider or '?'}/{seen.request_model or '?'}"
        answered = seen.response_model
        parts.append(asked if answered in (None, seen.request_model) else f"{asked} answered by {answered}")
        if seen.response_id is not None:
            parts.append(f"response {seen.response_id}")
    if step is not None:
        parts.append(f"step {step}")
    if entry.error_type is not None:
        parts.append(f"failed: {entry.error_type}")
    return ", ".join(parts)


def _pairs(counts: Any) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _change(factor: Decimal) -> str:
    percent = EXACT.multiply(EXACT.subtract(factor, Decimal(1)), Decimal(100))
    return f"{format(percent.copy_abs().normalize(EXACT), 'f')} % {'off' if percent < 0 else 'on top'}"


def _usd(amount: Decimal) -> str:
    return f"${format(amount.normalize(EXACT) if amount else amount, 'f')}"


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
