"""`Usage`: the tokens of one model call, as read from whoever reported them."""

from dataclasses import dataclass
from typing import Final

from botanu_core.log import warn_once

__all__ = ["MAX_TOKENS", "Usage", "count_of", "usage_of"]

MAX_TOKENS: Final = 10**12
"""More than any call can use: what is above it is a mistake."""

# Their own counts leave cached tokens out of the input (Anthropic: "input_tokens" beside "cache_read_input_tokens";
# Bedrock: "inputTokens" beside "cacheReadInputTokens"). Everybody else's include them.
_CACHE_BESIDE_INPUT: Final = frozenset({"anthropic", "aws.bedrock"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens; `None` is unknown, which is not 0.

    Attributes:
        input_tokens: All input, cache reads and writes included.
        output_tokens: All output, reasoning included.
        cache_read_tokens: The part of the input that was read from a cache.
        cache_write_tokens: The part of the input that was written to a cache.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None


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
    if read is None:
        read = count_of(cached_tokens)
    write = count_of(cache_write_tokens)
    if total is not None and provider in _CACHE_BESIDE_INPUT:
        total += (read or 0) + (write or 0)
    return Usage(
        input_tokens=total, output_tokens=count_of(output_tokens), cache_read_tokens=read, cache_write_tokens=write
    )


def count_of(value: object) -> int | None:
    """A count from 0 to 10^12; a whole float counts; anything else is unknown, and warned about once."""
    if type(value) is int:
        if 0 <= value <= MAX_TOKENS:
            return value
    elif value is None:
        return None
    elif isinstance(value, float) and 0 <= value <= MAX_TOKENS and value.is_integer():
        return int(value)
    warn_once("count.invalid", "a count was not a whole number from 0 to 10^12; it is taken as unknown")
    return None
