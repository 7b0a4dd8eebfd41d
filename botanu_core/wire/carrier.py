"""What a message says about a run and about who sent it, whatever the framework's headers look like."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botanu_core import semconv as sc

__all__ = ["Inbound", "from_asgi", "from_environ", "from_mapping", "inbound"]

_FORWARDING: Final = ("x-forwarded-for", "forwarded", "x-real-ip")
_RUN_HEADERS: Final = frozenset({sc.BAGGAGE_HEADER.encode(), sc.RUN_HEADER.encode()})
_FORWARDING_BYTES: Final = frozenset(name.encode() for name in _FORWARDING)


@dataclass(frozen=True, slots=True)
class Inbound:
    """The few facts of a message that decide about a run.

    Attributes:
        lines: Values of the `baggage` lines and of `x-botanu-run`, in order.
        peer: Address of the other end of the connection; `None` where there is none (a unix socket, a queue).
        forwarded: Values of the forwarding headers.
    """

    lines: Sequence[str] = ()
    peer: str | None = None
    forwarded: Sequence[str] = ()


EMPTY: Final = Inbound()


def from_asgi(scope: Mapping[str, Any]) -> Inbound:
    """Read an ASGI scope; header names arrive lower-cased as the specification says, but are not trusted to."""
    lines: list[str] = []
    forwarded: list[str] = []
    for name, value in scope.get("headers") or ():
        key = name if name.islower() else name.lower()
        if key in _RUN_HEADERS:
            lines.append(value.decode("latin-1"))
        elif key in _FORWARDING_BYTES:
            forwarded.append(value.decode("latin-1"))
    if not lines:
        return EMPTY
    client = scope.get("client")
    return Inbound(lines, client[0] if client else None, forwarded)


def from_environ(environ: Mapping[str, Any]) -> Inbound:
    """Read a WSGI environ. Servers join repeated headers with a comma."""
    lines = [environ[key] for key in ("HTTP_BAGGAGE", "HTTP_X_BOTANU_RUN") if key in environ]
    if not lines:
        return EMPTY
    forwarded = [environ[key] for name in _FORWARDING if (key := "HTTP_" + name.upper().replace("-", "_")) in environ]
    return Inbound(lines, environ.get("REMOTE_ADDR") or None, forwarded)


def from_mapping(headers: Mapping[Any, Any], peer: str | None = None) -> Inbound:
    """Read any mapping of header names, in whatever case, to a value or a list of values."""
    lines: list[str] = []
    forwarded: list[str] = []
    for name, value in headers.items():
        if not isinstance(name, str):
            continue
        key = name.lower()
        if key in (sc.BAGGAGE_HEADER, sc.RUN_HEADER):
            lines.extend(_texts(value))
        elif key in _FORWARDING:
            forwarded.extend(_texts(value))
    return Inbound(lines, peer, forwarded) if lines else EMPTY


def inbound(carrier: object) -> Inbound:
    """Read whatever carrier an instrumentation hands to the propagator: ASGI scope, WSGI environ or mapping."""
    if not isinstance(carrier, Mapping):
        return EMPTY
    if "headers" in carrier and "type" in carrier:
        return from_asgi(carrier)
    if "REQUEST_METHOD" in carrier:
        return from_environ(carrier)
    return from_mapping(carrier)


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(item for item in value if isinstance(item, str))
    return ()
