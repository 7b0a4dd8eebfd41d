"""Clients that follow redirects below their instrumentor, which writes no headers there.

The headers of the first request go on to wherever the answer points. So what is ours is taken off a request that such a
client makes towards a host outside. A client is minded from the first time that a run is written for anybody, if it is
loaded by then, until `let_go`.
"""

import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from opentelemetry import propagate

from botanu_core import settings
from botanu_core.runtime import guard
from botanu_core.runtime.destination import goes_to, host_of, is_insider, take_back, withhold_trace

__all__ = ["let_go", "mind"]


class _Place(NamedTuple):
    """Where a client makes the request of the next hop."""

    owner: str
    method: str
    request: Callable[[tuple[Any, ...], dict[str, Any], Any], tuple[str, Any]]
    """From the arguments and the result, the URL and the headers of that request."""


def _of_requests(args: tuple[Any, ...], _kwargs: dict[str, Any], _result: Any) -> tuple[str, Any]:
    return args[1].url, args[1].headers


def _of_urllib(_args: tuple[Any, ...], _kwargs: dict[str, Any], result: Any) -> tuple[str, Any]:
    return (result.full_url, result.headers) if result is not None else ("", {})  # a handler may say: no further


def _of_aiohttp(args: tuple[Any, ...], _kwargs: dict[str, Any], _result: Any) -> tuple[str, Any]:
    return str(args[0].url), args[0].headers


_PLACES: Final = {
    # Not `rebuild_auth`: applications override it, to keep their credentials, and do not call the one below.
    "requests.sessions": _Place("SessionRedirectMixin", "rebuild_method", _of_requests),
    "urllib.request": _Place("HTTPRedirectHandler", "redirect_request", _of_urllib),
    "aiohttp.client_reqrep": _Place("ClientRequest", "__init__", _of_aiohttp),
}
_minded: Final[dict[str, tuple[type, str, Any, Any]]] = {}
_lock = threading.RLock()


def mind() -> None:
    """Mind the clients that are loaded by now."""
    for module in _PLACES:
        if module not in _minded and module in sys.modules:
            _mind(module)


def _mind(module: str) -> None:
    place = _PLACES[module]
    with _lock:
        owner = getattr(sys.modules.get(module), place.owner, None)
        original = getattr(owner, place.method, None)
        if module in _minded or not isinstance(owner, type) or original is None:
            return

        @functools.wraps(original)
        def minded(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            try:
                url, headers = place.request(args, kwargs, result)
                host = host_of(url)
                if not goes_to(host):
                    take_back(headers)
                if settings.current().withhold_trace_context and not is_insider(host):
                    withhold_trace(headers, propagate.get_global_textmap().fields)
            except Exception as error:
                guard.failed("redirect", error)
            return result

        _minded[module] = (owner, place.method, original, minded)
        setattr(owner, place.method, minded)


def let_go() -> None:
    """Leave the clients as they were found; one that somebody has wrapped meanwhile stays minded."""
    with _lock:
        for module, (owner, method, original, minded) in list(_minded.items()):
            if getattr(owner, method, None) is minded:
                setattr(owner, method, original)
                del _minded[module]


def _after_fork_in_child() -> None:
    # Another thread of the parent may have held the lock when the process was copied.
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
