"""Runs the user's own detectors, on what the patterns have left: within a time, and with a check of what they say.

A detector takes a text. It gives the text back without what it found, or says where that is: pairs of start and end,
triples of start, end and kind, or objects with `start`, `end` and `entity_type`, as Presidio has them.
"""

import threading
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

__all__ = ["Detector", "Marker", "applied"]

Detector = Callable[[str], Any]
Marker = Callable[[str, str], str]
"""What stands for a value: takes the kind, such as ``"PERSON"``, and the value."""

_SPANS: Final = 10_000
_KIND_LENGTH: Final = 32
# Calls that have not come back in time and still run. With so many, no further one is begun.
_STUCK: Final = 4


class _Running:
    """How many late calls there are."""

    count = 0
    lock = threading.Lock()


def applied(detector: Detector, text: str, mark: Marker, timeout_s: float | None) -> str:
    """`text` without what `detector` finds.

    Args:
        detector: See above.
        text: What the patterns have left.
        mark: What stands for each thing found.
        timeout_s: How long to wait; `None`: as long as it takes, on this thread.

    Raises:
        Exception: What the detector raised; `TypeError` or `ValueError` where it gave nonsense; `TimeoutError`.
    """
    found = detector(text) if timeout_s is None else _within(detector, text, timeout_s)
    return found if isinstance(found, str) else _without(text, found, mark)


def _without(text: str, found: Any, mark: Marker) -> str:
    if found is None or isinstance(found, bytes | dict) or not isinstance(found, Iterable):
        raise TypeError(f"a detector gave {type(found).__name__}: it must give text, or where something stands")
    spans = sorted(_span(item, len(text)) for item in islice(found, _SPANS + 1))
    if len(spans) > _SPANS:
        raise ValueError("a detector found too much")
    pieces: list[str] = []
    position = 0
    for start, end, kind in spans:
        if end <= position:
            continue
        # Two that overlap leave two marks, and nothing of either.
        start = max(start, position)
        pieces += (text[position:start], mark(kind, text[start:end]))
        position = end
    return "".join((*pieces, text[position:]))


def _span(item: Any, size: int) -> tuple[int, int, str]:
    if isinstance(item, tuple | list):
        start, end, kind = (*item, "FOUND")[:3]
    else:
        start, end, kind = item.start, item.end, getattr(item, "entity_type", "FOUND")
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= size or not isinstance(kind, str):
        raise ValueError("a detector gave a place that is not in the text")
    letters = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in kind[:_KIND_LENGTH])
    return start, end, letters.strip("_").upper() or "FOUND"


def _within(detector: Detector, text: str, timeout_s: float) -> Any:
    """Call in a thread of its own, which cannot be stopped, only left behind; not too many of them."""
    with _Running.lock:
        if _Running.count >= _STUCK:
            raise TimeoutError("earlier calls of a detector have not come back yet")
        _Running.count += 1
    answer: list[Any] = []
    done = threading.Event()

    def call() -> None:
        try:
            answer.append(detector(text))
        except BaseException as error:
            answer.append(_Raised(error))
        finally:
            with _Running.lock:
                _Running.count -= 1
            done.set()

    thread = threading.Thread(target=call, name="botanu-detector", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread can be had, as while the interpreter ends
        _Running.count -= 1
        raise
    if not done.wait(timeout_s):
        raise TimeoutError("a detector took too long")
    if isinstance(answer[0], _Raised):
        # One that ends a program was raised in another thread, and must not end this one.
        raise RuntimeError("a detector failed") from answer[0].error
    return answer[0]


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def begin_in_child() -> None:
    """The threads of the parent, and what they held, do not exist here."""
    _Running.count, _Running.lock = 0, threading.Lock()
