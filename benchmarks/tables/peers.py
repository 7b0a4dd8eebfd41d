"""Ours beside its peers, each in an environment and process of its own and against its own bare span."""

import importlib
import pkgutil
import re
from types import ModuleType

from benchmarks import peers
from benchmarks.bench import Bench, WorkerFailed
from benchmarks.harness import Samples, difference, ratio
from benchmarks.peers import names
from benchmarks.providers import CONFIGS, Config
from benchmarks.report import Table

ORDER = 30

_OURS = "benchmarks.tables.core"


def table(bench: Bench) -> Table:
    """The four things that every such SDK does."""
    columns = [("this repository", _column(bench.both(_OURS)))]
    notes = []
    for module in _modules():
        try:
            python = bench.environment(module.REQUIREMENTS)
            columns.append((module.TITLE, _column(bench.both(module.__name__, python))))
            notes.append(f"- {module.TITLE}: {module.NOTE} ({_versions(bench, module)}).")
        except WorkerFailed as error:
            notes.append(f"- {module.TITLE}: skipped, {_public(error)}.")
    labels = list(columns[0][1])
    return Table(
        title="Beside others",
        text=(
            "Spans only / everything on, each in units of a bare span of the same process. The nearest equivalents are "
            "compared; they do not all do the same, and content capture is off everywhere."
        ),
        header=("", *(title for title, _ in columns)),
        rows=[(label, *(column[label] for _, column in columns)) for label in labels],
        notes=["\n".join(notes)],
    )


def _public(error: WorkerFailed) -> str:
    """The reason without paths and addresses, for a page that is published."""
    return re.sub(r"\S*/\S*/\S*", "…", str(error)).rstrip(".")


def _versions(bench: Bench, module: ModuleType) -> str:
    return ", ".join(f"{name} {version}" for name, version in bench.versions[module.__name__].items())


def _modules() -> list[ModuleType]:
    found = [importlib.import_module(f"{peers.__name__}.{each.name}") for each in pkgutil.iter_modules(peers.__path__)]
    return [module for module in found if hasattr(module, "REQUIREMENTS")]


def _column(samples: dict[Config, Samples]) -> dict[str, str]:
    parts = [_cells(samples[config]) for config in CONFIGS]
    return {label: " / ".join(part[label] for part in parts) for label in parts[0]}


def _cells(samples: Samples) -> dict[str, str]:
    return {
        "open and close a run": f"{ratio(samples, names.RUN).value:.1f}",
        "added to a child span in a run": f"{difference(samples, names.CHILD_INSIDE, names.CHILD_OUTSIDE).value:.2f}",
        "child span outside a run": f"{ratio(samples, names.CHILD_OUTSIDE).value:.2f}",
        "model call with tokens": f"{ratio(samples, names.LLM).value:.1f}",
        "model call with tokens, in a run": f"{ratio(samples, names.LLM_INSIDE).value:.1f}",
    }
