"""How metrics leave: a meter provider of our own, with histograms tallied here among what it has collected."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, cast

from opentelemetry.sdk.metrics import Histogram as HistogramInstrument
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource

from botanu_core.runtime.instruments import SCOPE, Instruments, TalliedHistogram
from botanu_core.sdk.config import BotanuConfig
from botanu_core.sdk.ending import readers_of
from botanu_core.sdk.outlet import Outlet

__all__ = ["MetricOutlet", "metering", "renewed"]


class MetricOutlet(MetricExporter):
    """Metrics. A collection that is not taken is not lost: sums and histograms are cumulative."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__(*outlet.preferred)
        self.outlet = outlet
        self.histograms: Sequence[TalliedHistogram] = ()
        self._pid = os.getpid()

    @property
    def takes_tallies(self) -> bool:
        """Whether histograms may be tallied by ourselves: cumulative ones, with bounds."""
        temporality, aggregation = self._preferred_temporality or {}, self._preferred_aggregation or {}
        is_cumulative = temporality.get(HistogramInstrument, _CUMULATIVE) is _CUMULATIVE
        return is_cumulative and isinstance(
            aggregation.get(HistogramInstrument, _WITH_BOUNDS), ExplicitBucketHistogramAggregation
        )

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        """Send a collection; in a forked child, where `renewed` has made another, none: its sums are the parent's."""
        if self._pid != os.getpid():
            return MetricExportResult.SUCCESS
        collected = _with_tallies(metrics_data, self.histograms)
        sent = self.outlet.send(collected, 1, timeout_millis=timeout_millis)
        return MetricExportResult.SUCCESS if sent else MetricExportResult.FAILURE

    def force_flush(self, *_: Any, **__: Any) -> bool:
        """Nothing is held."""
        return True

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Close."""
        if self._pid == os.getpid():
            self.outlet.close()


_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE
_WITH_BOUNDS: Final = ExplicitBucketHistogramAggregation()


def metering(outlet: Outlet, config: BotanuConfig, resource: Resource) -> Instruments:
    """Our instruments, on a meter provider of our own, which nobody else's metrics leave by."""
    way_out = MetricOutlet(outlet)
    reader = PeriodicExportingMetricReader(way_out, config.metric_interval_s * 1000)
    provider = MeterProvider([reader], resource, shutdown_on_exit=False)
    instruments = Instruments(provider, is_ours=way_out.takes_tallies)
    way_out.histograms = instruments.tallied
    return instruments


def renewed(instruments: Instruments, outlet: Outlet, config: BotanuConfig, resource: Resource) -> Instruments:
    """In a forked child, instruments in place of the parent's.

    The parent's sums would be reported twice, and another thread of the parent may have held its locks.
    """
    for reader in readers_of(cast(MeterProvider, instruments.provider)):
        reader._ticker = _nothing  # what the SDK starts in the child
    return metering(outlet, config, resource)


def _nothing() -> None:
    pass


def _with_tallies(collected: MetricsData, histograms: Sequence[TalliedHistogram]) -> MetricsData:
    """`collected` with the histograms, in our own scope.

    Our counters are collected whenever anything is recorded, so that the scope is there.
    """
    now_ns = time.time_ns()
    ours = [found for each in histograms if (found := _metric(each, now_ns)) is not None]
    if not ours:
        return collected
    resources = [
        replace(
            resource,
            scope_metrics=[
                replace(scope, metrics=[*scope.metrics, *ours]) if scope.scope.name == SCOPE else scope
                for scope in resource.scope_metrics
            ],
        )
        for resource in collected.resource_metrics
    ]
    return replace(collected, resource_metrics=resources)


def _metric(histogram: TalliedHistogram, now_ns: int) -> Metric | None:
    points = [
        HistogramDataPoint(
            attributes=labels,
            start_time_unix_nano=histogram.began_ns,
            time_unix_nano=now_ns,
            count=series.count,
            sum=series.sum,
            bucket_counts=series.buckets,
            explicit_bounds=histogram.bounds,
            min=series.smallest,
            max=series.largest,
        )
        for labels, series in histogram.sums()
    ]
    if not points:
        return None
    data = Histogram(data_points=points, aggregation_temporality=AggregationTemporality.CUMULATIVE)
    return Metric(name=histogram.name, description=histogram.description, unit=histogram.unit, data=data)
