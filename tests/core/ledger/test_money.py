"""What a run costs, as an application sees it: totals, units, calls told of on spans, threads, and the explanation."""

import asyncio
import threading
from contextlib import contextmanager
from decimal import Decimal, localcontext

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

import botanu
from botanu.tracking.data import track_db_operation
from botanu.tracking.llm import set_llm_attributes, set_token_usage, track_llm_call, track_tool_call
from botanu_core.pricing import UnpricedModel
from tests.core.ledger.prices import ONE_CALL


def bill(response_id=None):
    with track_llm_call("openai", "priced") as call:
        call.set_tokens(1000, 1000).set_request_id(response_id)


@contextmanager
def others(name="theirs", **attributes):
    with trace.get_tracer("application").start_as_current_span(name, attributes=attributes) as span:
        yield span


def test_totals_are_on_the_runs_span_and_in_its_event(desk):
    here = desk()
    with botanu.event(workflow="W"):
        bill("a")
        bill("a")
        bill()
    said = {
        "botanu.run.cost_usd_exact": "0.006000",
        "botanu.run.llm_calls": 2,
        "botanu.run.duplicate_calls": 1,
        "botanu.run.unpriced_calls": 0,
        "botanu.run.input_tokens": 2000,
    }
    [completed] = here.completed()
    assert said.items() <= completed.attributes.items()
    assert said.items() <= here.span("botanu.run/W").items()
    assert here.total() == 2 * ONE_CALL


def test_a_background_task_that_goes_on_after_the_call_around_it_is_counted(desk):
    here = desk()

    async def background(begin):
        await begin.wait()
        bill("late")

    async def main():
        begin = asyncio.Event()
        with botanu.event(workflow="W"):
            with track_llm_call("openai", "priced") as call:
                task = asyncio.create_task(background(begin))
                await asyncio.sleep(0)
                call.set_tokens(1000, 1000)
            begin.set()
            await task

    asyncio.run(main())
    assert here.total() == 2 * ONE_CALL


def test_calls_of_a_process_that_makes_no_spans_of_its_own_are_told_apart(desk):
    """All have the span id of who called; their entries do not."""
    here = desk()
    remote = NonRecordingSpan(SpanContext(1, 2, True, TraceFlags(0)))
    trace._TRACER_PROVIDER = trace.NoOpTracerProvider()
    with trace.use_span(remote), botanu.event(workflow="W"):
        for _ in range(5):
            bill()
    entries = here.entries()
    assert len({entry.attributes["botanu.entry_id"] for entry in entries}) == 5
    assert here.total() == 5 * ONE_CALL


# --- told of on a span that is there -------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", [None, ALWAYS_OFF], ids=["sampled", "unsampled"])
@pytest.mark.parametrize(
    ("around", "step"),
    [
        pytest.param(others, None, id="theirs"),
        pytest.param(lambda: trace.use_span(botanu.get_current_run().span), None, id="the run's own"),
        pytest.param(lambda: botanu.step("s"), "s", id="a step's"),
    ],
)
def test_a_call_told_of_on_a_span_is_entered_once(desk, sampler, around, step):
    """Under that span, and in the run and the step that it was made in."""
    here = desk(sampler)
    with botanu.event(workflow="W") as run, around():
        told_on = trace.get_current_span()
        set_llm_attributes("openai", "priced", input_tokens=1000)
        set_token_usage(1000, 1000)
    [entry] = here.entries()
    assert (told_on is run.span) == (around is not others and step is None)
    assert entry.span_id == f"{told_on.get_span_context().span_id:016x}"
    assert entry.attributes["botanu.cost.usd_exact"] == "0.003000"
    assert entry.attributes["botanu.run_id"] == run.run_id
    assert entry.attributes.get("botanu.step") == step


def test_two_responses_told_of_on_one_span_are_two_calls(desk):
    here = desk()
    with botanu.event(workflow="W"), others():
        for name in ("a", "a", "b"):
            set_llm_attributes("openai", "priced", input_tokens=1000, output_tokens=1000, provider_request_id=name)
    assert sorted(entry.attributes["gen_ai.response.id"] for entry in here.entries()) == ["a", "b"]


def test_a_span_that_outlives_the_run_it_was_told_in_is_not_read_again(desk):
    here = desk()
    with others():
        with botanu.event(workflow="W"):
            set_llm_attributes("openai", "priced", input_tokens=1000, output_tokens=1000)
        with trace.use_span(trace.get_current_span()), botanu.event(workflow="W"):
            bill()
    assert here.total() == 2 * ONE_CALL


def test_what_is_told_inside_a_tracker_is_the_trackers(desk):
    here = desk()
    with track_llm_call("openai", "priced"):
        set_llm_attributes("openai", "priced", input_tokens=1000, output_tokens=1000, provider_request_id="x")
    [entry] = here.entries()
    assert (entry.attributes["gen_ai.response.id"], here.total()) == ("x", ONE_CALL)


