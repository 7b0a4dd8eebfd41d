"""What may be captured, and how it leaves: gate by run, then scrub, then cut.

The order matters. Scrub before cutting: half a key no longer looks like a key. Gate before scrubbing: what is not
captured costs nothing.
"""

import random
import unicodedata
import zlib
from typing import Final

from botanu_core.log import warn_once
from botanu_core.privacy.scrubber import WITHHELD, Scrubber, default_scrubber

__all__ = ["capture_decided", "captured", "cut", "safe_text"]

_ELLIPSIS: Final = "…"
# Labels are often shorter than what they replace: look at more than is kept, yet not at all of a huge text.
_MARGIN: Final = 4096
_JOINERS: Final = ("\u200d", "\ufe0e", "\ufe0f")
_MARKS_LOOKED_AT: Final = 32


def capture_decided(run_id: str | None, rate: float) -> bool:
    """Whether the content of a run is captured.

    Args:
        run_id: Decides alone: each service that knows the run comes to the same result, and a run captured at some rate
            is captured at each higher one. `None`: each call is decided by chance.
        rate: Share of runs, 0.0 to 1.0. What is no such number captures nothing.
    """
    if not isinstance(rate, int | float) or not rate > 0.0:
        return False
    if rate >= 1.0:
        return True
    return (random.random() if run_id is None else _share_of(run_id)) < rate  # noqa: S311  # no secret hangs on it


def _share_of(run_id: str) -> float:
    """A number in 0.0-1.0, even over all ids, the same everywhere: CRC-32 of the id in lower case, by 2 to the 32."""
    return zlib.crc32(run_id.lower().encode("utf-8", "surrogatepass")) / (1 << 32)


def captured(
    content: object, *, run_id: str | None, rate: float, max_chars: int, scrubber: Scrubber | None = None
) -> str | None:
    """Content as it may leave the process, or `None` if this run is not captured. Never raises.

    Args:
        content: Text, or data that becomes JSON once it is scrubbed.
        run_id: See `capture_decided`.
        rate: See `capture_decided`.
        max_chars: Length of the result at most; cut last, at a character's border, with "…" at the end.
        scrubber: Default: the one in force.
    """
    if content is None or not capture_decided(run_id, rate):
        return None
    return safe_text(content, max_chars, scrubber=scrubber)


def safe_text(text: object, limit: int = 2048, *, scrubber: Scrubber | None = None) -> str:
    """Scrub, then cut: for exception messages, stack traces, reasons and metadata. Never raises.

    Args:
        text: Text, or data that becomes JSON once it is scrubbed.
        limit: Length of the result at most.
        scrubber: Default: the one in force.
    """
    try:
        scrubber = default_scrubber() if scrubber is None else scrubber
        if isinstance(text, str):
            return sendable(cut(scrubber.scrub(text, window=2 * limit + _MARGIN), limit))
        import json  # only here: most content is text

        plain = scrubber.scrub_value(text)
        return sendable(cut(plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False), limit))
    except Exception as error:
        warn_once("privacy.safe_text", "scrubbing failed, the text is withheld", error=error)
        return WITHHELD


def sendable(text: str) -> str:
    """`text` without lone surrogates: one file name that is not UTF-8 would cost a whole batch of spans."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def cut(text: str, limit: int) -> str:
    """`text`, no longer than `limit`; where something is missing, "…" says so.

    No character is split: not a letter from its accents, not an emoji from what it is joined with.
    """
    if len(text) <= limit:
        return text
    if limit <= 0:
        return ""
    end = limit - 1
    while end > 0 and limit - end < _MARKS_LOOKED_AT and _continues(text, end):
        end -= 1
    return text[:end] + _ELLIPSIS


def _continues(text: str, place: int) -> bool:
    """Whether the character at `place` belongs to the one before it."""
    character, previous = text[place], text[place - 1]
    if character in _JOINERS or previous == "\u200d" or unicodedata.combining(character):
        return True
    return "\ud800" <= previous <= "\udbff" and "\udc00" <= character <= "\udfff"
