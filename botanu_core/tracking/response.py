"""What a provider's response says about the call: usage, ids, the model that answered, why it stopped."""

from typing import Any

from botanu_core.tracking.llm import LLMTracker

__all__ = ["field", "note_chunk", "note_response"]


def field(source: Any, *names: str) -> Any:
    """The first of `names` that `source`, a dict or an object, has; `None` without one. Never raises."""
    for name in names:
        try:
            value = source.get(name) if isinstance(source, dict) else getattr(source, name, None)
        except Exception:
            value = None
        if value is not None:
            return value
    return None


def note_response(tracker: LLMTracker, response: Any) -> None:
    """Write what a whole response says; what it does not say stays unknown."""
    _note_identity(tracker, response)
    _note_usage(tracker, field(response, "usage", "usage_metadata"))


def note_chunk(tracker: LLMTracker, chunk: Any) -> None:
    """Write what one piece of a stream says.

    Args:
        tracker: The call's.
        chunk: An OpenAI chunk, an Anthropic event, a Responses event, or a dict shaped like one.
    """
    inner = field(chunk, "message", "response")
    source = inner if inner is not None and not isinstance(inner, str) else chunk
    _note_identity(tracker, source)
    if source is not chunk:
        _note_identity(tracker, chunk, ids=False)
    usage = field(chunk, "usage", "usage_metadata") or field(source, "usage", "usage_metadata")
    if usage is not None:
        # Anthropic says the input in the first event and the output in the last.
        tracker.update_tokens(**_counts(usage))


def _note_identity(tracker: LLMTracker, response: Any, *, ids: bool = True) -> None:
    if ids and isinstance(identity := field(response, "id", "response_id"), str):
        tracker.set_request_id(identity)
    if ids and isinstance(model := field(response, "model", "model_version"), str):
        tracker.set_response_model(model)
    reason = field(response, "stop_reason", "finish_reason") or field(field(response, "delta"), "stop_reason")
    if isinstance(reason, str):
        tracker.set_finish_reason(reason)
        return
    choices = field(response, "choices")
    if isinstance(choices, list):
        reasons = [text for choice in choices if isinstance(text := field(choice, "finish_reason"), str)]
        if reasons:
            tracker.set_finish_reason(reasons)


def _note_usage(tracker: LLMTracker, usage: Any) -> None:
    if usage is not None:
        tracker.set_tokens(**_counts(usage))


def _counts(usage: Any) -> dict[str, int]:
    details = field(usage, "prompt_tokens_details", "input_tokens_details")
    found = {
        "input_tokens": field(usage, "prompt_tokens", "input_tokens", "inputTokens", "prompt_token_count"),
        "output_tokens": field(usage, "completion_tokens", "output_tokens", "outputTokens", "candidates_token_count"),
        "cached_tokens": field(details, "cached_tokens"),
        "cache_read_tokens": field(usage, "cache_read_input_tokens", "cacheReadInputTokens"),
        "cache_write_tokens": field(usage, "cache_creation_input_tokens", "cacheWriteInputTokens"),
    }
    return {name: value for name, value in found.items() if value is not None}