def test_the_spans_of_others_say_what_they_cost_and_nobody_is_warned(desk, caplog):
    """Written while the span ends, which this SDK no longer takes for open."""
    here = desk()
    used = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 1000}
    asked = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "priced"}
    with others("outer", **asked, **used), others("inner", **asked, **used):
        pass
    assert here.span("inner")["botanu.cost.usd"] == 0.003
    assert here.span("outer")["botanu.cost.duplicate"] is True
    assert not caplog.records


# --- other things that cost ----------------------------------------------------------------------------------------


def test_what_is_no_model_call_costs_what_the_contract_says(desk):
    here = desk()
    with botanu.event(workflow="W") as run:
        with track_tool_call("search"):
            set_llm_attributes("openai", "priced", input_tokens=1000, output_tokens=1000)
        with track_tool_call("free of charge"):
            pass
        with track_db_operation("postgresql", "SELECT") as query:
            query.set_result(rows_returned=3)
    found = {
        entry.attributes["botanu.entry_kind"]: entry.attributes["botanu.cost.usd_exact"] for entry in here.entries()
    }
    assert {kind: Decimal(usd) for kind, usd in found.items()} == {
        "llm": ONE_CALL,
        "tool": Decimal("0.01"),
        "database": Decimal("0.003"),
    }
    assert len({entry.attributes["botanu.entry_id"] for entry in here.entries()}) == 3
    assert botanu.explain(run).totals.tool_calls == 2


# --- strict --------------------------------------------------------------------------------------------------------


def test_strict_prices_raise_in_the_tracker_and_leave_nothing_current(desk, capsys):
    desk(strict_prices=True)
    with pytest.raises(UnpricedModel, match="no-such-model"), track_llm_call("openai", "no-such-model") as call:
        call.set_tokens(1, 1)
    assert not trace.get_current_span().get_span_context().is_valid
    with pytest.raises(UnpricedModel, match="no-such-model"):
        botanu.doctor()


def test_strict_prices_never_hide_the_applications_exception(desk):
    desk(strict_prices=True)

    def ask():
        with track_llm_call("openai", "no-such-model") as call:
            call.set_tokens(1, 1)
            raise LookupError

    with pytest.raises(LookupError):
        ask()


@pytest.mark.parametrize("tokens", ["12", float("nan"), 10**30, -1, object()])
def test_nonsense_is_unknown_and_counted(desk, tokens):
    here = desk()
    with track_llm_call("openai", "priced") as call:
        call.set_tokens(tokens, tokens)
    [entry] = here.entries()
    assert entry.attributes["botanu.usage.quality"] == "unknown"
    assert botanu.doctor().counts["unpriced openai/priced"] == 1


# --- many ----------------------------------------------------------------------------------------------------------


def test_eight_threads_and_a_hundred_tasks_in_one_run_add_up(desk):
    here = desk()

    async def task():
        for _ in range(5):
            with track_llm_call("openai", "priced") as call:
                await asyncio.sleep(0)
                call.set_tokens(1000, 1000)

    async def tasks():
        await asyncio.gather(*(task() for _ in range(100)))

    with botanu.event(workflow="W") as run:
        asyncio.run(tasks())

        def work():
            with run.active():
                for _ in range(100):
                    bill()

        threads = [threading.Thread(target=work) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert botanu.explain(run).totals.cost_usd == here.total() == 1300 * ONE_CALL


# --- explained -----------------------------------------------------------------------------------------------------


def test_it_is_explained_to_the_cent(desk):
    desk()
    with botanu.event(workflow="W") as run:
        bill("a")
        bill("a")
        with track_llm_call("openai", "nobody-knows") as call:
            call.set_tokens(7, 8)
    text = str(botanu.explain(run))
    assert f"run {run.run_id} (W): $0.003; 2 model calls, 1 without a known price" in text
    assert "1,000 input_tokens at $1 per 1,000,000 = $0.001" in text
    assert "1,000 output_tokens at $2 per 1,000,000 = $0.002" in text
    assert "reported  input_tokens 1000, output_tokens 1000 (by tracker)" in text
    assert "price     your contract: acme" in text
    assert "unpriced  'chat nobody-knows'" in text
    assert "the same response id was counted, as entry " in text


@pytest.mark.parametrize("digits", [2, 6])
def test_an_explanation_is_exact_in_an_application_that_counts_in_few_digits(desk, digits):
    desk()
    with localcontext(prec=digits), botanu.event(workflow="W") as run:
        for _ in range(1_111):
            bill()
        text = str(botanu.explain(run))
    assert f"run {run.run_id} (W): $3.333; 1,111 model calls" in text
    assert "  $0.333  earlier calls, no longer remembered one by one" in text


def test_a_tier_that_was_told_decides_the_price(desk):
    """By hand, as `llm_instrumented` reads it off a response; the tier that everybody gets is none."""
    here = desk()
    for tier in ("flex", "default"):
        with track_llm_call("openai", "gpt-5") as call:
            call.set_tokens(1_000_000, 0).set_service_tier(tier)
    flex, plain = (entry.attributes for entry in here.entries())
    assert flex["botanu.price.service_tier"] == "flex"
    assert "botanu.price.service_tier" not in plain
    assert Decimal(flex["botanu.cost.usd_exact"]) < Decimal(plain["botanu.cost.usd_exact"])
