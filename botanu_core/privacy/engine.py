"""Finds what a table of patterns describes, in time linear in the text.

The rows stand in lanes, each of which is searched for by itself: an automaton for all of them would need a state for
each combination of what the single ones are in the middle of, and spends its time making these.
"""

import bisect
import functools
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple

from botanu_core.privacy.lane import CHUNK, MASK, NOTHING, Judged, Lane, compiled, decoded
from botanu_core.privacy.pattern import Pattern

__all__ = ["Engine", "Found", "LaneRows", "Region"]

LaneRows = tuple[bytes, Sequence[Pattern]]
"""What each hit of each row holds, if there is such a thing, and the rows."""

# Full-width forms, and digits of Arabic, Persian and Hindi: one character each, so that places stay the same.
_WIDE: Final = (
    r"[\x{ff10}-\x{ff19}\x{ff1d}\x{ff20}-\x{ff3a}\x{ff41}-\x{ff5a}\x{660}-\x{669}\x{6f0}-\x{6f9}\x{966}-\x{96f}]"
)
# What takes no place on the page, and may stand inside what is to be found: soft hyphens, zero-width signs, marks of
# direction.
_UNSEEN: Final = r"[\x{ad}\x{200b}-\x{200f}\x{2060}-\x{2064}\x{202a}-\x{202e}\x{feff}]"
# How cards, phones and accounts begin.
_NUMBER_START: Final = rb"[\d+(]|[A-Za-z]{2}\d\d"
# After so many hits that were none, or once they were together so many times as long as the text, one that overlaps the
# next is no longer looked for: to look at each word of each hit would take the square of the length.
_PATIENCE: Final = 10_000
_REREAD: Final = 8
# Bytes within which what is replaced can be the reason why something else was let go: as far as contexts look.
_NEAR: Final = 200
_NEAR_ASCII: Final = 50

Region = tuple[int, int]
"""Where to look, in characters."""


_NOWHERE: Final = (-1, -1)


class Found(NamedTuple):
    """What is to be replaced: where it is, in characters, and what it is."""

    start: int
    end: int
    pattern: Pattern


