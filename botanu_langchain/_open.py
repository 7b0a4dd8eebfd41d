"""What is open: LangChain's own ids on one side, spans, runs and ledger calls on the other."""

import itertools
import sys
import weakref
from asyncio import _get_running_loop
from contextvars import ContextVar
from types import FrameType
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import manager as _managers
from opentelemetry.context import Context

from botanu_core.callbacks import Call, LLMTracker, RunContext, Tracker, called_from, calling, failed, read_reported

__all__ = ["Open", "OpenCalls", "enter", "leave_batch", "manager_of", "note_manager"]

_MOST_OPEN: Final = 100_000
_SYNC_DISPATCH: Final = _managers.handle_event.__code__
_ASYNC_DISPATCH: Final = _managers.ahandle_event.__code__
_STARTS: Final = frozenset(
    function.__code__
    for function in (
        _managers.AsyncCallbackManager.on_llm_start,
        _managers.AsyncCallbackManager.on_chat_model_start,
        _managers.AsyncCallbackManager.on_tool_start,
        _managers.AsyncCallbackManager.on_retriever_start,
    )
)
_USUAL_DEPTH: Final = 4
_DISPATCH_DEPTH: Final = 8


class Open:
    """One chain, model call, tool or retrieval that has begun. (What LangChain calls its run is a step of ours.)

    Attributes:
        key: LangChain's id, as a number: a UUID's own hash takes as long as all else that is done with a piece.
        parent: Of what it is a part, where that is open.
        children: What is open inside it.
        run: The run it belongs to.
        owned: That run, where it was opened for this.
        context: In which its parts start.
        around: The Context that LangChain began it in: what differs from it later has been opened inside.
        tracker: Its span; `None` for a step that makes none.
        agent: The agent or graph it is part of.
        node: The node of a graph it is part of.
        usage: Sums over the pieces of a stream.
        has_token: Whether the stream has begun.
    """

    __slots__ = (
        "__weakref__", "_life", "agent", "around", "children", "context", "has_token", "key", "node", "owned",
        "parent", "run", "tracker", "usage",
    )  # fmt: skip

    def __init__(
        self, key: int, parent: "Open | None", run: RunContext | None, context: Context, around: Context
    ) -> None:
        self.key, self.parent, self.run, self.context, self.around = key, parent, run, context, around
        self.children: dict[int, Open] = {}
        self.owned: RunContext | None = None
        self.tracker: Tracker | None = None
        self.agent: str | None = parent.agent if parent is not None else None
        self.node: object = parent.node if parent is not None else None
        self.usage: dict[str, Any] | None = None
        self.has_token = False
        self._life: weakref.ref[Any] | None = None

    def watch(self, manager: object, calls: "OpenCalls") -> None:
        """End with `manager`, a local variable of the coroutine that makes the call."""
        key = self.key
        self._life = weakref.ref(manager, lambda _: calls.gone(key))

    @property
    def is_alive(self) -> bool:
        """Whether the coroutine that made the call is still there; where that is not known, no."""
        return self._life is not None and self._life() is not None


class Inside:
    """Tells the ledger which call the code that LangChain runs next is in. Keeps nothing alive.

    Attributes:
        batch: The same for all prompts of one call; 0 where there is only one.
        outer: What was so before.
    """

    __slots__ = ("_opened", "batch", "outer")

    def __init__(self, opened: Open, batch: int) -> None:
        before = _innermost()
        if before is not None and (before() is None or (batch and before.batch == batch)):
            before = before.outer  # nothing to go back to; chains of what has ended must not grow
        self._opened = weakref.ref(opened)
        self.batch: int = batch
        self.outer: Inside | None = before

    def __call__(self) -> Call | None:
        """The call; `None` once its answer arrives, for whoever reads that may make other calls between two pieces."""
        opened = self._opened()
        if opened is None or opened.has_token or not isinstance(opened.tracker, LLMTracker):
            return None
        call = opened.tracker.call
        return call if call is not None and call.is_open else None


def enter(opened: Open, batch: int) -> None:
    """Say that what is called from here on is inside `opened`."""
    called_from(Inside(opened, batch))


def leave_batch(batch: int) -> None:
    """Say that the next prompt of a call begins: it is beside the one before, and not inside it."""
    before = _innermost()
    if before is not None and before.batch == batch:
        called_from(before.outer)


def _innermost() -> Inside | None:
    around = calling()
    return around if isinstance(around, Inside) else None


