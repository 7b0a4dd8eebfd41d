"""What is found and what is found wrongly, ours beside others, over the corpus of tests/corpus."""

import importlib
import pkgutil
import re
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from benchmarks import scrubbers
from benchmarks.bench import Bench, WorkerFailed
from benchmarks.report import Table, Target

__all__ = ["columns"]

ORDER = 50

_SCRIPT = "scrub_worker.py"
_OURS = "ours"


def table(bench: Bench) -> Table:
    """Recall by kind, then what was changed of what should stay."""
    found, notes = columns(bench)
    ours = found[0][1]
    rows = [(f"found: {kind}", *(_share(each, "found", kind) for _, each in found)) for kind in ours["found"]]
    rows.append(("**found: all**", *(f"**{_share(each, 'found')}**" for _, each in found)))
    rows += [(f"wrongly: {kind}", *(_share(each, "changed", kind) for _, each in found)) for kind in ours["changed"]]
    rows.append(("**wrongly: all**", *(f"**{_share(each, 'changed')}**" for _, each in found)))
    positives, negatives = _sum(ours["found"]), _sum(ours["changed"])
    return Table(
        title="Scrubbing: what is found",
        text=(
            f"Share of {positives[1]} texts of which no secret is left, by kind, and of {negatives[1]} texts without "
            "secrets that were changed. Made from public formats and check-digit rules: tests/corpus. The others were "
            "not made for all kinds."
        ),
        header=("", *(title for title, _ in found)),
        rows=rows,
        targets=[
            Target("scrubbing, share of secrets missed", 1 - positives[0] / positives[1], 0.02, "of 1"),
            Target("scrubbing, share of other texts changed", negatives[0] / negatives[1], 0.01, "of 1"),
        ],
        notes=["\n".join(notes)],
    )


def columns(bench: Bench) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """Each scrubber's title and what was measured, ours first; and a line on each."""
    found: list[tuple[str, dict[str, Any]]] = []
    notes: list[str] = []
    for module in _modules():
        try:
            python = bench.environment(module.REQUIREMENTS) if module.REQUIREMENTS else sys.executable
            said = bench.said(_SCRIPT, module.__name__, python)
            found.append((module.TITLE, said))
            versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
            notes.append(f"- {module.TITLE}: {module.NOTE}{f' ({versions})' if versions else ''}.")
        except WorkerFailed as error:
            if module.__name__.endswith(f".{_OURS}"):
                raise
            reason = re.sub(r"\S*/\S*/\S*", "…", str(error)).rstrip(".")
            notes.append(f"- {module.TITLE}: skipped, {reason}.")
    return found, notes


def _modules() -> list[ModuleType]:
    names = sorted((each.name for each in pkgutil.iter_modules(scrubbers.__path__)), key=lambda name: name != _OURS)
    return [importlib.import_module(f"{scrubbers.__name__}.{name}") for name in names]


def _share(said: Mapping[str, Any], what: str, kind: str | None = None) -> str:
    hits, count = said[what][kind] if kind is not None else _sum(said[what])
    return f"{100 * hits / count:.1f} %".replace(".0 %", " %")


def _sum(counts: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    return sum(hits for hits, _ in counts.values()), sum(count for _, count in counts.values())
