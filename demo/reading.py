"""What the spans say: runs, model calls and tokens, read back from the receiver and from nowhere else."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.otlp import MetricPoint, Span

__all__ = [
    "OURS",
    "ModelCall",
    "Reconciliation",
    "RunRecord",
    "faults_of",
    "model_calls",
    "reconcile",
    "reconcile_metrics",
    "runs_of",
    "tokens_of_metrics",
]

OURS = "botanu"
"""How the names of our instrumentation scopes begin."""

_NOTHING = (0, 0, 0)

Invoice = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """A model call that was answered; tokens as in `demo.invoice.Tokens`."""

    response_id: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    span: Span

    @property
    def tokens(self) -> tuple[int, int, int]:
        """Input, output and cached tokens."""
        return self.input_tokens, self.output_tokens, self.cached_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run with all its spans, whichever service they come from, and its model calls, each once."""

    run_id: str
    customer: str
    workflow: str
    outcome: str
    spans: tuple[Span, ...]
    calls: tuple[ModelCall, ...]

    @property
    def root(self) -> Span:
        """The span that has no parent here, the earliest of them if there are several."""
        known = {span.span_id for span in self.spans}
        return min((span for span in self.spans if span.parent_id not in known), key=lambda span: span.start_ns)

    @property
    def services(self) -> set[str]:
        """The services that took part."""
        return {span.service for span in self.spans}


def model_calls(spans: Iterable[Span]) -> list[ModelCall]:
    """The calls that were answered, each once.

    Several instruments may see the same call: Anthropic's client makes a span of its own inside ours. Spans with the
    same response id are one call, and ours speaks for it.
    """
    found: dict[str, ModelCall] = {}
    for span in spans:
        identity = span.attributes.get("gen_ai.response.id")
        if identity is None or "gen_ai.usage.input_tokens" not in span.attributes:
            continue
        if identity not in found or span.scope.startswith(OURS):
            found[identity] = ModelCall(
                response_id=identity,
                input_tokens=_count(span, "gen_ai.usage.input_tokens"),
                output_tokens=_count(span, "gen_ai.usage.output_tokens"),
                cached_tokens=_count(span, "gen_ai.usage.cache_read.input_tokens"),
                span=span,
            )
    return list(found.values())


def runs_of(spans: Iterable[Span]) -> list[RunRecord]:
    """The spans grouped by run, in the order in which the runs began."""
    groups: defaultdict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.start_ns):
        if "botanu.run_id" in span.attributes:
            groups[span.attributes["botanu.run_id"]].append(span)
    return [
        RunRecord(
            run_id=run_id,
            customer=_last(group, "botanu.customer_id"),
            workflow=_last(group, "botanu.workflow"),
            outcome=_first(group, "botanu.outcome.status"),
            spans=tuple(group),
            calls=tuple(model_calls(group)),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Telemetry against the provider's invoice.

    Attributes:
        counted: Input and output tokens that telemetry counted.
        invoice: The same on the invoice.
        difference: What the two disagree by; taken request by request where possible, so that errors don't cancel out.
        basis: How the comparison was made, in a sentence.
        not_billed: Rows of the invoice without tokens, by their status.
    """

    counted: tuple[int, int]
    invoice: tuple[int, int]
    difference: int
    basis: str
    not_billed: Mapping[str, int]


def reconcile(calls: Iterable[ModelCall], invoice: Invoice) -> Reconciliation:
    """Compare call by call, over the id that both sides know it by; cached tokens count as well."""
    seen = {call.response_id: call.tokens for call in calls}
    billed = {row["request_id"]: _billed(row) for row in invoice if any(_billed(row))}
    identities = seen.keys() | billed.keys()
    pairs = [(seen.get(identity, _NOTHING), billed.get(identity, _NOTHING)) for identity in identities]
    return Reconciliation(
        counted=_in_and_out(seen.values()),
        invoice=_in_and_out(billed.values()),
        difference=sum(abs(here - there) for pair in pairs for here, there in zip(*pair, strict=True)),
        basis=f"Compared call by call over {len(identities):,} request ids, cached tokens included.",
        not_billed=_not_billed(invoice),
    )


def reconcile_metrics(points: Iterable[MetricPoint], invoice: Invoice) -> Reconciliation:
    """Compare the sums: what a sampler is for is that not every span is there, but metrics count every call."""
    counted, billed = tokens_of_metrics(points), _in_and_out(_billed(row) for row in invoice)
    return Reconciliation(
        counted=counted,
        invoice=billed,
        difference=sum(abs(here - there) for here, there in zip(counted, billed, strict=True)),
        basis="Compared as sums of gen_ai.client.token.usage, which counts unsampled calls too.",
        not_billed=_not_billed(invoice),
    )


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


def _count(span: Span, key: str) -> int:
    return int(span.attributes.get(key, 0))


def _billed(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return int(row["input_tokens"]), int(row["output_tokens"]), int(row["cached_tokens"])


def _not_billed(invoice: Invoice) -> Mapping[str, int]:
    return Counter(str(row["status"]) for row in invoice if not any(_billed(row)))


def _in_and_out(rows: Iterable[tuple[int, int, int]]) -> tuple[int, int]:
    columns = list(zip(*rows, strict=True))
    return (sum(columns[0]), sum(columns[1])) if columns else (0, 0)


def _first(spans: Iterable[Span], key: str) -> str:
    return next((str(span.attributes[key]) for span in spans if key in span.attributes), "–")


def _last(spans: Sequence[Span], key: str) -> str:
    """Of the latest span: a run may have been nameless when its first span began."""
    return _first(reversed(spans), key)
