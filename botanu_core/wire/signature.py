"""Signed runs: who holds a key can tell that a run's members come from another who holds it, whole and of now.

HMAC-SHA256 (RFC 2104) over the time of signing and every member under ``botanu.``, by name, each with its length. What
order and spelling the members stand in means nothing in baggage, and another vendor's propagator may change both on the
way; which members there are, and what they say, may not change.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from botanu_core import semconv as sc
from botanu_core.wire.baggage import MAX_OWN_BYTES, fitted, joined

__all__ = ["SIGNATURE_BYTES", "refusal", "signature", "written"]

_DOMAIN: Final = b"botanu run 1\n"  # a signature of ours is one of a run, whatever else the key is used for
_BLOCK_BYTES: Final = 64
_SEPARATOR: Final = "."
_MAX_DIGITS: Final = 12
_CODE_CHARS: Final = 43  # 256 bits in base64url, without padding
SIGNATURE_BYTES: Final = len(f",{sc.SIGNATURE}=") + _MAX_DIGITS + len(_SEPARATOR) + _CODE_CHARS
"""What a signature takes of the room that our members share, at most."""


def written(members: Mapping[str, str], keys: tuple[bytes, ...] = ()) -> str:
    """`members` as one header value, signed with the first key if there is one; see `wire.baggage.encode`."""
    # A run is written once for every call that it makes, and mostly says the same.
    return _written(tuple(members.items()), keys, int(time.time()) if keys else 0)


@lru_cache(maxsize=512)
def _written(members: tuple[tuple[str, str], ...], keys: tuple[bytes, ...], second: int) -> str:
    if not keys:
        return joined(fitted(dict(members)))
    # What does not fit is left out before the rest is signed.
    parts = fitted(dict(members), MAX_OWN_BYTES - 1 - SIGNATURE_BYTES)
    kept = {name: value for name, value in members if name in parts}
    return f"{joined(parts)},{sc.SIGNATURE}={signature(kept, keys[0], second)}" if parts else ""


def signature(members: Mapping[str, str], key: bytes, second: int) -> str:
    """What the member ``botanu.sig`` says: the Unix second of signing, and the code in base64url.

    Args:
        members: Unencoded, all those under ``botanu.`` but this one.
        key: Shared by sender and receiver.
        second: When.
    """
    return f"{second}{_SEPARATOR}{_code(members, key, str(second))}"


def refusal(members: Mapping[str, str], keys: Sequence[bytes], *, lifetime_s: float, skew_s: float) -> str | None:
    """Why `members` are not to be believed, or `None` if they are.

    Args:
        members: Decoded, all those under ``botanu.`` that the message has.
        keys: Whose signatures count; any of them will do.
        lifetime_s: How long a signature is good for.
        skew_s: By how much the clocks of two services may differ.

    Returns:
        ``"unsigned"``, ``"forged"``, ``"expired"``, or `None`.
    """
    signed = dict(members)
    said = signed.pop(sc.SIGNATURE, "")
    second, _, code = said.partition(_SEPARATOR)
    if not said or not keys:
        return "unsigned"
    if not (said.isascii() and second.isdigit() and len(second) <= _MAX_DIGITS):
        return "forged"
    # All keys are tried, and each in constant time: how long it takes says nothing about how near a guess was.
    genuine = [hmac.compare_digest(_code(signed, key, second), code) for key in keys]
    if not any(genuine):
        return "forged"
    age_s = time.time() - int(second)
    return None if -skew_s <= age_s <= lifetime_s + skew_s else "expired"


def _code(members: Mapping[str, str], key: bytes, second: str) -> str:
    """Of the second, and of each name and value with its length: no two sets of members make the same text."""
    told = "".join([f"{name}={len(value)}:{value}," for name, value in sorted(members.items())])
    inner, outer = _pads(key)
    inside, outside = inner.copy(), outer.copy()
    inside.update(f"{second}:{told}".encode("utf-8", "surrogatepass"))
    outside.update(inside.digest())
    return base64.urlsafe_b64encode(outside.digest())[:-1].decode()


@lru_cache(maxsize=16)
def _pads(key: bytes) -> tuple[Any, Any]:
    """The two hashes of RFC 2104 with the key already in them: half the time of `hmac.digest`, the same result."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    return (
        hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + _DOMAIN),
        hashlib.sha256(bytes(byte ^ 0x5C for byte in block)),
    )
