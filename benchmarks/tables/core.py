"""Runs, stamping and model calls of our own."""

from typing import Any

from benchmarks import ours
from benchmarks.bench import CONFIG_TITLES, Bench
from benchmarks.harness import Contender, Figure, Samples, difference, ratio
from benchmarks.peers import names
from benchmarks.providers import CONFIGS, Config
from benchmarks.report import Table, Target, cell

ORDER = 10
STANDS_ALONE = True  # ratios, taken within a process
DISTRIBUTIONS = ours.DISTRIBUTIONS

_LIMITS: dict[str, dict[Config, float]] = {
    "event, enter and exit": {"spans": 2.8, "everything": 5.0},
    "stamping six attributes on a child": {"spans": 0.4, "everything": 0.4},
    "track_llm_call, set_tokens": {"spans": 2.2, "everything": 4.5},
}


def contenders(config: Config) -> list[Contender]:
    """The engine's hot paths."""
    ours.enable(config)
    import botanu
    from botanu.tracking.llm import track_llm_call

    def opened() -> Any:
        return botanu.event(workflow="w", event_id="e", customer_id="c", tenant_id="t")

    def run() -> None:
        with botanu.event(workflow="w", event_id="e", customer_id="c"):
            pass

    def llm() -> None:
        with track_llm_call(provider="openai", model="gpt-4") as tracker:
            tracker.set_tokens(input_tokens=150, output_tokens=200)

    def step() -> None:
        with botanu.step("s"):
            pass

    return [*names.all_of(run, opened, llm), Contender("step", step, around=opened)]


def _figures(samples: Samples) -> dict[str, Figure]:
    return {
        "event, enter and exit": ratio(samples, names.RUN),
        "stamping six attributes on a child": difference(samples, names.CHILD_INSIDE, names.CHILD_OUTSIDE),
        "track_llm_call, set_tokens": ratio(samples, names.LLM),
        "track_llm_call, set_tokens, inside a run": ratio(samples, names.LLM_INSIDE),
        "a child span outside a run": ratio(samples, names.CHILD_OUTSIDE),
        "step inside a run": ratio(samples, "step"),
    }


def table(bench: Bench) -> Table:
    """What the engine costs, in bare spans."""
    figures = {config: _figures(samples) for config, samples in bench.both(__name__).items()}
    rows = [(label, *(cell(figures[config][label]) for config in CONFIGS)) for label in figures["spans"]]
    targets = [
        Target(f"{label}, {CONFIG_TITLES[config]}", figures[config][label].value, limit)
        for label, limits in _LIMITS.items()
        for config, limit in limits.items()
    ]
    return Table(
        title="The engine",
        text="In units of a bare span; the quartiles of the rounds in brackets.",
        header=("", *(CONFIG_TITLES[config] for config in CONFIGS)),
        rows=rows,
        targets=targets,
    )
