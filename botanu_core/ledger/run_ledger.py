"""`RunLedger`: the calls of one run in this process, each counted once, and their sum.

One model call may be seen by several spans: a tracker's, LangChain's, an instrumentor's, the provider's own. Each that
may be one is a `Call`, and knows which call was open around it when it began. Of several that see the same call the
innermost that knows what was used is counted; the others are left out, for one of three reasons: the same response id
was counted, a call inside it was, or one around it was. What ends without knowing its usage is not judged before all
around and inside it have ended, whatever order they end in; and where it had to be judged before, it does not keep a
call that does know from being counted.
"""

import os
import threading
from collections import deque
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from botanu_core.ledger.entry import LedgerEntry, entry_id_of
from botanu_core.pricing.cost import EXACT

__all__ = ["Call", "LeftOut", "RunLedger", "Totals", "undecided"]

Why = Literal["the same response id", "a call inside it", "a call around it"]

_MOST_REMEMBERED: Final = 1000
"""Entries, and sightings left out, that `explain` can show of one run."""
_MOST_IDS: Final = 8192
_MOST_WAITING: Final = 1000
_MOST_UNDECIDED: Final = 4096


class _Process:
    """What a fork must renew."""

    def __init__(self) -> None:
        self.generation = 0
        self.renew()

    def renew(self) -> None:
        """Let nothing of the parent process count here."""
        self.generation += 1
        # One for all runs: a call may have another run's around it. Reentrant, because garbage may be collected while
        # it is held, and what is collected may be a stream, whose end comes by here.
        self.lock = threading.RLock()
        # Held, for a run that is dropped and never ended has made its calls all the same.
        self.undecided: dict[RunLedger, None] = {}


_process: Final = _Process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.renew)


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


class _Winner(NamedTuple):
    """What was counted."""

    entry_id: str
    knows_usage: bool


