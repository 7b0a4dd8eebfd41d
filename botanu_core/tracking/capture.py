"""Whether a call's content is captured, and how its text leaves: for trackers, and for those who have no tracker."""

from dataclasses import dataclass

from botanu_core import semconv as sc
from botanu_core.privacy.content import capture_decided, safe_text
from botanu_core.runtime.context import RunContext, current_run
from botanu_core.settings import Settings, current

__all__ = ["Capture", "capturing", "may_capture"]


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
        return safe_text(content, self.max_chars)


def capturing() -> Capture:
    """Decide for a call that begins now, in the run that is current."""
    known, run = current(), current_run()
    is_barred = _is_barred(run)
    may = not is_barred and bool(known.content_capture_rate or known.content_capture_rates) and may_capture(run, known)
    return Capture(may and known.capture_input, may and known.capture_output, is_barred, known.max_content_chars)


def may_capture(run: RunContext | None, known: Settings) -> bool:
    """Whether the content of `run`, or of a call outside any, is captured."""
    rate = known.capture_rate(run.workflow if run is not None else None)
    return not _is_barred(run) and capture_decided(run.run_id if run is not None else None, rate)


def _is_barred(run: RunContext | None) -> bool:
    return run is not None and run.carried.get(sc.CAPTURE) == "off"  # by the adapter that opened it, here or upstream
