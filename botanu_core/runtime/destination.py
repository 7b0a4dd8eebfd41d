"""Where a request goes, and what of ours may stand on it there."""

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.trace import Span, SpanKind

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.wire.trust import is_inside

__all__ = ["destination", "goes_to", "host_of", "is_insider", "others", "take_back", "withhold_trace"]


def host_of(url: str) -> str | None:
    """The host of a URL; `None` where there is none that all clients agree on."""
    if "\\" in url:
        return None  # clients do not agree on where its host ends
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


# The first that is there counts: the one that instrumentors of today write, then those of yesterday.
_ATTRIBUTES: Final[Mapping[str, Callable[[str], str | None]]] = {
    "server.address": str,
    "url.full": host_of,
    "http.url": host_of,
    "net.peer.name": str,
}


def destination(span: Span) -> str | None:
    """The host that a client span says it calls; `None` where it does not say, or is no client's.

    A span that is not recorded says nothing, so its destination is unknown.
    """
    if getattr(span, "kind", None) not in (SpanKind.CLIENT, SpanKind.PRODUCER):
        return None
    attributes: Mapping[str, Any] = getattr(span, "attributes", None) or {}
    for key, read in _ATTRIBUTES.items():
        value = attributes.get(key)
        if isinstance(value, str) and value:
            return read(value)
    return None


def goes_to(host: str | None) -> bool:
    """Whether a run may be handed to `host`; unknown is outside."""
    chosen = settings.current()
    if chosen.propagate_mode != "inside":
        return chosen.propagate_mode == "always"
    return host is not None and is_inside(host, chosen.propagate_hosts)


def is_insider(host: str | None) -> bool:
    """Whether `host` lies in the trust domain, whether or not runs are handed to anybody."""
    chosen = settings.current()
    return chosen.propagate_mode == "always" or (host is not None and is_inside(host, chosen.propagate_hosts))


def take_back(carrier: object) -> bool:
    """Take our members off a carrier that was written on before: a request that is tried again, or redirected outside.

    Returns:
        Whether a baggage header of the application's own stands there.
    """
    if type(carrier) is not dict and not isinstance(carrier, MutableMapping):
        return False
    stands = False
    for name in [
        each for each in carrier if isinstance(each, str) and len(each) in _LENGTHS and each.lower() in _HEADERS
    ]:
        line = carrier[name]
        parts = line.split(",") if isinstance(line, str) and name.lower() == sc.BAGGAGE_HEADER else []
        theirs = [part for part in parts if not part.lstrip().startswith(sc.BAGGAGE_PREFIX)]
        if not theirs:
            del carrier[name]
            continue
        stands = True
        if len(theirs) < len(parts):
            carrier[name] = ",".join(theirs)
    return stands


def withhold_trace(carrier: object, fields: Iterable[str]) -> None:
    """Take the trace off a carrier likewise.

    Args:
        carrier: The headers of a request to a host outside.
        fields: What the application's propagator writes; its baggage stays.
    """
    if isinstance(carrier, MutableMapping):
        names = {name.lower() for name in fields} - {sc.BAGGAGE_HEADER, sc.RUN_HEADER}
        for name in [each for each in carrier if isinstance(each, str) and each.lower() in names]:
            del carrier[name]


_HEADERS: Final = (sc.BAGGAGE_HEADER, sc.RUN_HEADER)
_LENGTHS: Final = tuple(map(len, _HEADERS))


def others(line: str) -> str:
    """A `baggage` line without the members that are ours."""
    if sc.BAGGAGE_PREFIX not in line:
        return line
    return ",".join(part for part in line.split(",") if not part.lstrip().startswith(sc.BAGGAGE_PREFIX))