class Engine:
    """The compiled table. Safe to use from several threads; not across a fork, see `Scrubber`."""

    __slots__ = ("_everywhere", "_left_behind", "_number", "_openings", "_signs", "_unseen", "_wide", "lanes")

    def __init__(self, lanes: Sequence[LaneRows], marks: Collection[str]) -> None:
        """Compile.

        Args:
            lanes: At the same place, those further up win.
            marks: What scrubbing leaves behind, without pseudonyms. Such a stretch is not looked into, so that to scrub
                twice is the same as once.
        """
        self.lanes = [Lane(rows, landmark) for landmark, rows in lanes if rows]
        self._openings = sorted({mark[0].encode() for mark in marks})
        # What most texts hold none of. Of those without, there is nothing behind a landmark, and nothing was scrubbed.
        signs = {each[:1] for each in (*self._openings, *(landmark for landmark, _ in lanes)) if each}
        self._signs = re.compile(b"[%b]" % re.escape(b"".join(sorted(signs)))).search
        self._everywhere = [lane.search for lane in self.lanes if not lane.landmark]
        pieces = (f"{re.escape(mark[:-1])}(?::[0-9a-f]{{12}})?{re.escape(mark[-1])}" for mark in sorted(marks))
        self._left_behind = re.compile("|".join(pieces).encode())
        self._number = re.compile(_NUMBER_START).match
        self._wide: Callable[..., Any] = compiled(_WIDE).search
        self._unseen: Callable[..., Any] = compiled(_UNSEEN).search

    def find(
        self, text: str, limit: int | None = None, regions: Sequence[Region] | None = None
    ) -> tuple[list[Found], set[int]]:
        """All that is to be replaced, in order and disjoint, and which of it had something near that was let go.

        Args:
            text: Any text, lone surrogates included.
            limit: What begins at or behind this character is left out.
            regions: Where a hit must begin, in order and disjoint; anywhere without it.
        """
        data = text.encode("utf-8", "surrogatepass")
        if len(data) != len(text):
            if self._unseen(data) is not None:
                return self._find_unseen(text, limit)  # in all of it: such texts are few
            if self._wide(data) is not None:
                data = text.translate(_narrow()).encode("utf-8", "surrogatepass")
        end = len(data)
        if self._signs(data) is not None:
            if any(opening in data for opening in self._openings):
                data = self._left_behind.sub(_masked, data)
        elif regions is None and end <= CHUNK:
            for search in self._everywhere:
                if search(data, 0, end)[0] >= 0:
                    break
            else:
                return [], set()  # as most texts have it
        if regions is not None:
            spans, places = [_NOWHERE] * len(self.lanes), list(_in_bytes(text, data, regions))
        else:
            spans, places = [lane.next(data, 0, end) for lane in self.lanes], [(0, end)]
            if min(spans, default=NOTHING) == NOTHING:
                return [], set()
        return _Search(self, data, spans, end == len(text), limit).run(places)

    def _find_unseen(self, text: str, limit: int | None) -> tuple[list[Found], set[int]]:
        """Find in what is left without the signs that are not seen; what is found takes those inside it along."""
        pieces, starts, origins = _seen(text)
        end = None if limit is None else _later(limit, origins, starts)
        found, again = self.find("".join(pieces), end)
        return [
            Found(_later(each.start, starts, origins), _later(each.end - 1, starts, origins) + 1, each.pattern)
            for each in found
        ], again

    def stretched(self, data: bytes, start: int, end: int) -> int:
        """A value behind a name ends at a blank; it may be the beginning of something longer, such as a card."""
        if data[end : end + 1] not in (b" ", b"\xc2", b"\xe2") or self._number(data, start) is None:
            return end
        return max(end, *(lane.longest(data, start) for lane in self.lanes))


class _Search:
    """One pass over one text, from the left to the right, in all lanes at once."""

    __slots__ = (
        "_data", "_end", "_engine", "_found", "_lanes", "_last_let_go", "_let_go", "_limit", "_looked_at_again",
        "_near", "_places", "_position", "_reach", "_spans", "_waiting",
    )  # fmt: skip

    def __init__(
        self, engine: Engine, data: bytes, spans: list[tuple[int, int]], is_ascii: bool, limit: int | None
    ) -> None:
        self._engine, self._data, self._limit = engine, data, limit
        self._places = _Places(data, is_ascii)
        self._lanes = engine.lanes
        self._spans = spans
        self._waiting: list[Judged] = []
        self._found: list[Found] = []
        self._position = self._let_go = self._looked_at_again = 0
        self._reach = _NEAR_ASCII if is_ascii else _NEAR
        self._last_let_go = -_NEAR
        self._end = 0
        self._near: set[int] = set()

    def run(self, regions: Sequence[Region]) -> tuple[list[Found], set[int]]:
        """Search the regions, here in bytes."""
        for begin, end in regions:
            self._end = end
            self._go_to(max(begin, self._position))
            if not self._search_to(end):
                break
        return self._found, self._near

    def _go_to(self, position: int) -> None:
        for index, span in enumerate(self._spans):
            if span[0] < position:
                self._spans[index] = self._lanes[index].next(self._data, position, self._end)

    def _search_to(self, end: int) -> bool:
        """Take what begins before `end`; `False` if the limit was reached."""
        spans, waiting = self._spans, self._waiting
        while spans:
            span = min(spans)
            if waiting and waiting[0][0] <= span[0]:
                judged: Judged | None = waiting.pop(0)
            elif span[0] >= end:
                break
            else:
                judged = self._judged(spans.index(span), span)
            if judged is not None and judged[1] > self._position and not self._take(judged):
                return False
        return True

    def _judged(self, index: int, span: tuple[int, int]) -> Judged | None:
        """What a lane says of its hit; `None` if it lets it go, or if something in front of the value comes first."""
        lane = self._lanes[index]
        judged = lane.judge(self._data, *span)
        if judged is not None and not judged[3]:
            return judged
        position = self._behind(lane, *span)
        if judged is None:
            self._last_let_go = span[1]
            if self._found and span[0] - self._position < self._reach:
                self._near.add(len(self._found) - 1)
        else:
            # What stands between a name and its value is no part of what goes, and may hold something itself.
            bisect.insort(self._waiting, judged, key=_start_of)
            position = min(position, judged[0])
        self._spans[index] = lane.next(self._data, position, self._end)
        return None

    def _behind(self, lane: Lane, start: int, end: int) -> int:
        """Where to go on behind a hit that was none: another may overlap it, and begin with its second word."""
        self._let_go += 1
        self._looked_at_again += end - start
        if self._let_go > _PATIENCE or self._looked_at_again > _REREAD * len(self._data):
            return end
        return lane.behind_word(self._data, start)

    def _take(self, judged: Judged) -> bool:
        """Note what is to go; `False` if it lies behind the limit."""
        start, end, pattern, is_value = judged
        if is_value:
            start = max(start, self._position)
            end = self._engine.stretched(self._data, start, end)
        at = self._places.of(start)
        if self._limit is not None and at >= self._limit:
            return False
        self._found.append(Found(at, self._places.of(end), pattern))
        self._position = end
        if start - self._last_let_go < self._reach:
            self._near.add(len(self._found) - 1)
        for index, span in enumerate(self._spans):
            if span[0] < end:
                self._spans[index] = self._lanes[index].next(self._data, end, self._end)
        return True


