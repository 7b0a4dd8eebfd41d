"""`botanu.run.cost` and `botanu.llm.unpriced` as they arrive: exact sums, few labels, customers only when asked for."""

from collections import Counter

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import botanu
from botanu.tracking.llm import track_llm_call, track_tool_call

COST, UNPRICED = "botanu.run.cost", "botanu.llm.unpriced"


def bill(model="priced", name=None):
    with track_llm_call("openai", model) as call:
        call.set_tokens(1000, 1000).set_request_id(name)


@pytest.mark.parametrize("sampler", [None, ALWAYS_OFF], ids=["sampled", "unsampled"])
def test_the_sum_is_exact_and_becomes_a_float_once(desk, sampler):
    """A thousand floats of 0.003 are 3.0000000000000027."""
    here = desk(sampler, environment="staging")
    with botanu.event(workflow="W"):
        for _ in range(1000):
            bill()
    assert here.sums(COST) == [
        (
            3.0,
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "priced",
                "botanu.environment": "staging",
                "botanu.workflow": "W",
            },
        )
    ]
    assert here.sums(UNPRICED) == []


def test_what_has_no_price_is_counted_under_the_same_labels_and_costs_nothing(desk):
    here = desk(environment="staging")
    with botanu.event(workflow="W"):
        for _ in range(3):
            bill("nobody-knows")
        with track_llm_call("openai", "priced"):
            pass  # whose usage is not known
    bill("nobody-knows")  # outside any run
    assert here.sums(COST) == []
    found = {(labels["gen_ai.request.model"], labels.get("botanu.workflow")): n for n, labels in here.sums(UNPRICED)}
    assert found == {("nobody-knows", "W"): 3, ("priced", "W"): 1, ("nobody-knows", None): 1}
    assert {labels["botanu.environment"] for _, labels in here.sums(UNPRICED)} == {"staging"}


def test_duplicates_and_calls_that_were_refused_are_in_neither(desk):
    here = desk()
    with botanu.event(workflow="W"):
        bill(name="once")
        bill(name="once")
        with pytest.raises(ConnectionError), track_llm_call("openai", "priced"):
            raise ConnectionError
    assert [usd for usd, _ in here.sums(COST)] == [0.003]
    assert here.sums(UNPRICED) == []


def test_what_is_no_model_call_is_named_by_what_it_is(desk):
    here = desk()
    with botanu.event(workflow="W"), track_tool_call("search"):
        pass
    [(usd, labels)] = here.sums(COST)
    assert (usd, labels["gen_ai.operation.name"], labels["botanu.entry_name"]) == (0.01, "tool", "search")
    assert not {"gen_ai.provider.name", "gen_ai.request.model"} & set(labels)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, {None: 0.018}),
        (2, {"first": 0.006, "second": 0.003, "other": 0.009}),
        (50, {"first": 0.006, "second": 0.003, "third": 0.006, "fourth": 0.003}),
    ],
)
def test_customers_are_a_label_when_asked_for_and_only_so_many(desk, limit, expected):
    """The first that come have a series each, and keep it; all others share one. Nobody's money is lost."""
    here = desk(**({} if limit is None else {"customer_metric_limit": limit}))
    for customer in ("first", "second", "third", "fourth", "third", "first"):
        with botanu.event(workflow="W", customer_id=customer):
            bill()
            bill("nobody-knows")
    assert {labels.get("botanu.customer_id"): usd for usd, labels in here.sums(COST)} == expected
    unpriced = Counter({labels.get("botanu.customer_id"): count for count, labels in here.sums(UNPRICED)})
    assert set(unpriced) == set(expected)
    assert unpriced.total() == 6


def test_a_run_without_a_customer_takes_none_of_the_places(desk):
    here = desk(customer_metric_limit=1)
    for customer in (None, "first", None):
        with botanu.event(workflow="W", customer_id=customer):
            bill()
    assert {labels.get("botanu.customer_id"): usd for usd, labels in here.sums(COST)} == {None: 0.006, "first": 0.003}
