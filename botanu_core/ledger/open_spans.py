"""`OpenSpans`: which call a span is, or is inside of, while it is open."""

from typing import Final

from botanu_core.ledger.call import Call

__all__ = ["OpenSpans", "open_spans"]


class OpenSpans:
    """Spans that are open: model calls, and what is open inside one. Bounded; each step is one of the dict's own.

    Attributes:
        held: The call of each, by the span's id; to be read only.
    """

    _MOST: Final = 65_536

    def __init__(self) -> None:
        self.held: dict[int, Call] = {}

    def get(self, span_id: int) -> Call | None:
        """The call that the span is, or is inside of."""
        return self.held.get(span_id)

    def put(self, span_id: int, call: Call) -> None:
        """Remember a span, until `take`."""
        if not span_id:
            return
        if len(self.held) >= self._MOST:  # spans that nobody ever ends
            for old in list(self.held)[: self._MOST // 4]:
                self.held.pop(old, None)
        self.held[span_id] = call

    def take(self, span_id: int) -> Call | None:
        """The same, and forget it."""
        return self.held.pop(span_id, None)

    def calls(self) -> list[Call]:
        """All that are remembered."""
        return list(self.held.values())


open_spans: Final = OpenSpans()
"""Those of this process."""
