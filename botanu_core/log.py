"""The `botanu` logger, and saying a thing once.

Telemetry that fails on every request must not fill the log on every request: a mistake in flight is logged
the first time its kind is seen and counted after that. `doctor()` shows the counts.
"""

import logging
import os
import threading
from collections import Counter
from typing import Final

__all__ = ["counted", "logger", "reset", "warn_once"]

logger: Final = logging.getLogger("botanu")

# A kind is a fixed string of ours, but some carry a model's or an instrumentor's name: bounded, so that a
# stranger who invents names cannot grow it.
_MAX_KINDS: Final = 512
_counts: Counter[str] = Counter()
_lock = threading.RLock()


def warn_once(kind: str, message: str, *args: object, error: BaseException | None = None) -> None:
    """Log `message` at WARNING the first time `kind` happens; count it every time.

    Args:
        kind: Short, fixed name of what went wrong, such as ``"tokens.invalid"``.
        message: printf-style text. It must never hold anything that came in from outside.
        args: Values for `message`.
        error: What was raised: its type and the line that raised it are named. Its text is not: it may quote
            user data.
    """
    with _lock:
        if kind not in _counts and len(_counts) >= _MAX_KINDS:
            kind = "other"
        _counts[kind] += 1
        first = _counts[kind] == 1
    if first:
        where = "" if error is None else f" ({type(error).__name__}{_raised_at(error)})"
        logger.warning(message + "%s (said once; botanu.doctor() counts the rest)", *args, where)


def _raised_at(error: BaseException) -> str:
    frame = error.__traceback__
    if frame is None:
        return ""
    while frame.tb_next is not None:
        frame = frame.tb_next
    return f" at {os.path.basename(frame.tb_frame.f_code.co_filename)}:{frame.tb_lineno}"


def counted() -> dict[str, int]:
    """How often each kind of mistake has happened in this process."""
    with _lock:
        return dict(_counts)


def reset() -> None:
    """Forget what was said. For tests."""
    with _lock:
        _counts.clear()


def _after_fork_in_child() -> None:
    # Another thread of the parent may have held the lock when the process was copied.
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
