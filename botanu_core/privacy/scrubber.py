"""`Scrubber`: text in, the same text without personal data and secrets out; if that fails, no text at all.

Importing this is cheap. The table, the engine and `re2` are loaded with the first text.
"""

import functools
import os
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from botanu_core.log import warn_once

if TYPE_CHECKING:
    from botanu_core.privacy.detectors import Detector
    from botanu_core.privacy.engine import Engine, Found, LaneRows, Region
    from botanu_core.privacy.pattern import Pattern
    from botanu_core.privacy.structure import Plain

__all__ = ["CUT", "WINDOW", "WITHHELD", "Scrubber", "activate_scrubber", "default_scrubber"]

WITHHELD: Final = "[withheld: scrubbing failed]"
CUT: Final = "…[cut]"
WINDOW: Final = 1 << 20
"""Characters of one text that are looked at; the rest is cut off unseen."""

# A secret that begins inside the window is found whole as far as this.
_LOOKAHEAD: Final = 4096
_ROUNDS: Final = 3
# What is found further apart than this does not make a new hit together.
_FAR: Final = 64
# What is further away from a mark has nothing to do with it.
_AROUND: Final = 512
_HIDDEN: Final = "[SECRET]"


class _Forks:
    """Counts forks. The automaton's locks may have been held by another thread when the process was copied."""

    count = 0


def _after_fork_in_child() -> None:
    _Forks.count += 1
    if (re2 := sys.modules.get("re2")) is not None:
        re2.purge()  # else compiling again would only give back what was compiled before
    if (detectors := sys.modules.get("botanu_core.privacy.detectors")) is not None:
        detectors.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class Scrubber:
    """Replaces personal data and secrets in text. Immutable; one serves any number of threads.

    The patterns are compiled with the first text, which takes some 20 ms.
    """

    __slots__ = (
        "_detector_timeout_s",
        "_detectors",
        "_disabled",
        "_engine",
        "_extra",
        "_pseudonym_key",
        "_replacement",
    )

    def __init__(
        self,
        *,
        disabled: Collection[str] = (),
        extra: "Sequence[Pattern]" = (),
        replacement: str | None = None,
        pseudonym_key: bytes | None = None,
        detectors: "Sequence[Detector]" = (),
        detector_timeout_s: float | None = None,
    ) -> None:
        """Check the options.

        Args:
            disabled: Names of patterns to leave out, such as ``{"ip"}``.
            extra: Own patterns; they come before ours.
            replacement: One text instead of each pattern's label.
            pseudonym_key: At least 16 secret bytes. Labels then carry a keyed hash of the value, such as
                ``[EMAIL:3f9a2c41d07b]``: the same value gets the same one, and nobody without the key can tell which.
            detectors: Called one after the other on what is left, for what no pattern can find. Each takes a text and
                gives it back without what it found, or says where that is: ``(start, end)``, ``(start, end, kind)`` or
                objects with `start`, `end` and `entity_type`. If one raises or gives nonsense, the text is withheld.
            detector_timeout_s: Seconds that each may take, beyond which the text is withheld; `None`: no limit.

        Raises:
            ConfigError: An option is wrong; the message names it and the mend.
        """
        self._disabled: frozenset[str] = frozenset()
        self._extra: tuple[Pattern, ...] = ()
        self._replacement: str | None = None
        self._pseudonym_key: bytes | None = None
        self._detectors: tuple[Detector, ...] = ()
        self._detector_timeout_s: float | None = None
        self._engine: tuple[int, Engine] | None = None
        if disabled or extra or detectors or replacement is not None or pseudonym_key is not None:
            from botanu_core.privacy import options

            self._extra = options.checked_patterns(extra)
            self._disabled = options.checked_names(disabled, self._extra)
            self._replacement = options.checked_replacement(replacement, pseudonym_key)
            self._pseudonym_key = options.checked_key(pseudonym_key)
            self._detectors = options.checked_detectors(detectors)
            self._detector_timeout_s = options.checked_timeout(detector_timeout_s)

    def __repr__(self) -> str:
        """Says nothing of the key."""
        names = sorted(self._disabled)
        return f"Scrubber(disabled={names}, extra={len(self._extra)}, detectors={len(self._detectors)})"

    def scrub(self, text: str, *, window: int = WINDOW) -> str:
        """`text` without what the patterns and the detectors find. Never raises.

        Args:
            text: Any text. Scrubbing it twice is the same as once.
            window: Characters to look at, at most `WINDOW`; a longer text is cut behind them, and says so.

        Returns:
            The scrubbed text, or ``"[withheld: scrubbing failed]"``.
        """
        try:
            return self._scrub(str.__str__(text), min(max(window, 0), WINDOW))
        except Exception as error:
            warn_once("privacy.scrub", "scrubbing failed, the text is withheld", error=error)
            return WITHHELD

    def scrub_value(self, value: object) -> "Plain":
        """The same for structured data, before it becomes JSON. Never raises, and never asks an object for its text.

        A value under a name such as ``"password"`` is replaced whole. What comes back holds only dictionaries with text
        keys, lists, text, numbers, booleans and None, to a bounded depth and size.
        """
        try:
            from botanu_core.privacy.structure import scrubbed_value

            return scrubbed_value(value, lambda text, window: self.scrub(text, window=window), self._hide)
        except Exception as error:
            warn_once("privacy.scrub_value", "scrubbing failed, the value is withheld", error=error)
            return WITHHELD

    def _scrub(self, text: str, window: int) -> str:
        too_long = len(text) > window
        found, near = self._find(text[: window + _LOOKAHEAD] if too_long else text, window if too_long else None)
        if too_long:
            text = text[: max(window, found[-1].end if found else 0)]
        if found:
            text = self._without(text, found, near)
        if self._detectors:
            from botanu_core.privacy.detectors import applied  # only here: few have one

            for detector in self._detectors:
                text = applied(detector, text, self._mark_of_kind, self._detector_timeout_s)
        return text + CUT if too_long else text

    def _without(self, text: str, found: "list[Found]", near: set[int]) -> str:
        """`text` without what was found, and without what only shows once that is gone."""
        for _ in range(_ROUNDS):
            doubtful = near | _touching(text, found)
            text, marks = self._replaced(text, found)
            if not doubtful:
                break
            found, near = self._find(text, regions=_around(text, [marks[index] for index in sorted(doubtful)]))
            if not found:
                return text
        else:
            text, _ = self._replaced(text, found)
        return text

    def _find(
        self, text: str, limit: int | None = None, regions: "Sequence[Region] | None" = None
    ) -> "tuple[list[Found], set[int]]":
        engine = self._engine
        if engine is None or engine[0] != _Forks.count:
            # Two threads may both compile; the result is the same.
            engine = self._engine = (_Forks.count, self._compiled())
        return engine[1].find(text, limit, regions)

    def _compiled(self) -> "Engine":
        from botanu_core.privacy.engine import Engine
        from botanu_core.privacy.patterns import LANES

        lanes: list[LaneRows] = [
            (landmark, [row for row in rows if row.name not in self._disabled])
            for landmark, rows in ((b"", self._extra), *LANES)
        ]
        marks = {row.label for _, rows in lanes for row in rows}
        return Engine(lanes, {WITHHELD, self._replacement or _HIDDEN} | marks)

    def _replaced(self, text: str, found: "list[Found]") -> "tuple[str, list[Region]]":
        """`text` with a mark in place of each thing found, and where the marks are."""
        pieces: list[str] = []
        marks: list[Region] = []
        position = size = 0
        for start, end, pattern in found:
            mark = self._mark(pattern, text[start:end])
            pieces += (text[position:start], mark)
            size += start - position
            marks.append((size, size := size + len(mark)))
            position = end
        pieces.append(text[position:])
        return "".join(pieces), marks

    def _mark(self, pattern: "Pattern", value: str) -> str:
        """What stands in place of a value."""
        if self._replacement is not None:
            return self._replacement
        if self._pseudonym_key is None:
            return pattern.label
        return _with_pseudonym(pattern.label, self._pseudonym_key, pattern.name, pattern.same(_normal(value)))

    def _mark_of_kind(self, kind: str, value: str) -> str:
        """What stands in place of what a detector found."""
        if self._replacement is not None:
            return self._replacement
        if self._pseudonym_key is None:
            return f"[{kind}]"
        return _with_pseudonym(f"[{kind}]", self._pseudonym_key, kind.lower(), _normal(value))

    def _hide(self, value: str | None) -> str:
        """What stands in place of a value whose name says that it is secret; `None` is one without a text."""
        if self._replacement is not None:
            return self._replacement
        if self._pseudonym_key is None or value is None:
            return _HIDDEN
        return _with_pseudonym(_HIDDEN, self._pseudonym_key, "secret", _normal(value))


