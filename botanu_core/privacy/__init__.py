"""What may leave the process: patterns, the scrubber that applies them, and the gate for captured content."""

from typing import TYPE_CHECKING

from botanu_core.privacy.content import capture_decided, captured, cut, safe_text
from botanu_core.privacy.scrubber import CUT, WINDOW, WITHHELD, Scrubber, activate_scrubber, default_scrubber

if TYPE_CHECKING:
    from botanu_core.privacy.patterns import PATTERNS, Hit, Pattern

__all__ = [
    "CUT",
    "PATTERNS",
    "WINDOW",
    "WITHHELD",
    "Hit",
    "Pattern",
    "Scrubber",
    "activate_scrubber",
    "capture_decided",
    "captured",
    "cut",
    "default_scrubber",
    "safe_text",
]


def __getattr__(name: str) -> object:
    if name in ("PATTERNS", "Hit", "Pattern"):  # the table is loaded only where it is asked for
        from botanu_core.privacy import patterns

        return getattr(patterns, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
