"""Tables and targets as values, and how they look: in the terminal and in README.md."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.harness import Figure

__all__ = ["Table", "Target", "cell", "page", "show", "with_table"]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that must not exceed a limit."""

    what: str
    value: float
    limit: float
    unit: str = "×"

    @property
    def is_met(self) -> bool:
        """Whether the figure, as printed, keeps the limit."""
        return round(self.value, 2) <= self.limit


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its cells are text already.

    Attributes:
        title: The heading above it.
        text: What it shows, a sentence or two.
        header: Column names.
        rows: Cells, one tuple a row.
        targets: What was promised for figures of this table.
        notes: Lines below it.
    """

    title: str
    text: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = field(default=())


def cell(figure: Figure | None) -> str:
    """A figure with its quartiles; a dash where there is none."""
    return "–" if figure is None else f"**{figure.value:.2f}** ({figure.low:.2f}–{figure.high:.2f})"


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *(["---:"] * (len(header) - 1))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *rows))


def _targets(targets: Sequence[Target]) -> str:
    rows = [
        (target.what, f"{target.value:.2f} {target.unit}", f"{target.limit:.2f} {target.unit}", _verdict(target))
        for target in targets
    ]
    return _grid(("what", "measured", "at most", ""), rows)


def _verdict(target: Target) -> str:
    return "met" if target.is_met else f"**missed** by {target.value - target.limit:.2f}"


def _section(table: Table) -> str:
    parts = [f"## {table.title}", table.text, _grid(table.header, table.rows), *table.notes]
    return "\n\n".join(part for part in parts if part)


def page(tables: Sequence[Table], method: str, facts: Sequence[str]) -> str:
    """The whole of README.md.

    Args:
        tables: In their order.
        method: One paragraph on how the figures came about.
        facts: What the machine line says beside Python and the cores.
    """
    machine = [f"Python {platform.python_version()}", f"{os.cpu_count()} cores", platform.system(), *facts]
    targets = [target for table in tables for target in table.targets]
    parts = [
        "# Benchmarks",
        "Written by `python3 -m nox -s bench`; do not edit by hand.",
        "Machine: " + ", ".join(machine) + ".",
        "## Targets",
        _targets(targets),
        *(_section(table) for table in tables),
        "## Method",
        method,
    ]
    return "\n\n".join(parts) + "\n"


def with_table(text: str, table: Table) -> str:
    """README.md with one table and its targets written anew, and all else as it stands; at the end where it is new."""
    head, *sections = text.split("\n## ")
    names = {target.what for target in table.targets}
    found = False
    for place, section in enumerate(sections):
        title, _, rest = section.partition("\n")
        if title == "Targets":
            kept = [line for line in rest.splitlines() if line.split(" | ")[0].removeprefix("| ") not in names]
            rows = _targets(table.targets).splitlines()[2:]
            sections[place] = "\n".join([title, "", *filter(None, kept), *rows, ""])
        elif title == table.title:
            sections[place], found = _section(table).removeprefix("## ") + "\n", True
    if not found:
        sections.insert(len(sections) - 1, _section(table).removeprefix("## ") + "\n")
    return "\n## ".join([head, *sections])


def show(console: Console, table: Table) -> None:
    """Print one table and its targets."""
    console.print(f"\n[bold]{table.title}[/bold]\n{table.text}", highlight=False)
    _print_grid(console, table.header, table.rows)
    for note in table.notes:
        console.print(note, highlight=False, markup=False)
    for target in table.targets:
        verdict = "[green]met[/green]" if target.is_met else "[red]missed[/red]"
        limits = f"{target.value:.2f} {target.unit}, at most {target.limit:.2f} {target.unit}"
        console.print(f"  {verdict:<24} {target.what}: {limits}", highlight=False)


def _print_grid(console: Console, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    grid = Grid(box=SIMPLE)
    for number, name in enumerate(header):
        grid.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(text.replace("**", "").replace("`", "") for text in row))
    console.print(grid)
