"""Who sent a message before our proxies handed it on, as `Forwarded` (RFC 7239) and `X-Forwarded-For` tell it."""

import re
from collections.abc import Callable, Iterable
from typing import Final

__all__ = ["FORWARDING_HEADERS", "passed_on_by"]

FORWARDING_HEADERS: Final = (
    "forwarded",
    "x-forwarded-for",
    "x-real-ip",
    "x-envoy-external-address",
    "cf-connecting-ip",
    "true-client-ip",
)
"""What proxies write the sender's address in. The first two are lists, to which each proxy adds its own caller."""

_MAX_HOPS: Final = 64
_UNREADABLE: Final = "unknown"
# RFC 7239, section 4: token "=" ( token / quoted-string ). Values that want quotes and have none are read all the same.
_PAIR: Final = re.compile(r'[ \t]*([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))[ \t]*')
_ESCAPE: Final = re.compile(r"\\(.)")
_BRACKETED: Final = re.compile(r"\[([^\[\]]*)\](?::[0-9A-Za-z._-]+)?")


def passed_on_by(headers: Iterable[tuple[str, str]], trusted_proxies: int, is_near: Callable[[str], bool]) -> bool:
    """Whether the proxies that handed a message on name nobody from outside.

    Args:
        headers: Name in lower case, and value, of each forwarding header, in order.
        trusted_proxies: How many proxies of ours every message from outside has passed. Each has added whom it got the
            message from, so that the sender is that many places from the end of a list, and what stands before is
            what the sender says about itself. 0: nobody said; then all that a list names must be near.
        is_near: Whether an address is one of ours.
    """
    chains: dict[str, list[str]] = {}
    for name, value in headers:
        chains.setdefault(name, []).extend(_hops(name, value))
    for hops in chains.values():
        if len(hops) > _MAX_HOPS:
            return False
        judged = hops[-trusted_proxies:][:1] if 0 < trusted_proxies <= len(hops) else hops
        if not all(map(is_near, judged)):
            return False
    return True


def _hops(name: str, value: str) -> list[str]:
    if name == "forwarded":
        return _forwarded(value)
    return [_without_port(hop) for each in value.split(",") if (hop := each.strip(" \t"))]


def _forwarded(value: str) -> list[str]:
    """The `for` of each element; what cannot be read is somebody we do not know."""
    hops: list[str] = []
    place = 0
    said: str | None = None
    while place < len(value):
        if value[place] in ", \t;":
            if value[place] == "," and said is not None:
                hops.append(said)
                said = None
            place += 1
            continue
        pair = _PAIR.match(value, place)
        place = pair.end() if pair is not None else place
        if pair is None or (place < len(value) and value[place] not in ",;"):
            return [*hops, _UNREADABLE]
        if pair[1].lower() == "for":
            text = pair[3] if pair[2] is None else _ESCAPE.sub(r"\1", pair[2])
            if said is not None or not text:
                return [*hops, _UNREADABLE]  # twice in one element
            said = _without_port(text)
    return hops if said is None else [*hops, said]


def _without_port(host: str) -> str:
    if (bracketed := _BRACKETED.fullmatch(host)) is not None:
        return bracketed[1]
    return host.partition(":")[0] if host.count(":") == 1 else host
