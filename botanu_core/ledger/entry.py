"""`LedgerEntry`: one billable call, priced; an OpenTelemetry log record when it leaves."""

from collections.abc import Mapping
from hashlib import blake2s
from typing import Any, Final, NamedTuple
from uuid import uuid4

from opentelemetry.trace import SpanContext

from botanu_core import semconv as sc
from botanu_core.ledger.sighting import Sighting
from botanu_core.pricing import Cost

__all__ = ["Kind", "LedgerEntry", "entry_id_of", "quality_of"]

Kind = str
"""``llm``, ``tool``, ``database``, ``storage`` or ``messaging``."""

_NOTHING: Final[Mapping[str, Any]] = {}


class LedgerEntry(NamedTuple):
    """One billable call. A tuple for the reason that `Sighting` is one.

    Attributes:
        entry_id: 32 hexadecimal digits, the same however often the call is reported.
        kind: What was called.
        name: The name of the span that tells of it; for what is no model call, what its price is found by.
        run: The attributes of its run, and its step; only the environment where it belongs to none.
        span_context: Which span tells of it.
        cost: What it cost.
        duration_s: How long it took, in seconds, where that is known.
        sighting: What the span said, of a model call.
        counts: What was counted, of anything else: rows, bytes, seconds …
        error_type: The exception's class name, where it failed.
    """

    entry_id: str
    kind: Kind
    name: str
    run: Mapping[str, Any]
    span_context: SpanContext
    cost: Cost
    duration_s: float | None
    sighting: Sighting | None = None
    counts: Mapping[str, Any] = _NOTHING
    error_type: str | None = None

    @property
    def knows_usage(self) -> bool:
        """Whether it says what was used, or what it cost; of a model call."""
        return self.sighting is not None and self.sighting.knows_usage

    @property
    def is_unpriced(self) -> bool:
        """Whether money may be missing: nobody knows the price, or what was used.

        A call that failed before the provider answered used nothing as far as anybody knows, and is not unpriced.
        """
        if self.cost.usd is not None:
            return False
        seen = self.sighting
        return seen is None or seen.error_type is None or seen.knows_usage or seen.response_id is not None

    def attributes(self) -> dict[str, Any]:
        """The entry as the attributes of its log record."""
        cost = self.cost
        found: dict[str, Any] = {
            **self.run,
            sc.ENTRY_ID: self.entry_id,
            sc.ENTRY_KIND: self.kind,
            sc.COST_SOURCE: cost.source,
            sc.CALL_STATUS: "ok" if self.error_type is None else "error",
        }
        if self.duration_s is not None:
            found[sc.CALL_DURATION_S] = self.duration_s
        if cost.usd is not None:
            found[sc.COST_USD_EXACT] = format(cost.usd, "f")
        if cost.price_id:
            found[sc.PRICE_ID] = cost.price_id
        if self.error_type is not None:
            found[sc.ERROR_TYPE] = self.error_type
        if self.sighting is not None:
            _tell(self.sighting, found)
        else:
            found[sc.ENTRY_NAME] = self.name
            for name, count in self.counts.items():
                found[sc.UNITS + name] = count
        return found


def _tell(seen: Sighting, found: dict[str, Any]) -> None:
    found[sc.GEN_AI_OPERATION] = seen.operation
    if seen.provider:
        found[sc.GEN_AI_PROVIDER] = seen.provider
    if seen.request_model is not None:
        found[sc.GEN_AI_REQUEST_MODEL] = seen.request_model
    if seen.response_model is not None:
        found[sc.GEN_AI_RESPONSE_MODEL] = seen.response_model
    if seen.response_id is not None:
        found[sc.GEN_AI_RESPONSE_ID] = seen.response_id
    if seen.is_streaming:
        found[sc.REQUEST_STREAMING] = True
    if seen.is_cache_hit:
        found[sc.REQUEST_CACHE_HIT] = True
    if (quality := quality_of(seen)) is not None:
        found[sc.USAGE_QUALITY] = quality
    usage = seen.usage
    if usage.input_tokens is not None:
        found[sc.GEN_AI_INPUT_TOKENS] = usage.input_tokens
    if usage.output_tokens is not None:
        found[sc.GEN_AI_OUTPUT_TOKENS] = usage.output_tokens
    for name, tokens in usage.buckets().items():
        found[sc.TOKENS + name] = tokens
    for name, count in usage.units.items():
        found[sc.UNITS + name] = count if type(count) is int else float(count)
    for name, value in seen.context:
        found[f"{sc.PRICE_CONTEXT}{name}"] = value


def quality_of(seen: Sighting) -> str | None:
    """How good the usage is: ``estimated``, ``unknown``, or `None` where the provider itself has reported it whole."""
    if not seen.knows_usage:
        return "unknown"
    return "estimated" if seen.is_partial else None


def entry_id_of(run_id: str, response_id: str | None, span_context: SpanContext | None, kind: Kind = "llm") -> str:
    """The id of an entry: by the provider's response within its run, else by the span that tells of it.

    Args:
        run_id: Its run.
        response_id: The provider's id of the response.
        span_context: The span's, if it tells of this and of nothing else.
        kind: What was called: a tool and a model call may be told of on one span.
    """
    if response_id is not None:
        told = f"{run_id}\n{response_id}"
    elif span_context is not None and span_context.span_id:
        told = f"{span_context.trace_id:032x}{span_context.span_id:016x}"
        if kind != "llm":
            told += kind
    else:  # nobody makes spans here, and so nothing can say the same thing twice
        return uuid4().hex
    return blake2s(told.encode(errors="surrogatepass"), digest_size=16).hexdigest()
