"""What a person sees when the tickets are done."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from demo.otlp import Span
from demo.reading import OURS, ModelCall, Reconciliation, RunRecord

__all__ = ["draw_run", "most_telling", "print_reconciliation", "print_table"]

_OUTCOME_STYLE = {"success": "green", "failed": "red", "timeout": "yellow", "canceled": "magenta"}
_SERVICE_STYLE = {"front-desk": "cyan", "research": "blue"}


def print_table(console: Console, runs: Sequence[RunRecord]) -> None:
    """Runs, model calls and tokens by customer, workflow and outcome."""
    groups: defaultdict[tuple[str, str, str], list[RunRecord]] = defaultdict(list)
    for run in runs:
        groups[run.customer, run.workflow, run.outcome].append(run)
    table = Table(
        title="What the tickets used, from the spans", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for heading in ("customer", "workflow", "outcome"):
        table.add_column(heading, no_wrap=True)
    for heading in ("runs", "calls", "tokens in", "tokens out"):
        table.add_column(heading, justify="right", no_wrap=True)
    above = ("", "")
    for (customer, workflow, outcome), group in sorted(groups.items()):
        if above[0] not in ("", customer):
            table.add_section()
        table.add_row(
            "" if customer == above[0] else escape(customer),
            "" if (customer, workflow) == above else escape(workflow),
            Text(outcome, style=_OUTCOME_STYLE.get(outcome, "")),
            *_figures(group),
        )
        above = (customer, workflow)
    table.add_section()
    table.add_row("all", "", "", *_figures(runs), style="bold")
    console.print(table)


def _figures(runs: Iterable[RunRecord]) -> list[str]:
    runs = list(runs)
    calls = [call for run in runs for call in run.calls]
    input_tokens = sum(call.input_tokens for call in calls)
    output_tokens = sum(call.output_tokens for call in calls)
    return [f"{count:,}" for count in (len(runs), len(calls), input_tokens, output_tokens)]


def print_reconciliation(console: Console, source: str, result: Reconciliation) -> None:
    """`source` (``spans`` or ``metrics``) against the invoice, in one line."""
    style = "bold green" if result.difference == 0 else "bold red"
    console.print(
        f"Tokens: {sum(result.counted):,} on {source}, {sum(result.invoice):,} on the provider's invoice, "
        f"[{style}]difference {result.difference:,}[/]",
        soft_wrap=True,
        highlight=False,
    )
    console.print(f"[dim]{result.basis} Not billed: {_listed(result.not_billed)}.[/]", highlight=False)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items())) or "nothing"


def most_telling(runs: Iterable[RunRecord]) -> RunRecord:
    """The run to draw: the one with the most kinds of things in it, the shortest of these."""

    def score(run: RunRecord) -> tuple[int, int]:
        names = " ".join(span.name for span in run.spans)
        has = (
            len(run.services) > 1,
            any(span.attributes.get("botanu.request.attempt", 1) > 1 for span in run.spans),
            "execute_tool" in names,
            run.outcome == "success",
        )
        return sum(has), -len(run.spans)

    return max(runs, key=score)


def draw_run(console: Console, run: RunRecord) -> None:
    """One run as a tree, over all services, with durations and tokens."""
    console.print(
        f"One run: [bold]{escape(run.workflow)}[/] for [bold]{escape(run.customer)}[/], "
        f"[{_OUTCOME_STYLE.get(run.outcome, 'bold')}]{run.outcome}[/]",
        highlight=False,
    )
    console.print(f"run_id {run.run_id}, on all {len(run.spans)} spans", highlight=False)
    console.print("[dim]+1: spans of other libraries that are counted, not drawn.[/]", highlight=False)
    console.print(_Drawing.of(run).tree(run.root), no_wrap=True, overflow="ellipsis")


@dataclass(frozen=True, slots=True)
class _Drawing:
    children: Mapping[str, Sequence[Span]]
    calls: Mapping[str, ModelCall]

    @classmethod
    def of(cls, run: RunRecord) -> Self:
        children: defaultdict[str, list[Span]] = defaultdict(list)
        for span in run.spans:
            children[span.parent_id].append(span)
        return cls(children, {call.span.span_id: call for call in run.calls})

    def tree(self, span: Span, *, above: Span | None = None) -> Tree:
        """The span and what happened below it; see `_below` for what is left out, and only counted."""
        drawn, left_out = self._below(span)
        tree = Tree(self._label(span, above, left_out), guide_style="dim")
        for child in drawn:
            tree.children.append(self.tree(child, above=span))
        return tree

    def _below(self, span: Span) -> tuple[list[Span], int]:
        """The spans to draw right below this one, and how many are left out.

        Left out are spans of other libraries with nothing of ours below them, and those that only lie in between,
        such as a web framework's; of those, the children move up.
        """
        drawn: list[Span] = []
        left_out = 0
        for child in self.children.get(span.span_id, ()):
            if child.scope.startswith(OURS) or (child.kind != "INTERNAL" and self._leads_to_ours(child)):
                drawn.append(child)
            else:
                further, more = self._below(child)
                drawn += further
                left_out += more + 1
        return drawn, left_out

    def _leads_to_ours(self, span: Span) -> bool:
        return any(
            child.scope.startswith(OURS) or self._leads_to_ours(child) for child in self.children.get(span.span_id, ())
        )

    def _label(self, span: Span, above: Span | None, left_out: int) -> Text:
        label = Text()
        if above is None or above.service != span.service:
            label.append(f"{span.service} ", style=f"bold {_SERVICE_STYLE.get(span.service, '')}")
        label.append(span.name, style="red" if span.status == "ERROR" else "")
        label.append(f"  {span.duration_ms:,.{0 if span.duration_ms >= 10 else 1}f} ms", style="dim")
        if (call := self.calls.get(span.span_id)) is not None:
            output = f", {call.output_tokens:,} out" if call.output_tokens else ""
            label.append(f"  {call.input_tokens:,} in{output}", style="green")
        if "error.type" in span.attributes:
            label.append(f"  {span.attributes['error.type']}", style="red")
        if span.attributes.get("botanu.request.attempt", 1) > 1:
            label.append(f"  attempt {span.attributes['botanu.request.attempt']}", style="yellow")
        if left_out:
            label.append(f"  +{left_out}", style="dim")
        return label
