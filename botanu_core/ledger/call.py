"""`Call`: one span that is, or may be, a model call, and which others lie around it."""

import os
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from botanu_core.ledger.entry import LedgerEntry
from botanu_core.lock import BargingLock

if TYPE_CHECKING:
    from botanu_core.ledger.run_ledger import RunLedger

__all__ = ["Call", "Process", "Winner", "Witness", "process"]


class Process:
    """What a fork must renew."""

    def __init__(self) -> None:
        self.generation = 0
        self.renew()

    def renew(self) -> None:
        """Let nothing of the parent process count here."""
        self.generation += 1
        # One for all runs: a call may have another run's around it.
        self.lock = BargingLock()
        # Held, for a run that is dropped and never ended has made its calls all the same.
        self.undecided: dict[RunLedger, None] = {}


process: Final = Process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=process.renew)


class Winner(NamedTuple):
    """What was counted."""

    entry_id: str
    knows: int


class Witness(NamedTuple):
    """Whose span tells of a call, where it is somebody else's.

    Attributes:
        scope: The instrumentation.
        parent_id: The span around it, or 0.
        began_ns: When it began, on the process's own clock.
    """

    scope: str
    parent_id: int
    began_ns: int


class Call:
    """One span that is, or may be, a model call.

    Attributes:
        ledger: Where it is counted.
        span_id: Its span's; 0 where nobody makes spans.
        run: Whose it is, for whoever ends it; the ledger does not look into it.
        above: The call that was open around it when it began.
        witness: Which instrumentation made its span, and inside which; `None` for a tracker's of ours.
        teller: Who says what it was, of a call that was told of on somebody else's span.
        span: That span.
        step: The step that this was in.
        entry: What it said when it ended.
        root: The outermost call of the tree that it is in.
        open_inside: Of the outermost: how many calls of its tree are open.
        pending: Of the outermost: those that wait until none is.
        counted_below: What was counted inside it.
        state: Where it stands. ``waiting`` ones will be counted at the end of their run, if their response id is not
            counted before.
    """

    __slots__ = (
        "__weakref__", "above", "counted_below", "entry", "generation", "ledger", "open_inside", "pending", "root",
        "run", "span", "span_id", "state", "step", "teller", "witness",
    )  # fmt: skip

    def __init__(self, ledger: "RunLedger", above: "Call | None", span_id: int, run: Any) -> None:
        self.ledger, self.above, self.span_id, self.run = ledger, above, span_id, run
        self.witness: Witness | None = None
        self.teller: Any = None
        self.span: Any = None
        self.step: str | None = None
        self.entry: LedgerEntry | None = None
        self.state: Literal["open", "pending", "waiting", "counted", "left out", "no call"] = "open"
        self.counted_below: Winner | None = None
        self.generation = process.generation
        self.root: Call = self if above is None else above.root
        self.open_inside = 0
        self.pending: list[Call] | None = None
        self.root.open_inside += 1

    @property
    def is_open(self) -> bool:
        """Whether it has not ended yet, and will in this process."""
        return self.state == "open" and self.generation == process.generation

    def is_inside(self, other: "Call") -> bool:
        """Whether this is `other`, or a call inside it."""
        call: Call | None = self
        while call is not None and call is not other:
            call = call.above
        return call is not None

    def nearest_open(self) -> "Call | None":
        """This call, else the nearest around it that is open: one that has ended cannot be what begins now."""
        call: Call | None = self
        while call is not None and not call.is_open:
            call = call.above
        return call

    def counted_above(self, knows: int) -> str | None:
        """The entry of a call around it that was counted, knowing no less."""
        call = self.above
        while call is not None:
            entry = call.entry
            if entry is not None and call.state in ("counted", "waiting") and entry.knows >= knows:
                return entry.entry_id
            call = call.above
        return None

    def mark_above(self, winner: Winner) -> None:
        """Tell all calls around it what was counted inside them."""
        call = self.above
        while call is not None and ((before := call.counted_below) is None or winner.knows > before.knows):
            call.counted_below = winner
            call = call.above
