"""`Sighting`: what one span says of a model call, whoever made the span."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from botanu_core.model.usage import Usage

__all__ = ["UNKNOWN_USAGE", "Sighting"]

UNKNOWN_USAGE: Final = Usage()
_NOTHING: Final[Mapping[str, Any]] = {}


class Sighting(NamedTuple):
    """A model call as one span tells it. The same call may be seen by several spans.

    A tuple, being made for every call: a frozen dataclass takes three times as long.

    Attributes:
        reporter: Whose words the numbers are: ``tracker``, ``otel``, ``openinference`` or ``openllmetry``.
        operation: ``chat``, ``embeddings`` …
        provider: Normalised; empty where the span does not say.
        request_model: The model that was asked for.
        response_model: The model that answered.
        response_id: The provider's id of the response.
        usage: What was used, as far as the span knows.
        context: What else decides about the price, as `PriceBook` takes it.
        reported_usd: The cost that the response itself named.
        raw: The counts as they were reported, for `explain`.
        error_type: The exception's class name, where the call failed.
        is_cache_hit: Answered by a cache of the application's own: it cost nothing.
        is_streaming: Whether the answer was streamed.
        is_partial: Whether the answer was cut short, so that the usage is what had been seen by then.
    """

    reporter: str
    operation: str
    provider: str = ""
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    usage: Usage = UNKNOWN_USAGE
    context: tuple[tuple[str, str], ...] = ()
    reported_usd: Decimal | None = None
    raw: Mapping[str, Any] = _NOTHING
    error_type: str | None = None
    is_cache_hit: bool = False
    is_streaming: bool = False
    is_partial: bool = False

    @property
    def knows_usage(self) -> bool:
        """Whether the span says what was used, or what it cost."""
        usage = self.usage
        return (
            usage.input_tokens is not None
            or usage.output_tokens is not None
            or bool(usage.units)
            or self.reported_usd is not None
            or self.is_cache_hit
        )