class Call:
    """One span that is, or may be, a model call.

    Attributes:
        ledger: Where it is counted.
        span_id: Its span's; 0 where nobody makes spans.
        run: Whose it is, for whoever ends it; the ledger does not look into it.
        above: The call that was open around it when it began.
        step: The step of the run that it is in.
        teller: Who says what it was, of a call that was told of on somebody else's span.
        span: That span.
        entry: What it said when it ended.
        state: Where it stands. ``waiting`` ones will be counted at the end of their run, if their response id is not
            counted before.
    """

    __slots__ = (
        "__weakref__", "_counted_below", "_generation", "_open", "_pending", "_root", "above", "entry", "ledger", "run",
        "span", "span_id", "state", "step", "teller",
    )  # fmt: skip

    def __init__(self, ledger: "RunLedger", above: "Call | None", span_id: int, run: Any) -> None:
        self.ledger, self.above, self.span_id, self.run = ledger, above, span_id, run
        self.step: str | None = None
        self.teller: Any = None
        self.span: Any = None
        self.entry: LedgerEntry | None = None
        self.state: Literal["open", "pending", "waiting", "counted", "left out", "no call"] = "open"
        self._counted_below: _Winner | None = None
        self._generation = _process.generation
        # Of a tree of calls the outermost knows how many are open, and which wait for them.
        self._root: Call = self if above is None else above._root
        self._open = 0
        self._pending: list[Call] | None = None
        self._root._open += 1

    @property
    def is_open(self) -> bool:
        """Whether it has not ended yet, and will end in this process."""
        return self.state == "open" and self._generation == _process.generation

    def nearest_open(self) -> "Call | None":
        """This call, else the nearest around it that is open: one that has ended cannot be what begins now."""
        call: Call | None = self
        while call is not None and not call.is_open:
            call = call.above
        return call

    def _counted_above(self, *, knows_usage: bool) -> str | None:
        call = self.above
        while call is not None:
            entry = call.entry
            if entry is not None and call.state in ("counted", "waiting") and (entry.knows_usage or not knows_usage):
                return entry.entry_id
            call = call.above
        return None

    def _mark_above(self, winner: _Winner) -> None:
        call = self.above
        while call is not None and ((before := call._counted_below) is None or winner.knows_usage > before.knows_usage):
            call._counted_below = winner
            call = call.above


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
    _ids: dict[str, _Winner] = field(default_factory=dict)
    _waiting: dict[str, Call] = field(default_factory=dict)
    _trees: set[Call] = field(default_factory=set)
    _generation: int = field(default_factory=lambda: _process.generation)

    def open(self, above: Call | None = None, *, span_id: int = 0, run: Any = None) -> Call:
        """A span that may be a model call has begun.

        Args:
            above: The call around it; where that has ended, the nearest around that one which has not.
            span_id: The span's.
            run: Whose it is.
        """
        with _process.lock:
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
        with _process.lock:
            if call.state != "open" or call._generation != _process.generation:  # the parent process counts it
                return counted
            self._renew()
            root = call._root
            root._open -= 1
            call.entry = entry
            if entry is None:
                call.state = "no call"
            else:
                self._judge(call, entry, counted, is_final=False)
            if root._pending and (root._open <= 0 or len(root._pending) >= _MOST_WAITING):
                _settle(root, counted)
        return counted

    def stand_back(self, call: Call) -> list[LedgerEntry]:
        """Leave a call out whatever it will say: another that sees the same one says it.

        Returns:
            What is counted now: others that have waited for it.
        """
        counted: list[LedgerEntry] = []
        with _process.lock:
            if call.is_open:
                call.state = "left out"
                self.totals.duplicate_calls += 1
                root = call._root
                root._open -= 1
                if root._pending and root._open <= 0:
                    _settle(root, counted)
        return counted

    def add(self, entry: LedgerEntry) -> list[LedgerEntry]:
        """Count something other than a model call, which nobody else sees."""
        counted: list[LedgerEntry] = []
        with _process.lock:
            self._renew()
            self._enter(entry, counted)
        return counted

    def add_tool_call(self) -> None:
        """Count a tool call, whether or not it has a price."""
        with _process.lock:
            self._renew()
            self.totals.tool_calls += 1

    def tell(self, call: Call) -> list[LedgerEntry]:
        """Remember a call in `told`.

        Returns:
            What is counted now, for the room that it takes.
        """
        counted: list[LedgerEntry] = []
        with _process.lock:
            self.told[call.span_id] = call
            self._undecided(counted)
        return counted

    def close(self) -> list[LedgerEntry]:
        """The run has ended: nothing waits any longer.

        Returns:
            What is counted now.
        """
        with _process.lock:
            self.closed = True
            return self.settle()

    def settle(self) -> list[LedgerEntry]:
        """Judge what waits, as far as anything is known.

        Returns:
            What is counted now.
        """
        counted: list[LedgerEntry] = []
        with _process.lock:
            self._renew()
            for root in tuple(self._trees):
                _settle(root, counted)
            for call in tuple(self._waiting.values()):
                self._count(call, counted)
            self._waiting.clear()
            _process.undecided.pop(self, None)
        return counted

    def snapshot(self) -> tuple[Totals, tuple[LedgerEntry, ...], tuple[LeftOut, ...]]:
        """The sums, the last entries and the last sightings left out, all of one moment."""
        with _process.lock:
            self._renew()
            return replace(self.totals), tuple(self.entries), tuple(self.left_out)

    def _renew(self) -> None:
        """In a forked child: what the parent has counted and what waits there is the parent's to report."""
        if self._generation != _process.generation:
            self._generation = _process.generation
            self.totals = Totals()
            self.entries.clear()
            self.left_out.clear()
            self.told.clear()
            self._trees.clear()
            self._waiting.clear()

    # --- all of the below is called with the lock held -----------------------------------------------------------

    def _judge(self, call: Call, entry: LedgerEntry, counted: list[LedgerEntry], *, is_final: bool) -> None:
        seen, knows_usage = entry.sighting, entry.knows_usage
        response_id = seen.response_id if seen is not None else None
        below, twin = call._counted_below, self._ids.get(response_id) if response_id is not None else None
        # Who knows what was used is left out for nobody who does not.
        if below is not None and (below.knows_usage or not knows_usage):
            self._leave_out(call, entry, "a call inside it", below.entry_id)
        elif twin is not None and (twin.knows_usage or not knows_usage):
            self._leave_out(call, entry, "the same response id", twin.entry_id)
            call._mark_above(twin)
        elif call.above is not None and (above := call._counted_above(knows_usage=knows_usage)) is not None:
            self._leave_out(call, entry, "a call around it", above)
        elif knows_usage and (is_final or not (seen is not None and seen.is_partial)):
            if twin is not None:  # its entry has left without the numbers, under the response's id
                call.entry = entry._replace(entry_id=entry_id_of("", None, entry.span_context))
            self._count(call, counted)
        elif not is_final:
            self._put_off(call, counted)
        elif response_id is not None and entry.error_type is None and not self.closed:
            self._wait(call, response_id, entry, counted)
        else:
            self._count(call, counted)

    def _put_off(self, call: Call, counted: list[LedgerEntry]) -> None:
        """Until all calls of its tree have ended."""
        call.state = "pending"
        root = call._root
        if root._pending is None:
            root._pending = []
        root._pending.append(call)
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
        call._mark_above(_Winner(entry.entry_id, entry.knows_usage))

    def _undecided(self, counted: list[LedgerEntry]) -> None:
        runs = _process.undecided
        if self not in runs and len(runs) >= _MOST_UNDECIDED:  # runs that nobody ever ends
            counted += next(iter(runs)).settle()
        runs[self] = None

    def _count(self, call: Call, counted: list[LedgerEntry]) -> None:
        entry = call.entry
        if entry is None:
            return
        call.state = "counted"
        seen, winner = entry.sighting, _Winner(entry.entry_id, entry.knows_usage)
        if call.above is not None:
            call._mark_above(winner)
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
        self.totals.duplicate_calls += 1
        self.left_out.append(LeftOut(entry, why, winner))


def _settle(root: Call, counted: list[LedgerEntry]) -> None:
    """Judge the calls of a tree that were put off: those that know something first, then the innermost."""
    pending, root._pending = root._pending or [], None
    pending.sort(key=_rank)
    for call in pending:
        if call.state == "pending" and call.entry is not None:
            call.ledger._judge(call, call.entry, counted, is_final=True)
    for call in pending:
        call.ledger._trees.discard(root)


def _rank(call: Call) -> tuple[bool, int]:
    depth, above = 0, call.above
    while above is not None:
        depth, above = depth + 1, above.above
    return not (call.entry is not None and call.entry.knows_usage), -depth


def undecided() -> list[RunLedger]:
    """The ledgers in which something waits: to be settled when the process ends."""
    with _process.lock:
        return list(_process.undecided)
