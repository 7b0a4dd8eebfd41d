"""What the demonstration concludes from ledger and invoice, shown on ones that are wrong."""

import re
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from demo.bills import bills_by, compare, entries_of, finished_of
from demo.invoice import Tokens
from demo.otlp import LogEvent
from demo.pricelist import charge
from demo.statement import print_comparison

_CACHED = Tokens(input=1000, cached=200, output=100, reasoning=60)
_WRITTEN = Tokens(input=1000, cached=200, cache_write=100, output=10)


def event(name: str, **attributes: Any) -> LogEvent:
    """A log event as the receiver keeps it; `__` in an attribute's name stands for a dot."""
    return LogEvent(
        event_name=name,
        body=None,
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
        severity="",
        trace_id="",
        span_id="",
        time_ns=0,
        resource={},
        scope="botanu",
    )


def entry(identity: str, usd: str | None, *, customer: str = "acme", tokens: int = 5, kind: str = "llm") -> LogEvent:
    """One entry; without a price its usage is unknown as well."""
    told: dict[str, Any] = {} if usd is None else {"botanu__cost__usd_exact": usd, "botanu__tokens__input": tokens}
    return event(
        "botanu.ledger.entry",
        botanu__entry_id=f"e-{identity}",
        botanu__entry_kind=kind,
        botanu__run_id="r",
        botanu__customer_id=customer,
        gen_ai__request__model="m",
        gen_ai__response__id=identity,
        botanu__cost__source="none" if usd is None else "list",
        botanu__call__status="ok",
        **told,
    )


def completed(customer: str, outcome: str) -> LogEvent:
    """One run that has ended."""
    return event(
        "botanu.run.completed",
        botanu__run_id="r",
        botanu__customer_id=customer,
        botanu__workflow="w",
        botanu__outcome__status=outcome,
    )


def row(identity: str, usd: str, tokens: int = 5) -> dict[str, Any]:
    """A row of the invoice."""
    return {
        "request_id": identity,
        "model": "m",
        "status": "ok" if tokens else "rate_limited",
        "input_tokens": tokens,
        "output_tokens": 0,
        "list_usd": usd,
        "due_usd": usd,
    }


class TestComparison:
    @pytest.mark.parametrize(
        ("events", "invoice", "differs", "untold"),
        [
            ([entry("a", "0.10")], [row("a", "0.1")], [], 0),
            ([entry("a", "0.1"), entry("a", "0.1")], [row("a", "0.1")], [], 0),
            ([entry("a", "0.1")], [row("a", "0.1"), row("b", "0", tokens=0)], [], 0),
            ([entry("a", None)], [row("a", "0.1")], [], 1),
            ([], [row("a", "0.1")], ["a"], 0),
            ([entry("a", "0.1")], [], ["a"], 0),
            ([entry("a", "0.1"), entry("b", "0.2")], [row("a", "0.2"), row("b", "0.1")], ["a", "b"], 0),
            ([entry("a", "0.1000000000001")], [row("a", "0.1")], ["a"], 0),
            ([entry("a", "0.1")], [row("a", "")], ["a"], 0),
        ],
        ids=[
            "equal", "delivered twice", "refused", "usage nobody was told", "lost entry", "never billed",
            "errors that would cancel out", "the last digit", "not on the price list",
        ],
    )  # fmt: skip
    def test_difference(self, events, invoice, differs, untold):
        """Whatever one side has and the other has not shows, response by response."""
        found = compare(entries_of(events), invoice)
        assert ([each.response_id for each in found.differs], found.untold) == (differs, untold)
        if not differs:
            assert found.difference_usd == 0

    def test_an_entry_without_an_id_is_not_forgotten(self):
        """It cannot be matched, so it is a difference."""
        assert [found.ledger_usd for found in compare(entries_of([entry("", "0.1")]), []).differs] == [Decimal("0.1")]

    def test_tools_are_not_on_the_invoice(self):
        """The provider bills models alone."""
        assert not compare(entries_of([entry("", "0.1", kind="tool")]), []).differs


def test_failures_cost_what_succeeds():
    """Two runs, one success: all the money is over that one."""
    events = [entry("a", "0.1"), entry("b", "0.3"), completed("acme", "success"), completed("acme", "failed")]
    (bill,) = bills_by(lambda row: row.customer, entries_of(events), finished_of(events))
    assert (bill.runs, bill.successful, bill.usd, bill.usd_per_success) == (2, 1, Decimal("0.4"), Decimal("0.4"))


def test_nothing_succeeded():
    """Then there is no cost a success."""
    events = [entry("a", "0.1"), completed("acme", "failed")]
    (bill,) = bills_by(lambda row: row.customer, entries_of(events), finished_of(events))
    assert bill.usd_per_success is None


@pytest.mark.parametrize(
    ("model", "tier", "tokens", "account", "expected"),
    [
        ("gpt-5-mini", "default", _CACHED, "", ("0.000405", "0.000405")),
        ("gpt-5-mini", "flex", Tokens(input=1000, output=100), "", ("0.000225", "0.000225")),
        ("claude-sonnet-5", "default", _WRITTEN, "corvid", ("0.00179", "0.0015215")),
        ("claude-sonnet-4-5", "default", Tokens(input=200_000), "", ("0.6", "0.6")),
        ("claude-sonnet-4-5", "default", Tokens(input=200_001), "", ("1.200006", "1.200006")),
    ],
)
def test_the_providers_own_arithmetic(model, tier, tokens, account, expected):
    """Worked out by hand: cached input, flex, an account's discount, and the step at 200,000 tokens."""
    assert charge(model, tier, tokens, account) == tuple(map(Decimal, expected))


def test_the_provider_does_not_guess():
    """A model that is not on its list has no price."""
    assert charge("gpt-9", "default", Tokens(input=1), "") is None


def test_what_differs_is_shown():
    """Response, model, and what either side says: a person can go and look."""
    entries = entries_of([entry("chatcmpl-1", "0.10"), entry("chatcmpl-2", "0.2")])
    said = StringIO()
    result = compare(entries, [row("chatcmpl-1", "0.10"), row("chatcmpl-2", "0.25"), row("chatcmpl-3", "0.01")])
    print_comparison(Console(file=said, width=80), result, entries)
    assert re.search(r"difference +-\$0\.06 ", said.getvalue())
    assert re.search(r"2 responses with a difference", said.getvalue())
    assert re.search(r"chatcmpl-2 +m +\$0\.2 +\$0\.25 ", said.getvalue())
    assert re.search(r"chatcmpl-3 +m +– +\$0\.01 ", said.getvalue())
    assert "chatcmpl-1" not in said.getvalue()
