"""What running code asks on every call: small, immutable, and swapped as a whole.

`BotanuConfig` (in `sdk.config`) is what people write; `enable()` turns it into a `Settings` and activates it.
Without `enable()` the environment alone decides. This is the process's only mutable state of ours besides
OpenTelemetry's own providers.
"""

import os
from dataclasses import dataclass, field
from typing import Final, Literal

from botanu_core.log import warn_once

__all__ = ["Settings", "activate", "current"]

PropagateMode = Literal["inside", "always", "never"]
TrustMode = Literal["auto", "signed", "always", "never"]


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
    in_baggage: bool = False

    @classmethod
    def from_env(cls) -> "Settings":
        """Read the environment leniently: a wrong value is warned about and ignored.

        Importing a library must not fail because of a variable; `enable()` reads the same variables strictly.
        """
        return cls(
            environment=os.environ.get("BOTANU_ENVIRONMENT", "").strip() or "production",
            semconv="otel" if os.environ.get("BOTANU_SEMCONV", "").strip().lower() == "otel" else "botanu",
            content_capture_rate=_rate(os.environ.get("BOTANU_CONTENT_CAPTURE_RATE", "")),
        )


def _rate(text: str) -> float:
    if not text.strip():
        return 0.0
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0.0 <= rate <= 1.0:
        warn_once("settings.rate", "BOTANU_CONTENT_CAPTURE_RATE must lie in 0.0-1.0; nothing is captured")
        return 0.0
    return rate


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
