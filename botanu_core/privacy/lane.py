"""One lane of the table: rows that are searched for together, as one automaton.

All rows of a lane are one RE2 alternation without groups. Only where it hits is Python asked: which row was it, is the
check digit right, what stands around. The text is looked at in chunks, because an expression that begins early and
fails late (`aaaa…` without an `@`) would otherwise look again, from each hit inside, to the end of the text.
"""

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from botanu_core.errors import ConfigError
from botanu_core.privacy.checks import is_no_card
from botanu_core.privacy.pattern import Hit, Pattern

__all__ = ["CHUNK", "MASK", "NOTHING", "Judged", "Lane", "compiled", "decoded"]

Judged = tuple[int, int, Pattern, bool]
"""Where what is to go begins and ends, whose it is, and whether it is a value behind a name."""

NOTHING: Final = (sys.maxsize, sys.maxsize)
"""Where the next hit is if there is none: behind all others."""

MASK: Final = b"["
"""Stands, in the text that is searched, for each byte of what scrubbing left behind before. No value goes past it."""

CHUNK: Final = 8192
"""Bytes that are searched at a time."""
_OVERLAP: Final = 1024
# States of the automaton are made as texts need them; past this many bytes it starts afresh.
_MEMORY: Final = 16 << 20

_GROUP_NAME: Final = r"\(\?P?<\w+>"
_OPENING: Final = rb"""[bBrRuUfF@$]{0,2}(?:\\*["'`]{1,3}|&quot;|%22)"""
_FIRST_WORD: Final = rb"[^\w\x80-\xff]*[\w\x80-\xff]*"
_ESCAPES: Final = (b"\\n", b"\\r", b"\\t")
_PROBE: Final = b"x4111111111111111 a@b.example password=hunter2 x"
_BEFORE: Final = 48
_AFTER: Final = 24


def _options(*, capture: bool) -> Any:
    import re2  # only here: what never scrubs never loads it

    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    options.never_capture = not capture
    return options


def compiled(regex: str, *, capture: bool = False) -> Any:
    """Compile RE2 syntax.

    Raises:
        ConfigError: It is not RE2 syntax, or too large.
    """
    import re2

    try:
        return re2.compile(regex, _options(capture=capture))
    except re2.error as error:
        reason = error.args[0] if error.args else "unknown reason"
        reason = decoded(reason) if isinstance(reason, bytes) else reason
        raise ConfigError(
            f"the expression {regex[:200]!r} is not RE2 syntax: {reason}. RE2 has no look-around and no "
            "back-references, so that it stays linear; say what must stand around a value in `context` instead"
        ) from None


