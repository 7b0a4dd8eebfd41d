"""The contenders that peers and we have in common, and the child spans that every one of them makes alike."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from opentelemetry import trace

from benchmarks.harness import Contender
from benchmarks.providers import bare_span

__all__ = ["CHILD_INSIDE", "CHILD_OUTSIDE", "LLM", "LLM_INSIDE", "RUN", "all_of", "children"]

RUN = "run"
LLM = "llm call"
LLM_INSIDE = "llm call inside a run"
CHILD_INSIDE = "child inside a run"
CHILD_OUTSIDE = "child outside"


def children(run: Callable[[], AbstractContextManager[Any]]) -> list[Contender]:
    """The same plain span, under a plain parent outside any run, and inside the run that `run()` opens around a round.

    The difference of the two is what the SDK does to a span because it belongs to a run.
    """
    tracer = trace.get_tracer("bench")

    def child() -> None:
        with tracer.start_as_current_span("x"):
            pass

    def parent() -> AbstractContextManager[Any]:
        return tracer.start_as_current_span("parent")

    return [Contender(CHILD_OUTSIDE, child, around=parent), Contender(CHILD_INSIDE, child, around=run)]


def all_of(
    run: Callable[[], Any], opened: Callable[[], AbstractContextManager[Any]], llm: Callable[[], Any]
) -> list[Contender]:
    """Every contender that an SDK is compared by.

    Args:
        run: Opens and closes a run.
        opened: Makes the context manager that holds a run open around a round.
        llm: Records a model call with its tokens.
    """
    return [
        bare_span(),
        Contender(RUN, run),
        *children(opened),
        Contender(LLM, llm),
        Contender(LLM_INSIDE, llm, around=opened),
    ]
