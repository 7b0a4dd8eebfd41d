"""One run as a picture."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.text import Text
from rich.tree import Tree

from demo.otlp import Span
from demo.pricelist import AGREED
from demo.reading import OURS, RunRecord

__all__ = ["draw_run", "most_telling"]

_OUTCOME_STYLE = {"success": "green", "failed": "red", "timeout": "yellow", "canceled": "magenta"}
_SERVICE_STYLE = {"front-desk": "cyan", "research": "blue"}


def most_telling(runs: Iterable[RunRecord]) -> RunRecord:
    """The run to draw: the one with the most kinds of things in it, the shortest of these."""

    def score(run: RunRecord) -> tuple[int, int]:
        names = " ".join(span.name for span in run.spans)
        has = (
            len(run.services) > 1,
            any(span.attributes.get("botanu.request.attempt", 1) > 1 for span in run.spans),
            "execute_tool" in names,
            any(_has_cached(span) for span in run.spans if span.service == run.root.service),
            run.customer in AGREED,
            run.outcome == "success",
        )
        return sum(has), -len(run.spans)

    return max(runs, key=score)


def _has_cached(span: Span) -> bool:
    return bool(span.attributes.get("gen_ai.usage.cache_read.input_tokens"))


def draw_run(console: Console, run: RunRecord) -> None:
    """One run as a tree, over all services, with durations and dollars."""
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

    @classmethod
    def of(cls, run: RunRecord) -> Self:
        children: defaultdict[str, list[Span]] = defaultdict(list)
        for span in run.spans:
            children[span.parent_id].append(span)
        return cls(children)

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
        if (usd := span.attributes.get("botanu.cost.usd")) is not None:
            label.append(f"  ${usd:.6f}", style="bold green")
        if "error.type" in span.attributes:
            label.append(f"  {span.attributes['error.type']}", style="red")
        if span.attributes.get("botanu.request.attempt", 1) > 1:
            label.append(f"  attempt {span.attributes['botanu.request.attempt']}", style="yellow")
        if left_out:
            label.append(f"  +{left_out}", style="dim")
        return label
