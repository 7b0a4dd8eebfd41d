"""One response of a real client, seen by several reporters nested in one another: it is counted once.

A stack names the reporters from the outermost to the innermost. OpenInference patches the OpenAI client below
where the others do, and the spans that Anthropic's client makes by itself are inside everything but a transport, so
not every order exists.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec

import pytest

from botanu_core.model.usage import Usage
from botanu_core.pricing import PriceBook
from demo.invoice import Bill
from demo.otlp import LogEvent, Span
from demo.provider import Provider
from demo.receiver import Receiver
from tests.ledger_matrix.calling import MODES, SCOPES
from tests.support import script

OPENAI = [
    "tracker > otel",
    "otel > tracker",
    "tracker > openinference",
    "openinference > tracker",
    "tracker > openllmetry",
    "openllmetry > tracker",
    "otel > openllmetry",
    "openllmetry > otel",
    "otel > openinference",
    "openllmetry > openinference",
    "tracker > openllmetry > otel > openinference",
    "otel > openllmetry > openinference > tracker",
]
OLDER = [
    "tracker > older otel",
    "older otel > tracker",
    "older otel > openllmetry",
    "openllmetry > older otel",
    "older otel > openinference",
]
ANTHROPIC = [
    "tracker > native",
    "native > tracker",
    "tracker > openinference",
    "openinference > tracker",
    "tracker > openllmetry",
    "openllmetry > tracker",
    "openinference > native",
    "openllmetry > native",
    "openinference > openllmetry",
    "openllmetry > openinference",
    "tracker > openllmetry > openinference > native",
    "openinference > openllmetry > native > tracker",
]
# Only one of them can be installed beside the other: they want different versions of what they share.
IS_OLDER = find_spec("opentelemetry.instrumentation.openai_v2") is not None
STACKS = [("openai", stack) for stack in (OLDER if IS_OLDER else OPENAI)] + [
    ("anthropic", stack) for stack in ([] if IS_OLDER else ANTHROPIC)
]
# OpenLLMetry reads Anthropic's stream past the wrapper of OpenInference, whose span then ends without usage and id.
BLIND = "openllmetry > openinference"
UNKNOWN = "a call's usage is not known, and so its cost is not either (said once; botanu.doctor() counts the rest)\n"


@dataclass(frozen=True, slots=True)
class Observed:
    """What came of the calls of one stack, one a mode."""

    spans: Sequence[Span]
    events: Sequence[LogEvent]
    bills: Sequence[Bill]
    explained: dict[str, str]


def observe(client: str, stack: str) -> Observed:
    with Receiver() as receiver, Provider() as provider:
        ended = script.run(
            "from tests.ledger_matrix.calling import main; main()",
            CLIENT=client,
            STACK=stack,
            PROVIDER_URL=provider.url,
            ENDPOINT=receiver.endpoint,
        )
        assert ended.code == 0, ended.err
        assert ended.err == (UNKNOWN if (client, stack) == ("anthropic", BLIND) else ""), ended.err
        return Observed(receiver.spans(), receiver.events(), provider.invoice.rows(), json.loads(ended.out))


@pytest.fixture(scope="module")
def observed() -> Iterator[dict[tuple[str, str], Future[Observed]]]:
    """Every stack, two at a time: importing the clients is what takes long."""
    with ThreadPoolExecutor(2) as pool:
        yield {key: pool.submit(observe, *key) for key in STACKS}


@pytest.fixture(scope="module")
def book() -> PriceBook:
    """List prices."""
    return PriceBook()


def price_of(book: PriceBook, bill: Bill, more_output: int = 0, *, tells_cached: bool = True) -> Decimal:
    usage = Usage(
        input_tokens=bill.input_tokens,
        output_tokens=bill.output_tokens + more_output,
        cache_read_tokens=bill.cached_tokens if tells_cached else None,
        cache_write_tokens=bill.cache_write_tokens,
    )
    usd = book.price(usage, bill.provider, bill.model).usd
    assert usd
    return usd


CALLS = [
    (client, stack, mode)
    for client, stack in STACKS
    for mode in MODES
    if (client, stack) != ("anthropic", BLIND) or not mode.endswith("streamed")
]


@pytest.mark.parametrize(("client", "stack", "mode"), CALLS)
def test_a_call_that_several_saw_is_counted_once(observed, book, client, stack, mode):
    seen = observed[client, stack].result()
    run_span, own = run_of(seen, mode)
    sightings = nested(own, run_span, client, stack.split(" > "))

    bill = seen.bills[MODES.index(mode)]
    [entry] = [
        event
        for event in seen.events
        if event.event_name == "botanu.ledger.entry"
        and event.attributes["botanu.run_id"] == run_span.attributes["botanu.run_id"]
    ]
    # OpenLLMetry adds the output of the first event of Anthropic's stream, 1, to that of the last, which has it in.
    is_off = (client, stack.split(" > ")[-1]) == ("anthropic", "openllmetry") and mode.endswith("streamed")
    # The older instrumentation of OpenAI does not tell what was cached.
    tells_cached = not stack.endswith("older otel")
    expected = price_of(book, bill, more_output=int(is_off), tells_cached=tells_cached)
    assert Decimal(entry.attributes["botanu.cost.usd_exact"]) == expected
    assert run_span.attributes["botanu.run.llm_calls"] == 1
    assert run_span.attributes["botanu.run.duplicate_calls"] == len(sightings) - 1
    assert run_span.attributes.get("botanu.run.unpriced_calls", 0) == 0

    [winner] = [span for span in sightings if span.span_id == entry.span_id]
    losers = [span for span in sightings if span is not winner]
    assert "botanu.cost.duplicate" not in winner.attributes
    for span in losers:
        # One that knew no usage and ended before the other cannot have said so: it had been exported.
        was_undecided = span.end_ns < winner.end_ns and "botanu.cost.usd" not in span.attributes
        assert span.attributes.get("botanu.cost.duplicate") is (None if was_undecided else True)
    counted, _, left_out = seen.explained[mode].partition("left out:")
    assert winner.span_id in counted
    assert entry.attributes["botanu.entry_id"] in counted
    for span in losers:
        assert span.span_id in left_out
        assert span.span_id not in counted


@pytest.mark.skipif(IS_OLDER, reason="of the newer instrumentations")
@pytest.mark.parametrize("mode", ["streamed", "async streamed"])
def test_a_span_that_another_instrumentation_has_blinded_adds_a_call_but_no_dollar(observed, book, mode):
    """It is beside the other in the trace, and nothing that it says tells that they saw the same call."""
    seen = observed["anthropic", BLIND].result()
    run_span, _ = run_of(seen, mode)
    priced, unpriced = sorted(entries_of(seen, run_span), key=lambda entry: entry.attributes["botanu.cost.source"])
    assert unpriced.attributes["botanu.cost.source"] == "none"
    assert "botanu.cost.usd_exact" not in unpriced.attributes
    bill = seen.bills[MODES.index(mode)]
    assert Decimal(priced.attributes["botanu.cost.usd_exact"]) == price_of(book, bill, more_output=1)
    assert (run_span.attributes["botanu.run.llm_calls"], run_span.attributes["botanu.run.unpriced_calls"]) == (2, 1)


def run_of(seen: Observed, mode: str) -> tuple[Span, list[Span]]:
    """The span of a mode's run, and all spans of its trace."""
    [run_span] = [s for s in seen.spans if s.name == "botanu.run/matrix" and s.attributes["botanu.event_id"] == mode]
    return run_span, [span for span in seen.spans if span.trace_id == run_span.trace_id]


def entries_of(seen: Observed, run_span: Span) -> list[LogEvent]:
    run_id = run_span.attributes["botanu.run_id"]
    entries = [event for event in seen.events if event.event_name == "botanu.ledger.entry"]
    return [event for event in entries if event.attributes["botanu.run_id"] == run_id]


def nested(spans: Sequence[Span], run_span: Span, client: str, stack: Sequence[str]) -> list[Span]:
    """The spans of a stack, from the outermost to the innermost, having checked that they are nested so.

    OpenLLMetry's span of Anthropic is never current: what is inside it is beside it in the trace.
    """
    found, parent = [], run_span
    for name in stack:
        scope = SCOPES.get((client, name), run_span.scope)
        [span] = [each for each in spans if each.parent_id == parent.span_id and each.scope == scope]
        found.append(span)
        if (client, name) != ("anthropic", "openllmetry"):
            parent = span
    assert len(found) == len(spans) - 1
    return found


def test_one_call_a_mode_was_billed(observed):
    for client, stack in STACKS:
        assert [bill.status for bill in observed[client, stack].result().bills] == ["ok"] * len(MODES)
