"""Usage in the words of those who hand on what a provider reported: LangChain, and the instrumentations on spans.

Cached tokens are in the input, as their conventions want it, unless the report itself shows otherwise: where the total
is the sum of all, and where the parts exceed the whole.
"""

import re
from functools import partial
from typing import Any, Final

from botanu_core.model.report import Reported, context_of, get, tier_of, total_of, units_of, with_parts, within
from botanu_core.model.usage import Usage, count_of
from botanu_core.model.vocabulary import provider_name

__all__ = ["langchain", "openinference", "openllmetry", "otel"]


def _usage_keys(*names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.usage.{name}" for prefix in ("gen_ai", "llm") for name in names)


_INPUT: Final = _usage_keys("input_tokens", "prompt_tokens")
_OUTPUT: Final = _usage_keys("output_tokens", "completion_tokens")
_TOTAL: Final = _usage_keys("total_tokens")
_READ: Final = _usage_keys("cache_read.input_tokens", "cache_read_input_tokens", "input_tokens.cached")
_WRITE: Final = _usage_keys(
    "cache_creation.input_tokens",
    "cache_write.input_tokens",
    "cache_creation_input_tokens",
    "cache_write_input_tokens",
)
_REASONING: Final = _usage_keys(
    "reasoning.output_tokens", "reasoning_tokens", "output_tokens.reasoning", "details.reasoning_tokens"
)
# By modality: OpenTelemetry's GenAI packages, and Pydantic AI.
_AUDIO_IN: Final = _usage_keys("audio.input_tokens", "details.input_audio_tokens")
_AUDIO_READ: Final = _usage_keys("audio.cache_read.input_tokens", "details.cache_audio_read_tokens")
_AUDIO_OUT: Final = _usage_keys("audio.output_tokens", "details.output_audio_tokens")
_IMAGE_IN: Final = _usage_keys("image.input_tokens")
_IMAGE_READ: Final = _usage_keys("image.cache_read.input_tokens")
_IMAGE_OUT: Final = _usage_keys("image.output_tokens")
_HOUR: Final = "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"
_OF_INPUT: Final = "gen_ai.usage.input_token_details"
_OF_OUTPUT: Final = "gen_ai.usage.output_token_details"
_OF_MODALITIES: Final = (*_AUDIO_IN, *_AUDIO_READ, *_AUDIO_OUT, *_IMAGE_IN, *_IMAGE_READ, *_IMAGE_OUT)
_MORE: Final = frozenset((*_TOTAL, *_READ, *_WRITE, *_REASONING, *_OF_MODALITIES, _HOUR, _OF_INPUT, _OF_OUTPUT))
_TIER: Final = (
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
    "gen_ai.response.service_tier",
    "anthropic.response.service_tier",
)
_LONGEST_DETAILS: Final = 1_024
_DETAIL: Final = re.compile(r"""["'](\w{1,32})["']:\s?(\d{1,13})(?=\s?[,}])""")


def langchain(source: Any, _: str) -> Reported:
    """`usage_metadata`, of a message or by itself."""
    usage = source if type(source) is dict and "input_tokens" in source else within(source, "usage_metadata")
    said = usage.get if type(usage) is dict else partial(get, usage)
    of_input, of_output = said("input_token_details"), said("output_token_details")
    inputs, outputs = said("input_tokens"), said("output_tokens")
    if not of_input and not of_output:  # no parts that could exceed a whole
        return Reported(Usage(input_tokens=count_of(inputs), output_tokens=count_of(outputs)))
    # `langchain-openai` writes the tier into the keys: "flex_cache_read" beside "flex", which is the rest.
    tier = next((name for name in ("flex", "priority") if get(of_input, name) or get(of_output, name)), "")
    hour, minutes = (count_of(get(of_input, f"ephemeral_{time}_input_tokens")) for time in ("1h", "5m"))
    written, by_time = count_of(get(of_input, "cache_creation")), total_of(hour, minutes)
    found = _settled(
        inputs=inputs,
        outputs=outputs,
        total=said("total_tokens"),
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
    said = get(attributes, *_TIER)
    context: tuple[tuple[str, str], ...] = ()
    if said is not None and (tier := tier_of(said)):
        is_batch = tier == "batch"
        context = context_of(processing=tier if is_batch else "", service_tier="" if is_batch else tier)
    if type(attributes) is dict and _MORE.isdisjoint(attributes):
        # As most say it: a whole of either side and none of its parts, which take four times as long to look for.
        inputs, outputs = count_of(get(attributes, *_INPUT)), count_of(get(attributes, *_OUTPUT))
        return Reported(Usage(input_tokens=inputs, output_tokens=outputs), context)
    of_input, of_output = _details(get(attributes, _OF_INPUT)), _details(get(attributes, _OF_OUTPUT))
    read, write = get(attributes, *_READ), get(attributes, *_WRITE)
    reasoning = get(attributes, *_REASONING)
    audio_in, audio_out = get(attributes, *_AUDIO_IN), get(attributes, *_AUDIO_OUT)
    found = _settled(
        inputs=get(attributes, *_INPUT),
        outputs=get(attributes, *_OUTPUT),
        total=get(attributes, *_TOTAL),
        read=of_input.get("cache_read") if read is None else read,
        write=of_input.get("cache_creation") if write is None else write,
        cache_write_1h_tokens=count_of(get(attributes, _HOUR)),
        reasoning_tokens=count_of(of_output.get("reasoning") if reasoning is None else reasoning),
        input_audio_tokens=of_input.get("audio") if audio_in is None else count_of(audio_in),
        cache_audio_read_tokens=count_of(get(attributes, *_AUDIO_READ)),
        output_audio_tokens=of_output.get("audio") if audio_out is None else count_of(audio_out),
        input_image_tokens=count_of(get(attributes, *_IMAGE_IN)),
        output_image_tokens=count_of(get(attributes, *_IMAGE_OUT)),
        units=units_of(cache_image_read_tokens=get(attributes, *_IMAGE_READ)),
        # OpenTelemetry's instrumentation of botocore hands on Bedrock's own counts, against the conventions.
        is_beside=is_beside or get(attributes, "rpc.system") == "aws-api",
    )
    return Reported(found, context)


def _details(value: Any) -> dict[str, int]:
    """LangChain's details of a count, as LangSmith writes them: the text of a dict, in JSON or in Python."""
    if not isinstance(value, str):
        return {}
    return {name: int(digits) for name, digits in _DETAIL.findall(value[:_LONGEST_DETAILS])}


def openllmetry(attributes: Any, provider: str) -> Reported:
    """OpenLLMetry's spans, which have OpenTelemetry's keys and a few of their own."""
    name = provider or provider_name(str(get(attributes, "gen_ai.provider.name", "gen_ai.system") or ""))
    # Its instrumentation of Anthropic adds what was cached to the input; that of Bedrock hands on Bedrock's own counts.
    found = otel(attributes, provider, is_beside=name == "aws.bedrock")
    if name == "gcp.vertex_ai":
        # Its instrumentation of Gemini leaves the thoughts out of the output; the total has them.
        usage, total = found.usage, count_of(get(attributes, "gen_ai.usage.total_tokens", "llm.usage.total_tokens"))
        thoughts = (total or 0) - (usage.input_tokens or 0) - (usage.output_tokens or 0)
        if None not in (usage.input_tokens, usage.output_tokens) and thoughts > 0:
            more = with_parts(usage.output_tokens, thoughts)
            found = found._replace(usage=usage._replace(output_tokens=more, reasoning_tokens=thoughts))
    return found


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
