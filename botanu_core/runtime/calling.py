"""Which model call the code that runs is in, where a callback says so and no span that is current."""

import weakref
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Final

from botanu_core.ledger.call import Call
from botanu_core.runtime.publishing import publish

__all__ = ["Around", "also_seen", "called_from", "calling"]

Around = Callable[[], Call | None]

_called_from: Final[ContextVar[Around | None]] = ContextVar("botanu_called_from", default=None)
_beside: Final[ContextVar[Mapping[str, "weakref.ref[Call]"] | None]] = ContextVar("botanu_beside", default=None)


def called_from(around: Around | None) -> None:
    """Say that what is called from here on is inside a call whose span is current nowhere.

    For callbacks, which have a beginning and an end and no block: nothing need be undone, for a call that has ended is
    around nothing.

    Args:
        around: Asked for the call whenever another begins; held for as long as this context lives. `None`: inside none.
    """
    _called_from.set(around)
    if (beside := _beside.get()) is not None:
        _beside.set(None)
        ours = around() if around is not None else None
        for each in beside.values():
            if (other := each()) is not None and ours is not None and other is not ours:
                publish(other.ledger.stand_back(other))


def calling() -> Around | None:
    """What `called_from` was told last."""
    return _called_from.get()


def also_seen(call: Call, scope: str) -> None:
    """Say that `call` is a span of somebody else's handler of callbacks.

    Handlers are told of one call one after the other, and nothing that a span says tells that it is the same call:
    where ours has just been told, or is the next to be, the other stands back.

    Args:
        call: The span's.
        scope: The tracer that made it; of each the last span may be the one.
    """
    around = _called_from.get()
    if around is not None and (ours := around()) is not None and ours.is_open:
        publish(call.ledger.stand_back(call))
    else:
        _beside.set({**(_beside.get() or {}), scope: weakref.ref(call)})
