"""Times contenders against each other in interleaved rounds of one process.

A machine's speed drifts by tens of per cent within seconds. So every round times every contender, in an order that
rotates, and a figure is the median over the rounds of a ratio taken *within* each round: what drifts, drifts for
both sides of the ratio.
"""

import asyncio
import gc
import inspect
import itertools
import statistics
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

__all__ = ["BARE", "HTTP_SPAN", "Contender", "Figure", "Rounds", "Samples", "difference", "measure", "ratio"]

BARE = "bare span"
"""The name of the contender that is the unit: `with tracer.start_as_current_span("x"): pass`."""
HTTP_SPAN = "an HTTP server span around"
"""The name of the contender that the web adapters are measured from: the application in a span of the SDK alone."""

Samples = dict[str, list[float]]
"""Nanoseconds an iteration, one number a round, by contender."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One thing to time.

    Attributes:
        name: Its key in the samples.
        call: What one iteration does; a coroutine function is awaited in a running loop.
        around: Makes a context manager that is entered around a round, outside the clock.
        slowness: By what the iterations of a round are divided, for a call that takes long beside others of its table.
    """

    name: str
    call: Callable[[], Any]
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    slowness: int = 1


@dataclass(frozen=True, slots=True)
class Rounds:
    """How long to measure: `count` rounds of `iterations` each, too few to fill a batch of 512 spans."""

    count: int = 100
    iterations: int = 500


@dataclass(frozen=True, slots=True)
class Figure:
    """A median over the rounds, with the quartiles as its spread."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """Median and quartiles of `values`."""
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)


def measure(
    contenders: Sequence[Contender],
    rounds: Rounds,
    progress: Callable[[int, int], None],
    settle: Callable[[], object] = gc.collect,
) -> Samples:
    """Time `contenders` in interleaved rounds.

    Args:
        contenders: What to time; names are unique.
        rounds: How often and how long.
        progress: Told after each round how many of how many are done.
        settle: Called before each contender's turn, outside the clock, so that none inherits another's backlog.
    """
    loop = asyncio.new_event_loop()
    try:
        return _measure(contenders, rounds, progress, _Turn(loop, settle))
    finally:
        loop.close()


def _measure(
    contenders: Sequence[Contender],
    rounds: Rounds,
    progress: Callable[[int, int], None],
    turn: "_Turn",
) -> Samples:
    samples: Samples = {contender.name: [] for contender in contenders}
    warm_up = max(rounds.iterations // 4, 50)
    for contender in contenders:
        turn.time(contender, warm_up)
    gc.collect()
    gc.freeze()  # What is loaded by now need not be walked by the collections between rounds.
    for number in range(rounds.count):
        first = number % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            samples[contender.name].append(turn.time(contender, rounds.iterations))
        progress(number + 1, rounds.count)
    gc.unfreeze()
    return samples


@dataclass(frozen=True, slots=True)
class _Turn:
    """One contender's part of a round."""

    loop: asyncio.AbstractEventLoop
    settle: Callable[[], object]

    def time(self, contender: Contender, iterations: int) -> float:
        """Nanoseconds an iteration, of `iterations` or as many as a slow call is given."""
        iterations = max(iterations // contender.slowness, 1)
        self.settle()
        gc.collect()
        gc.disable()
        try:
            with contender.around():
                if inspect.iscoroutinefunction(contender.call):
                    return self.loop.run_until_complete(_awaited(contender.call, iterations))
                return _called(contender.call, iterations)
        finally:
            gc.enable()


def _called(call: Callable[[], Any], iterations: int) -> float:
    start = perf_counter_ns()
    for _ in itertools.repeat(None, iterations):
        call()
    return (perf_counter_ns() - start) / iterations


async def _awaited(call: Callable[[], Awaitable[Any]], iterations: int) -> float:
    start = perf_counter_ns()
    for _ in itertools.repeat(None, iterations):
        await call()
    return (perf_counter_ns() - start) / iterations


def ratio(samples: Samples, name: str, unit: str = BARE) -> Figure:
    """What `name` costs, in units of `unit` of the same round."""
    return Figure.of([own / one for own, one in zip(samples[name], samples[unit], strict=True)])


def difference(samples: Samples, more: str, less: str, unit: str = BARE) -> Figure:
    """What `more` costs beyond `less`, in units of `unit` of the same round."""
    rounds = zip(samples[more], samples[less], samples[unit], strict=True)
    return Figure.of([(one - other) / base for one, other, base in rounds])
