"""What is open: LangChain's own ids on one side, spans, runs and ledger calls on the other."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import UUID

from opentelemetry.context import Context

from botanu_core.callbacks import LLMTracker, RunContext, Tracker, failed

__all__ = ["Open", "OpenCalls"]

_MOST_OPEN: Final = 100_000
_MOST_FORGOTTEN: Final = 4096


class Open:
    """One chain, model call, tool or retrieval that has begun. (What LangChain calls its run is a step of ours.)

    Attributes:
        key: LangChain's id.
        parent: Of what it is a part, where that is open.
        children: What is open inside it.
        run: The run it belongs to.
        owned: That run, where it was opened for this.
        context: In which its parts start.
        tracker: Its span; `None` for a step that makes none.
        agent: The agent or graph it is part of.
        usage: Sums over the pieces of a stream.
        has_token: Whether the stream has begun.
    """

    __slots__ = (
        "_task", "agent", "children", "context", "has_token", "key", "owned", "parent", "run", "tracker", "usage",
    )  # fmt: skip

    def __init__(self, key: UUID, parent: "Open | None", run: RunContext | None, context: Context) -> None:
        self.key, self.parent, self.run, self.context = key, parent, run, context
        self.children: dict[UUID, Open] = {}
        self.owned: RunContext | None = None
        self.tracker: Tracker | None = None
        self.agent: str | None = parent.agent if parent is not None else None
        self.usage: dict[str, Any] | None = None
        self.has_token = False
        self._task: asyncio.Task[Any] | None = None

    def watch_task(self, leave: Callable[[Any], object]) -> None:
        """End with the task that made the call: LangChain says nothing where one is cancelled."""
        try:
            self._task = asyncio.current_task()
        except RuntimeError:
            return
        if self._task is not None:
            self._task.add_done_callback(leave)

    def unwatch_task(self, leave: Callable[[Any], object]) -> None:
        """It has ended by itself."""
        if self._task is not None:
            self._task.remove_done_callback(leave)
            self._task = None


class OpenCalls:
    """All that is open. Shared by threads: each step is one of a dict's own."""

    def __init__(self) -> None:
        self._open: dict[UUID, Open] = {}
        self._forgotten: dict[UUID, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def get(self, key: UUID | None) -> Open | None:
        """What is open under LangChain's id."""
        return self._open.get(key) if key is not None else None

    def was_abandoned(self, key: UUID) -> bool:
        """Whether it was ended here before LangChain said so."""
        return key in self._forgotten

    def put(self, opened: Open) -> None:
        """It has begun."""
        if len(self._open) >= _MOST_OPEN:
            for old in list(itertools.islice(self._open.values(), _MOST_OPEN // 10)):
                self.abandon(old)
        self._open[opened.key] = opened
        if opened.parent is not None:
            opened.parent.children[opened.key] = opened
        elif opened.run is not None and opened.owned is None:
            opened.run.admit(opened.key, lambda: self.abandon(opened))

    def take(self, key: UUID) -> Open | None:
        """It has ended. What is still open inside it never will end by itself."""
        opened = self._open.pop(key, None)
        if opened is None:
            return None
        if opened.parent is not None:
            opened.parent.children.pop(key, None)
        elif opened.run is not None:
            opened.run.dismiss(key)
        for child in list(opened.children.values()):
            self.abandon(child)
        return opened

    def abandon(self, opened: Open) -> None:
        """End what nobody will end, and all inside it: cancelled, with what had been seen by then."""
        for each in _inside_out(opened):
            if self._open.pop(each.key, None) is None:
                continue
            if len(self._forgotten) >= _MOST_FORGOTTEN:
                for old in list(itertools.islice(self._forgotten, _MOST_FORGOTTEN // 4)):
                    self._forgotten.pop(old, None)
            self._forgotten[each.key] = None
            if each.parent is not None:
                each.parent.children.pop(each.key, None)
            elif each.run is not None:
                each.run.dismiss(each.key)
            try:
                _cancel(each)
            except Exception as error:
                failed("langchain", error)


def _inside_out(opened: Open) -> Iterator[Open]:
    """All that is inside `opened`, the innermost first, and itself. By hand: LangChain nests a thousand deep."""
    found, waiting = [], [opened]
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting.extend(each.children.values())
    return reversed(found)


def _cancel(opened: Open) -> None:
    tracker = opened.tracker
    if tracker is not None:
        tracker.set_canceled()
        if isinstance(tracker, LLMTracker):
            tracker.set_stream_over()
        tracker.finish()
    if opened.owned is not None:
        opened.owned.finish("canceled")
