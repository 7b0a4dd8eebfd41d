"""`python -m benchmarks`: measure every table, print it, and write benchmarks/README.md."""

import argparse
import importlib
import pkgutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from rich.console import Console

from benchmarks import report, tables
from benchmarks.bench import Bench
from benchmarks.harness import Rounds

README = Path(__file__).with_name("README.md")

METHOD = """\
Contenders are timed in interleaved rounds of one process: {count} rounds of {iterations} iterations each (fewer for \
requests), in an order that rotates, after a warm-up, with the garbage collector off within a round and the queues \
emptied before it. A figure is the median over the rounds of the ratio taken within each round, so that a drifting \
machine drifts for both sides; the brackets hold the quartiles. The unit, in every column, is a bare \
`with tracer.start_as_current_span("x"): pass` of a provider with a simple processor and a no-op exporter, \
{bare:.1f} µs here. *Spans only*: the contender's provider is like that one, without meter and logger provider. \
*Everything on*: an SDK meter provider with a periodic reader, a logger provider and batching processors, all on \
no-op exporters; a round is too short to fill a batch, so that the caller's time is measured and not the exporting \
thread's. Each configuration has a process of its own, each peer an environment of its own, and none of them a \
network. The clock includes one Python call an iteration, for the unit as well.\
"""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look of about a minute; writes nothing")
    parser.add_argument(
        "--only", default="", help="tables, comma-separated; writes those that stand alone: " + ", ".join(_names())
    )
    chosen = parser.parse_args()
    wanted = [name for name in chosen.only.split(",") if name]
    if unknown := set(wanted) - set(_names()):
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    console = Console()
    rounds = Rounds(15, 300) if chosen.quick else Rounds()
    with Bench(rounds, quick=chosen.quick, console=console) as bench:
        found = [_shown(bench, module) for module in _modules() if not wanted or _name(module) in wanted]
    if not wanted and not chosen.quick:
        README.write_text(_page(bench, found), encoding="utf-8")
        console.print(f"written: {README.relative_to(README.parents[1])}")
    elif not chosen.quick:
        _write_alone(console, wanted, found)


def _write_alone(console: Console, wanted: Sequence[str], found: Sequence[report.Table]) -> None:
    """Write the tables that are measured in units of their own, and stand beside figures of another day as well."""
    modules = [module for module in _modules() if _name(module) in wanted]
    for module, table in zip(modules, found, strict=True):
        if getattr(module, "STANDS_ALONE", False):
            README.write_text(report.with_table(README.read_text(encoding="utf-8"), table), encoding="utf-8")
            console.print(f"written: {table.title}, in {README.relative_to(README.parents[1])}")


def _names() -> list[str]:
    return [each.name for each in pkgutil.iter_modules(tables.__path__)]


def _name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def _modules() -> list[ModuleType]:
    found = [importlib.import_module(f"{tables.__name__}.{name}") for name in _names()]
    return sorted(found, key=lambda module: module.ORDER)


def _shown(bench: Bench, module: ModuleType) -> report.Table:
    table: report.Table = module.table(bench)
    report.show(bench.console, table)
    return table


def _page(bench: Bench, found: Sequence[report.Table]) -> str:
    method = METHOD.format(
        count=bench.rounds.count, iterations=bench.rounds.iterations, bare=statistics.median(bench.bare_us)
    )
    own = [versions for module, versions in bench.versions.items() if module.startswith(f"{tables.__name__}.")]
    facts = sorted({f"{name} {version}" for versions in own for name, version in versions.items()})
    return report.page(found, method, facts)


if __name__ == "__main__":
    main()