class OpenCalls:
    """All that is open. Shared by threads: each step is one of a dict's own.

    Attributes:
        by_key: The same, by LangChain's ids as integers; to be read only, by whoever asks thousands of times.
    """

    def __init__(self) -> None:
        self.by_key: dict[int, Open] = {}

    def __len__(self) -> int:
        return len(self.by_key)

    def get(self, key: UUID | None) -> Open | None:
        """What is open under LangChain's id."""
        return self.by_key.get(key.int) if key is not None else None

    def put(self, opened: Open, manager: object = None) -> None:
        """It has begun.

        Args:
            opened: What.
            manager: From `manager_of`. It ends with that at the latest: LangChain says nothing of a cancelled call.
        """
        if len(self.by_key) >= _MOST_OPEN:
            for old in list(itertools.islice(self.by_key.values(), _MOST_OPEN // 10)):
                self.abandon(old)
        self.by_key[opened.key] = opened
        self._house(opened)
        if manager is not None:
            opened.watch(manager, self)

    def _house(self, opened: Open) -> None:
        if opened.parent is not None:
            opened.parent.children[opened.key] = opened
        elif opened.run is not None and opened.owned is None:
            opened.run.admit(opened.key, lambda: self.abandon(opened))

    @staticmethod
    def _unhouse(opened: Open) -> None:
        if opened.parent is not None:
            opened.parent.children.pop(opened.key, None)
        elif opened.run is not None:
            opened.run.dismiss(opened.key)

    def take(self, key: UUID, *, is_cut: bool = False) -> Open | None:
        """It has ended.

        What is still open inside it is ended with it, but for calls that are known to go on.

        Args:
            key: LangChain's id.
            is_cut: Whether it was cancelled: then nothing goes on.
        """
        opened = self.by_key.pop(key.int, None)
        if opened is None:
            return None
        self._unhouse(opened)
        if opened.children:
            for each in _inside_out(opened):
                if each is opened:
                    continue
                if each.is_alive and not is_cut:
                    self._unhouse(each)
                    each.parent = None
                    self._house(each)
                else:
                    self.abandon(each)
        return opened

    def gone(self, key: int) -> None:
        """The coroutine that made the call is no more."""
        opened = self.by_key.get(key)
        if opened is not None:
            self.abandon(opened)

    def abandon(self, opened: Open) -> None:
        """End what nobody will end, and all inside it: cancelled, with what had been seen by then."""
        for each in _inside_out(opened):
            if self.by_key.pop(each.key, None) is None:
                continue
            self._unhouse(each)
            try:
                _cancel(each)
            except Exception as error:
                failed("langchain", error)


def _inside_out(opened: Open) -> list[Open]:
    """All that is inside `opened`, the innermost first, and itself. By hand: LangChain nests a thousand deep."""
    found, waiting = [], [opened]
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting.extend(list(each.children.values()))
    found.reverse()
    return found


def _cancel(opened: Open) -> None:
    tracker = opened.tracker
    if isinstance(tracker, LLMTracker):
        if opened.usage is not None:
            tracker.report(read_reported("langchain", opened.usage), opened.usage, "cached_tokens")
        tracker.set_stream_over()
    if tracker is not None:
        tracker.set_canceled().finish()
    if opened.owned is not None:
        opened.owned.finish("canceled")


_noted: Final[ContextVar["weakref.ref[Any] | None"]] = ContextVar("botanu_langchain_manager", default=None)


def note_manager(manager: object) -> None:
    """Remember the manager that is about to hand an event to other tasks, which copy this context."""
    if manager is not None:
        _noted.set(weakref.ref(manager))


def manager_of() -> object:
    """LangChain's manager of the asynchronous call whose event is being handled; `None` where it is not known.

    No event says it. But the manager lives just as long as the coroutine that makes the call, and where that is
    cancelled, nothing else tells.
    """
    if _get_running_loop() is None:  # a synchronous call: no need to look who is calling
        return None
    # Every frame that is looked at has to become an object first, so the one of a model call's event comes first.
    frame: FrameType | None = sys._getframe(_USUAL_DEPTH)
    if frame is not None and frame.f_code is not _ASYNC_DISPATCH:
        frame = sys._getframe(1)
    for _ in range(_DISPATCH_DEPTH):
        if frame is None or frame.f_code is _SYNC_DISPATCH:
            return None
        if frame.f_code is _ASYNC_DISPATCH:
            asking = frame.f_back
            if asking is not None and asking.f_code in _STARTS:
                return asking.f_locals.get("self")
            noted = _noted.get()
            return noted() if noted is not None else None
        frame = frame.f_back
    return None
