"""What the demonstration concludes from spans, shown on spans that are wrong."""

from typing import Any

import pytest

from demo.otlp import MetricPoint, Span
from demo.reading import faults_of, runs_of, tokens_of_metrics


def span(name: str = "s", *, trace: str = "t", scope: str = "botanu", start_ns: int = 0, **attributes: Any) -> Span:
    """A span; `__` in an attribute's name stands for a dot."""
    return Span(
        name=name,
        kind="INTERNAL",
        trace_id=trace,
        span_id=f"{name}-{start_ns}",
        parent_id="",
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
        events=(),
        links=(),
        status="UNSET",
        status_message="",
        start_ns=start_ns,
        end_ns=start_ns,
        resource={},
        scope=scope,
    )


class TestFaults:
    @pytest.mark.parametrize(
        ("spans", "expected"),
        [
            ([span(botanu__run_id="r"), span("x", botanu__run_id="r")], []),
            ([span(trace="u"), span(trace="u")], []),
            ([span(botanu__run_id="r"), span("lost")], ["trace t has spans without botanu.run_id: lost"]),
            ([span(botanu__run_id="r"), span(botanu__run_id="q")], ["trace t carries several run ids: q, r"]),
        ],
        ids=["one run", "no run", "a span without", "two runs"],
    )
    def test_faults(self, spans, expected):
        """A span without its run, or a trace of two runs, is named."""
        assert faults_of(spans) == expected


class TestRuns:
    def test_the_latest_names_and_the_earliest_outcome(self):
        """The names come from the latest span, since a run may begin nameless; the outcome from its own, first one."""
        first = span(start_ns=1, botanu__run_id="r", botanu__workflow="POST /x", botanu__outcome__status="success")
        last = span(start_ns=2, botanu__run_id="r", botanu__workflow="Support", botanu__customer_id="acme")
        (run,) = runs_of([last, first])
        assert (run.workflow, run.customer, run.outcome) == ("Support", "acme", "success")


class TestMetrics:
    def test_only_the_last_cumulative_point_counts(self):
        """A series that is exported twice is counted once, and series of two services add up."""

        def point(kind: str, total: float, time_ns: int, service: str) -> MetricPoint:
            return MetricPoint(
                name="gen_ai.client.token.usage",
                unit="{token}",
                kind="histogram",
                attributes={"gen_ai.token.type": kind},
                sum=total,
                time_ns=time_ns,
                resource={"service.name": service},
                scope="botanu",
            )

        points = [point("input", 9, 2, "a"), point("input", 4, 1, "a"), point("input", 1, 1, "b")]
        assert tokens_of_metrics([*points, point("output", 3, 1, "a")]) == (10, 3)
