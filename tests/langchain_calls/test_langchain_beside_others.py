"""The same calls, seen by instrumentors of the provider's client and by other handlers of LangChain's: counted once."""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal

import pytest

from demo.provider import Provider
from demo.receiver import Receiver
from tests.langchain_calls.beside import WAYS
from tests.langchain_calls.billing import owed
from tests.support import script

STACKS = [
    "",
    "otel openai",
    "openinference openai",
    "openllmetry openai",
    "openinference langchain",
    "openllmetry langchain",
    "openinference langchain + otel openai",
    "openllmetry langchain + openllmetry openai",
    "openinference langchain + openllmetry langchain + otel openai",
]
CALLS = {"batch": 3, "graph": 2, "agraph": 2, "graph stream": 2}


def observe(stack, order):
    with Receiver() as receiver, Provider() as provider:
        ended = script.run(
            "import warnings; warnings.resetwarnings(); warnings.simplefilter('ignore')\n"
            "from tests.langchain_calls.beside import main; main()",
            BESIDE=stack,
            ORDER=order,
            PROVIDER_URL=provider.openai_url,
            ENDPOINT=receiver.endpoint,
        )
        assert ended.code == 0, ended.err
        return receiver.events(), receiver.spans(), provider.invoice.rows(), json.loads(ended.out)


@pytest.fixture(scope="module")
def observed():
    """Every stack, two at a time: importing is what takes long."""
    with ThreadPoolExecutor(2) as pool:
        keys = [(stack, order) for stack in STACKS for order in ("before", "after") if stack or order == "before"]
        yield {key: pool.submit(observe, *key) for key in keys}


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("stack", STACKS)
def test_each_call_is_counted_once_and_the_sum_is_the_invoice(stack, order, observed):
    if not stack and order == "after":
        pytest.skip("nothing is switched on beside")
    future: Future = observed[stack, order]
    events, spans, bills, explained = future.result()
    entries = [event for event in events if event.event_name == "botanu.ledger.entry"]
    assert sum(Decimal(entry.attributes["botanu.cost.usd_exact"]) for entry in entries) == owed(bills)
    assert len(entries) == len(bills)
    runs = {e.attributes["botanu.event_id"]: e.attributes for e in events if e.event_name == "botanu.run.completed"}
    assert {way: run["botanu.run.llm_calls"] for way, run in runs.items()} == {w: CALLS.get(w, 1) for w in WAYS}
    assert {run["botanu.run.unpriced_calls"] for run in runs.values()} == {0}
    ours = [span for span in spans if span.scope == "botanu" and span.name.startswith("chat ")]
    assert len(ours) == len(bills)
    others = [span for span in spans if span.scope != "botanu"]
    assert bool(others) is bool(stack)
    assert set(explained) == set(WAYS)
