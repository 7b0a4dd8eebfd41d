"""What running code asks on every call: small, immutable, and swapped as a whole.

`BotanuConfig` (in `sdk.config`) is what people write; `enable()` turns it into a `Settings` and activates it.
Without `enable()` the environment alone decides. This is the process's only mutable state of ours besides
OpenTelemetry's own providers.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Any, Final, Literal, Protocol, TypeVar, cast

from botanu_core.log import warn_once

__all__ = [
    "CAPTURE_VARIABLE", "MIN_KEY_BYTES", "CustomerForm", "PropagateMode", "Settings", "TrustMode", "activate",
    "captures_on_spans", "current", "customer_form", "destinations", "rates", "secret_key", "secret_keys",
    "trust", "truth",
]  # fmt: skip

PropagateMode = Literal["inside", "always", "never"]
TrustMode = Literal["auto", "signed", "always", "never"]
CustomerForm = Literal["plain", "hashed"]

MIN_KEY_BYTES: Final = 32
"""A key for HMAC-SHA256 is at least as long as what it makes: RFC 7518, 3.2 demands it, RFC 2104, 3 advises it."""
CAPTURE_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

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
        content_capture_rates: The same by workflow, for those that have one of their own.
        capture_input: Whether prompts are captured in a run that is.
        capture_output: Whether answers are.
        max_content_chars: Captured text is cut to this length, after scrubbing.
        propagate_mode: Whom outgoing runs are handed to.
        propagate_hosts: Host patterns that count as inside, beside the built-in ones; ``*.example.com`` or exact.
        withhold_trace_context: Whether hosts outside get no `traceparent` either.
        trust_inbound: Whose runs are taken. ``auto`` means ``signed`` where there is a key.
        trusted_proxies: How many proxies of ours a request from inside passes; 0 where nobody said.
        baggage_keys: Runs are signed with the first; a signature by any of them is good.
        signature_lifetime_s: How long after it was signed a run is taken.
        clock_skew_s: By how much clocks may differ.
        customer_id_form: ``"hashed"``: customers leave this process under a pseudonym only.
        customer_id_key: What pseudonyms are made with.
        customer_metric_limit: How many customers may be a metric label; 0 for none.
        strict_prices: Whether a call that nobody can price raises. For tests.
        prices: What prices a model call; `None` while nothing does, without `enable()`.
        in_baggage: Whether a run is written into OpenTelemetry baggage. Only while `enable()` guards what leaves:
            the stock propagator hands baggage to every host.
    """

    environment: str = "production"
    semconv: Literal["botanu", "otel"] = "botanu"
    content_capture_rate: float = 0.0
    content_capture_rates: Mapping[str, float] = field(default_factory=dict)
    capture_input: bool = True
    capture_output: bool = True
    max_content_chars: int = 4096
    propagate_mode: PropagateMode = "inside"
    propagate_hosts: tuple[str, ...] = field(default=())
    withhold_trace_context: bool = False
    trust_inbound: TrustMode = "auto"
    trusted_proxies: int = 0
    baggage_keys: tuple[bytes, ...] = field(default=(), repr=False)
    signature_lifetime_s: float = 300.0
    clock_skew_s: float = 30.0
    customer_id_form: CustomerForm = "plain"
    customer_id_key: bytes | None = field(default=None, repr=False)
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
        no_keys: tuple[bytes, ...] = ()
        keys = _read("BOTANU_BAGGAGE_KEY", lambda text: secret_keys(text.split(",")), no_keys, "no run is taken")
        mode, *hosts = _read("BOTANU_PROPAGATE_TO", lambda text: destinations(text.split(",")), inside)
        return cls(
            environment=_read("BOTANU_ENVIRONMENT", str, "production"),
            semconv=_read("BOTANU_SEMCONV", _semconv, "botanu"),
            content_capture_rate=_read("BOTANU_CONTENT_CAPTURE_RATE", _rate, 0.0),
            content_capture_rates=_read("BOTANU_CONTENT_CAPTURE_RATES", rates, {}),
            capture_input=_read("BOTANU_CAPTURE_INPUT", truth, True),
            capture_output=_read("BOTANU_CAPTURE_OUTPUT", truth, True),
            max_content_chars=_read("BOTANU_MAX_CONTENT_CHARS", lambda text: _whole(text, 1, 1_000_000), 4096),
            propagate_mode=cast(PropagateMode, mode),
            propagate_hosts=tuple(hosts),
            withhold_trace_context=_read("BOTANU_WITHHOLD_TRACE_CONTEXT", truth, False),
            trust_inbound=_read("BOTANU_TRUST_INBOUND", trust, "auto"),
            trusted_proxies=_read("BOTANU_TRUSTED_PROXIES", lambda text: _whole(text, 0, 64), 0),
            baggage_keys=keys,
            signature_lifetime_s=_read("BOTANU_SIGNATURE_LIFETIME_S", lambda text: _seconds(text, 1, 86_400), 300.0),
            clock_skew_s=_read("BOTANU_CLOCK_SKEW_S", lambda text: _seconds(text, 0, 3_600), 30.0),
            customer_id_form=_read("BOTANU_CUSTOMER_ID", customer_form, "plain", "no customer is named"),
            customer_id_key=_read("BOTANU_CUSTOMER_ID_KEY", secret_key, None),
            customer_metric_limit=_read("BOTANU_CUSTOMER_METRIC_LIMIT", lambda text: _whole(text, 0, 100_000), 0),
            strict_prices=_read("BOTANU_STRICT_PRICES", truth, False),
        )._cautious()

    def _cautious(self) -> "Settings":
        """What holds where a variable that guards something was set and could not be read: the stricter."""
        found = self
        if not self.baggage_keys and self.trust_inbound == "auto" and _is_set("BOTANU_BAGGAGE_KEY"):
            found = replace(found, trust_inbound="signed")  # without a key: nobody is believed
        if self.customer_id_form == "plain" and _is_set("BOTANU_CUSTOMER_ID", besides="plain"):
            found = replace(found, customer_id_form="hashed")  # without a key: no customer is named
        captures = captures_on_spans(os.environ.get(CAPTURE_VARIABLE, ""))
        if captures is False:
            return replace(found, content_capture_rate=0.0, content_capture_rates={})
        if captures and not _is_set("BOTANU_CONTENT_CAPTURE_RATE"):
            return replace(found, content_capture_rate=1.0)
        return found

    def capture_rate(self, workflow: str | None) -> float:
        """The share of the runs of `workflow` that are captured; `None` for a run that nobody has named."""
        rates = self.content_capture_rates
        return rates.get(workflow, self.content_capture_rate) if rates and workflow else self.content_capture_rate


