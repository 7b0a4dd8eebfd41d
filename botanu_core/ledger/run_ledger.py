"""`RunLedger`: the calls of one run in this process, each counted once, and their sum.

One model call may be seen by several spans: a tracker's, LangChain's, an instrumentor's, the provider's own. Each that
may be one is a `Call`, and knows which call was open around it when it began. Of several that see the same call the
innermost that knows what was used is counted; the others are left out, for one of four reasons: the same response id
was counted, a call inside it, one around it, or one beside it. What ends without knowing its usage is not judged before
all around and inside it have ended, whatever order they end in; and where it had to be judged before, it does not keep
a call that does know from being counted.
"""

import time
from collections import deque
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from botanu_core.ledger.call import Call, Winner, process
from botanu_core.ledger.entry import LedgerEntry, entry_id_of
from botanu_core.pricing.cost import EXACT

__all__ = ["LeftOut", "RunLedger", "Totals", "undecided"]

Why = Literal["the same response id", "a call inside it", "a call around it", "a call beside it"]

_MOST_REMEMBERED: Final = 1000
"""Entries, and sightings left out, that `explain` can show of one run."""
_MOST_IDS: Final = 8192
_MOST_WAITING: Final = 1000
_MOST_UNDECIDED: Final = 4096
_MOST_PLACES: Final = 256


@dataclass(slots=True)
class Totals:
    """What a run has come to in this process.

    Attributes:
        cost_usd: Exact dollars of all entries that have a price.
        llm_calls: Model calls, each counted once.
        unpriced_calls: Entries whose price or usage nobody knows; `cost_usd` is without them.
        duplicate_calls: Sightings left out, their call being counted already.
        input_tokens: Of the calls counted, as far as they are known.
        output_tokens: Likewise.
        tool_calls: Tools called, by our trackers.
    """

    cost_usd: Decimal = Decimal(0)
    llm_calls: int = 0
    unpriced_calls: int = 0
    duplicate_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0


class LeftOut(NamedTuple):
    """A sighting that was not counted.

    Attributes:
        entry: What it would have been.
        why: Why it is not.
        winner: The id of the entry that was counted instead.
    """

    entry: LedgerEntry
    why: Why
    winner: str


class _Seen(NamedTuple):
    """A call that somebody else's instrumentation has seen, and that was counted."""

    scope: str
    response_id: str | None
    ended_ns: int
    entry_id: str


