"""Who may hand us a run, and whom we hand one."""

import fnmatch
import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from botanu_core.log import warn_once
from botanu_core.model.run import RUN_MEMBERS, Run, clean
from botanu_core.settings import Settings, TrustMode
from botanu_core.wire.baggage import MAX_OWN_BYTES, Malformed, decode
from botanu_core.wire.carrier import Inbound
from botanu_core.wire.forwarding import passed_on_by
from botanu_core.wire.signature import refusal

__all__ = ["REFUSALS", "Admission", "admit", "is_address_near", "is_inside", "is_local"]

# Spelled out: `ipaddress.is_private` also counts documentation and benchmark ranges, which are nobody's network.
_LOCAL_NETWORKS: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
# What clients make a name of is ASCII; before that, `example\u3002com` looks like a single label and is example.com.
_HOST_NAME: Final = re.compile(r"[a-z0-9._-]+")
_INSIDE_SUFFIXES: Final = (".internal", ".local", ".svc", ".cluster.local", ".localhost")
# What Starlette's and Django's test clients put where a server puts the peer's address.
_NO_ADDRESS: Final = frozenset({"testclient", "testserver", ""})


REFUSALS: Final[Mapping[str, str]] = {
    "malformed": "a run on the wire was malformed and is refused",
    "never": "a run on the wire was refused: inbound trust is 'never' (BOTANU_TRUST_INBOUND)",
    "stranger": "a run from outside the trust domain was refused (BOTANU_TRUST_INBOUND=auto)",
    "unsigned": "a run without a signature was refused (BOTANU_TRUST_INBOUND, BOTANU_BAGGAGE_KEY)",
    "forged": "a run whose signature does not fit was refused: forged, altered, or signed with another key",
    "expired": "a run whose signature is too old, or of the future, was refused (BOTANU_SIGNATURE_LIFETIME_S)",
}
"""Why a run may be refused, and what is said about it once: nothing that came in."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Admission(NamedTuple):
    """What became of the run that a message carries.

    Attributes:
        run: The run, if its sender may hand us one.
        carried: Members under ``botanu.`` that came along and are not the run's own.
        refused: Why it was not taken, one of `REFUSALS`; `None` also where there was none.
    """

    run: Run | None = None
    carried: Mapping[str, str] = _NOTHING
    refused: str | None = None


_NONE: Final = Admission()


def admit(
    inbound: Inbound, settings: Settings, trust: TrustMode | None = None, lifetime_s: float | None = None
) -> Admission:
    """Judge the run that a message carries. The one place where that is decided, whoever reads the message.

    Args:
        inbound: What the message says.
        settings: Those in force.
        trust: Instead of `settings.trust_inbound`.
        lifetime_s: How old a signature may be, instead of `settings.signature_lifetime_s`.

    Returns:
        The run, or why not. What is refused is dropped whole, said once without its content, and never echoed.
    """
    if not inbound.lines:
        return _NONE
    try:
        text = ",".join(inbound.lines)
        members, others, found = (_read_again if len(text) <= MAX_OWN_BYTES else _read)(text, settings.environment)
    except Malformed:
        return _refused("malformed")
    if not members:
        return _NONE
    mode = trust or settings.trust_inbound
    if mode == "never":
        return _refused("never")
    if mode == "signed" or (mode == "auto" and settings.baggage_keys):
        lifetime = settings.signature_lifetime_s if lifetime_s is None else lifetime_s
        reason = refusal(members, settings.baggage_keys, lifetime_s=lifetime, skew_s=settings.clock_skew_s)
        if reason is not None:
            return _refused(reason)
    elif mode == "auto" and not _from_inside(inbound, settings.trusted_proxies):
        return _refused("stranger")
    if found.run is None:
        return _refused("malformed")
    if not others:
        return found
    carried = {key: value for key, value in others.items() if clean(value, "baggage value") is not None}
    return Admission(found.run, carried)


def _read(text: str, environment: str) -> tuple[Mapping[str, str], Mapping[str, str], Admission]:
    """The members that stand in `text`, those that are not a run's own, and the run that they make: believed or not."""
    members = decode((text,))
    others = {key: value for key, value in members.items() if key not in RUN_MEMBERS}
    admission = Admission(Run.from_members(members, environment=environment))
    return MappingProxyType(members), MappingProxyType(others), admission


# A run that calls a service or publishes tasks says the same each time.
_read_again: Final = lru_cache(maxsize=512)(_read)


def _refused(reason: str) -> Admission:
    warn_once(f"inbound.{reason}", REFUSALS[reason])
    return Admission(refused=reason)


def _from_inside(inbound: Inbound, trusted_proxies: int) -> bool:
    if inbound.peer is not None and not is_local(inbound.peer):
        return False
    return not inbound.forwarded or passed_on_by(inbound.forwarded, trusted_proxies, is_address_near)


def is_local(peer: str) -> bool:
    """Whether the peer of a connection is near: its address is, or it has none, as with a unix socket."""
    return peer in _NO_ADDRESS or is_address_near(peer)


@lru_cache(maxsize=4096)
def is_address_near(host: str) -> bool:
    """Whether an address is loopback, private or link-local. Text that is no address is not."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in _LOCAL_NETWORKS if network.version == address.version)


@lru_cache(maxsize=4096)
def is_inside(host: str, patterns: tuple[str, ...] = ()) -> bool:
    """Whether a destination lies in the trust domain.

    Args:
        host: Name or address, without port.
        patterns: The user's own, beside the built-in rules: ``*.example.com``, an exact name, or a network
            such as ``10.1.0.0/16``.

    Returns:
        True for loopback, private and link-local addresses, single-label names, `.internal`, `.local`, `.svc`,
        `.cluster.local`, and whatever a pattern matches.
    """
    name = host.strip().rstrip(".").lower().strip("[]")
    if not name:
        return False
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        address = None
    if address is not None:
        return is_address_near(name) or any(_in_network(address, pattern) for pattern in patterns)
    if not _HOST_NAME.fullmatch(name):
        return False
    if "." not in name or name.endswith(_INSIDE_SUFFIXES):
        # A name of digits only is an address in disguise (2130706433 is 127.0.0.1, 134744072 is 8.8.8.8).
        return not name.replace(".", "").isdigit() and not name.startswith("0x")
    return any(fnmatch.fnmatchcase(name, pattern.lower()) for pattern in patterns)


def _in_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, pattern: str) -> bool:
    try:
        return address in ipaddress.ip_network(pattern, strict=False)
    except (ValueError, TypeError):
        return False
