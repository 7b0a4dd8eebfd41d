"""The three ways out: spans, metrics and our own events.

Each uses the application's SDK provider where there is one and no endpoint of ours was named; else one of our own,
which is never made global: nobody else's metrics or log records leave through it.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import uuid4

from opentelemetry import _logs, metrics
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource

from botanu_core.runtime.instruments import Instruments
from botanu_core.sdk import grounds
from botanu_core.sdk.config import BotanuConfig, Signal
from botanu_core.sdk.direct import DirectEvents, DirectSpans
from botanu_core.sdk.ending import shut_all, shut_within, within
from botanu_core.sdk.exporters import make
from botanu_core.sdk.grounds import Ground
from botanu_core.sdk.metering import metering
from botanu_core.sdk.outlet import CountedBatch, CountedEvents, Outlet

__all__ = ["Signals", "resource_of"]

_ENVIRONMENT: Final = "deployment.environment.name"
_OLD_ENVIRONMENT: Final = "deployment.environment"
_INSTANCE: Final = "service.instance.id"

_HALF_MADE_S: Final = 0.5
"""How long a set-up that failed half-way may take to stop what it had started."""


def resource_of(config: BotanuConfig) -> Resource:
    """What the process says of itself: as the configuration says, else OTEL_RESOURCE_ATTRIBUTES, else our defaults."""
    fields = {"service.name": "service_name", "service.version": "service_version", _ENVIRONMENT: "environment"}
    said = {name: getattr(config, field) for name, field in fields.items() if field in config.origins}
    resource = Resource.create(said)  # without a service's name that is the SDK's own unknown_service
    if _INSTANCE not in resource.attributes:  # older SDKs: two workers' sums would be one series
        resource = resource.merge(Resource({_INSTANCE: str(uuid4())}))
    if _ENVIRONMENT in resource.attributes:
        return resource
    return resource.merge(Resource({_ENVIRONMENT: resource.attributes.get(_OLD_ENVIRONMENT, config.environment)}))


@dataclass
class Signals:
    """What `enable()` has set up, and how it ends.

    Attributes:
        outlets: Ways out of our own, by signal.
        lines: For `doctor()`: where each signal goes.
        instruments: Ours, or `None` for those on the application's meter provider.
        logger_provider: Ours, or `None` for the application's.
        spans: Our batching of spans, where they leave through us.
        events: Our batching of events, likewise.
        also: Further ways out for spans, beside the one that `enable()` has set up.
    """

    outlets: dict[Signal, Outlet] = field(default_factory=dict)
    lines: dict[Signal, str] = field(default_factory=dict)
    instruments: Instruments | None = None
    logger_provider: LoggerProvider | None = None
    spans: CountedBatch | None = None
    events: CountedEvents | None = None
    also: list[CountedBatch] = field(default_factory=list)

    @classmethod
    def set_up(cls, config: BotanuConfig, ground: Ground) -> "Signals":
        """Set up what the application has not."""
        signals = cls()
        resource = resource_of(config)
        explicit = config.otlp_endpoint is not None
        try:
            signals._set_up_spans(config, ground, explicit)
            signals._set_up_metrics(config, resource, explicit)
            signals._set_up_events(config, resource, explicit)
        except BaseException:
            signals.shut_down(_HALF_MADE_S)
            raise
        return signals

    def flush(self, timeout_s: float) -> bool:
        """Send what is waiting now, all within `timeout_s`; whether it was all handed over in time."""
        ours = self.events, self.spans, self._meter_provider, *self.also
        waiting: list[Any] = [each for each in ours if each is not None]
        return within(lambda: [each.force_flush() for each in waiting].count(False) == 0, timeout_s)

    def shut_down(self, timeout_s: float) -> None:
        """Send what is left, and stop, all within `timeout_s`."""
        ours = self.events, self.spans, *self.also
        shut_all((each for each in ours if each is not None), self._meter_provider, timeout_s)

    def _settle(self) -> None:
        if self.instruments is not None:
            self.instruments.settle()

    @property
    def _meter_provider(self) -> Any:
        return self.instruments.provider if self.instruments is not None else None

    def _outlet(self, signal: Signal, config: BotanuConfig, variable: str) -> Outlet | None:
        if os.environ.get(variable, "").strip().lower() == "none":
            self.lines[signal] = f"off ({variable}=none)"
            return None
        self.outlets[signal] = outlet = _outlet_of(signal, config)
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
            self.instruments = metering(outlet, config, resource)

    def _set_up_events(self, config: BotanuConfig, resource: Resource, explicit: bool) -> None:
        if isinstance(_logs.get_logger_provider(), LoggerProvider) and not explicit:
            self.lines["logs"] = "the application's logger provider"
            return
        outlet = self._outlet("logs", config, "OTEL_LOGS_EXPORTER")
        if outlet is not None:
            self.events = CountedEvents(outlet, config, self._settle)
            self.logger_provider = LoggerProvider(resource, shutdown_on_exit=False)
            self.logger_provider.add_log_record_processor(self.events)

    def also_to(self, config: BotanuConfig, ground: Ground) -> None:
        """Send spans to the endpoint of `config` as well; twice counts once."""
        if any(each.outlet.endpoint == config.endpoint_for("traces") for each in self.also):
            return
        batch = CountedBatch(_outlet_of("traces", config), config)
        self.also.append(batch)
        grounds.add(ground, batch)
        self.lines["traces"] += f", and OTLP to {batch.outlet.endpoint}"

    def forget_spans(self, timeout_s: float) -> None:
        """End our way out for spans; the application has brought its own."""
        if self.spans is not None:
            shut_within(self.spans, timeout_s)
            self.spans = None
        self.lines["traces"] = "the application's own exporters"

    def lost(self) -> dict[Signal, int]:
        """Spans and events that were handed to us and never taken by the collector, so far."""
        found: dict[Signal, int] = {}
        for signal in ("traces", "logs"):
            outlet = self.outlets.get(signal)
            if outlet is not None and (count := outlet.lost()):
                found[signal] = count
        if further := sum(each.outlet.lost() for each in self.also):
            found["traces"] = found.get("traces", 0) + further
        return found

    def collectors(self, signals: Iterable[Signal]) -> list[str]:
        """Where these go: each collector once."""
        outlets = [self.outlets[signal] for signal in signals if signal in self.outlets]
        outlets += [each.outlet for each in self.also if each.outlet.lost()]
        return list(dict.fromkeys(outlet.collector for outlet in outlets))


def _outlet_of(signal: Signal, config: BotanuConfig) -> Outlet:
    """The way out that a configuration asks for: to its own endpoint, or to the one of the standard variables."""
    endpoint = config.endpoint_for(signal)
    making = partial(
        make,
        config.otlp_protocol,
        signal,
        endpoint,
        config.headers_for(endpoint),
        standard_headers=config.otlp_endpoint is None,
    )
    if signal == "traces":
        return Outlet(signal, endpoint, lambda: DirectSpans(making()))
    if signal == "logs":
        resource = resource_of(config)
        return Outlet(signal, endpoint, lambda: DirectEvents(making(), resource))
    return Outlet(signal, endpoint, making)
