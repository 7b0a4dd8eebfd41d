"""Checks of one value of the configuration, and what an endpoint's URL says.

A `ValueError`'s text is the end of the sentence "<source> must …".
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from botanu_core import settings
from botanu_core.pricing import Contract

__all__ = [
    "bare_host",
    "contracts",
    "customer_form",
    "destinations",
    "endpoint",
    "headers",
    "hmac_key",
    "hmac_keys",
    "instruments",
    "is_on",
    "is_private",
    "key",
    "lower",
    "not_bool",
    "protocol",
    "rates",
    "trust",
    "truth",
    "without_user",
    "words",
]

_HOST: Final = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_SIGNAL_PATH: Final = re.compile(r"(?:/+v1/(?:traces|metrics|logs))?/*$")


def not_bool(value: object) -> object:
    """A number, and no truth value."""
    # YAML reads `yes` as true, and pydantic true as 1.0: a capture rate of everything.
    if isinstance(value, bool):
        raise ValueError  # without text: the field's description says more
    return value


def lower(value: object) -> object:
    """Text in lower case; anything else as it is."""
    return value.strip().lower() if isinstance(value, str) else value


def contracts(value: object) -> tuple[Contract | str, ...]:
    """Contracts as objects, and the names of files that hold some."""
    given = (value,) if isinstance(value, Contract) else value
    if isinstance(given, (list, tuple)) and any(isinstance(each, Contract) for each in given):
        if not all(isinstance(each, Contract | str) for each in given):
            raise ValueError("be names of YAML files, or Contract objects")
        return tuple(given)
    return words(value)


def words(value: object) -> tuple[str, ...]:
    """Comma-separated text or a collection, as stripped words, each once."""
    if isinstance(value, str):
        value = value.split(",")
    elif isinstance(value, (set, frozenset)):
        value = sorted(value, key=str)
    if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
        raise ValueError("be a list of words, or words with commas between")
    return tuple(dict.fromkeys(word.strip() for word in value if word.strip()))


def instruments(value: object) -> object:
    """``"all"``, ``"none"``, or names."""
    given = words(value)
    plain = tuple(word.lower() for word in given)
    if "none" in plain and len(plain) > 1:
        raise ValueError("be 'none' alone, or a list without it")
    return plain[0] if plain in (("all",), ("none",)) else given or "none"


def destinations(value: object) -> tuple[str, ...]:
    """Canonical form: ``("always",)``, ``("never",)``, or ``"inside"`` and then the patterns that are added to it."""
    return settings.destinations(words(value))


def trust(value: object) -> object:
    """``"auto"``, ``"signed"``, ``"always"`` or ``"never"``."""
    return settings.trust(value if isinstance(value, str) else "")


def customer_form(value: object) -> object:
    """``"plain"`` or ``"hashed"``."""
    return settings.customer_form(value if isinstance(value, str) else "")


def hmac_keys(value: object) -> tuple[SecretStr, ...]:
    """Comma-separated text or a list of keys, each long enough."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, (list, tuple)):
        raise ValueError("be a key, or a list of keys")
    plain = [each.get_secret_value() if isinstance(each, SecretStr) else each for each in value]
    if not all(isinstance(each, str) for each in plain):
        raise ValueError("be a key, or a list of keys, as text (a number wants quotes)")
    return tuple(SecretStr(key.decode()) for key in settings.secret_keys(plain))


def hmac_key(value: object) -> SecretStr:
    """One key, long enough."""
    plain = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(plain, str):
        raise ValueError("be a key as text (a number wants quotes)")
    return SecretStr(settings.secret_key(plain).decode())


def rates(value: object) -> dict[str, float]:
    """Capture rates by workflow: a mapping, or ``workflow=rate`` with commas between."""
    if isinstance(value, str):
        return settings.rates(value)
    if not isinstance(value, Mapping) or not all(
        isinstance(name, str) and name.strip() and type(rate) in (int, float) and 0.0 <= rate <= 1.0
        for name, rate in value.items()
    ):
        raise ValueError("be a mapping of workflows to rates in 0.0-1.0, or 'workflow=rate,workflow=rate'")
    return {name: float(rate) for name, rate in value.items()}


