"""What the spans say of runs, for the picture of one run; money is in `demo.bills`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from demo.otlp import MetricPoint, Span

__all__ = [
    "OURS",
    "RunRecord",
    "faults_of",
    "runs_of",
    "tokens_of_metrics",
]

OURS = "botanu"
"""How the names of our instrumentation scopes begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run with all its spans, whichever service they come from."""

    run_id: str
    event_id: str
    customer: str
    workflow: str
    outcome: str
    spans: tuple[Span, ...]

    @property
    def root(self) -> Span:
        """The span that has no parent here, the earliest of them if there are several."""
        known = {span.span_id for span in self.spans}
        return min((span for span in self.spans if span.parent_id not in known), key=lambda span: span.start_ns)

    @property
    def services(self) -> set[str]:
        """The services that took part."""
        return {span.service for span in self.spans}


def runs_of(spans: Iterable[Span]) -> list[RunRecord]:
    """The spans grouped by run, in the order in which the runs began."""
    groups: defaultdict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.start_ns):
        if "botanu.run_id" in span.attributes:
            groups[span.attributes["botanu.run_id"]].append(span)
    return [
        RunRecord(
            run_id=run_id,
            event_id=_last(group, "botanu.event_id"),
            customer=_last(group, "botanu.customer_id"),
            workflow=_last(group, "botanu.workflow"),
            outcome=_first(group, "botanu.outcome.status"),
            spans=tuple(group),
        )
        for run_id, group in groups.items()
    ]


def faults_of(spans: Iterable[Span]) -> list[str]:
    """What must not be: a span inside a run without the run's id, or one transaction with two ids.

    Every trace here is one transaction, so whatever shares a trace with a run belongs to that run.
    """
    traces: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        traces[span.trace_id].append(span)
    faults = []
    for trace_id, group in traces.items():
        run_ids = {span.attributes.get("botanu.run_id") for span in group}
        without = sorted({span.name for span in group if "botanu.run_id" not in span.attributes})
        if len(run_ids - {None}) > 1:
            faults.append(f"trace {trace_id} carries several run ids: {', '.join(sorted(filter(None, run_ids)))}")
        if without and run_ids != {None}:
            faults.append(f"trace {trace_id} has spans without botanu.run_id: {', '.join(without)}")
    return faults


def tokens_of_metrics(points: Iterable[MetricPoint]) -> tuple[int, int]:
    """Input and output tokens by the metric ``gen_ai.client.token.usage``, which no sampler touches.

    Cumulative points count from the start of the process: of each series, only the last one is taken.
    """
    last: dict[str, MetricPoint] = {}
    for point in sorted(points, key=lambda point: point.time_ns):
        if point.name == "gen_ai.client.token.usage" and point.scope.startswith(OURS):
            last[repr((sorted(point.resource.items()), sorted(point.attributes.items())))] = point
    sums = {"input": 0.0, "output": 0.0}
    for point in last.values():
        sums[point.attributes["gen_ai.token.type"]] += point.sum or 0
    return round(sums["input"]), round(sums["output"])


def _first(spans: Iterable[Span], key: str) -> str:
    return next((str(span.attributes[key]) for span in spans if key in span.attributes), "–")


def _last(spans: Sequence[Span], key: str) -> str:
    """Of the latest span: a run may have been nameless when its first span began."""
    return _first(reversed(spans), key)