def _normal(value: str) -> str:
    """The one spelling of all that Unicode takes for the same, such as full-width digits."""
    from unicodedata import normalize  # only here: few ask for pseudonyms

    return normalize("NFKC", value)


def _with_pseudonym(label: str, key: bytes, kind: str, value: str) -> str:
    import hmac  # only here: few ask for pseudonyms

    digest = hmac.digest(key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), "sha256")
    return f"{label[:-1]}:{digest[:6].hex()}{label[-1]}"


def _touching(text: str, found: "list[Found]") -> set[int]:
    """Which things found border on a letter, a digit or each other: without them, something else may begin there."""
    touching: set[int] = set()
    previous = -_FAR
    for index, (start, end, _) in enumerate(found):
        if start - previous < _FAR or text[end : end + 1].isalnum() or text[max(0, start - 1) : start].isalnum():
            touching.add(index)
        previous = end
    return touching


def _around(text: str, marks: "Sequence[Region]") -> "list[Region]":
    """Where to look again: at what stands around these marks, from a blank on."""
    regions: list[Region] = []
    for start, end in marks:
        begin = max(start - _AROUND, 0)
        begin = max(text.rfind(" ", max(begin - _AROUND, 0), begin), begin - _AROUND, 0)
        if regions and begin <= regions[-1][1]:
            regions[-1] = (regions[-1][0], end + _AROUND)
        else:
            regions.append((begin, end + _AROUND))
    return regions


@functools.cache
def _built_in() -> Scrubber:
    return Scrubber()


class _Active:
    scrubber: Scrubber | None = None


def default_scrubber() -> Scrubber:
    """The scrubber in force: what `activate_scrubber` was given, else one with all patterns and labels."""
    return _Active.scrubber or _built_in()


def activate_scrubber(scrubber: Scrubber | None) -> None:
    """Put `scrubber` in force for the process; `None` goes back to the built-in one."""
    _Active.scrubber = scrubber
