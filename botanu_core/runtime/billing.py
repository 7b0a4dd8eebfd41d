"""From a call that has ended to an entry that has left: priced, counted once, published.

Trackers come by here, and so do the spans of other people's instrumentations, which `sdk.processor` hands over.
"""

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Protocol

from opentelemetry.trace import Span, SpanContext

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.ledger.call import Call, Witness
from botanu_core.ledger.entry import Kind, LedgerEntry, entry_id_of, quality_of
from botanu_core.ledger.open_spans import open_spans
from botanu_core.ledger.run_ledger import RunLedger, undecided
from botanu_core.ledger.sighting import Sighting
from botanu_core.pricing.cost import UNPRICED, Cost
from botanu_core.runtime import guard
from botanu_core.runtime.calling import calling
from botanu_core.runtime.publishing import publish, unpriced

__all__ = [
    "Billed", "book_ahead", "closed", "end_call", "end_told", "open_call", "outside", "reset", "settle", "told_on",
    "use_units",
]  # fmt: skip

_CACHE_HIT: Final = Cost(Decimal(0), "contract", "cache hit")


class Billed(Protocol):
    """What is asked of a run: `RunContext` is one."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What its spans carry."""

    @property
    def customer_id(self) -> str | None:
        """Whom it is for."""

    @property
    def run_id(self) -> str:
        """Its id."""

    def ledger(self) -> RunLedger:
        """Its ledger."""


class _Outside:
    ledger = RunLedger(closed=True)


_outside: Final = _Outside()


def outside() -> RunLedger:
    """The ledger of calls that belong to no run."""
    return _outside.ledger


def reset() -> None:
    """Begin anew outside runs."""
    _outside.ledger = RunLedger(closed=True)
    unpriced.clear()


def settle(*, everything: bool) -> None:
    """Publish what waits for another span that knows more: the process ends, or is asked to send what it has.

    Args:
        everything: Also what waits in runs that are still open.
    """
    if everything:
        for call in open_spans.calls():
            if call.is_open and call.teller is not None and call.span is None:
                call.teller.give_up()  # a stream that nobody reads any more, or a call in another thread
    for ledger in undecided() if everything else (_outside.ledger,):
        for call in tuple(ledger.told.values()):
            if everything or not call.span.is_recording():  # else its end will be heard
                end_told(call, None)
        publish(ledger.settle())


def open_call(
    run: Billed | None, span_id: int, parent_id: int, step: str | None = None, scope: str | None = None
) -> Call:
    """A span that may be a model call has begun.

    Args:
        run: Its run; without one that of the call around it.
        span_id: Its id; 0 where nobody makes spans.
        parent_id: That of the span around it, or 0.
        step: The step that it is in; without one that of the call around it.
        scope: Whose span it is, where it is not ours.
    """
    if span_id == parent_id:  # no span of its own: what makes none hands the one around it on
        span_id = 0
    around = open_spans.get(parent_id)
    inner = hinted() if (hinted := calling()) is not None else None
    # Where others make their spans current for good, the one that is may be of a chain around the hinted call.
    if inner is not None and (around is None or not around.is_open or not around.is_inside(inner)):
        around = inner
    ledger = run.ledger() if run is not None else None
    if around is not None and around.is_open:
        step = step or around.step
        if ledger is None:  # the run may be current nowhere: a callback has opened it
            run, ledger = around.run, around.ledger
    call = (ledger or _outside.ledger).open(around, span_id=span_id, run=run)
    call.step = step
    if scope is not None:
        call.witness = Witness(scope, parent_id, time.perf_counter_ns())
    open_spans.put(span_id, call)
    return call


class Teller(Protocol):
    """What is told of a call on somebody else's span, piece by piece: an `LLMTracker` that never starts."""

    def sighting(self) -> Sighting:
        """What is known by now."""

    def give_up(self) -> None:
        """End the call with that: the process ends."""


