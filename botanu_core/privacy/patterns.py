"""The table of what is scrubbed by default, each row with its own good and bad examples.

Where two rows find something in the same place, the one that begins further left wins; at the same character, the one
that stands further up.
"""

from typing import Final

from botanu_core.privacy import digits, pairs, personal, tokens, vendor
from botanu_core.privacy.engine import LaneRows
from botanu_core.privacy.pattern import Hit, Pattern

__all__ = ["LANES", "PATTERNS", "Hit", "Pattern"]

LANES: Final[tuple[LaneRows, ...]] = (
    (b"", tokens.ROWS + vendor.ROWS + digits.NUMBERS + personal.IPS),
    (b"", pairs.ROWS + tokens.SCHEMES + digits.NAMED),
    (b"@", tokens.LOGINS + personal.ADDRESSES),
    (b"%", personal.ENCODED),
    (b"&", personal.ENTITIES),
    (b"\\u0040", personal.ESCAPED),
)
"""Rows that are searched for together, and what each of their hits holds."""

PATTERNS: Final[tuple[Pattern, ...]] = tuple(row for _, rows in LANES for row in rows)
"""All rows, one by one."""
