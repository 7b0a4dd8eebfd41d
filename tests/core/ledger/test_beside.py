"""Two instrumentations that stand beside each other: neither span is around the other, and one lacks the id."""

from decimal import Decimal

import pytest
from opentelemetry import trace

import botanu

PRICE = Decimal("0.00035")
ONE, OTHER = "opentelemetry.instrumentation.openai.v1", "openinference.instrumentation.openai"


@pytest.fixture
def enabled(sdk):
    exporter = sdk()
    botanu.enable(instrument="none")
    return exporter


def begin(scope: str, response_id: str | None = None, tokens: int = 100):
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.output_tokens": 10,
    }
    if response_id is not None:
        attributes["gen_ai.response.id"] = response_id
    return trace.get_tracer(scope).start_span("chat gpt-4o", attributes=attributes)


def ended(*spans):
    for span in spans:
        span.end()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_that_saw_the_same_at_once_are_one_call(enabled, order):
    """Same place, same time, same usage: whichever ends first is counted, and the other's span says so."""
    with botanu.event("w") as run:
        spans = [begin(ONE, "resp_1"), begin(OTHER)]
        ended(*(spans[number] for number in order))
    totals = botanu.explain(run).totals
    assert (totals.llm_calls, totals.duplicate_calls, totals.cost_usd) == (1, 1, PRICE)
    flagged = [span for span in enabled.get_finished_spans() if span.attributes.get("botanu.cost.duplicate")]
    assert len(flagged) == 1
    assert "a call beside it was counted" in str(botanu.explain(run))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((ONE, "resp_1"), (OTHER, "resp_2")),  # both know which response it was
        ((ONE, None), (ONE, None)),  # one instrumentation sees a call once
        ((ONE, None, 100), (OTHER, None, 101)),  # not the same usage
    ],
)
def test_what_differs_is_two_calls(enabled, first, second):
    with botanu.event("w") as run:
        ended(begin(*first), begin(*second))
    assert botanu.explain(run).totals.llm_calls == 2


def test_one_after_the_other_is_two_calls(enabled):
    with botanu.event("w") as run:
        ended(begin(ONE))
        ended(begin(OTHER))
    assert botanu.explain(run).totals.llm_calls == 2


def test_in_two_places_is_two_calls(enabled):
    with botanu.event("w") as run:
        with botanu.step("a"):
            one = begin(ONE)
        with botanu.step("b"):
            other = begin(OTHER)
        ended(one, other)
    assert botanu.explain(run).totals.llm_calls == 2


def test_parallel_calls_that_are_alike_are_all_counted(enabled):
    """Three at once, each seen by both: three entries."""
    with botanu.event("w") as run:
        spans = [begin(scope, f"resp_{n}" if scope == ONE else None) for n in range(3) for scope in (ONE, OTHER)]
        ended(*spans)
    totals = botanu.explain(run).totals
    assert (totals.llm_calls, totals.duplicate_calls, totals.cost_usd) == (3, 3, 3 * PRICE)
