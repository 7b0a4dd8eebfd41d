"""`read_reported`: the usage of a call in the words of whoever reported it, as a `Usage`.

The same word means different things: Anthropic's "input_tokens" leaves out what was cached, OpenAI's has it in; xAI's
"completion_tokens" leaves out reasoning. So the reader is chosen by the reporter, never by the shape alone. What is
missing is unknown, what is nonsense is unknown and warned about once, and nothing raises.
"""

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from typing import Any, Final, Literal, get_args

from botanu_core.log import warn_once
from botanu_core.model import relayed
from botanu_core.model.report import (
    Reported,
    context_of,
    get,
    items,
    tier_of,
    total_of,
    units_of,
    with_parts,
    within,
    word,
)
from botanu_core.model.usage import Usage, amount_of, count_of
from botanu_core.model.vocabulary import provider_name

__all__ = ["Reported", "Reporter", "read_reported", "reporter_of"]

Reporter = Literal[
    "anthropic",
    "bedrock",
    "openai_chat",
    "openai_responses",
    "gemini",
    "cohere",
    "langchain",
    "otel",
    "openinference",
    "openllmetry",
]
"""Who reported the numbers."""

_EXACT: Final = Context(prec=60)  # the application may have set its thread's to six digits
_LIVE_ANSWER: Final = ("response_token_count", "responseTokenCount")
_SUMMED: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
)


def read_reported(reporter: Reporter, source: object, *, provider: str = "") -> Reported:
    """Read a report.

    Args:
        reporter: Whose words they are.
        source: A whole response, an event of a stream, or the usage in it; for the instrumentations a span's
            attributes. Dicts and objects do alike.
        provider: Who served the call, where that is known and not the reporter.

    Returns:
        What it says. A wrong `source` says nothing, which is not zero.

    Raises:
        ValueError: `reporter` is none of `Reporter`.
    """
    reader = _READERS.get(reporter)
    if reader is None:
        raise ValueError(f"reporter must be one of {', '.join(get_args(Reporter))}, got {str(reporter)[:40]!r}")
    try:
        return reader(source, provider_name(provider) if provider else "")
    except Exception as error:
        warn_once("usage.unreadable", "a report of usage could not be read; its usage is unknown", error=error)
        return Reported()


def _anthropic(source: Any, _: str) -> Reported:
    usage = within(source, "usage")
    found = _anthropic_usage(usage)
    for step in items(get(usage, "iterations")):
        # Of a compaction the tokens are billed, and are not in the counts above it.
        if get(step, "type") == "compaction":
            more = _anthropic_usage(step)
            sums: dict[str, Any] = {name: total_of(getattr(found, name), getattr(more, name)) for name in _SUMMED}
            found = found._replace(**sums)
    tier, speed = word(get(usage, "service_tier")), word(get(usage, "speed"))
    region = word(get(usage, "inference_geo"))
    return Reported(
        found.mended(),
        context_of(
            processing="batch" if tier == "batch" else "",
            service_tier="" if tier == "batch" else tier_of(tier),
            speed=speed if speed == "fast" else "",
            inference_geo="" if region in ("global", "not_available") else region,
        ),
    )