def told_on(span: Span, run: Billed | None, teller: Teller, step: str | None = None) -> None:
    """A model call was told of on a span that is not ours. It is booked when the span ends, or else its run.

    Args:
        span: The span.
        run: Its run.
        teller: Who knows the call; instead of who has told of it on this span before.
        step: The step that it is in. A span that its sampler has dropped does not know.
    """
    span_id = span.get_span_context().span_id
    inside = open_spans.get(span_id)
    if inside is not None and inside.span_id == span_id:
        if inside.span is None:
            return  # an instrumentation's own model call, which is read when it ends
        before, said = inside.teller.sighting().response_id, teller.sighting().response_id
        if before is None or said is None or before == said:
            inside.teller = teller
            return
        end_told(inside, None)  # one after the other, on one span
        inside = inside.above
    ledger = run.ledger() if run is not None else _outside.ledger
    call = ledger.open(inside, span_id=span_id, run=run)
    call.teller, call.span, call.step = teller, span, step
    open_spans.put(span_id, call)
    if len(ledger.told) >= _MOST_TOLD:
        end_told(next(iter(ledger.told.values())), None)
    publish(ledger.tell(call))


def end_told(call: Call, duration_s: float | None) -> dict[str, Any]:
    """Book a call that was told of on somebody else's span.

    Args:
        call: The call.
        duration_s: How long the span lasted, in seconds, where it ends now.

    Returns:
        What the span is to carry; written already where it goes on.
    """
    span = call.span
    call.ledger.told.pop(call.span_id, None)
    span_context = span.get_span_context()
    said = end_call(
        call,
        call.teller.sighting(),
        name=getattr(span, "name", ""),
        span_context=span_context,
        duration_s=duration_s,
        is_over=duration_s is not None or not span.is_recording(),
    )
    call.span = None
    if span.is_recording():
        span.set_attributes(said)
    return said


_MOST_TOLD: Final = 1000


def _price_of(seen: Sighting, run: Billed | None) -> Cost:
    """What a call cost. Unknown is never zero: then there is no amount."""
    prices = settings.current().prices
    if seen.is_cache_hit:
        return _CACHE_HIT
    if prices is None or (seen.error_type is not None and not seen.knows_usage):
        return UNPRICED  # a call that failed before it was answered
    try:
        return prices.price(  # type: ignore[no-any-return]  # a `PriceBook`, which settings knows by a protocol
            seen.usage,
            seen.provider,
            (seen.response_model or "", seen.request_model or ""),
            customer=run.customer_id if run is not None else None,
            context=seen.context,
            provider_reported_cost=seen.reported_usd,
        )
    except Exception as error:  # whatever it is, the call was made
        guard.failed("price", error)
        return UNPRICED


def end_call(
    call: Call,
    seen: Sighting,
    *,
    name: str,
    span_context: SpanContext,
    duration_s: float | None,
    is_over: bool = True,
) -> dict[str, Any]:
    """A model call has ended: price it, count it unless it has been, and publish what is counted now.

    Args:
        call: From `open_call`.
        seen: What its span says.
        name: The span's.
        span_context: The span's.
        duration_s: How long it took, in seconds.
        is_over: Whether its span has ended with it; one that goes on is not read again when it does.

    Returns:
        What the span is to carry: the cost, its source, and whether it was counted elsewhere.
    """
    run: Billed | None = call.run
    cost = _price_of(seen, run)
    entry = LedgerEntry(
        entry_id_of(run.run_id if run is not None else "", seen.response_id, span_context if call.span_id else None),
        "llm",
        name,
        _attributes_of(run, call.step),
        span_context,
        cost,
        duration_s,
        seen,
        error_type=seen.error_type,
    )
    call.teller = None
    counted = call.ledger.end(call, entry)
    if is_over:
        open_spans.take(call.span_id)
    if counted:
        publish(counted)
    said: dict[str, Any] = {}
    if cost.usd is not None:
        said[sc.COST_USD] = float(cost.usd)
        said[sc.COST_SOURCE] = cost.source
    elif entry.is_unpriced:
        said[sc.COST_SOURCE] = cost.source
    if call.state == "left out":
        said[sc.COST_DUPLICATE] = True
    if seen.is_partial and (quality := quality_of(seen)) == "estimated":
        said[sc.USAGE_QUALITY] = quality
    return said