class Lane:
    """Some rows, compiled. Safe to use from several threads; not across a fork, see `Scrubber`.

    Attributes:
        rows: The rows.
        landmark: What each hit holds; empty where there is no such thing.
        search: Where the first stretch between two places is that some row describes; from -1 where none is.
    """

    __slots__ = (
        "_first_word", "_opening", "_rows_of", "_single", "_start", "_values", "_which", "landmark", "rows", "search",
    )  # fmt: skip

    def __init__(self, rows: Sequence[Pattern], landmark: bytes = b"") -> None:
        """Compile.

        Args:
            rows: Those further up win over those further down.
            landmark: What each hit of each row holds, such as ``b"@"``. Only around it is the text searched.
        """
        import re2

        self.rows = rows
        self.landmark = landmark
        ungrouped = [re.sub(_GROUP_NAME, "(?:", row.regex) for row in rows]
        finder = compiled("|".join(f"(?:{regex})" for regex in ungrouped))
        self.search = _finder(finder)
        self._start: Callable[..., Any] = finder.match
        self._which = re2.Set.FullMatchSet(_options(capture=False))
        for regex in ungrouped:
            self._which.Add(regex)
        self._which.Compile()
        self._rows_of = _set_matcher(self._which)
        grouped = {index: row.regex for index, row in enumerate(rows) if "(?P<value>" in row.regex}
        self._values = {index: _finder(compiled(regex, capture=True), "value") for index, regex in grouped.items()}
        self._single: list[Any] | None = None
        self._opening = re.compile(_OPENING).match
        self._first_word: Callable[..., Any] = re.compile(_FIRST_WORD).match

    def next(self, data: bytes, position: int, until: int) -> tuple[int, int]:
        """The next stretch at or behind `position` that some row describes; `NOTHING` if there is none.

        If none begins before `until`, the place of something that does not is given instead.
        """
        size = len(data)
        if position or self.landmark:
            position = self._near_landmark(data, position)
        end = min(position + CHUNK, until + 2 * _OVERLAP, size)
        while position < size:
            if position >= until:
                return position, position
            start, stop = self.search(data, position, end)
            if start < 0:
                if end == size:
                    break
                position = self._near_landmark(data, max(position + 1, end - _OVERLAP))
                end = min(position + CHUNK, size)
                continue
            if end == size or stop <= end - _OVERLAP:
                if data[start:stop].isdigit() and is_no_card(data[start:stop]):
                    position = stop  # most of all long numbers; there is no use in asking each row
                    continue
                return start, stop
            # It ends near the end of the chunk, and perhaps because of it: look again from its start, further.
            end = min(start + max(CHUNK, 2 * (stop - start)), size)
            position = start
        return NOTHING

    def _near_landmark(self, data: bytes, position: int) -> int:
        """Where to search from, at or behind `position`; the end of the text if there is nothing more to find."""
        if self.landmark:
            place = data.find(self.landmark, position)
            if place < 0:
                return len(data)
            position = max(position, place - _OVERLAP)
        while position < len(data) and data[position] & 0xC0 == 0x80:
            position += 1  # not in the middle of a character
        return position

    def behind_word(self, data: bytes, start: int) -> int:
        """Where the first word of what begins at `start` ends."""
        end: int = self._first_word(data, start).end()
        return max(start + 1, end)

    def judge(self, data: bytes, start: int, end: int) -> Judged | None:
        """What part of a hit is to go; `None` if each row lets it go."""
        escape = 2 if data[start : start + 2] in _ESCAPES else 0
        indices = self._rows_of(data[start + escape : end])
        if not indices:
            # A row that looks at what stands around, such as `^`, matches only in place. Slow, and rare.
            escape = 0
            indices = [index for index, regex in enumerate(self._each()) if regex.fullmatch(data, start, end)]
        for index in indices if len(indices) == 1 else sorted(indices):
            judged = self._judge_as(index, data, start, start + escape, end)
            if judged is not None:
                return judged
        return None

    def longest(self, data: bytes, start: int) -> int:
        """Where what begins exactly at `start` ends; `start` if nothing does."""
        match = self._start(data, start, min(start + CHUNK, len(data)))
        end: int = start if match is None else match.end()
        return end

    def _judge_as(self, index: int, data: bytes, origin: int, start: int, end: int) -> Judged | None:
        row = self.rows[index]
        first, last = start, end
        is_value = index in self._values
        if is_value:
            first, last = self._value_of(index, data, origin, end)
            if first >= last:
                return None
        value = decoded(data[first:last])
        if row.check is not None and not row.check(value):
            return None
        if row.context is not None and not row.context(_hit(data, start, first, last, value)):
            return None
        return first, last, row, is_value

    def _value_of(self, index: int, data: bytes, origin: int, end: int) -> tuple[int, int]:
        """Where the value is, without opening quotes; empty if it was scrubbed before."""
        first, last = self._values[index](data, origin, end)
        if first < 0:
            return 0, 0  # without a value, or it would match anywhere but here, in the middle of a word
        opening = self._opening(data, first, last)
        if opening is not None:
            first = opening.end()
        return (0, 0) if data.startswith(MASK + MASK, first) else (first, last)

    def _each(self) -> list[Any]:
        """The rows one by one."""
        if self._single is None:
            self._single = [compiled(row.regex) for row in self.rows]
        return self._single


def _hit(data: bytes, start: int, first: int, last: int, value: str) -> Hit:
    """A hit with its surroundings."""
    before = decoded(data[max(0, start - 4 * _BEFORE) : start])[-_BEFORE:]
    if before.endswith(("\\n", "\\r", "\\t")):
        before = before[:-2] + "\n"
    text = value if first == start else decoded(data[start:last])
    return Hit(text, value, before, decoded(data[last : last + 4 * _AFTER])[:_AFTER])


def _finder(regex: Any, group: str | None = None) -> Callable[[bytes, int, int], tuple[int, int]]:
    """A function that says where a hit is between two places; (-1, -1) if there is none.

    Without `group`, it looks for a hit anywhere; with it, for one from place to place, and says where that group is.

    On short texts the layers of `re2`'s module that are written in Python take longer than the automaton. Its lowest
    layer is no public name: where it is not as we know it, the public ones serve.
    """
    import re2

    index = 0 if group is None else regex.groupindex[group]

    def find(data: bytes, position: int, end: int) -> tuple[int, int]:
        match = (regex.search if group is None else regex.fullmatch)(data, position, end)
        return (-1, -1) if match is None else match.span(index)

    try:
        match, anchor = regex._regexp.Match, re2._Anchor.UNANCHORED if group is None else re2._Anchor.ANCHOR_BOTH

        def find_fast(data: bytes, position: int, end: int) -> tuple[int, int]:
            return match(anchor, data, position, end)[index]  # type: ignore[no-any-return]

        if find_fast(_PROBE, 1, len(_PROBE)) == find(_PROBE, 1, len(_PROBE)):
            return find_fast
    except (AttributeError, TypeError, IndexError):
        pass
    return find


def _set_matcher(which: Any) -> Callable[[bytes], list[int] | None]:
    """What says which rows match a whole; the lowest layer again, where it is as we know it."""
    match: Callable[[bytes], list[int] | None] = which.Match
    try:
        lowest: Callable[[bytes], list[int]] = which._set.Match
        return match if (lowest(_PROBE) or None) != match(_PROBE) else lowest
    except (AttributeError, TypeError):
        return match


def decoded(data: bytes) -> str:
    """A slice of a text; what its ends cut off is left out, lone surrogates come back as they were."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "ignore")
