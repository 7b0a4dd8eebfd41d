"""What a provider's response says about the call: usage, ids, the model that answered, why it stopped."""

from itertools import islice
from typing import Any, Final

from botanu_core.model.report import get
from botanu_core.model.reported import read_reported, reporter_of
from botanu_core.tracking.llm import LLMTracker

__all__ = ["note"]


def note(tracker: LLMTracker, response: Any) -> None:
    """Write what a response says, or a piece of one; what it does not say stays as it was.

    Args:
        tracker: The call's.
        response: A whole response, an OpenAI chunk, an Anthropic or Responses event, or a dict shaped like one.
    """
    inner = get(response, "message", "response")
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
    usage = _first(sources, "usage", "usage_metadata", "usageMetadata", "meta")
    if usage is not None and (reporter := reporter_of(usage)) is not None:
        # Tiers stand beside the usage in OpenAI's words, so that the whole is read.
        whole = response if _first((response,), "usage", "usage_metadata", "usageMetadata", "meta") is usage else inner
        told = read_reported(reporter, whole, provider=tracker.provider)
        tracker.report(told, _raw(usage), "cached_tokens" if reporter in _CACHED_TOKENS else "cache_read_tokens")
        if reporter == "openai_responses":  # which says it once, at the end
            tracker.set_stream_over(is_whole=True)


_CACHED_TOKENS: Final = frozenset({"openai_chat", "openai_responses", "gemini", "langchain"})


def _raw(usage: Any) -> dict[str, Any]:
    """The counts in the response's own words, a level deep."""
    found: dict[str, Any] = {}
    for name, value in _members(usage):
        for key, count in [(name, value)] if isinstance(value, int | float) else _within(name, value):
            if isinstance(count, int | float) and not isinstance(count, bool) and len(found) < _MOST_COUNTS:
                found[key] = count
    return found


def _within(name: str, value: Any) -> list[tuple[str, Any]]:
    return [(f"{name}.{inner}", count) for inner, count in _members(value)]


def _members(source: Any) -> list[tuple[str, Any]]:
    try:
        members = source if isinstance(source, dict) else vars(source)
        return [(str(name), value) for name, value in islice(members.items(), _MOST_COUNTS)]
    except Exception:
        return []


_MOST_COUNTS: Final = 32


def _first(sources: tuple[Any, ...], *names: str) -> Any:
    for source in sources:
        if (value := get(source, *names)) is not None:
            return value
    return None


def _reasons(response: Any) -> list[str]:
    reason = get(response, "stop_reason", "finish_reason", "stopReason") or get(get(response, "delta"), "stop_reason")
    if isinstance(reason, str):
        return [reason]
    choices = get(response, "choices", "candidates")
    if not isinstance(choices, list):
        return []
    return [text for choice in choices if isinstance(text := get(choice, "finish_reason"), str)]