def book_ahead(span: Span, seen: Sighting, *, name: str, duration_s: float) -> dict[str, Any]:
    """Book the model call of somebody else's span, which is about to end, and is not read when it does. Never raises.

    Args:
        span: The span.
        seen: What it is going to say.
        name: Its name.
        duration_s: How long it has taken, in seconds.

    Returns:
        What it is to carry; nothing where its call is none of the ledger's, or is another's to tell.
    """
    try:
        span_context = span.get_span_context()
        call = open_spans.get(span_context.span_id)
        if call is None or call.span_id != span_context.span_id or call.span is not None or not call.is_open:
            return {}
        return end_call(call, seen, name=name, span_context=span_context, duration_s=duration_s, is_over=False)
    except Exception as error:
        guard.failed("ledger", error)
        return {}


def use_units(
    run: Billed | None,
    kind: Kind,
    name: str,
    counts: Mapping[str, Any],
    *,
    step: str | None,
    span_context: SpanContext,
    duration_s: float,
    error_type: str | None,
) -> dict[str, Any]:
    """Something other than a model call has ended: an entry, where a contract has a price for it.

    Args:
        run: Its run.
        kind: ``tool``, ``database``, ``storage`` or ``messaging``.
        name: The tool, or the system and its operation: ``s3/PUT``.
        counts: How many of what it took; `seconds` are added.
        step: The step that it is in.
        span_context: Its span's.
        duration_s: How long it took, in seconds.
        error_type: The exception's class name, where it failed.

    Returns:
        What the span is to carry.
    """
    prices = settings.current().prices
    if prices is None:
        return {}
    customer = run.customer_id if run is not None else None
    cost = prices.cost_of_units(kind, name, {**counts, "seconds": duration_s}, customer=customer)
    if cost is None:
        return {}
    entry = LedgerEntry(
        entry_id_of("", None, span_context, kind),
        kind,
        name,
        _attributes_of(run, step),
        span_context,
        cost,
        duration_s,
        counts=counts,
        error_type=error_type,
    )
    publish((run.ledger() if run is not None else _outside.ledger).add(entry))
    said: dict[str, Any] = {sc.COST_SOURCE: cost.source}
    if cost.usd is not None:
        said[sc.COST_USD] = float(cost.usd)
    return said


def closed(ledger: RunLedger) -> dict[str, Any]:
    """Close a run's ledger; what its span and its `botanu.run.completed` say of it."""
    for call in tuple(ledger.told.values()):
        end_told(call, None)
    publish(ledger.close())
    totals = ledger.totals
    return {
        sc.RUN_COST_USD: float(totals.cost_usd),
        sc.RUN_COST_USD_EXACT: format(totals.cost_usd, "f"),
        sc.RUN_LLM_CALLS: totals.llm_calls,
        sc.RUN_UNPRICED_CALLS: totals.unpriced_calls,
        sc.RUN_DUPLICATE_CALLS: totals.duplicate_calls,
        sc.RUN_INPUT_TOKENS: totals.input_tokens,
        sc.RUN_OUTPUT_TOKENS: totals.output_tokens,
        sc.RUN_TOOL_CALLS: totals.tool_calls,
    }


def _attributes_of(run: Billed | None, step: str | None) -> Mapping[str, Any]:
    if run is None:
        return {sc.ENVIRONMENT: settings.current().environment}
    return run.attributes if step is None else {**run.attributes, sc.STEP: step}
