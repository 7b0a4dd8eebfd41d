"""Who may hand us a run, and whom we hand one."""

import fnmatch
import ipaddress
import re
from functools import lru_cache
from typing import Final

from botanu_core.log import warn_once
from botanu_core.model.run import RUN_MEMBERS, Run, clean
from botanu_core.settings import Settings, TrustMode
from botanu_core.wire.baggage import Malformed, decode
from botanu_core.wire.carrier import Inbound

__all__ = ["admit", "admitted", "is_inside", "is_local"]

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


def admit(inbound: Inbound, settings: Settings, trust: TrustMode | None = None) -> Run | None:
    """The run that a message carries, if its sender may hand us one.

    Args:
        inbound: What the message says.
        settings: Those in force.
        trust: Instead of `settings.trust_inbound`.

    Returns:
        The run; `None` where there is none, where it is malformed, or where its sender is not trusted. What is
        refused is dropped whole, counted, and never echoed.
    """
    found = admitted(inbound, settings, trust)
    return found[0] if found is not None else None


def admitted(inbound: Inbound, settings: Settings, trust: TrustMode | None = None) -> tuple[Run, dict[str, str]] | None:
    """As `admit`, with the members under ``botanu.`` that came along and are not the run's own."""
    if not inbound.lines:
        return None
    try:
        members = decode(inbound.lines)
    except Malformed:
        warn_once("inbound.malformed", "a run on the wire was malformed and is refused")
        return None
    if not members:
        return None
    mode = trust or settings.trust_inbound
    if mode == "never" or mode == "signed":
        warn_once("inbound.never", "a run on the wire was refused: inbound trust is %r", mode)
        return None
    if mode == "auto" and not _from_inside(inbound):
        warn_once("inbound.stranger", "a run from outside the trust domain was refused (BOTANU_TRUST_INBOUND=auto)")
        return None
    run = Run.from_members(members, environment=settings.environment)
    if run is None:
        warn_once("inbound.malformed", "a run on the wire was malformed and is refused")
        return None
    if RUN_MEMBERS.issuperset(members):
        return run, {}
    others = {key: value for key, value in members.items() if key not in RUN_MEMBERS}
    return run, {key: value for key, value in others.items() if clean(value, "baggage value") is not None}


def _from_inside(inbound: Inbound) -> bool:
    if inbound.peer is not None and not is_local(inbound.peer):
        return False
    return all(_names_no_public_address(line) for line in inbound.forwarded)


def _names_no_public_address(line: str) -> bool:
    # X-Forwarded-For is a list of addresses, Forwarded a list of `for=…;by=…;proto=…`: of the latter only `for` counts.
    for hop in line.split(","):
        for pair in hop.split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals and name.strip().lower() != "for":
                continue
            host = (value if equals else name).strip().strip('"').strip()
            if host and not is_local(_without_port(host)):
                return False
    return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


@lru_cache(maxsize=4096)
def is_local(host: str) -> bool:
    """Whether an address is loopback, private or link-local. Text that is no address is not."""
    if host in _NO_ADDRESS:
        return True
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
        return is_local(name) or any(_in_network(address, pattern) for pattern in patterns)
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
