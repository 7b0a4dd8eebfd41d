"""The third door: what an instrumentor of model clients may import, where another library says what is on the spans.

Such an instrumentor asks `capturing` when a call begins, and writes nothing on a span that has not gone through
`Capture.text`. The ledger reads the span when it ends, unless it has been told before, by `book_ahead`.
"""

from typing import Any

from botanu_core import semconv
from botanu_core.errors import ConfigError, MissingExtra
from botanu_core.ledger.sighting import Sighting
from botanu_core.log import logger, warn_once
from botanu_core.model.reported import read_reported
from botanu_core.model.vocabulary import provider_at
from botanu_core.privacy.content import cut
from botanu_core.privacy.scrubber import WITHHELD, default_scrubber
from botanu_core.runtime.billing import book_ahead
from botanu_core.runtime.current import SPAN_KEY
from botanu_core.runtime.guard import failed
from botanu_core.runtime.spans import set_attributes
from botanu_core.runtime.telemetry import end_span, start_span
from botanu_core.tracking.capture import Capture, capturing

__all__ = [
    "SPAN_KEY",
    "WITHHELD",
    "Capture",
    "ConfigError",
    "MissingExtra",
    "Sighting",
    "book_ahead",
    "capturing",
    "cut",
    "end_span",
    "export_to",
    "failed",
    "logger",
    "provider_at",
    "read_reported",
    "scrubbed_value",
    "semconv",
    "set_attributes",
    "start_span",
    "warn_once",
]


def scrubbed_value(value: object) -> Any:
    """Nested data, scrubbed; raises where it cannot be."""
    return default_scrubber().scrub_value(value)


def export_to(**options: Any) -> None:
    """`botanu_core.sdk.exporting.export_to`, loaded when it is wanted: it brings the SDK with it."""
    from botanu_core.sdk import exporting

    exporting.export_to(**options)
