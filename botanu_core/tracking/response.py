"""What a provider's response says about the call: usage, ids, the model that answered, why it stopped."""

from typing import Any

from botanu_core.tracking.llm import LLMTracker

__all__ = ["field", "note"]


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


def note(tracker: LLMTracker, response: Any) -> None:
    """Write what a response says, or a piece of one; what it does not say stays as it was.

    Args:
        tracker: The call's.
        response: A whole response, an OpenAI chunk, an Anthropic or Responses event, or a dict shaped like one.
    """
    inner = field(response, "message", "response")
    sources = (response,) if inner is None or isinstance(inner, str) else (inner, response)
    if isinstance(identity := _first(sources, "id", "response_id"), str):
        tracker.set_request_id(identity)
    if isinstance(model := _first(sources, "model", "model_version"), str):
        tracker.set_response_model(model)
    for source in sources:
        if reasons := _reasons(source):
            tracker.set_finish_reason(reasons)
            break
    # Anthropic says the input in the first event and the output in the last.
    usage = _first(sources, "usage", "usage_metadata")
    if usage is not None:
        counts, is_cache_beside_input = _counts(usage)
        tracker.report_tokens(counts, is_cache_beside_input=is_cache_beside_input)


def _first(sources: tuple[Any, ...], *names: str) -> Any:
    for source in sources:
        if (value := field(source, *names)) is not None:
            return value
    return None


def _reasons(response: Any) -> list[str]:
    reason = field(response, "stop_reason", "finish_reason", "stopReason") or field(
        field(response, "delta"), "stop_reason"
    )
    if isinstance(reason, str):
        return [reason]
    choices = field(response, "choices", "candidates")
    if not isinstance(choices, list):
        return []
    return [text for choice in choices if isinstance(text := field(choice, "finish_reason"), str)]


def _counts(usage: Any) -> tuple[dict[str, Any], bool | None]:
    """The counts, and whether their own names show that the input leaves out what was cached.

    A proxy answers for a provider in another one's words: what a name means goes with the name.
    """
    details = field(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    output = field(usage, "completion_tokens", "output_tokens", "outputTokens", "candidates_token_count")
    thoughts = field(usage, "thoughts_token_count")  # Gemini's reasoning stands beside its answer
    if isinstance(thoughts, int):
        output = thoughts + (output if isinstance(output, int) else 0)
    beside = {
        "cache_read_tokens": field(usage, "cache_read_input_tokens", "cacheReadInputTokens"),
        "cache_write_tokens": field(usage, "cache_creation_input_tokens", "cacheWriteInputTokens"),
    }
    found = {
        "input_tokens": field(usage, "prompt_tokens", "input_tokens", "inputTokens", "prompt_token_count"),
        "output_tokens": output,
        "cached_tokens": field(details, "cached_tokens", "cache_read") or field(usage, "cached_content_token_count"),
        **beside,
    }
    if details is not None or field(usage, "prompt_tokens", "prompt_token_count") is not None:
        found["cache_write_tokens"] = beside["cache_write_tokens"] or field(
            details, "cache_write_tokens", "cache_creation"
        )
        return found, False
    return found, True if any(count is not None for count in beside.values()) else None