def _start_of(judged: Judged) -> int:
    return judged[0]


def _masked(match: re.Match[bytes]) -> bytes:
    return MASK * (match.end() - match.start())


def _in_bytes(text: str, data: bytes, regions: Sequence[Region]) -> Iterator[Region]:
    """Regions in characters, in bytes of `data`."""
    if len(data) == len(text):
        yield from regions
        return
    character = byte = 0
    for begin, end in regions:
        first = byte + len(text[character:begin].encode("utf-8", "surrogatepass"))
        character, byte = end, first + len(text[begin:end].encode("utf-8", "surrogatepass"))
        yield first, byte


class _Places:
    """Turns places in bytes into places in characters, in one pass over them all."""

    __slots__ = ("_byte", "_character", "_data", "_same")

    def __init__(self, data: bytes, same: bool) -> None:
        self._data, self._same = data, same
        self._byte = self._character = 0

    def of(self, byte: int) -> int:
        if self._same:
            return byte
        self._character += len(decoded(self._data[self._byte : byte]))
        self._byte = byte
        return self._character


def _seen(text: str) -> tuple[list[str], list[int], list[int]]:
    """The pieces of `text` between unseen signs, where each begins once they are joined, and where it stood."""
    pieces: list[str] = []
    starts, origins = [], []
    size = position = 0
    for match in re.finditer(_unseen_in_python(), text):
        if match.start() > position:
            pieces.append(text[position : match.start()])
            starts.append(size)
            origins.append(position)
            size += match.start() - position
        position = match.end()
    return [*pieces, text[position:]], [*starts, size], [*origins, position]


def _later(place: int, starts: list[int], origins: list[int]) -> int:
    """Where `place`, counted in one of two ways, is in the other."""
    piece = max(bisect.bisect_right(starts, place) - 1, 0)
    return origins[piece] + max(place - starts[piece], 0)


@functools.cache
def _unseen_in_python() -> re.Pattern[str]:
    return re.compile(re.sub(r"\\x\{(\w+)\}", lambda code: chr(int(code[1], 16)), _UNSEEN) + "+")


@functools.cache
def _narrow() -> dict[int, int]:
    """What `_WIDE` finds, by what it stands for."""
    table = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
    for zero in (0x660, 0x6F0, 0x966):
        table |= {zero + digit: 0x30 + digit for digit in range(10)}
    return table
