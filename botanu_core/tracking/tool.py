"""Tool calls that a model asked for."""

from typing import Any, Final, Self

from opentelemetry.trace import SpanKind, Status, StatusCode

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.model.run import clean
from botanu_core.model.vocabulary import ModelOperation, provider_name
from botanu_core.tracking.tracker import Tracker

__all__ = ["ToolTracker", "track_tool_call"]

_COUNTS: Final = {"items": sc.TOOL_ITEMS_RETURNED, "bytes": sc.TOOL_BYTES_PROCESSED}
_NO_EXCEPTION: Final = "_OTHER"  # what OpenTelemetry calls an error without a class


class ToolTracker(Tracker):
    """One tool call. Made by `track_tool_call`."""

    __slots__ = ()

    def set_result(
        self,
        success: bool = True,
        items_returned: int | None = None,
        bytes_processed: int | None = None,
    ) -> Self:
        """Record how the tool did.

        Args:
            success: Whether it did what it was asked; `False` marks the span as failed.
            items_returned: Rows, documents, hits.
            bytes_processed: Bytes read or written.
        """
        self._flag(sc.TOOL_SUCCESS, success)
        self._count(sc.TOOL_ITEMS_RETURNED, items_returned)
        self._count(sc.TOOL_BYTES_PROCESSED, bytes_processed)
        return self

    def set_tool_call_id(self, tool_call_id: str) -> Self:
        """Record the id that the model gave this call."""
        self._text(sc.GEN_AI_TOOL_CALL_ID, tool_call_id)
        return self

    def _close(self, duration_s: float) -> None:
        self._late[sc.TOOL_DURATION_MS] = duration_s * 1000
        if self._error is not None:
            self._late[sc.TOOL_SUCCESS] = False
        elif self._late.get(sc.TOOL_SUCCESS) is False:
            self._late[sc.ERROR_TYPE] = _NO_EXCEPTION
            self.span.set_status(Status(StatusCode.ERROR, "the tool reported no success"))
        if self._run is not None:
            self._run.ledger().add_tool_call()
        self._bill("tool", self._attributes[sc.GEN_AI_TOOL_NAME], duration_s, _COUNTS)


def track_tool_call(
    tool_name: str,
    tool_call_id: str | None = None,
    provider: str | None = None,
    *,
    vendor: str | None = None,
    **kwargs: Any,
) -> ToolTracker:
    """Track one tool call: ``with track_tool_call(tool_name="search", tool_call_id=call.id) as tool:``.

    Args:
        tool_name: Name of the tool or function.
        tool_call_id: The id that the model gave this call.
        provider: Who runs the tool, where it is not you.
        vendor: Another name for `provider`.
        kwargs: Further attributes, as `add_metadata` takes them.
    """
    name = clean(tool_name, "tool_name") or "unknown"
    attributes: dict[str, Any] = {
        sc.GEN_AI_OPERATION: ModelOperation.EXECUTE_TOOL,
        sc.GEN_AI_TOOL_NAME: name,
    }
    if (call_id := clean(tool_call_id, "tool_call_id")) is not None:
        attributes[sc.GEN_AI_TOOL_CALL_ID] = call_id
    if (theirs := clean(provider, "provider") or clean(vendor, "provider")) is not None:
        attributes[sc.GEN_AI_PROVIDER] = attributes[sc.VENDOR] = provider_name(theirs, settings.current().semconv)
    return ToolTracker(f"execute_tool {name}", SpanKind.INTERNAL, attributes, kwargs)
