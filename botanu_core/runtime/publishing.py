"""How entries and runs leave: as log events, and as sums."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry.trace import SpanContext

from botanu_core import semconv as sc
from botanu_core.ledger.entry import LedgerEntry
from botanu_core.log import warn_once
from botanu_core.runtime import guard, telemetry
from botanu_core.runtime.instruments import Instruments, customer_label

__all__ = ["completed", "publish", "unpriced"]

_MOST_UNPRICED: Final = 256
unpriced: Final[Counter[str]] = Counter()
"""How many calls nobody could price, by model; for `doctor()`."""


def publish(entries: Iterable[LedgerEntry]) -> None:
    """Let entries leave, as log events and as sums. Never raises."""
    emit = telemetry.event_emitter()
    instruments = telemetry.instruments()
    for entry in entries:
        try:
            if entry.is_unpriced:
                _note_unpriced(entry)
            if emit is not None:
                emit(sc.LEDGER_ENTRY, entry.attributes, entry.span_context)
            if instruments is not None:
                instruments.later(_add_up, instruments, entry)
        except Exception as error:
            guard.failed("ledger entry", error)


def _note_unpriced(entry: LedgerEntry) -> None:
    seen = entry.sighting
    what = entry.name if seen is None else f"{seen.provider or '?'}/{seen.response_model or seen.request_model or '?'}"
    if seen is not None and not seen.knows_usage:
        warn_once("price.usage", "a call's usage is not known, and so its cost is not either")
    unpriced[what if what in unpriced or len(unpriced) < _MOST_UNPRICED else "other"] += 1


def _add_up(instruments: Instruments, entry: LedgerEntry) -> None:
    usd, run = entry.cost.usd, entry.run
    if usd is None and not entry.is_unpriced:
        return
    seen = entry.sighting
    labels: list[tuple[str, Any]] = [
        (sc.GEN_AI_OPERATION, seen.operation if seen is not None else entry.kind),
        (sc.ENVIRONMENT, run[sc.ENVIRONMENT]),
    ]
    if seen is None:
        labels.append((sc.ENTRY_NAME, entry.name))
    else:
        labels.append((sc.GEN_AI_PROVIDER, seen.provider))
        if (model := seen.request_model or seen.response_model) is not None:
            labels.append((sc.GEN_AI_REQUEST_MODEL, model))
    if (workflow := run.get(sc.WORKFLOW)) is not None:
        labels.append((sc.WORKFLOW, workflow))
    if (customer := customer_label(run.get(sc.CUSTOMER_ID))) is not None:
        labels.append((sc.CUSTOMER_ID, customer))
    if usd is not None:
        instruments.run_cost.add(tuple(labels), usd)
    else:
        instruments.llm_unpriced.add(tuple(labels))


def completed(
    run: Mapping[str, Any],
    said: Mapping[str, Any],
    started_ns: int,
    duration_ns: int,
    status: str,
    span_context: SpanContext,
) -> None:
    """What only the opener of a run says: the `botanu.run.completed` event, the counter and the histogram.

    Args:
        run: Its attributes.
        said: Its outcome, and its totals in this process.
        started_ns: When it began, in nanoseconds since 1970.
        duration_ns: How long it took.
        status: Its outcome, or ``unset``.
        span_context: Its own span's.
    """
    emit = telemetry.event_emitter()
    if emit is not None:
        event = {
            **run,
            **said,
            sc.RUN_STARTED_AT: started_ns,
            sc.RUN_ENDED_AT: started_ns + duration_ns,
            sc.RUN_DURATION_MS: duration_ns / 1e6,
        }
        emit(sc.RUN_COMPLETED, event.copy, span_context)  # bound: a closure is three objects that wait
    # After the event, which bills are made from: a meter that fails costs the metric only.
    instruments = telemetry.instruments()
    if instruments is None:
        return
    labels = (
        (sc.WORKFLOW, run[sc.WORKFLOW]),
        (sc.ENVIRONMENT, run[sc.ENVIRONMENT]),
        (sc.OUTCOME_STATUS, status),
    )
    instruments.run_completed.add(labels)
    instruments.run_duration.record(duration_ns / 1e9, labels)
