"""Checks what a `Scrubber` is made of. Each mistake is a `ConfigError` that names the option and the mend."""

from collections.abc import Collection, Sequence
from typing import Final

from botanu_core.errors import ConfigError
from botanu_core.privacy.detectors import Detector
from botanu_core.privacy.engine import Engine
from botanu_core.privacy.lane import compiled
from botanu_core.privacy.pattern import Pattern
from botanu_core.privacy.patterns import PATTERNS

__all__ = [
    "checked_detectors",
    "checked_key",
    "checked_names",
    "checked_patterns",
    "checked_replacement",
    "checked_timeout",
]

_KEY_BYTES: Final = 16
_MARK_LENGTH: Final = 64


def checked_names(disabled: Collection[str], extra: Sequence[Pattern]) -> frozenset[str]:
    """The names to leave out, each of which is one."""
    fits = isinstance(disabled, Collection) and not isinstance(disabled, str | bytes)
    if not fits or not all(isinstance(name, str) for name in disabled):
        raise ConfigError(f"disabled must be a collection of names, got {disabled!r:.80}: write disabled={{'ip'}}")
    known = {pattern.name for pattern in (*PATTERNS, *extra)}
    unknown = sorted(set(disabled) - known)
    if unknown:
        raise ConfigError(f"disabled names no pattern: {', '.join(unknown)}. There are: {', '.join(sorted(known))}")
    return frozenset(disabled)


def checked_replacement(replacement: str | None, key: bytes | None) -> str | None:
    """The text for all, which is one that scrubbing again will know."""
    if replacement is None:
        return None
    _check_mark(replacement, "replacement")
    if key is not None:
        raise ConfigError("replacement and pseudonym_key exclude each other: leave one of them out")
    return replacement


def checked_key(key: bytes | None) -> bytes | None:
    """The key of pseudonyms, which is long enough."""
    if key is None:
        return None
    if not isinstance(key, bytes):
        raise ConfigError(
            f"pseudonym_key must be bytes, got {type(key).__name__}: write key.encode() or bytes.fromhex(key)"
        )
    if len(key) < _KEY_BYTES:
        raise ConfigError(
            f"pseudonym_key must have at least {_KEY_BYTES} bytes, got {len(key)}: use secrets.token_bytes(32)"
        )
    return key


def checked_detectors(detectors: Sequence[Detector]) -> tuple[Detector, ...]:
    """The user's own functions."""
    if not isinstance(detectors, Sequence) or not all(callable(detector) for detector in detectors):
        raise ConfigError("detectors must be a sequence of functions from text to text: write detectors=[my_detector]")
    return tuple(detectors)


def checked_timeout(timeout_s: float | None) -> float | None:
    """How long a detector may take, if there is a limit."""
    if timeout_s is not None and not (type(timeout_s) in (int, float) and 0 < timeout_s <= 60):
        raise ConfigError(f"detector_timeout_s must lie above 0 and be at most 60 seconds, got {timeout_s!r:.80}")
    return timeout_s


def checked_patterns(extra: Sequence[Pattern]) -> tuple[Pattern, ...]:
    """The user's own patterns, each of which compiles and keeps the promises of its examples."""
    if not isinstance(extra, Sequence) or not all(isinstance(pattern, Pattern) for pattern in extra):
        raise ConfigError("extra must be a sequence of Pattern: write extra=[Pattern(name=…, label=…, regex=…)]")
    for pattern in extra:
        _check_pattern(pattern)
    return tuple(extra)


def _check_pattern(pattern: Pattern) -> None:
    if not (isinstance(pattern.name, str) and pattern.name and isinstance(pattern.regex, str) and pattern.regex):
        raise ConfigError(f"the pattern {pattern.name!r} needs a name and a regex")
    _check_mark(pattern.label, f"the label of the pattern {pattern.name!r}")
    for field in ("check", "context", "same"):
        judge = getattr(pattern, field)
        if not (callable(judge) or (judge is None and field != "same")):
            raise ConfigError(f"{field} of the pattern {pattern.name!r} must be a function, got {type(judge).__name__}")
    if compiled(pattern.regex).search("") is not None:
        raise ConfigError(f"the pattern {pattern.name!r} matches the empty text: ask for at least one character")
    _check_examples(pattern)


def _check_examples(pattern: Pattern) -> None:
    engine = Engine([(b"", (pattern,))], {pattern.label})
    for example in pattern.examples:
        if not engine.find(example)[0]:
            raise ConfigError(
                f"the pattern {pattern.name!r} does not find its example {example!r}: mend either of them"
            )
    for example in pattern.counterexamples:
        if engine.find(example)[0]:
            raise ConfigError(f"the pattern {pattern.name!r} finds its counterexample {example!r}: mend either of them")


def _check_mark(mark: str, what: str) -> None:
    """A mark must be told from the text around it, else scrubbing twice would differ from once."""
    fits = isinstance(mark, str) and 3 <= len(mark) <= _MARK_LENGTH and mark.isprintable()
    if not fits or mark[0].isalnum() or mark[-1].isalnum() or mark[0].isspace() or set(mark) & set("\"'`\\"):
        raise ConfigError(
            f"{what} must be 3 to {_MARK_LENGTH} printable characters, begin and end with a sign such as [ or *, and "
            f"hold no quotes or backslashes, got {mark!r:.80}: write '[REMOVED]'"
        )
