"""Our counters and histograms: quick ones, for they are on the way of every call."""

import decimal
import math
import os
import threading
import time
import weakref
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from decimal import Decimal
from typing import Any, Final

from opentelemetry import metrics

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.lock import BargingLock
from botanu_core.runtime import guard
from botanu_core.version import __version__

__all__ = ["SCHEMA", "SCOPE", "Instruments", "Series", "TalliedHistogram", "Tally", "customer_label", "customers"]

SCOPE: Final = "botanu"
"""Name of our tracer, meter and event logger."""
SCHEMA: Final = "https://opentelemetry.io/schemas/1.37.0"

Labels = tuple[tuple[str, Any], ...]

# Bucket boundaries of the GenAI conventions (gen-ai-metrics.md).
_TOKEN_BUCKETS: Final[Sequence[float]] = tuple(4**power for power in range(14))
_SECOND_BUCKETS: Final[Sequence[float]] = tuple(0.01 * 2**power for power in range(14))
_RUN_SECOND_BUCKETS: Final[Sequence[float]] = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


_MOST_LATER: Final = 512
_AT_ONCE: Final = 2
# The SDK's own cardinality limit; beyond it everything is one series, as the specification says.
_MAX_SERIES: Final = 2000
_OVERFLOW: Final[Labels] = (("otel.metric.overflow", True),)


class Instruments:
    """The eight instruments, on one meter provider.

    Args:
        provider: The provider.
        is_ours: Whether its way out is ours, and takes histograms that are tallied here.
    """

    __slots__ = (
        "__weakref__",
        "_later",
        "_settling",
        "attempts",
        "inbound_refused",
        "llm_unpriced",
        "operation_duration",
        "provider",
        "run_completed",
        "run_cost",
        "run_duration",
        "tallied",
        "token_usage",
    )

    def __init__(self, provider: metrics.MeterProvider, *, is_ours: bool = False) -> None:
        meter = provider.get_meter(SCOPE, __version__, SCHEMA)
        self.provider = provider
        self.tallied: list[TalliedHistogram] = []
        self._later: deque[tuple[Callable[..., None], tuple[Any, ...]]] | None = deque() if is_ours else None
        self._settling = threading.RLock()
        _tallies.add(self)

        def histogram(
            name: str, unit: str, description: str, bounds: Sequence[float]
        ) -> "TalliedHistogram | _SdkHistogram":
            if not is_ours:
                return _SdkHistogram(meter, name, unit, description, bounds)
            self.tallied.append(found := TalliedHistogram(name, unit, description, bounds, self.settle))
            return found

        self.token_usage = histogram(sc.METRIC_TOKEN_USAGE, "{token}", "Tokens used by model calls.", _TOKEN_BUCKETS)
        self.operation_duration = histogram(
            sc.METRIC_OPERATION_DURATION, "s", "Duration of model calls.", _SECOND_BUCKETS
        )
        self.run_duration = histogram(
            sc.METRIC_RUN_DURATION, "s", "Duration of runs, by the process that opened them.", _RUN_SECOND_BUCKETS
        )

        def tally(name: str, unit: str, description: str) -> Tally:
            return Tally(meter, name, unit, description, self.settle)

        self.attempts = tally(sc.METRIC_ATTEMPTS, "{attempt}", "Model calls attempted, retries included.")
        self.run_completed = tally(sc.METRIC_RUN_COMPLETED, "{run}", "Runs completed.")
        self.inbound_refused = tally(
            sc.METRIC_INBOUND_REFUSED, "{run}", "Runs on the wire that were not taken, by reason."
        )
        self.run_cost = tally(sc.METRIC_RUN_COST, "{USD}", "What calls cost, each counted once.")
        self.llm_unpriced = tally(sc.METRIC_LLM_UNPRICED, "{call}", "Calls whose price or usage nobody knows.")

    def later(self, record: Callable[..., None], *what: Any) -> None:
        """Call `record` with `what` before the sums are read next.

        Where the way out is ours, one of its threads does: labels and sums take as long as half a span, and are no
        affair of the caller's, unless it is quicker than that thread: then it does a little more than its own.
        """
        waiting = self._later
        if waiting is None:
            record(*what)
            return
        waiting.append((record, what))
        if len(waiting) > _MOST_LATER and self._settling.acquire(blocking=False):
            try:
                self._add_up(waiting, _AT_ONCE)
            finally:
                self._settling.release()

    def settle(self) -> None:
        """Add up what was left for later."""
        if self._later is not None:
            with self._settling:  # who reads the sums next waits for what another thread is adding
                self._add_up(self._later, len(self._later))

    @staticmethod
    def _add_up(waiting: deque[tuple[Callable[..., None], tuple[Any, ...]]], many: int) -> None:
        for _ in range(many):
            if not waiting:  # garbage was collected meanwhile, and with it a stream that has ended here
                return
            record, what = waiting.popleft()
            try:
                record(*what)
            except Exception as error:
                guard.failed("meter", error)

    def forget(self) -> None:
        """In a forked child: what waits is the parent's to report."""
        self._settling = threading.RLock()
        if self._later is not None:
            self._later.clear()

    def measure_call(
        self,
        what: tuple[str, str, str | None],
        tokens: tuple[int | None, int | None],
        error_type: str | None,
        duration_s: float,
        run: Mapping[str, Any] | None,
    ) -> None:
        """A model call has ended.

        Args:
            what: Operation, provider, and the model that was asked for.
            tokens: Input and output, where they are known.
            error_type: The exception's class name, where it failed.
            duration_s: How long it took, in seconds.
            run: The attributes of its run.
        """
        operation, provider, model = what
        known: list[tuple[str, Any]] = [(sc.GEN_AI_OPERATION, operation), (sc.GEN_AI_PROVIDER, provider)]
        if model is not None:
            known.append((sc.GEN_AI_REQUEST_MODEL, model))
        if run is not None:
            known.append((sc.WORKFLOW, run[sc.WORKFLOW]))
        known.append((sc.ENVIRONMENT, run[sc.ENVIRONMENT] if run is not None else settings.current().environment))
        labels, (input_tokens, output_tokens) = tuple(known), tokens
        self.attempts.add(labels)
        if input_tokens is not None:
            self.token_usage.record(input_tokens, (*labels, (sc.GEN_AI_TOKEN_TYPE, "input")))
        if output_tokens is not None:
            self.token_usage.record(output_tokens, (*labels, (sc.GEN_AI_TOKEN_TYPE, "output")))
        if error_type is not None:
            labels = (*labels, (sc.ERROR_TYPE, error_type))
        self.operation_duration.record(duration_s, labels)