def _anthropic_usage(usage: Any) -> Usage:
    read = count_of(get(usage, "cache_read_input_tokens"))
    kept = get(usage, "cache_creation")
    hour, minutes = (count_of(get(kept, f"ephemeral_{time}_input_tokens")) for time in ("1h", "5m"))
    by_time, write = total_of(hour, minutes), count_of(get(usage, "cache_creation_input_tokens"))
    if write is None or write < (by_time or 0):
        write = by_time
    return Usage(
        input_tokens=with_parts(count_of(get(usage, "input_tokens")), read, write),
        output_tokens=count_of(get(usage, "output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=hour,
        reasoning_tokens=count_of(get(get(usage, "output_tokens_details"), "thinking_tokens")),
        units=units_of(web_searches=get(get(usage, "server_tool_use"), "web_search_requests")),
    )


def _bedrock(source: Any, provider: str) -> Reported:
    usage = within(source, "usage", "amazon-bedrock-invocationMetrics")
    event = get(source, "metadata") or source
    tier, speed = get(get(event, "serviceTier"), "type"), get(get(event, "performanceConfig"), "latency")
    context = context_of(service_tier=tier_of(tier), latency=tier_of(speed))
    if get(usage, "inputTokens", "inputTokenCount", "outputTokens", "outputTokenCount") is not None:
        read = count_of(get(usage, "cacheReadInputTokens", "cacheReadInputTokenCount"))
        write = count_of(get(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount"))
        hours = [item for item in items(get(usage, "cacheDetails")) if word(get(item, "ttl")) == "1h"]
        found = Usage(
            input_tokens=with_parts(count_of(get(usage, "inputTokens", "inputTokenCount")), read, write),
            output_tokens=count_of(get(usage, "outputTokens", "outputTokenCount")),
            cache_read_tokens=read,
            cache_write_tokens=write,
            cache_write_1h_tokens=total_of(*(count_of(get(item, "inputTokens")) for item in hours)),
        )
    elif get(usage, "prompt_tokens", "total_tokens") is not None:
        found = _openai(source, provider).usage
    elif get(usage, "input_tokens", "output_tokens") is not None:
        return Reported(_anthropic(source, provider).usage, context)
    else:
        found = _bedrock_invoked(source)
    return Reported(found.mended(), context)


def _bedrock_invoked(source: Any) -> Usage:
    """Bodies of Llama and Titan, else the headers that every invocation has."""
    inputs = count_of(get(source, "prompt_token_count", "inputTextTokenCount"))
    outputs = count_of(get(source, "generation_token_count"))
    if outputs is None:
        outputs = total_of(*(count_of(get(item, "tokenCount")) for item in items(get(source, "results"))))
    headers = get(get(source, "ResponseMetadata"), "HTTPHeaders")

    def said(name: str) -> int | None:
        text = get(headers, f"x-amzn-bedrock-{name}-token-count")
        # A header is text: the one place where digits are a count.
        return count_of(int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else text)

    read, write = said("cache-read-input"), said("cache-write-input")
    return Usage(
        input_tokens=with_parts(said("input") if inputs is None else inputs, read, write),
        output_tokens=said("output") if outputs is None else outputs,
        cache_read_tokens=read,
        cache_write_tokens=write,
    )


def _openai(source: Any, provider: str) -> Reported:
    """Chat completions and responses, embeddings, images, transcriptions and realtime, and whoever speaks like them."""
    usage = within(source, "usage")
    response = get(source, "response") or source
    of_input = get(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    of_output = get(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
    cached = get(of_input, "cached_tokens_details")
    # Moonshot, DeepSeek, xAI and LiteLLM have names of their own beside OpenAI's.
    read = get(of_input, "cached_tokens")
    if read is None:
        read = get(usage, "cached_tokens", "prompt_cache_hit_tokens", "cached_prompt_text_tokens")
    write = get(of_input, "cache_write_tokens", "cache_creation_tokens")
    outputs = count_of(get(usage, "completion_tokens", "output_tokens"))
    inputs = count_of(get(usage, "prompt_tokens", "input_tokens"))
    reasoning = count_of(get(of_output, "reasoning_tokens") if of_output is not None else None)
    total = count_of(get(usage, "total_tokens"))
    citations = None
    if reasoning and None not in (inputs, outputs, total) and total == (inputs or 0) + (outputs or 0) + reasoning:
        outputs = with_parts(outputs, reasoning)  # xAI: the reasoning stands beside the completion.
    if provider == "perplexity":
        # Its own counts of reasoning and citations stand beside the completion as well.
        citations = count_of(get(usage, "citation_tokens"))
        beside = count_of(get(usage, "reasoning_tokens"))
        outputs, reasoning = with_parts(outputs, beside, citations), total_of(reasoning, beside)
    calls = [get(item, "type") for item in items(get(response, "output")) if _is_billed(item)]
    seconds = get(usage, "seconds") if get(usage, "type") == "duration" else None
    found = Usage(
        input_tokens=inputs,
        output_tokens=outputs,
        cache_read_tokens=count_of(read),
        cache_write_tokens=count_of(get(usage, "cache_creation_input_tokens") if write is None else write),
        reasoning_tokens=reasoning,
        input_audio_tokens=count_of(get(of_input, "audio_tokens")),
        cache_audio_read_tokens=count_of(get(cached, "audio_tokens")),
        output_audio_tokens=count_of(get(of_output, "audio_tokens")),
        input_image_tokens=count_of(get(of_input, "image_tokens")),
        output_image_tokens=count_of(get(of_output, "image_tokens")),
        units=units_of(
            audio_seconds=seconds,
            input_audio_seconds=seconds,
            cache_image_read_tokens=get(cached, "image_tokens"),
            output_citation_tokens=citations,
            web_searches=get(usage, "num_search_queries") or calls.count("web_search_call"),
            storage_searches=calls.count("file_search_call"),
        ),
    )
    context = context_of(service_tier=tier_of(get(response, "service_tier")))
    return Reported(found.mended(), context, _cost(usage, provider))


def _is_billed(item: Any) -> bool:
    """Whether an item of a response is a call that costs: of the web, searches do, opening a page does not."""
    action = get(item, "action")
    return action is None or get(item, "type") != "web_search_call" or get(action, "type") in (None, "search")


def _cost(usage: Any, provider: str) -> Decimal | None:
    """What a response says that it cost, of those whose unit is known to be dollars."""
    said = get(usage, "cost") if provider in ("openrouter", "perplexity") else None
    usd = amount_of(said if provider == "openrouter" else get(said, "total_cost"))
    if usd is None or not get(usage, "is_byok"):
        return None if usd is None else Decimal(usd)
    # With the caller's own key OpenRouter bills its fee; the provider bills the rest.
    upstream = amount_of(get(get(usage, "cost_details"), "upstream_inference_cost"))
    return None if upstream is None else _EXACT.add(usd, upstream)


def _gemini(source: Any, _: str) -> Reported:
    usage = within(source, "usage_metadata", "usageMetadata")

    def said(name: str) -> Any:
        head, *rest = name.split("_")
        return get(usage, name, head + "".join(map(str.capitalize, rest)))

    def modal(*names: str) -> dict[str, int]:
        """Tokens by modality. Scanned pages are billed as images."""
        found: dict[str, int] = {}
        for item in (item for name in names for item in items(said(name))):
            kind = word(get(item, "modality")).replace("document", "image")
            found[kind] = found.get(kind, 0) + (count_of(get(item, "token_count", "tokenCount")) or 0)
        return found

    prompt, tools = count_of(said("prompt_token_count")), count_of(said("tool_use_prompt_token_count"))
    thoughts, total = count_of(said("thoughts_token_count")), count_of(said("total_token_count"))
    answer = count_of(get(usage, "candidates_token_count", "candidatesTokenCount", *_LIVE_ANSWER))
    if answer is None and prompt is not None and total is not None:
        # A count of zero is left out of the answer's JSON.
        answer = max(total - prompt - (tools or 0) - (thoughts or 0), 0)
    inputs, cached = modal("prompt_tokens_details", "tool_use_prompt_tokens_details"), modal("cache_tokens_details")
    outputs = modal("candidates_tokens_details", "response_tokens_details")
    found = Usage(
        input_tokens=with_parts(prompt, tools),
        output_tokens=total_of(answer, thoughts),
        cache_read_tokens=count_of(said("cached_content_token_count")),
        reasoning_tokens=thoughts,
        input_audio_tokens=inputs.get("audio"),
        cache_audio_read_tokens=cached.get("audio"),
        output_audio_tokens=outputs.get("audio"),
        input_image_tokens=inputs.get("image"),
        output_image_tokens=outputs.get("image"),
        units=units_of(
            input_video_tokens=inputs.get("video"),
            output_video_tokens=outputs.get("video"),
            cache_image_read_tokens=cached.get("image"),
            cache_video_read_tokens=cached.get("video"),
        ),
    )
    tier = word(said("traffic_type")).removeprefix("on_demand").strip("_") or said("service_tier")
    return Reported(found.mended(), context_of(service_tier=tier_of(tier)))


def _cohere(source: Any, _: str) -> Reported:
    usage = within(source, "usage", "meta")
    billed = get(usage, "billed_units")
    counts = billed if billed is not None else get(usage, "tokens")
    pictures = count_of(get(counts, "image_tokens"))
    inputs = count_of(get(counts, "input_tokens"))
    found = Usage(
        input_tokens=pictures if inputs is None else inputs,
        output_tokens=count_of(get(counts, "output_tokens")),
        # Whether cached tokens are among those that are billed is not said.
        cache_read_tokens=count_of(get(usage, "cached_tokens")) if billed is None else None,
        input_image_tokens=pictures,
        units=units_of(rerank_searches=get(counts, "search_units")),
    )
    return Reported(found.mended())


_READERS: Final[Mapping[str, Callable[[Any, str], Reported]]] = {
    "anthropic": _anthropic,
    "bedrock": _bedrock,
    "openai_chat": _openai,
    "openai_responses": _openai,
    "gemini": _gemini,
    "cohere": _cohere,
    "langchain": relayed.langchain,
    "otel": relayed.otel,
    "openinference": relayed.openinference,
    "openllmetry": relayed.openllmetry,
}


# By which names a usage has: a proxy answers for a provider in another one's words, and what a name means goes with the
# name, not with the provider.
_NAMES: Final[tuple[tuple[tuple[str, ...], Reporter], ...]] = (
    (("prompt_tokens", "completion_tokens"), "openai_chat"),
    (("inputTokens", "outputTokens"), "bedrock"),
    (("prompt_token_count", "candidates_token_count", "promptTokenCount", "candidatesTokenCount"), "gemini"),
    (("billed_units", "tokens"), "cohere"),
    (("input_token_details", "output_token_details"), "langchain"),
    (("input_tokens_details", "output_tokens_details"), "openai_responses"),
    (("input_tokens", "output_tokens"), "anthropic"),
)
_ANTHROPIC: Final = ("cache_read_input_tokens", "cache_creation_input_tokens", "server_tool_use")


def reporter_of(usage: object) -> Reporter | None:
    """Who reported a usage, by the names in it; `None` where they tell nothing."""
    for names, reporter in _NAMES:
        if get(usage, *names) is not None:
            # Anthropic has `output_tokens_details` too, of late.
            is_anthropic = reporter == "openai_responses" and get(usage, *_ANTHROPIC) is not None
            return "anthropic" if is_anthropic else reporter
    return None
