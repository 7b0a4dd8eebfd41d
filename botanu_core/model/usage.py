"""`Usage`: what one model call used, as read from whoever reported it."""

from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from operator import index
from typing import Any, Final, NamedTuple, NoReturn

from botanu_core.log import warn_once

__all__ = ["MAX_AMOUNT", "MAX_TOKENS", "NO_UNITS", "Units", "Usage", "amount_of", "count_of", "usage_of"]

MAX_TOKENS: Final = 10**12
"""More than any call can use: what is above it is a mistake."""
MAX_AMOUNT: Final = 10**18
"""The same of bytes, of which a query may scan more than 10^12."""

# Their own counts leave cached tokens out of the input (Anthropic: "input_tokens" beside "cache_read_input_tokens";
# Bedrock: "inputTokens" beside "cacheReadInputTokens"). Everybody else's include them.
_CACHE_BESIDE_INPUT: Final = frozenset({"anthropic", "aws.bedrock"})


class Units(dict[str, int | Decimal]):
    """Counts by name. Frozen, so that a `Usage` can share one and be hashed."""

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none, being mutable; this one is not
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type["Units"], tuple[dict[str, int | Decimal]]]:
        return Units, (dict(self),)

    def _frozen(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("units are frozen: make a new Usage")

    __setitem__ = __delitem__ = __ior__ = _frozen
    update = pop = popitem = clear = setdefault = _frozen


NO_UNITS: Final = Units()


class Usage(NamedTuple):
    """What a call used. `None` is unknown, which is not 0. A tuple for the reason that `Cost` is one.

    Two counts are wholes and the others parts of them. `buckets` is the split in which no token stands twice.

    Attributes:
        input_tokens: All input, cache reads and writes, audio and images included.
        output_tokens: All output, reasoning, audio and images included.
        cache_read_tokens: The part of the input that was read from a cache.
        cache_write_tokens: The part of the input that was written to a cache, for however long.
        cache_write_1h_tokens: The part of `cache_write_tokens` that is kept for an hour.
        reasoning_tokens: The part of the output that is reasoning.
        input_audio_tokens: The part of the input that is audio, cached audio included.
        cache_audio_read_tokens: The part of `input_audio_tokens` and of `cache_read_tokens` that is cached audio.
        output_audio_tokens: The part of the output that is audio.
        input_image_tokens: The part of the input that is images or scanned pages.
        output_image_tokens: The part of the output that is images.
        units: What is counted beside, by the price table's name: ``web_searches``, ``audio_seconds``,
            ``rerank_searches`` …, and rarer kinds of tokens such as ``input_video_tokens``. Only what was used.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    cache_audio_read_tokens: int | None = None
    output_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    units: Mapping[str, int | Decimal] = NO_UNITS

    def amount(self, kind: str) -> int | Decimal:
        """How many of a kind, which is a field's or a unit's name; 0 where that is unknown."""
        if kind in _COUNTS:
            return getattr(self, kind) or 0
        if kind == "cache_write_5m_tokens":
            return (self.cache_write_tokens or 0) - (self.cache_write_1h_tokens or 0)
        return self.units.get(kind, 0)

    def updated(self, later: "Usage") -> "Usage":
        """This usage with what a later report of the same call knows, as the pieces of a stream bring it."""
        known = {name: value for name in _COUNTS if (value := getattr(later, name)) is not None}
        units = {**self.units, **later.units}
        return self._replace(**known, units=Units(units) if units else NO_UNITS)

    def buckets(self) -> dict[str, int]:
        """The disjoint split of what is known: every token in one bucket, none below 0.

        The buckets are ``input``, ``cache_read``, ``cache_write_5m``, ``cache_write_1h``, ``input_audio``,
        ``cache_audio_read``, ``input_image``, ``output``, ``reasoning``, ``output_audio`` and ``output_image``.
        An unknown count has none, and so has ``input`` or ``output`` where the whole is unknown.
        """
        usage = self.mended()
        cached_audio = usage.cache_audio_read_tokens or 0
        hour = usage.cache_write_1h_tokens or 0
        found = {
            "input": _less(usage.input_tokens, _input_parts(usage)),
            "cache_read": _less(usage.cache_read_tokens, cached_audio),
            "cache_write_5m": _less(usage.cache_write_tokens, hour),
            "cache_write_1h": usage.cache_write_1h_tokens,
            "input_audio": _less(usage.input_audio_tokens, cached_audio),
            "cache_audio_read": usage.cache_audio_read_tokens,
            "input_image": usage.input_image_tokens,
            "output": _less(usage.output_tokens, _output_parts(usage)),
            "reasoning": usage.reasoning_tokens,
            "output_audio": usage.output_audio_tokens,
            "output_image": usage.output_image_tokens,
        }
        return {name: count for name, count in found.items() if count is not None}

    def mended(self) -> "Usage":
        """This usage, or where its parts exceed a whole the one that was evidently meant; warned about once.

        A part cannot be larger than its whole: whoever says so left the parts out, so they are added to it. Cached
        tokens first, then audio and images. Audio and images that fit one by one but not together with the cached
        tokens are in part the cached ones; what still exceeds is no count at all, and becomes unknown.
        """
        if not self._exceeds():
            return self
        warn_once("usage.inconsistent", "parts of a usage exceeded the whole; the whole was taken to leave them out")
        counts: dict[str, Any] = {name: getattr(self, name) for name in _COUNTS}
        _enclose(counts, "cache_write_tokens", "cache_write_1h_tokens")
        for whole in ("cache_read_tokens", "input_audio_tokens"):
            _enclose(counts, whole, "cache_audio_read_tokens")
        _enclose(counts, "input_tokens", "cache_read_tokens", "cache_write_tokens")
        _enclose(counts, "input_tokens", "input_audio_tokens", "input_image_tokens")
        _enclose(counts, "output_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens")
        if counts["input_tokens"] is not None:
            excess = _input_parts(self._replace(**counts)) - counts["input_tokens"]
            if excess > 0:
                overlap = counts["cache_audio_read_tokens"] or 0
                room = min(counts["cache_read_tokens"] or 0, counts["input_audio_tokens"] or 0) - overlap
                counts["cache_audio_read_tokens"] = overlap + min(excess, room)
                if excess > room:
                    counts["input_image_tokens"] = None
                if excess > room + (self.input_image_tokens or 0):
                    counts["input_audio_tokens"] = counts["cache_audio_read_tokens"] = None
        return self._replace(**counts)

    def _exceeds(self) -> bool:
        """Whether some part is larger than its whole."""
        total = self.input_tokens
        cached_audio, hour = self.cache_audio_read_tokens, self.cache_write_1h_tokens
        return (
            (total is not None and _input_parts(self) > total)
            or (self.output_tokens is not None and _output_parts(self) > self.output_tokens)
            or (hour is not None and hour > (self.cache_write_tokens or 0))
            or (
                cached_audio is not None
                and cached_audio > min(self.cache_read_tokens or 0, self.input_audio_tokens or 0)
            )
        )


_COUNTS: Final = frozenset(Usage._fields) - {"units"}


def _less(whole: int | None, parts: int) -> int | None:
    return None if whole is None else whole - parts


def _input_parts(usage: Usage) -> int:
    return (
        (usage.cache_read_tokens or 0)
        + (usage.cache_write_tokens or 0)
        + (usage.input_audio_tokens or 0)
        + (usage.input_image_tokens or 0)
        - (usage.cache_audio_read_tokens or 0)
    )


def _output_parts(usage: Usage) -> int:
    return (usage.reasoning_tokens or 0) + (usage.output_audio_tokens or 0) + (usage.output_image_tokens or 0)


def _enclose(counts: dict[str, Any], whole: str, *parts: str) -> None:
    """Make `whole` at least as large as its parts together."""
    within = sum(counts[part] or 0 for part in parts)
    is_side = whole in ("input_tokens", "output_tokens")
    if counts[whole] is None:
        # The parts say nothing about the rest of a side; of cached audio the whole is at least that.
        counts[whole] = None if is_side or not within else within
    elif within > counts[whole]:
        counts[whole] += within


def usage_of(
    provider: str,
    *,
    input_tokens: object = None,
    output_tokens: object = None,
    cached_tokens: object = None,
    cache_read_tokens: object = None,
    cache_write_tokens: object = None,
) -> Usage:
    """Read counts as their reporter means them.

    Args:
        provider: Normalised name; decides whether the input includes what was cached.
        input_tokens: As the provider reports it.
        output_tokens: As the provider reports it.
        cached_tokens: OpenAI's word for cache reads; never added to `cache_read_tokens`.
        cache_read_tokens: Anthropic's word for the same.
        cache_write_tokens: Input written to the cache.

    Returns:
        The usage; what is not a count is unknown, and warned about once.
    """
    total = count_of(input_tokens)
    read = count_of(cache_read_tokens)
    if not read and cached_tokens is not None:
        cached = count_of(cached_tokens)
        read = cached if cached is not None else read
    write = count_of(cache_write_tokens)
    if total is not None and (read or write):
        parts = (read or 0) + (write or 0)
        # A part cannot be larger than its whole: whoever says so leaves it out of the input.
        if provider in _CACHE_BESIDE_INPUT or parts > total:
            total += parts
    return Usage(
        input_tokens=total, output_tokens=count_of(output_tokens), cache_read_tokens=read, cache_write_tokens=write
    )


def count_of(value: object, most: int = MAX_TOKENS) -> int | None:
    """A count from 0 to `most`; a whole float counts; anything else is unknown, and warned about once."""
    if value is None:
        return None
    whole = value if type(value) is int else _whole(value)
    if whole is not None and 0 <= whole <= most:
        return whole
    warn_once("count.invalid", "a count was not a whole number from 0 to %s; it is taken as unknown", most)
    return None


def amount_of(value: object, most: int = MAX_TOKENS) -> int | Decimal | None:
    """As `count_of`, of what comes in fractions as well, such as seconds; a fraction is read from its digits."""
    if isinstance(value, float) and isfinite(value) and not value.is_integer():
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and exponent >= -30 and 0 <= value <= most:
            return value
    return count_of(value, most)


def _whole(value: object) -> int | None:
    """`value` as a plain integer, whichever library's number it is; `None` where it is no whole number."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, float):
            return int(value) if value.is_integer() else None
        return int(index(value))  # type: ignore[arg-type]  # whatever is no number raises
    except Exception:
        return None