# Money is summed exactly and becomes a float when it is read.
_EXACT: Final = decimal.Context(prec=200)


class Tally:
    """A counter that adds into a dict and is read when metrics are collected.

    A synchronous SDK counter costs half a span at every `add`; a dict costs next to nothing. On the wire it is the
    same monotonic sum.
    """

    def __init__(
        self, meter: metrics.Meter, name: str, unit: str, description: str, settle: Callable[[], None]
    ) -> None:
        self._sums: dict[Labels, int | Decimal] = {}
        self._settle = settle
        self._lock = BargingLock()
        meter.create_observable_counter(name, callbacks=[self._observe], unit=unit, description=description)
        _tallies.add(self)

    def add(self, labels: Labels, amount: int | Decimal = 1) -> None:
        """Add to the series of `labels`."""
        with self._lock:
            before = self._sums.get(labels)
            if before is None and len(self._sums) >= _MAX_SERIES:
                labels = _OVERFLOW
                before = self._sums.get(labels)
            if before is None:
                self._sums[labels] = amount
            else:
                self._sums[labels] = before + amount if type(amount) is int else _EXACT.add(before, amount)

    def _observe(self, _options: metrics.CallbackOptions) -> list[metrics.Observation]:
        self._settle()
        with self._lock:
            sums = dict(self._sums)
        return [
            metrics.Observation(total if type(total) is int else float(total), dict(labels))
            for labels, total in sums.items()
        ]

    def forget(self) -> None:
        """In a forked child: what the parent counted is the parent's to report."""
        self._lock = BargingLock()
        self._sums = {}


class Series:
    """One series of a histogram: what the SDK calls a data point."""

    __slots__ = ("buckets", "count", "largest", "smallest", "sum")

    def __init__(self, bounds: int) -> None:
        self.buckets = [0] * (bounds + 1)
        self.count = 0
        self.sum: float = 0
        self.smallest, self.largest = math.inf, -math.inf


class TalliedHistogram:
    """A histogram that adds into a dict, for a provider of our own, whose way out takes what `sums` gives.

    For the same reason as `Tally`: a synchronous SDK histogram costs nearly two spans at every `record`.
    """

    def __init__(
        self, name: str, unit: str, description: str, bounds: Sequence[float], settle: Callable[[], None]
    ) -> None:
        self._settle = settle
        self.name, self.unit, self.description, self.bounds = name, unit, description, tuple(bounds)
        self.began_ns = time.time_ns()
        self._series: dict[Labels, Series] = {}
        self._lock = BargingLock()
        _tallies.add(self)

    def record(self, value: float, labels: Labels) -> None:
        """Add a value to the series of `labels`."""
        bucket = bisect_left(self.bounds, value)
        with self._lock:
            found = self._series.get(labels)
            if found is None:
                if len(self._series) >= _MAX_SERIES:
                    labels = _OVERFLOW
                found = self._series.setdefault(labels, Series(len(self.bounds)))
            found.buckets[bucket] += 1
            found.count += 1
            found.sum += value
            if value < found.smallest:
                found.smallest = value
            if value > found.largest:
                found.largest = value

    def sums(self) -> list[tuple[dict[str, Any], Series]]:
        """The series so far, each a copy of one moment."""
        self._settle()
        with self._lock:
            found = []
            for labels, series in self._series.items():
                same = copy(series)
                same.buckets = list(series.buckets)
                found.append((dict(labels), same))
            return found

    def forget(self) -> None:
        """In a forked child: what the parent recorded is the parent's to report."""
        self._lock = BargingLock()
        self._series = {}
        self.began_ns = time.time_ns()


class _SdkHistogram:
    """One of somebody's meter provider."""

    def __init__(self, meter: metrics.Meter, name: str, unit: str, description: str, bounds: Sequence[float]) -> None:
        self._inner = meter.create_histogram(
            name, unit=unit, description=description, explicit_bucket_boundaries_advisory=bounds
        )

    def record(self, value: float, labels: Labels) -> None:
        """Record a value."""
        self._inner.record(value, dict(labels))


customers: Final[set[str]] = set()


def customer_label(customer: str | None) -> str | None:
    """A customer as a metric label: the first so many that were asked for, the rest as ``other``; `None` for none."""
    limit = settings.current().customer_metric_limit
    if customer is None or not limit:
        return None
    if customer not in customers:
        if len(customers) >= limit:
            return "other"
        customers.add(customer)
    return customer


_tallies: "weakref.WeakSet[Instruments | Tally | TalliedHistogram]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    customers.clear()
    for tally in _tallies:
        tally.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