def _read(variable: str, parse: Callable[[str], _T], default: _T, meanwhile: str = "the default is in force") -> _T:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        return parse(text)
    except ValueError as error:
        warn_once(f"settings.{variable}", "%s must %s; %s", variable, error, meanwhile)
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
    """Whose runs are taken: ``auto``, ``signed``, ``always`` or ``never``.

    Raises:
        ValueError: It is none of these.
    """
    word = text.strip().lower()
    if word not in ("auto", "signed", "always", "never"):
        raise ValueError("be 'auto', 'signed', 'always' or 'never'")
    return cast(TrustMode, word)


def customer_form(text: str) -> CustomerForm:
    """How customers are called: ``plain`` or ``hashed``.

    Raises:
        ValueError: It is neither.
    """
    word = text.strip().lower()
    if word not in ("plain", "hashed"):
        raise ValueError("be 'plain' or 'hashed'")
    return cast(CustomerForm, word)


def secret_keys(words: Iterable[str]) -> tuple[bytes, ...]:
    """Keys of HMAC-SHA256, the one to sign with first.

    Raises:
        ValueError: One is too short, or there is none. It never quotes one.
    """
    keys = tuple(dict.fromkeys(word.strip().encode() for word in words if word.strip()))
    if not keys or min(map(len, keys)) < MIN_KEY_BYTES:
        shortest = f"; the shortest has {min(map(len, keys))}" if keys else ""
        raise ValueError(
            f"hold keys of at least {MIN_KEY_BYTES} bytes, with commas between{shortest}: "
            "make one with 'openssl rand -hex 32'"
        )
    return keys


def secret_key(text: str) -> bytes:
    """One such key.

    Raises:
        ValueError: It is too short.
    """
    key = text.strip().encode()
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"be a key of at least {MIN_KEY_BYTES} bytes: make one with 'openssl rand -hex 32'")
    return key


def rates(text: str) -> dict[str, float]:
    """Capture rates by workflow, written as ``Customer Support=0.1,Refund=0``.

    Raises:
        ValueError: A part of it is no workflow with a rate.
    """
    found: dict[str, float] = {}
    for part in filter(str.strip, text.split(",")):
        workflow, equals, rate = (each.strip() for each in part.rpartition("="))
        try:
            if not equals or not workflow or workflow in found:
                raise ValueError
            found[workflow] = _rate(rate)
        except ValueError:
            raise ValueError("be 'workflow=rate,workflow=rate', each workflow once and each rate in 0.0-1.0") from None
    return found


def captures_on_spans(text: str) -> bool | None:
    """What OpenTelemetry's own switch for message content says about spans, which is where ours is written.

    Args:
        text: The value of `CAPTURE_VARIABLE`: ``true``, ``span_only`` and ``span_and_event`` ask for it there;
            ``false``, ``no_content``, ``event_only``, and what nobody knows, for none.

    Returns:
        `None` where it is blank: nothing is said.
    """
    word = text.strip().lower()
    return word in ("true", "1", "span_only", "span_and_event") if word else None


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


def _whole(text: str, least: int, most: int) -> int:
    try:
        if least <= (number := int(text)) <= most:
            return number
    except ValueError:
        pass
    raise ValueError(f"be a whole number, {least} to {most}")


def _seconds(text: str, least: float, most: float) -> float:
    try:
        if least <= (number := float(text)) <= most:
            return number
    except ValueError:
        pass
    raise ValueError(f"be {least} to {most} seconds")


def truth(text: str) -> bool:
    """True or false, in any of the words for it.

    Raises:
        ValueError: It is none of them.
    """
    found = _TRUTHS.get(text.strip().lower())
    if found is None:
        raise ValueError("be true or false")
    return found


_TRUTHS: Final = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def _is_set(variable: str, besides: str = "") -> bool:
    return os.environ.get(variable, "").strip().lower() not in ("", besides)


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
