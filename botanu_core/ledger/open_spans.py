"""`OpenSpans`: which call a span is, or is inside of, while it is open."""

from typing import Final

from botanu_core.ledger.call import Call

__all__ = ["OpenSpans", "open_spans"]


class OpenSpans:
    """Spans that are open: model calls, and what is open inside one. Bounded; each step is one of the dict's own."""

    _MOST: Final = 65_536

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._calls)

    def get(self, span_id: int) -> Call | None:
        """The call that the span is, or is inside of."""
        return self._calls.get(span_id)

    def put(self, span_id: int, call: Call) -> None:
        """Remember a span, until `take`."""
        if not span_id:
            return
        if len(self._calls) >= self._MOST:  # spans that nobody ever ends
            for old in list(self._calls)[: self._MOST // 4]:
                self._calls.pop(old, None)
        self._calls[span_id] = call

    def take(self, span_id: int) -> Call | None:
        """The same, and forget it."""
        return self._calls.pop(span_id, None)

    def calls(self) -> list[Call]:
        """All that are remembered."""
        return list(self._calls.values())


open_spans: Final = OpenSpans()
"""Those of this process."""
