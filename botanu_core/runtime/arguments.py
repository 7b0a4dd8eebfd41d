"""Arguments of `event` and its kin: checked where they are written, ids found where the call is made."""

import functools
import inspect
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from botanu_core.log import warn_once
from botanu_core.model.run import MAX_ID_CHARS, clean

__all__ = ["Id", "checked_deadline", "checked_id", "checked_text", "deadline_after", "fitted", "given"]

Id = str | int | UUID | Callable[..., object] | None
"""An id, or a function of the decorated function's arguments that gives one."""


def checked_text(name: str, value: object) -> str:
    """`value`, if it will do as a name.

    Raises:
        TypeError: No text.
        ValueError: Blank, unprintable or over 256 characters.
    """
    if not isinstance(value, str):
        hint = "; write @event(workflow=…) with parentheses" if callable(value) else ""
        raise TypeError(f"{name} must be a text, got {type(value).__name__}{hint}")
    if not value.strip() or len(value) > MAX_ID_CHARS or not value.isprintable():
        came = f"{len(value)}" if value.isprintable() else f"{len(value)}, not all of them printable"
        raise ValueError(
            f"{name} must be 1 to {MAX_ID_CHARS} printable characters, got {came if value.strip() else 'none'}"
        )
    return value


def checked_id(name: str, value: Id) -> Id:
    """`value`, if it is an id or can give one. The id itself is data: what will not do is left out in flight.

    Raises:
        TypeError: Neither.
    """
    if value is None or type(value) is str:  # nearly all there is, on a path that every `with event(…)` takes
        return value
    if inspect.iscoroutinefunction(value):
        raise TypeError(f"{name} must be a plain function, got a coroutine function; the id is needed before the call")
    if callable(value):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | UUID):
        raise TypeError(
            f"{name} must be a text, an integer, a UUID or a function of the decorated function's arguments, "
            f"got {type(value).__name__}"
        )
    return value


def given(name: str, source: Id, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    """The id for this call. An extractor that fails costs the id, never the call."""
    if source is None:
        return None
    if not callable(source):
        return clean(source, name)
    try:
        value = source(*args, **kwargs)
    except Exception as error:
        _extractor_failed(name, error)
        return None
    if hasattr(value, "__await__"):
        _extractor_failed(name, TypeError())
        return None
    if value is None:
        warn_once(f"extractor.{name}.none", "the function given for %s returned None; the id is left out", name)
        return None
    return clean(value, name)


def _extractor_failed(name: str, error: BaseException) -> None:
    """An extractor is the user's code: it is warned about, not re-raised, also under strict tests."""
    warn_once(f"extractor.{name}", "the function given for %s failed; the id is left out", name, error=error)


def fitted(source: Id, function: Callable[..., Any]) -> Id:
    """An extractor made to take the arguments of `function`, positional, by keyword or by default.

    They reach it by name where its parameters are some of the function's, as with ``event_id=lambda ticket_id:
    ticket_id`` on ``def handle(self, ticket_id, flags)``; else by position where it takes as many, `self` left out.
    """
    if not callable(source):
        return source
    try:
        wanted = inspect.signature(source).parameters.values()
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return source
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in wanted):
        return source
    known = list(signature.parameters)
    named = [each for each in wanted if each.kind not in _VARIADIC]
    needed = [each for each in named if each.default is each.empty]
    shared = [each for each in named if each.name in known]
    by_keyword: list[str] = []
    if all(each.name in known for each in needed) and (shared or not named):
        by_position = [each.name for each in shared if each.kind is each.POSITIONAL_ONLY]
        takes_all = any(each.kind is each.VAR_KEYWORD for each in wanted)
        by_keyword = [
            name for name in (known if takes_all else [each.name for each in shared]) if name not in by_position
        ]
    else:
        by_position = known[1:] if known[:1] in (["self"], ["cls"]) and len(needed) < len(known) else known
        if not len(needed) <= len(by_position) <= len(named) or any(each.kind is each.KEYWORD_ONLY for each in named):
            return source
    if any(signature.parameters[name].kind in _VARIADIC for name in (*by_position, *by_keyword)):
        return source
    is_direct = by_position == known or [each.name for each in named if each.kind is not each.KEYWORD_ONLY] == known

    @functools.wraps(source)
    def fitted(*args: Any, **kwargs: Any) -> object:
        if is_direct and not kwargs and len(args) == len(known):
            return source(*args)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = bound.arguments
        return source(*[values[name] for name in by_position], **{name: values[name] for name in by_keyword})

    return fitted


_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def checked_deadline(seconds: object) -> float | None:
    """`seconds` as given to `deadline_s`.

    Raises:
        TypeError: No number.
        ValueError: Not positive, or not finite.
    """
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"deadline_s must be a number of seconds, got {type(seconds).__name__}")
    if not 0 < seconds < math.inf:
        raise ValueError(f"deadline_s must be a positive number of seconds, got {seconds!r}")
    return seconds


def deadline_after(seconds: float | None) -> float | None:
    """The Unix time `seconds` from now; `None` where no deadline is set."""
    return time.time() + seconds if seconds is not None else None
