"""The three ways out: spans, metrics and our own events.

Each uses the application's SDK provider where there is one and no endpoint of ours was named; else one of our own,
which is never made global: nobody else's metrics or log records leave through it.
"""

import os
import time
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import _logs, metrics
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from botanu_core.log import logger
from botanu_core.runtime import guard
from botanu_core.sdk import grounds
from botanu_core.sdk.config import BotanuConfig, Signal
from botanu_core.sdk.grounds import Ground
from botanu_core.sdk.outlet import CountedBatch, LogOutlet, MetricOutlet, Outlet, exporter_for, shut_within

__all__ = ["Signals", "resource_of"]

_HOPELESS_S = 1.0
"""How long the end waits for a collector that was away when last asked."""


def resource_of(config: BotanuConfig) -> Resource:
    """What the process says of itself; OTEL_RESOURCE_ATTRIBUTES adds to it."""
    known = {"service.name": config.service_name, "deployment.environment.name": config.environment}
    if config.service_version is not None:
        known["service.version"] = config.service_version
    return Resource.create(known)


@dataclass
class Signals:
    """What `enable()` has set up, and how it ends.

    Attributes:
        outlets: Ways out of our own, by signal.
        lines: For `doctor()`: where each signal goes.
        meter_provider: Ours, or `None` for the application's.
        logger_provider: Ours, or `None` for the application's.
        spans: Our batching of spans, where they leave through us.
    """

    outlets: dict[Signal, Outlet] = field(default_factory=dict)
    lines: dict[Signal, str] = field(default_factory=dict)
    meter_provider: MeterProvider | None = None
    logger_provider: LoggerProvider | None = None
    spans: CountedBatch | None = None
    _events: BatchLogRecordProcessor | None = None

    @classmethod
    def set_up(cls, config: BotanuConfig, ground: Ground) -> "Signals":
        """Set up what the application has not."""
        signals = cls()
        resource = resource_of(config)
        explicit = config.otlp_endpoint is not None
        signals._set_up_spans(config, ground, explicit)
        signals._set_up_metrics(config, resource, explicit)
        signals._set_up_events(config, resource, explicit)
        return signals

    def _outlet(self, signal: Signal, config: BotanuConfig, variable: str) -> Outlet | None:
        if os.environ.get(variable, "").strip().lower() == "none":
            self.lines[signal] = f"off ({variable}=none)"
            return None
        outlet = self.outlets[signal] = exporter_for(signal, config)
        self.lines[signal] = f"OTLP to {outlet.endpoint}"
        return outlet

    def _set_up_spans(self, config: BotanuConfig, ground: Ground, explicit: bool) -> None:
        if ground.kind == "foreign" and not callable(getattr(ground.provider, "add_span_processor", None)):
            self.lines["traces"] = "left to the foreign provider"
            return
        if ground.kind != "own" and not explicit:
            self.lines["traces"] = "the application's own exporters"
            return
        outlet = self._outlet("traces", config, "OTEL_TRACES_EXPORTER")
        if outlet is not None:
            self.spans = CountedBatch(outlet, config)
            grounds.add(ground, self.spans)

    def _set_up_metrics(self, config: BotanuConfig, resource: Resource, explicit: bool) -> None:
        if isinstance(metrics.get_meter_provider(), MeterProvider) and not explicit:
            self.lines["metrics"] = "the application's meter provider"
            return
        outlet = self._outlet("metrics", config, "OTEL_METRICS_EXPORTER")
        if outlet is not None:
            reader = PeriodicExportingMetricReader(MetricOutlet(outlet), config.metric_interval_s * 1000)
            self.meter_provider = MeterProvider([reader], resource, shutdown_on_exit=False)

    def _set_up_events(self, config: BotanuConfig, resource: Resource, explicit: bool) -> None:
        if isinstance(_logs.get_logger_provider(), LoggerProvider) and not explicit:
            self.lines["logs"] = "the application's logger provider"
            return
        outlet = self._outlet("logs", config, "OTEL_LOGS_EXPORTER")
        if outlet is not None:
            self._events = BatchLogRecordProcessor(
                LogOutlet(outlet),
                schedule_delay_millis=config.export_interval_s * 1000,
                max_queue_size=config.max_queue_size,
                max_export_batch_size=min(512, config.max_queue_size),
            )
            self.logger_provider = LoggerProvider(resource, shutdown_on_exit=False)
            self.logger_provider.add_log_record_processor(self._events)

    def forget_spans(self, timeout_s: float) -> None:
        """End our way out for spans; the application has brought its own."""
        if self.spans is not None:
            shut_within(self.spans, timeout_s)
            self.spans = None
        self.lines["traces"] = "the application's own exporters"

    def shut_down(self, timeout_s: float) -> bool:
        """Send what is left and stop, all within `timeout_s`. Events first: bills are made from them.

        Returns:
            Whether everything was taken.
        """
        deadline = time.monotonic() + timeout_s
        if self._events is not None:
            shut_within(self._events, self._patience("logs", deadline))
        if self.meter_provider is not None:
            try:
                self.meter_provider.shutdown(timeout_millis=self._patience("metrics", deadline) * 1000)
            except Exception as error:
                guard.failed("metrics shutdown", error)
        if self.spans is not None:
            shut_within(self.spans, self._patience("traces", deadline))
        return self._report_losses()

    def _patience(self, signal: Signal, deadline: float) -> float:
        left = max(0.05, deadline - time.monotonic())
        outlet = self.outlets.get(signal)
        return min(left, _HOPELESS_S) if outlet is not None and outlet.is_away else left

    def lost(self) -> dict[Signal, int]:
        """Spans and events that were handed to us and never taken by the collector, so far."""
        found: dict[Signal, int] = {}
        for signal in ("traces", "logs"):
            outlet = self.outlets.get(signal)
            if outlet is not None and (count := outlet.lost()):
                found[signal] = count
        return found

    def _report_losses(self) -> bool:
        lost = self.lost()
        for signal, count in lost.items():
            what = "spans" if signal == "traces" else "events"
            logger.warning("%d %s were dropped: the collector at %s did not take them", count, what,
                           self.outlets[signal].endpoint)  # fmt: skip
        return not lost

    def describe(self) -> dict[str, Any]:
        """Counts for `doctor()`."""
        return {signal: (outlet.delivered, outlet.lost()) for signal, outlet in self.outlets.items()}