@dataclass(slots=True, eq=False, weakref_slot=True)
class RunLedger:
    """The ledger of a run, or of what belongs to none. Safe for threads; its memory does not grow with the run.

    Attributes:
        totals: The sums.
        entries: The last ones, for `explain`.
        left_out: The last sightings that were not counted, likewise.
        told: Calls that were told of on somebody else's span, by the span's id; its end may never be heard.
            `settle` leaves them to who told of them.
        closed: Whether nothing waits for a twin any more: the run has ended, or there is none.
    """

    closed: bool = False
    totals: Totals = field(default_factory=Totals)
    entries: deque[LedgerEntry] = field(default_factory=lambda: deque(maxlen=_MOST_REMEMBERED))
    left_out: deque[LeftOut] = field(default_factory=lambda: deque(maxlen=_MOST_REMEMBERED))
    told: dict[int, Call] = field(default_factory=dict)
    _ids: dict[str, Winner] = field(default_factory=dict)
    _seen: dict[tuple[int, int | None, int | None], "_Seen"] = field(default_factory=dict)
    _waiting: dict[str, Call] = field(default_factory=dict)
    _trees: set[Call] = field(default_factory=set)
    _generation: int = field(default_factory=lambda: process.generation)

    def open(self, above: Call | None = None, *, span_id: int = 0, run: Any = None) -> Call:
        """A span that may be a model call has begun.

        Args:
            above: The call around it; where that has ended, the nearest around that one which has not.
            span_id: The span's.
            run: Whose it is.
        """
        if above is None and self._generation == process.generation:
            return Call(self, None, span_id, run)  # nobody else knows of it yet: threads need not wait for each other
        with process.lock:
            self._renew()
            return Call(self, above.nearest_open() if above is not None else None, span_id, run)

    def end(self, call: Call, entry: LedgerEntry | None) -> list[LedgerEntry]:
        """The span has ended.

        Args:
            call: From `open`.
            entry: What it says; `None` where it was no model call after all.

        Returns:
            What is counted now: this call, none, or others that have waited for it. To be published by the caller.
        """
        counted: list[LedgerEntry] = []
        with process.lock:
            if call.state != "open" or call.generation != process.generation:  # the parent process counts it
                return counted
            self._renew()
            root = call.root
            root.open_inside -= 1
            call.entry = entry
            if entry is None:
                call.state = "no call"
            else:
                self._judge(call, entry, counted, is_final=False)
            if root.pending and (root.open_inside <= 0 or len(root.pending) >= _MOST_WAITING):
                _settle(root, counted)
        return counted

    def stand_back(self, call: Call) -> list[LedgerEntry]:
        """Leave a call out whatever it will say: another that sees the same one says it.

        Returns:
            What is counted now: others that have waited for it.
        """
        counted: list[LedgerEntry] = []
        with process.lock:
            if call.is_open:
                call.state = "left out"
                self.totals.duplicate_calls += 1
                root = call.root
                root.open_inside -= 1
                if root.pending and root.open_inside <= 0:
                    _settle(root, counted)
        return counted

    def add(self, entry: LedgerEntry) -> list[LedgerEntry]:
        """Count something other than a model call, which nobody else sees."""
        counted: list[LedgerEntry] = []
        with process.lock:
            self._renew()
            self._enter(entry, counted)
        return counted

    def add_tool_call(self) -> None:
        """Count a tool call, whether or not it has a price."""
        with process.lock:
            self._renew()
            self.totals.tool_calls += 1

    def tell(self, call: Call) -> list[LedgerEntry]:
        """Remember a call in `told`. What is counted now, for the room that it takes, is returned."""
        counted: list[LedgerEntry] = []
        with process.lock:
            self.told[call.span_id] = call
            self._undecided(counted)
        return counted

    def close(self) -> list[LedgerEntry]:
        """The run has ended: nothing waits any longer. What is counted now is returned."""
        with process.lock:
            self.closed = True
            return self.settle()

    def settle(self) -> list[LedgerEntry]:
        """Judge what waits, as far as anything is known. What is counted now is returned."""
        counted: list[LedgerEntry] = []
        with process.lock:
            self._renew()
            for root in tuple(self._trees):
                _settle(root, counted)
            for call in tuple(self._waiting.values()):
                self._count(call, counted)
            self._waiting.clear()
            process.undecided.pop(self, None)
        return counted

    def snapshot(self) -> tuple[Totals, tuple[LedgerEntry, ...], tuple[LeftOut, ...]]:
        """The sums, the last entries and the last sightings left out, of one moment."""
        with process.lock:
            self._renew()
            return replace(self.totals), tuple(self.entries), tuple(self.left_out)

    def _renew(self) -> None:
        """In a forked child: what the parent has counted and what waits there is the parent's to report."""
        if self._generation != process.generation:
            self._generation = process.generation
            self.totals = Totals()
            self.entries.clear()
            self.left_out.clear()
            self.told.clear()
            self._trees.clear()
            self._waiting.clear()

    # --- all of the below is called with the lock held -----------------------------------------------------------

    def _judge(self, call: Call, entry: LedgerEntry, counted: list[LedgerEntry], *, is_final: bool) -> None:
        seen, knows = entry.sighting, entry.knows
        response_id = seen.response_id if seen is not None else None
        below, twin = call.counted_below, self._ids.get(response_id) if response_id is not None else None
        # Who knows more is left out for nobody who knows less.
        if below is not None and below.knows >= knows:
            self._leave_out(call, entry, "a call inside it", below.entry_id)
        elif twin is not None and twin.knows >= knows:
            self._leave_out(call, entry, "the same response id", twin.entry_id)
            call.mark_above(twin)
        elif call.above is not None and (above := call.counted_above(knows)) is not None:
            self._leave_out(call, entry, "a call around it", above)
        elif call.witness is not None and (beside := self._counted_beside(call, entry)) is not None:
            self._leave_out(call, entry, "a call beside it", beside)
        elif knows and (is_final or (knows > 1 and not (seen is not None and seen.is_partial))):
            if twin is not None:  # its entry has left without the numbers, under the response's id
                call.entry = entry._replace(entry_id=entry_id_of("", None, entry.span_context))
            self._count(call, counted)
        elif not is_final:
            self._put_off(call, counted)
        elif response_id is not None and entry.error_type is None and not self.closed:
            self._wait(call, response_id, entry, counted)
        else:
            self._count(call, counted)

    def _counted_beside(self, call: Call, entry: LedgerEntry) -> str | None:
        """The entry of what another instrumentation has seen in the same place, at the same time, with the same usage.

        Where both know the response's id it tells them apart.
        """
        before = self._seen.get(key) if (key := _place_of(call, entry)) is not None else None
        if before is None or call.witness is None or before.scope == call.witness.scope:
            return None
        knows_ids = before.response_id is not None and entry.sighting is not None and entry.sighting.response_id
        return None if knows_ids or call.witness.began_ns > before.ended_ns else before.entry_id

    def _remember_place(self, call: Call, entry: LedgerEntry) -> None:
        key = _place_of(call, entry)
        if key is None or call.witness is None or entry.sighting is None:
            return
        if len(self._seen) >= _MOST_PLACES:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = _Seen(call.witness.scope, entry.sighting.response_id, time.perf_counter_ns(), entry.entry_id)

    def _put_off(self, call: Call, counted: list[LedgerEntry]) -> None:
        """Until all calls of its tree have ended."""
        call.state = "pending"
        root = call.root
        if root.pending is None:
            root.pending = []
        root.pending.append(call)
        self._trees.add(root)
        self._undecided(counted)

    def _wait(self, call: Call, response_id: str, entry: LedgerEntry, counted: list[LedgerEntry]) -> None:
        """For another span that has the same response id, and knows what was used."""
        twin = self._waiting.get(response_id)
        if twin is not None and twin.entry is not None:
            self._leave_out(call, entry, "the same response id", twin.entry.entry_id)
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._count(next(iter(self._waiting.values())), counted)
        call.state = "waiting"
        self._waiting[response_id] = call
        self._undecided(counted)
        call.mark_above(Winner(entry.entry_id, entry.knows))

    def _undecided(self, counted: list[LedgerEntry]) -> None:
        runs = process.undecided
        if self not in runs and len(runs) >= _MOST_UNDECIDED:  # runs that nobody ever ends
            counted += next(iter(runs)).settle()
        runs[self] = None

    def _count(self, call: Call, counted: list[LedgerEntry]) -> None:
        entry = call.entry
        if entry is None:
            return
        call.state = "counted"
        seen, winner = entry.sighting, Winner(entry.entry_id, entry.knows)
        if call.witness is not None:
            self._remember_place(call, entry)
        if call.above is not None:
            call.mark_above(winner)
        if seen is not None and (response_id := seen.response_id) is not None:
            twin = self._waiting.pop(response_id, None)
            if twin is not None and twin is not call and twin.entry is not None:
                self._leave_out(twin, twin.entry, "the same response id", entry.entry_id)
            ids = self._ids
            if len(ids) >= _MOST_IDS:
                for old in list(ids)[: _MOST_IDS // 4]:
                    del ids[old]
            ids[response_id] = winner
        self._enter(entry, counted)

    def _enter(self, entry: LedgerEntry, counted: list[LedgerEntry]) -> None:
        totals = self.totals
        if entry.cost.usd is not None:
            totals.cost_usd = EXACT.add(totals.cost_usd, entry.cost.usd)
        elif entry.is_unpriced:
            totals.unpriced_calls += 1
        if (seen := entry.sighting) is not None:
            totals.llm_calls += 1
            totals.input_tokens += seen.usage.input_tokens or 0
            totals.output_tokens += seen.usage.output_tokens or 0
        self.entries.append(entry)
        counted.append(entry)

    def _leave_out(self, call: Call, entry: LedgerEntry, why: Why, winner: str) -> None:
        call.state = "left out"
        seen = entry.sighting
        if seen is not None and seen.response_id is not None:  # the winner need not know it
            self._ids.setdefault(seen.response_id, Winner(winner, 2))
        self.totals.duplicate_calls += 1
        self.left_out.append(LeftOut(entry, why, winner))


def _place_of(call: Call, entry: LedgerEntry) -> tuple[int, int | None, int | None] | None:
    seen = entry.sighting
    if call.witness is None or not call.witness.parent_id or seen is None or not seen.knows_usage:
        return None
    return call.witness.parent_id, seen.usage.input_tokens, seen.usage.output_tokens


def _settle(root: Call, counted: list[LedgerEntry]) -> None:
    """Judge the calls of a tree that were put off: those that know most first, then the innermost."""
    pending, root.pending = root.pending or [], None
    pending.sort(key=_rank)
    for call in pending:
        if call.state == "pending" and call.entry is not None:
            call.ledger._judge(call, call.entry, counted, is_final=True)
    for call in pending:
        call.ledger._trees.discard(root)


def _rank(call: Call) -> tuple[int, int]:
    depth, above = 0, call.above
    while above is not None:
        depth, above = depth + 1, above.above
    return -(call.entry.knows if call.entry is not None else 0), -depth


def undecided() -> list[RunLedger]:
    """The ledgers in which something waits: to be settled when the process ends."""
    with process.lock:
        return list(process.undecided)
