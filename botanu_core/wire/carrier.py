"""What a message says about a run and about who sent it, whatever the framework's headers look like."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from botanu_core import semconv as sc
from botanu_core.wire.forwarding import FORWARDING_HEADERS

__all__ = ["UNKNOWN_PEER", "Inbound", "from_asgi", "from_environ", "from_header", "from_mapping", "inbound"]

UNKNOWN_PEER: Final = "unknown"
"""The peer of HTTP headers that came without their request: there is one, and they do not say who."""

_BAGGAGE: Final = sc.BAGGAGE_HEADER.encode()
_RUN: Final = sc.RUN_HEADER.encode()
_FORWARDING: Final = {name.encode(): name for name in FORWARDING_HEADERS}
_FORWARDING_ENVIRON: Final = {name: "HTTP_" + name.upper().replace("-", "_") for name in FORWARDING_HEADERS}


class Inbound(NamedTuple):
    """The few facts of a message that decide about a run.

    Attributes:
        lines: Values of the `baggage` lines, in order; those of `x-botanu-run` instead where there are any, for then
            the other header is full and has nothing of ours.
        peer: Address of the other end of the connection; `None` where there is none (a unix socket, a queue).
        forwarded: Name in lower case, and value, of each forwarding header, in order.
    """

    lines: Sequence[str] = ()
    peer: str | None = None
    forwarded: Sequence[tuple[str, str]] = ()


EMPTY: Final = Inbound()


def from_asgi(scope: Mapping[str, Any]) -> Inbound:
    """Read an ASGI scope; header names arrive lower-cased as the specification says, but are not trusted to."""
    baggage: list[str] = []
    run: list[str] = []
    forwarded: list[tuple[str, str]] = []
    for name, value in scope.get("headers") or ():
        key = name if name.islower() else name.lower()
        if key == _BAGGAGE:
            baggage.append(value.decode("latin-1"))
        elif key == _RUN:
            run.append(value.decode("latin-1"))
        elif key in _FORWARDING:
            forwarded.append((_FORWARDING[key], value.decode("latin-1")))
    if not (lines := run or baggage):
        return EMPTY
    client = scope.get("client")
    return Inbound(lines, client[0] if client else None, forwarded)


def from_environ(environ: Mapping[str, Any]) -> Inbound:
    """Read a WSGI environ. Servers join repeated headers with a comma."""
    line = environ.get("HTTP_X_BOTANU_RUN") or environ.get("HTTP_BAGGAGE")
    if not line:
        return EMPTY
    forwarded = [(name, environ[key]) for name, key in _FORWARDING_ENVIRON.items() if key in environ]
    return Inbound((line,), environ.get("REMOTE_ADDR") or None, forwarded)


def from_header(value: object) -> Inbound:
    """Read one header that holds a run alone, of a message that has no peer: what `to_header` wrote for a queue."""
    return Inbound((value,)) if isinstance(value, str) and value else EMPTY


def from_mapping(headers: Mapping[Any, Any], peer: str | None = None) -> Inbound:
    """Read any mapping of header names, in whatever case, to a value or a list of values."""
    baggage: list[str] = []
    run: list[str] = []
    forwarded: list[tuple[str, str]] = []
    for name, value in headers.items():
        if not isinstance(name, str):
            continue
        key = name.lower()
        if key == sc.BAGGAGE_HEADER:
            baggage.extend(_texts(value))
        elif key == sc.RUN_HEADER:
            run.extend(_texts(value))
        elif key in FORWARDING_HEADERS:
            forwarded.extend((key, text) for text in _texts(value))
    lines = run or baggage
    return Inbound(lines, peer, forwarded) if lines else EMPTY


def inbound(carrier: object) -> Inbound:
    """Read whatever carrier an instrumentation hands to the propagator: ASGI scope, WSGI environ or mapping.

    A plain dict of texts is taken for a message of a queue, which has no peer, unless it names a host as requests do.
    """
    if not isinstance(carrier, Mapping):
        return EMPTY
    if "headers" in carrier and "type" in carrier:
        return from_asgi(carrier)
    if "REQUEST_METHOD" in carrier:
        return from_environ(carrier)
    found = from_mapping(carrier)
    return found if not found.lines or _is_message(carrier) else found._replace(peer=UNKNOWN_PEER)


def _is_message(carrier: Mapping[Any, Any]) -> bool:
    return type(carrier) is dict and not any(
        isinstance(value, list | tuple) or (isinstance(name, str) and name.lower() == "host")
        for name, value in carrier.items()
    )


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(item for item in value if isinstance(item, str))
    return ()
