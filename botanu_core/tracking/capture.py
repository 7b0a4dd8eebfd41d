"""Whether a call's content is captured, and how its text leaves: for trackers, and for those who have no tracker."""

import functools
from dataclasses import dataclass
from typing import Final

from botanu_core import semconv as sc
from botanu_core.privacy.content import capture_decided, safe_text
from botanu_core.privacy.scrubber import WITHHELD, Scrubber, default_scrubber
from botanu_core.runtime.context import RunContext, current_run
from botanu_core.settings import Settings, current

__all__ = ["Capture", "capturing", "may_capture"]

# A conversation is sent whole with every turn: of 50 messages, 48 were scrubbed the turn before.
_REMEMBERED: Final = 512
_LONGEST_REMEMBERED: Final = 2048


@dataclass(frozen=True, slots=True)
class Capture:
    """What of one call may be captured.

    Attributes:
        asked: Whether prompts, and what goes with them, may.
        answered: Whether answers may.
        is_barred: Whether whoever opened the run has said that nothing of it may, wherever it goes.
        max_chars: Captured text is cut to this length, after scrubbing.
    """

    asked: bool
    answered: bool
    is_barred: bool
    max_chars: int

    def text(self, content: object) -> str:
        """`content` as it may leave: scrubbed, then cut. Never raises."""
        if type(content) is not str or len(content) > _LONGEST_REMEMBERED:
            return safe_text(content, self.max_chars)
        try:
            return _remembered(content, self.max_chars, default_scrubber())
        except _Withheld:
            return WITHHELD


class _Withheld(Exception):
    """Scrubbing failed, perhaps for this once."""


@functools.lru_cache(maxsize=_REMEMBERED)
def _remembered(text: str, limit: int, scrubber: Scrubber) -> str:
    found = safe_text(text, limit, scrubber=scrubber)
    if found == WITHHELD:
        raise _Withheld
    return found


def capturing() -> Capture:
    """Decide for a call that begins now, in the run that is current."""
    known, run = current(), current_run()
    may = (known.content_capture_rate or known.content_capture_rates) and may_capture(run, known)
    if may:
        return _capture(known.capture_input, known.capture_output, False, known.max_content_chars)
    return _capture(False, False, _is_barred(run), known.max_content_chars)


# There are eight of a process; to make one anew takes as long as to decide.
_capture: Final = functools.cache(Capture)


def may_capture(run: RunContext | None, known: Settings) -> bool:
    """Whether the content of `run`, or of a call outside any, is captured."""
    rate = known.capture_rate(run.workflow if run is not None else None)
    return not _is_barred(run) and capture_decided(run.run_id if run is not None else None, rate)


def _is_barred(run: RunContext | None) -> bool:
    return run is not None and run.carried.get(sc.CAPTURE) == "off"  # by the adapter that opened it, here or upstream
