"""A run as W3C Baggage members, within their limits. https://www.w3.org/TR/baggage/

Written here and not with OpenTelemetry's propagator, which encodes a space as ``+`` (others read ``%20`` only), reads
just the first of several header lines, and drops everything when the application's own baggage is large.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote_plus

from botanu_core import semconv as sc
from botanu_core.log import warn_once

__all__ = [
    "MAX_HEADER_BYTES", "MAX_MEMBERS", "MAX_OWN_BYTES", "Malformed", "decode", "encode", "fitted", "is_token", "joined",
]  # fmt: skip

MAX_OWN_BYTES: Final = 1024
"""Our members together stay under this, separators included."""
MAX_HEADER_BYTES: Final = 8192
MAX_MEMBERS: Final = 180


class Malformed(ValueError):
    """The header is not one we take anything from. It never carries what came."""


def encode(members: Mapping[str, str]) -> str:
    """Write `members` as one header value, percent-encoded, most needed first.

    What does not fit under `MAX_OWN_BYTES` is left out, the least needed first, and said once. So is what cannot be
    written: a name that is no token, half a surrogate pair.
    """
    return joined(fitted(members))


def joined(parts: Mapping[str, str]) -> str:
    """One header value of what `fitted` gave."""
    return ",".join([f"{key}={value}" for key, value in parts.items()])


def fitted(members: Mapping[str, str], room: int = MAX_OWN_BYTES - 1) -> dict[str, str]:
    """Those of `members` that can be written in `room` bytes, with their values percent-encoded; see `encode`."""
    parts: dict[str, str] = {}
    for key, value in members.items():
        try:
            part = value if value.isalnum() and value.isascii() else quote(value, safe=_SAFE)
        except UnicodeEncodeError:
            part = None
        if part is None or not is_token(key):
            warn_once("baggage.unfit", "a baggage member could not be written and is left out")
            continue
        length = len(key) + 1 + len(part)
        if length > room:
            warn_once("baggage.full", "a run's members exceed %d bytes; the least needed are left out", MAX_OWN_BYTES)
            continue
        parts[key] = part
        room -= length + 1
    return parts


def is_token(name: str) -> bool:
    """Whether `name` may name a member: letters, digits and some marks, no space, comma, semicolon or equals sign."""
    return _TOKEN.fullmatch(name) is not None


_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
# Characters that RFC 3986 leaves alone and that mean nothing in a baggage header.
_SAFE: Final = "-._~:"


def decode(lines: Iterable[str]) -> dict[str, str]:
    """Read our members from the `baggage` lines of one message; several lines are one (RFC 9110, 5.3).

    Args:
        lines: Header values as they came. Properties after ``;`` are cut off.

    Returns:
        Members whose name begins with ``botanu.``, decoded, unchecked. Others' are skipped.

    Raises:
        Malformed: Over 8,192 bytes or 180 members, a member of ours that is not percent-encoded UTF-8, or
            one that stands there twice and differs.
    """
    text = ",".join(lines)
    if sc.BAGGAGE_PREFIX not in text:
        return {}
    if len(text) > MAX_HEADER_BYTES:
        raise Malformed("too long")
    parts = text.split(",")
    if len(parts) > MAX_MEMBERS:
        raise Malformed("too many members")
    if not text.isascii() or " " in text or ";" in text or "\t" in text:
        parts = [_stripped(part) for part in parts]  # as we write it ourselves, there is nothing to strip
    found: dict[str, str] = {}
    for part in parts:
        if part.startswith(sc.BAGGAGE_PREFIX):
            key, _, value = part.partition("=")
            if "%" in value or "+" in value:
                value = _unquoted(value)
            if key in found and found[key] != value:
                raise Malformed("said twice")
            found[key] = value
    return found


def _stripped(part: str) -> str:
    name, equals, rest = part.partition("=")
    key = name.strip(" \t")
    value = rest.partition(";")[0].strip(" \t")
    if not value.isascii() and key.startswith(sc.BAGGAGE_PREFIX):
        raise Malformed("not ASCII")
    return f"{key}{equals}{value}"


def _unquoted(value: str) -> str:
    # What needs it is mostly a workflow's name, and comes again and again.
    return _kept(value) if len(value) <= _MAX_KEPT_CHARS else _kept.__wrapped__(value)


@lru_cache(maxsize=1024)
def _kept(value: str) -> str:
    try:
        # `+` is what OpenTelemetry's own propagator writes for a space; a real plus always comes as %2B.
        return unquote_plus(value, errors="strict")
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None


_MAX_KEPT_CHARS: Final = 256