def truth(value: object) -> object:
    """True or false, also in the words that variables hold."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return settings.truth(value)
    raise ValueError("be true or false")


def protocol(value: object) -> object:
    """``"http/protobuf"`` or ``"grpc"``."""
    if lower(value) not in ("http/protobuf", "grpc"):
        raise ValueError("be 'http/protobuf' or 'grpc' (BOTANU_OTLP_PROTOCOL sets it for Botanu alone)")
    return lower(value)


def headers(value: object) -> dict[str, SecretStr]:
    """Header names in lower case (gRPC takes no other). Errors give positions: a bad split may bare a value."""
    pairs: Iterable[tuple[object, object]]
    if isinstance(value, str):
        items = [item.partition("=") for item in value.split(",") if item.strip()]
        if not all(equals for _, equals, _ in items):
            raise ValueError("be 'name=value,name=value' (a comma in a value is %2C): a part of it has no '='")
        pairs = [(unquote(name).strip(), unquote(text).strip()) for name, _, text in items]
    elif isinstance(value, Mapping):
        pairs = value.items()
    else:
        raise ValueError("be 'name=value,name=value' or a mapping of text to text")
    headers: dict[str, SecretStr] = {}
    for number, (name, secret) in enumerate(pairs, 1):
        text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name) or name.lower() in headers:
            raise ValueError(f"name each header once, in letters, digits and '-': header {number} does not")
        if not isinstance(text, str) or not _HEADER_VALUE.fullmatch(text):
            raise ValueError(f"hold printable ASCII text as values (a number wants quotes): header {number} does not")
        headers[name.lower()] = SecretStr(text)
    return headers


def key(secret: SecretStr) -> SecretStr:
    """One word that a header can hold."""
    if not re.fullmatch(r"[\x21-\x7e]+", key := secret.get_secret_value().strip()):
        raise ValueError("be one word of printable ASCII")
    return SecretStr(key)


def bare_host(text: str) -> str:
    """A host in lower case, perhaps with a port."""
    if not _HOST.fullmatch(text) or _split(text) is None:
        raise ValueError("be a host alone, such as otel.example.com, without scheme, path or user")
    return text.lower()


def endpoint(text: str) -> str:
    """A collector's URL without user, password and signal path."""
    text = without_user(text)
    parts = _split(text)
    if parts is None or parts.scheme not in ("http", "https") or "@" in text:
        raise ValueError("be a URL such as http://collector:4318 or https://otel.example.com")
    if "?" in text or "#" in text:
        raise ValueError("be a URL without ? and #; what stands there belongs in otlp_headers")
    return _SIGNAL_PATH.sub("", text, count=1)


def _split(url: str) -> SplitResult | None:
    """The parts of a URL whose host cannot be read in two ways, else None. ``host:port`` alone has no scheme."""
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        plain = re.fullmatch(r"[\x21-\x5b\x5d-\x7e]+", url) and _HOST.fullmatch(parts.netloc)
        return parts if plain and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def without_user(url: str) -> str:
    """`url` without the user and password before its host."""
    return re.sub(r"^(\w[\w+.-]*://)?[^/?#]*@", r"\1", url.strip())


def is_on(url: str, host: str) -> bool:
    """Whether `url` goes to exactly `host`, which may name a port."""
    parts, wanted = _split(url), urlsplit(f"//{host}")
    if parts is None or parts.hostname != wanted.hostname:
        return False
    return wanted.port in (None, parts.port or {"https": 443, "http": 80}.get(parts.scheme))


def is_private(url: str) -> bool:
    """Whether nobody can listen on the way there: https, or loopback."""
    parts = _split(url)
    if parts is None or parts.scheme == "https" or parts.hostname == "localhost":
        return parts is not None
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
