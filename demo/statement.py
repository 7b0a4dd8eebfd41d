"""The money, as a person sees it: who cost how much, for what, and whether the provider says the same."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from demo.bills import Bill, Comparison, Entry, Finished, bills_by
from demo.pricelist import AGREED

__all__ = ["print_bills", "print_comparison", "print_explanation", "print_models", "print_sampling"]

_SHOWN_DIFFERENCES = 10
_WIDTH = 80


def print_bills(
    console: Console, heading: str, attribute: str, entries: Sequence[Entry], runs: Sequence[Finished]
) -> None:
    """A row a customer, or a workflow: what was spent, and on how much success."""
    table = _table(heading, attribute, "runs", "successes", "tokens", "cost", "per success", "unpriced")
    for bill in bills_by(lambda row: str(getattr(row, attribute)), entries, runs):
        table.add_row(*_bill_cells(bill))
    table.add_section()
    (everything,) = bills_by(lambda _: "all", entries, runs)
    table.add_row(*_bill_cells(everything), style="bold")
    console.print(table)


def _bill_cells(bill: Bill) -> tuple[str | Text, ...]:
    per_success = bill.usd_per_success
    return (
        escape(bill.name),
        f"{bill.runs:,}",
        f"{bill.successful:,}",
        f"{bill.tokens:,}",
        Text(_cents(bill.usd), style="green"),
        Text(_cents(per_success) if per_success is not None else "–", style="bold green"),
        Text(f"{bill.unpriced:,}", style="yellow") if bill.unpriced else "",
    )


def print_models(console: Console, entries: Sequence[Entry]) -> None:
    """A row a model, and a tool that has a price."""
    table = _table("By model, and tool", "model", "calls", "tokens", "cached", "cost", "unpriced")
    for bill in bills_by(lambda row: row.model if isinstance(row, Entry) else "", entries):
        table.add_row(
            escape(bill.name),
            f"{bill.calls:,}",
            f"{bill.tokens:,}",
            f"{bill.cached:,}",
            Text(_cents(bill.usd), style="green"),
            Text(f"{bill.unpriced:,}", style="yellow") if bill.unpriced else "",
        )
    console.print(table)


def _table(heading: str, first: str, *columns: str) -> Table:
    table = Table(title=heading, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title_style="bold")
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def print_sampling(console: Console, *, ratio: float, traces: int, tickets: int, entries: int, tokens: int) -> None:
    """What the head sampler left, and what it could not touch.

    Args:
        ratio: The sampler's.
        traces: Runs of which there is any span.
        tickets: Runs there were.
        entries: Entries of the ledger.
        tokens: What the ledger counted; the metrics have counted the same.
    """
    console.print(
        f"The sampler kept the spans of {traces:,} of {tickets:,} runs (it was set to {ratio:g}); the ledger holds all "
        f"{entries:,} entries.\nMetrics, which no sampler touches either, count the same {tokens:,} tokens.",
        highlight=False,
    )


def print_explanation(console: Console, ticket: str, text: str) -> None:
    """What `botanu.explain(run)` prints, cut to the width of a terminal."""
    console.print(f"[bold]print(botanu.explain(run))[/] in the front desk, of {escape(ticket)}:", highlight=False)
    for line in text.splitlines():
        indent = " " * (len(line) - len(line.lstrip()))
        folded = textwrap.wrap(line, _WIDTH, subsequent_indent=f"{indent}    ", break_on_hyphens=False)
        style = "green" if line.lstrip().startswith("$") else "" if line.startswith(("run", "left")) else "dim"
        for part in folded:
            console.print(Text(part, style=style))


def print_comparison(console: Console, result: Comparison, entries: Iterable[Entry]) -> None:
    """The ledger against the invoice, to the last digit."""
    tools = sum((entry.usd or Decimal(0) for entry in entries if entry.kind != "llm"), Decimal(0))
    off = result.list_usd - result.invoice_usd
    deals = ", ".join(f"{account} {percent:.0%}" for account, percent in AGREED.items())
    table = Table(
        title="The ledger against the provider's own invoice",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        show_header=False,
        padding=(0, 2, 0, 0),
    )
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_row("invoice, by the provider's price list", _usd(result.list_usd))
    table.add_row(f"less what it agreed on ({deals})", _usd(-off))
    table.add_row("invoice, due", _usd(result.invoice_usd), style="bold")
    table.add_section()
    table.add_row("ledger, model calls", _usd(result.ledger_usd), style="bold")
    if result.untold:
        table.add_row(f"{_several(result.untold, 'stream')} without usage: unpriced there", _usd(result.untold_usd))
    style = "bold red" if result.differs or result.difference_usd else "bold green"
    table.add_row("difference", _usd(result.difference_usd), style=style)
    console.print(table)
    console.print(
        f"[dim]Compared response by response over {result.responses:,} ids. Not billed: {_listed(result.not_billed)}. "
        f"Beside it, by your own contract: {_usd(tools)} for tools.[/]",
        highlight=False,
    )
    if result.differs:
        _print_differences(console, result)


def _print_differences(console: Console, result: Comparison) -> None:
    table = _table(f"{_several(len(result.differs), 'response')} with a difference", "response", "model", "us", "them")
    for found in result.differs[:_SHOWN_DIFFERENCES]:
        sides = (_usd(usd) if usd is not None else "–" for usd in (found.ledger_usd, found.invoice_usd))
        table.add_row(escape(found.response_id), escape(found.model), *sides, style="red")
    console.print(table)
    if len(result.differs) > _SHOWN_DIFFERENCES:
        console.print(f"… and {len(result.differs) - _SHOWN_DIFFERENCES} more.", style="red")


def _cents(usd: Decimal) -> str:
    return f"${usd:,.4f}"


def _usd(usd: Decimal) -> str:
    """Every digit, and no zero behind the last."""
    text = f"{abs(usd):,f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{'-' if usd < 0 else ''}${text}"


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items())) or "nothing"
