"""A span's attributes, quickly."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["attributes_of"]

_NOTHING: Final[Mapping[str, Any]] = {}


def attributes_of(span: Any) -> Mapping[str, Any]:
    """Those of a span or its event, to be read at once: the SDK's take a lock, and an exception for an absent key."""
    plain = getattr(getattr(span, "_attributes", None), "_dict", None)
    if plain is not None:
        return plain  # type: ignore[no-any-return]  # the SDK's own
    return getattr(span, "attributes", None) or _NOTHING
