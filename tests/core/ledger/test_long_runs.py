"""Runs without end, and models that nobody knows: memory stays flat, and the log says a thing once."""

import json
import sys

import pytest

import botanu
from botanu.tracking.llm import track_llm_call
from tests.core.ledger.arrived import entries_at
from tests.support import script

RESIDENT = """
    import gc, json, os

    def resident():
        gc.collect()
        with open("/proc/self/statm") as pages:
            return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

"""
MILLION = """
    from decimal import Decimal
    from opentelemetry.trace import INVALID_SPAN_CONTEXT
    from botanu_core.ledger.entry import LedgerEntry, entry_id_of
    from botanu_core.ledger.run_ledger import RunLedger
    from botanu_core.ledger.sighting import Sighting
    from botanu_core.model.usage import Usage
    from botanu_core.pricing import Cost

    PAID, UNKNOWN = Cost(Decimal("0.003"), "list"), Cost(None, "none")
    USED, NOTHING = Usage(input_tokens=1000, output_tokens=1000), Usage()
    RUN = {"botanu.run_id": "r"}

    def entry(name, cost=PAID, usage=USED):
        seen = Sighting("tracker", "chat", "openai", "priced", "priced", name, usage)
        entry_id = entry_id_of("r", name, None)
        return LedgerEntry(entry_id, "llm", "chat priced", RUN, INVALID_SPAN_CONTEXT, cost, 0.1, seen)

    ledger, published, at = RunLedger(), 0, {}
    for number in range(1_000_000):
        name = f"response-{number}"
        kind = number % 10
        if kind == 0:  # two spans see it, by the same response id
            around = ledger.open()
            published += len(ledger.end(ledger.open(around), entry(name)))
            published += len(ledger.end(around, entry(name)))
        elif kind == 1:  # nobody says what was used: it waits for one who knows
            published += len(ledger.end(ledger.open(), entry(name, UNKNOWN, NOTHING)))
        elif kind == 2:  # no response id
            published += len(ledger.end(ledger.open(), entry(None)))
        else:
            published += len(ledger.end(ledger.open(), entry(name)))
        if number + 1 in (300_000, 1_000_000):
            at[number + 1] = resident()
    published += len(ledger.close())
    totals = ledger.totals
    print(json.dumps({
        "grown": at[1_000_000] - at[300_000],
        "published": published,
        "cost": str(totals.cost_usd),
        "counts": [totals.llm_calls, totals.unpriced_calls, totals.duplicate_calls],
    }))
"""


TRACKED = """
    import botanu
    from botanu.tracking.llm import track_llm_call
    from tests.core.ledger.prices import CONTRACT

    botanu.enable(instrument="none", price_contracts=[CONTRACT])
    at = []
    with botanu.event(workflow="W") as run:
        for number in range(60_000):
            with track_llm_call("openai", "priced") as call:
                call.set_tokens(1000, 1000).set_request_id(f"response-{number}")
            if number % 1000 == 999:  # else more would wait than there is room for
                assert botanu.flush()
            if number + 1 in (20_000, 60_000):
                at.append(resident())
        assert str(botanu.explain(run).totals.cost_usd) == "180.000000"
    assert botanu.disable()
    print(json.dumps({"grown": at[1] - at[0]}))
"""

flat = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from /proc")


@flat
def test_the_memory_of_a_ledger_is_flat_over_a_million_calls():
    """At the level of `RunLedger`: spans and exporters, which cost most of the time, hold nothing by the run."""
    ended = script.run(RESIDENT + MILLION)
    assert (ended.code, ended.err) == (0, "")
    said = json.loads(ended.out)
    assert said["grown"] < 2_000_000
    assert said["published"] == 1_000_000
    assert said["counts"] == [1_000_000, 100_000, 100_000]
    assert said["cost"] == "2700.000"


@flat
def test_the_memory_of_a_run_does_not_grow_with_its_calls(receiver):
    """Trackers, spans, entries and sums, all of it sent, by a process that does nothing else."""
    ended = script.run(RESIDENT + TRACKED, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out)["grown"] < 10_000_000  # forty thousand entries are 40 MB
    assert len(entries_at(receiver)) == 60_000


def test_a_hundred_calls_of_models_that_nobody_knows_are_one_warning_each(desk, caplog):
    """And a hundred and fifty in `doctor()`, which says of which model."""
    desk()
    with botanu.event(workflow="W") as run:
        for number in range(150):
            with track_llm_call("openai", "unheard-of" if number % 3 else "new") as call:
                call.set_tokens(1, 1)
    said = [record.getMessage() for record in caplog.records if record.name == "botanu"]
    assert len(said) == 2
    assert said[0].startswith("no price is known for openai/new;")
    assert said[1].startswith("no price is known for openai/unheard-of;")
    counts = botanu.doctor().counts
    assert (counts["unpriced openai/new"], counts["unpriced openai/unheard-of"]) == (50, 100)
    assert botanu.explain(run).totals.unpriced_calls == 150


def test_models_without_number_do_not_grow_what_doctor_remembers(desk, caplog):
    """A stranger may invent names; all calls are counted, from some point on under one name."""
    desk()
    for number in range(1000):
        with track_llm_call("openai", f"invented-{number}") as call:
            call.set_tokens(1, 1)
    counts = {kind: count for kind, count in botanu.doctor().counts.items() if kind.startswith("unpriced ")}
    assert sum(counts.values()) == 1000
    assert len(counts) <= 257
    assert counts["unpriced other"] > 700
    assert len(caplog.records) < 600
