"""What running code asks on every call: small, immutable, and swapped as a whole.

`BotanuConfig` (in `sdk.config`) is what people write; `enable()` turns it into a `Settings` and activates it.
Without `enable()` the environment alone decides. This is the process's only mutable state of ours besides
OpenTelemetry's own providers.
"""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Final, Literal, Protocol, TypeVar, cast

from botanu_core.log import warn_once

__all__ = ["Settings", "activate", "current", "destinations", "trust"]

PropagateMode = Literal["inside", "always", "never"]
TrustMode = Literal["auto", "signed", "always", "never"]

_T = TypeVar("_T")
_HOST_PATTERN: Final = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


class Prices(Protocol):
    """What trackers ask of a price book; `pricing.PriceBook` is one."""

    def price(
        self,
        usage: Any,
        provider: str,
        models: Any,
        *,
        customer: str | None = None,
        context: tuple[tuple[str, str], ...] = (),
        provider_reported_cost: object = None,
    ) -> Any:
        """What a call cost: a `Cost`."""

    def cost_of_units(self, kind: str, name: str, counts: Any, *, customer: str | None = None) -> Any:
        """What something other than a model call cost; `None` where nobody has a price for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The knobs that matter in flight.

    Attributes:
        environment: Deployment environment, on every span as ``botanu.environment``.
        semconv: ``"botanu"`` writes the documented provider names, ``"otel"`` OpenTelemetry's current ones.
        content_capture_rate: Share of runs whose prompts and answers are captured, 0.0 to 1.0.
        max_content_chars: Captured text is cut to this length, after scrubbing.
        propagate_mode: Whom outgoing runs are handed to.
        propagate_hosts: Host patterns that count as inside, beside the built-in ones; ``*.example.com`` or exact.
        trust_inbound: Whose runs are taken.
        customer_metric_limit: How many customers may be a metric label; 0 for none.
        strict_prices: Whether a call that nobody can price raises. For tests.
        prices: What prices a model call; `None` while nothing does, without `enable()`.
        in_baggage: Whether a run is written into OpenTelemetry baggage. Only while `enable()` guards what leaves:
            the stock propagator hands baggage to every host.
    """

    environment: str = "production"
    semconv: Literal["botanu", "otel"] = "botanu"
    content_capture_rate: float = 0.0
    max_content_chars: int = 4096
    propagate_mode: PropagateMode = "inside"
    propagate_hosts: tuple[str, ...] = field(default=())
    trust_inbound: TrustMode = "auto"
    customer_metric_limit: int = 0
    strict_prices: bool = False
    in_baggage: bool = False
    prices: "Prices | None" = None

    @classmethod
    def from_env(cls) -> "Settings":
        """Read the environment leniently: a wrong value is warned about, and the default taken.

        Importing a library must not fail because of a variable; `enable()` reads the same variables strictly.
        """
        inside: tuple[str, ...] = ("inside",)
        mode, *hosts = _read("BOTANU_PROPAGATE_TO", lambda text: destinations(text.split(",")), inside)
        return cls(
            environment=_read("BOTANU_ENVIRONMENT", str, "production"),
            semconv=_read("BOTANU_SEMCONV", _semconv, "botanu"),
            content_capture_rate=_read("BOTANU_CONTENT_CAPTURE_RATE", _rate, 0.0),
            max_content_chars=_read("BOTANU_MAX_CONTENT_CHARS", lambda text: _whole(text, 1, 1_000_000), 4096),
            propagate_mode=cast(PropagateMode, mode),
            propagate_hosts=tuple(hosts),
            trust_inbound=_read("BOTANU_TRUST_INBOUND", trust, "auto"),
            customer_metric_limit=_read("BOTANU_CUSTOMER_METRIC_LIMIT", lambda text: _whole(text, 0, 100_000), 0),
            strict_prices=_read("BOTANU_STRICT_PRICES", _flag, False),
        )


def _read(variable: str, parse: Callable[[str], _T], default: _T) -> _T:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        return parse(text)
    except ValueError as error:
        warn_once(f"settings.{variable}", "%s must %s; the default is in force", variable, error)
        return default


# --- Values. A ValueError's text is the end of the sentence "<variable> must …".


def destinations(words: Iterable[str]) -> tuple[str, ...]:
    """Whom runs are handed to: ``("always",)``, ``("never",)``, or ``"inside"`` and the patterns that are added to it.

    Raises:
        ValueError: A word is neither of these nor a pattern.
    """
    given = tuple(dict.fromkeys(word.strip().lower() for word in words if word.strip()))
    if given in (("always",), ("never",)):
        return given
    if not given or "always" in given or "never" in given:
        raise ValueError("be 'always' or 'never' alone, or 'inside' with host patterns beside it")
    return ("inside", *(_destination(word) for word in given if word != "inside"))


def _destination(word: str) -> str:
    try:
        return str(ip_network(word)) if "/" in word else str(ip_address(word))
    except ValueError as error:
        if "host bits" in str(error):
            raise ValueError(f"name a network by its first address, {ip_network(word, strict=False)}") from None
    if not _HOST_PATTERN.fullmatch(word):
        raise ValueError("hold host patterns such as *.example.com, api.example.com or 10.1.0.0/16")
    return word


def trust(text: str) -> TrustMode:
    """Whose runs are taken: ``auto``, ``always`` or ``never``.

    Raises:
        ValueError: It is none of these; ``signed`` is not available in this version.
    """
    word = text.strip().lower()
    if word == "signed":
        raise ValueError(
            "not be 'signed': signatures need BOTANU_BAGGAGE_KEY and are not available in this version; use 'auto'"
        )
    if word not in ("auto", "always", "never"):
        raise ValueError("be 'auto', 'always' or 'never'")
    return cast(TrustMode, word)


def _semconv(text: str) -> Literal["botanu", "otel"]:
    if text.lower() not in ("botanu", "otel"):
        raise ValueError("be 'botanu' or 'otel'")
    return cast(Literal["botanu", "otel"], text.lower())


def _rate(text: str) -> float:
    try:
        if 0.0 <= (rate := float(text)) <= 1.0:
            return rate
    except ValueError:
        pass
    raise ValueError("lie in 0.0-1.0")


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError("be 'true' or 'false'")
    return text.lower() in ("true", "1")


def _whole(text: str, least: int, most: int) -> int:
    try:
        if least <= (number := int(text)) <= most:
            return number
    except ValueError:
        pass
    raise ValueError(f"be a whole number, {least} to {most}")


class _Active:
    """Holds the settings in force; a class, so that reading them is one attribute access."""

    settings: Settings | None = None


_active: Final = _Active()


def current() -> Settings:
    """The settings in force: those of `enable()`, else those of the environment."""
    return _active.settings or activate(Settings.from_env())


def activate(settings: Settings | None) -> Settings:
    """Put `settings` in force; `None` goes back to the environment."""
    _active.settings = settings if settings is not None else Settings.from_env()
    return _active.settings
