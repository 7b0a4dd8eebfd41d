"""Usage in the words of those who hand on what a provider reported: LangChain, and the instrumentations on spans.

Cached tokens are in the input, as their conventions want it, unless the report itself shows otherwise: where the total
is the sum of all, and where the parts exceed the whole.
"""

from typing import Any

from botanu_core.model.report import Reported, context_of, get, tier_of, total_of, within
from botanu_core.model.usage import Usage, count_of
from botanu_core.model.vocabulary import provider_name

__all__ = ["langchain", "openinference", "openllmetry", "otel"]


def langchain(source: Any, _: str) -> Reported:
    """`usage_metadata`, of a message or by itself."""
    usage = within(source, "usage_metadata")
    of_input, of_output = get(usage, "input_token_details"), get(usage, "output_token_details")
    # `langchain-openai` writes the tier into the keys: "flex_cache_read" beside "flex", which is the rest.
    tier = next((name for name in ("flex", "priority") if get(of_input, name) or get(of_output, name)), "")
    hour, minutes = (count_of(get(of_input, f"ephemeral_{time}_input_tokens")) for time in ("1h", "5m"))
    written, by_time = count_of(get(of_input, "cache_creation")), total_of(hour, minutes)
    found = _settled(
        inputs=get(usage, "input_tokens"),
        outputs=get(usage, "output_tokens"),
        total=get(usage, "total_tokens"),
        read=get(of_input, "cache_read", f"{tier}_cache_read"),
        # `langchain-anthropic` says 0 where it says the times.
        write=by_time if written is None or written < (by_time or 0) else written,
        cache_write_1h_tokens=hour,
        reasoning_tokens=count_of(get(of_output, "reasoning", f"{tier}_reasoning")),
        input_audio_tokens=count_of(get(of_input, "audio")),
        output_audio_tokens=count_of(get(of_output, "audio")),
        input_image_tokens=count_of(get(of_input, "image")),
        output_image_tokens=count_of(get(of_output, "image")),
    )
    return Reported(found, context_of(service_tier=tier))


def otel(attributes: Any, _: str, *, is_beside: bool = False) -> Reported:
    """OpenTelemetry's conventions, the current ones and those before them."""

    def said(*names: str) -> Any:
        return get(attributes, *(f"gen_ai.usage.{name}" for name in names), *(f"llm.usage.{name}" for name in names))

    found = _settled(
        inputs=said("input_tokens", "prompt_tokens"),
        outputs=said("output_tokens", "completion_tokens"),
        total=said("total_tokens"),
        read=said("cache_read.input_tokens", "cache_read_input_tokens", "input_tokens.cached"),
        write=said("cache_creation.input_tokens", "cache_write.input_tokens", "cache_creation_input_tokens"),
        reasoning_tokens=count_of(said("reasoning.output_tokens", "reasoning_tokens", "output_tokens.reasoning")),
        is_beside=is_beside,
    )
    names = ("openai.response.service_tier", "gen_ai.openai.response.service_tier", "gen_ai.response.service_tier")
    return Reported(found, context_of(service_tier=tier_of(get(attributes, *names))))


def openllmetry(attributes: Any, provider: str) -> Reported:
    """OpenLLMetry's spans, which have OpenTelemetry's keys and a few of their own."""
    name = provider or provider_name(str(get(attributes, "gen_ai.provider.name", "gen_ai.system") or ""))
    # Its instrumentation of Anthropic adds what was cached to the input; that of Bedrock, which it calls "AWS" as
    # well, hands on Bedrock's own counts.
    return otel(attributes, provider, is_beside=name in ("aws.bedrock", "aws"))


def openinference(attributes: Any, _: str) -> Reported:
    """OpenInference's spans."""

    def said(name: str) -> Any:
        return get(attributes, f"llm.token_count.{name}")

    found = _settled(
        inputs=said("prompt"),
        outputs=said("completion"),
        total=said("total"),
        read=get(attributes, *(f"llm.token_count.prompt_details.cache_{name}" for name in ("read", "input"))),
        write=said("prompt_details.cache_write"),
        reasoning_tokens=count_of(said("completion_details.reasoning")),
        input_audio_tokens=count_of(said("prompt_details.audio")),
        output_audio_tokens=count_of(said("completion_details.audio")),
    )
    return Reported(found)


def _settled(
    *,
    inputs: object,
    outputs: object,
    total: object,
    read: object,
    write: object,
    is_beside: bool = False,
    **parts: Any,
) -> Usage:
    """The usage whose parts are in the wholes, as a report means it that may have left them out."""
    whole, output, all_of_it = count_of(inputs), count_of(outputs), count_of(total)
    cache_read, cache_write = count_of(read), count_of(write)
    cached, reasoning = (cache_read or 0) + (cache_write or 0), parts.get("reasoning_tokens") or 0
    if whole is not None and (is_beside or (output is not None and all_of_it == whole + output + cached)):
        whole += cached
    if reasoning and None not in (whole, output) and all_of_it == (whole or 0) + (output or 0) + reasoning:
        output = (output or 0) + reasoning  # xAI's, which stands beside its completion
    found = Usage(
        input_tokens=whole,
        output_tokens=output,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        **parts,
    )
    return found.mended()
