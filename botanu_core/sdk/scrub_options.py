"""The scrubber that a configuration asks for."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botanu_core.errors import ConfigError
from botanu_core.privacy.scrubber import Scrubber

if TYPE_CHECKING:
    from botanu_core.sdk.config import BotanuConfig

__all__ = ["detectors", "patterns", "scrubber_of"]


def patterns(value: object) -> tuple[Any, ...]:
    """Names with their expressions, or `Pattern` objects; the scrubber checks what they say."""
    from botanu_core.privacy.pattern import Pattern

    if isinstance(value, Mapping) and all(isinstance(one, str) and one for pair in value.items() for one in pair):
        return tuple(Pattern(name=name, label=f"[{name.upper()}]", regex=regex) for name, regex in value.items())
    if isinstance(value, list | tuple) and all(isinstance(item, Pattern) for item in value):
        return tuple(value)
    raise ValueError(r"map names to RE2 expressions, such as ticket: '\bTCK-\d{4}\b' (in a file or in code)")


def detectors(value: object) -> tuple[Any, ...]:
    """Functions, ``"presidio"``, or ``"package.module:function"``."""
    given = [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value
    given = [given] if callable(given) else given
    if isinstance(given, list | tuple) and all(callable(each) or _is_place(each) for each in given):
        return tuple(given)
    raise ValueError("hold functions from text to text or places, 'presidio', or 'package.module:function'")


def _is_place(word: object) -> bool:
    return isinstance(word, str) and (word == "presidio" or word.count(":") == 1)


def scrubber_of(config: "BotanuConfig") -> Scrubber | None:
    """The scrubber; `None` where the configuration says nothing of it, so that the one in force stays.

    Raises:
        ConfigError: A name, a pattern, a key or a detector will not do.
    """
    key = config.scrub_pseudonym_key
    said = (config.scrub_off, config.scrub_patterns, config.scrub_replacement, key, config.detectors)
    if not any(said):
        return None
    try:
        return Scrubber(
            disabled=config.scrub_off,
            extra=config.scrub_patterns,
            replacement=config.scrub_replacement,
            pseudonym_key=key.get_secret_value().encode() if key is not None else None,
            detectors=[_loaded(each) for each in config.detectors],
            detector_timeout_s=config.detector_timeout_s,
        )
    except ConfigError as error:
        raise ConfigError(f"the scrubber's settings: {error}") from None


def _loaded(detector: Any) -> Any:
    if not isinstance(detector, str):
        return detector
    if detector == "presidio":
        from botanu_core.privacy.presidio import presidio

        return presidio()
    module, _, name = detector.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"detectors names {detector!r}, which cannot be imported: {error}") from None
    if not callable(found):
        raise ConfigError(f"detectors names {detector!r}, which is no function")
    return found
